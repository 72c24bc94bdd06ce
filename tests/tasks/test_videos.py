"""A dataset row's video stays inside the videos folder, whatever its name is made of."""

from pathlib import Path

import pytest

from strive.configs.errors import UsageError
from strive.configs.urls import shown_url
from strive.stages.tasks.videos import resolve_video, video_ref


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


def test_members_of_archives_in_the_folder_are_found(tmp_path: Path) -> None:
    ref = video_ref("sub/a.ZIP::in/b::c.mp4", tmp_path)
    assert (ref.id, ref.path, ref.member) == ("sub/a.ZIP::in/b::c.mp4", tmp_path / "sub" / "a.ZIP", "in/b::c.mp4")
    assert video_ref("a.zip::", tmp_path).member is None and video_ref("a.tar::b", tmp_path).member is None
    (tmp_path / "a.zip::b.mp4").touch()
    assert video_ref("a.zip::b.mp4", tmp_path).path == tmp_path / "a.zip::b.mp4"


@pytest.mark.parametrize("name", ["a.zip::../b.mp4", "a.zip::/etc/b", "a.zip::C:\\b", "../a.zip::b", "/a.zip::b",
                                  "a.zip::x/../../b", "a\0.zip::b"])
def test_members_and_archives_that_leave_are_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError):
        video_ref(name, tmp_path)


def test_an_archive_behind_a_link_is_refused_unless_links_are_followed(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "a.zip").touch()
    (tmp_path / "videos").mkdir()
    (tmp_path / "videos" / "a.zip").symlink_to(tmp_path / "out" / "a.zip")
    with pytest.raises(UsageError, match="link out of the videos folder"):
        video_ref("a.zip::b.mp4", tmp_path / "videos")
    assert video_ref("a.zip::b.mp4", tmp_path / "videos", follow_links=True).member == "b.mp4"


@pytest.mark.parametrize("url", ["http://host/a.mp4", "HTTPS://h:1/a?b=c", "s3://bucket/deep/k.mp4"])
def test_urls_are_themselves(url: str, tmp_path: Path) -> None:
    ref = video_ref(url, tmp_path)
    assert ref.url == url and ref.member is None and ref.id == shown_url(url)


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://h/a", "gs://b/k", "data://x", "http:///a", "https://host",
                                 "https://host/", "http://h:port/a", "https://h/a b", "https://h/a\nb", "s3://bucket",
                                 "https://h/a?k=…#0123", "http://[::1/a"])
def test_other_schemes_and_halves_of_urls_are_refused(url: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        video_ref(url, tmp_path)
    assert "\n" not in caught.value.what


def test_where_only_files_will_do_a_url_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is a URL"):
        resolve_video("https://me:pa55@host/a.mp4", tmp_path)
