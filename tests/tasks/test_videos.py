"""A dataset row's video stays inside the videos folder, whatever its name is made of."""

from pathlib import Path

import pytest

from strive.configs.errors import UsageError
from strive.stages.tasks.videos import resolve_video


@pytest.mark.parametrize("name", ["a.mp4", "sub/a.mp4", "two\nlines.mp4", "a\tb\x1b[31m.mp4", "-n.mp4", "片.mp4"])
def test_any_name_inside_the_folder_is_taken_as_it_is(name: str, tmp_path: Path) -> None:
    assert resolve_video(name, tmp_path) == tmp_path / name


@pytest.mark.parametrize(
    "name", ["", "a\0.mp4", "/etc/passwd", "../a.mp4", "sub/../../a.mp4", "C:\\a.mp4", "..\\a.mp4"]
)
def test_a_name_that_leaves_the_folder_or_is_none_is_refused_on_one_line(name: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        resolve_video(name, tmp_path)
    assert repr(name) in caught.value.what and "\n" not in caught.value.what


def test_a_link_out_of_the_folder_is_followed_only_when_asked(tmp_path: Path) -> None:
    (tmp_path / "videos").mkdir()
    (tmp_path / "videos" / "link\n.mp4").symlink_to(tmp_path / "secret.mp4")
    with pytest.raises(UsageError, match="--follow-links|link out of") as caught:
        resolve_video("link\n.mp4", tmp_path / "videos")
    assert "--follow-links" in caught.value.do
    assert resolve_video("link\n.mp4", tmp_path / "videos", follow_links=True).name == "link\n.mp4"
