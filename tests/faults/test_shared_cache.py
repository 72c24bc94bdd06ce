"""S7, S8: no secret reaches a file or an output, and a cache that others can write is verified before it is used."""

import os
import stat
from pathlib import Path

import pytest
from command_line import QUICK, artefacts, strive, write_rows
from videos import make_video

SECRET = "s3cr3t-0f-th3-us3r"
NAMES = ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "WANDB_API_KEY", "OPENAI_API_KEY", "AWS_SECRET_ACCESS_KEY",
         "STRIVE_API_TOKEN", "STRIVE_PASSWORD", "GITHUB_TOKEN")


@pytest.fixture
def given(tmp_path: Path) -> tuple[str | Path, ...]:
    """A dataset of one video, as command line arguments."""
    (tmp_path / "v").mkdir()
    make_video(tmp_path / "v" / "a.mp4", 5)
    return "--data", write_rows(tmp_path / "d.jsonl", {"q": "a.mp4"}), "--videos", tmp_path / "v"


def test_s7_secrets_of_the_environment_are_in_no_file_and_no_output(
    tmp_path: Path, given: tuple[str | Path, ...], own_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in NAMES:
        monkeypatch.setenv(name, SECRET)
    done = [strive("variants", *given, sets=QUICK), strive("status"), strive("status", "--json"), strive("cache", "ls"),
            strive("config", "show"), strive("extract", tmp_path / "none.mp4", "-v")]
    assert done[0].code == 0
    assert not [one for one in done if SECRET in one.out + one.err]
    written = [path for path in tmp_path.rglob("*") if path.is_file() and own_cache in path.parents]
    assert len(written) > 10 and not [path for path in written if SECRET.encode() in path.read_bytes()]


@pytest.mark.parametrize("mask", [0o022, 0o077, 0o002])
def test_s8_files_and_folders_follow_the_umask_and_are_writable_by_no_other(
    given: tuple[str | Path, ...], own_cache: Path, mask: int
) -> None:
    before = os.umask(mask)
    try:
        assert strive("variants", *given, sets=QUICK).code == 0
    finally:
        os.umask(before)
    modes = {path: stat.S_IMODE(path.stat().st_mode) for path in own_cache.rglob("*")}
    assert modes and not [path for path, mode in modes.items() if mode & mask or mode & 0o002]


@pytest.mark.skipif(os.getuid() != 0, reason="needs root to give a file to another user")
@pytest.mark.parametrize("stage", ["extract", "score"])
def test_s8_what_another_user_changed_is_found_out_before_it_is_used(
    given: tuple[str | Path, ...], own_cache: Path, stage: str
) -> None:
    assert strive("variants", *given, sets=QUICK).code == 0
    changed = next(path for path in artefacts(own_cache, stage)[0].path.iterdir() if path.name != "manifest.json")
    data = bytearray(changed.read_bytes())
    data[len(data) // 2] ^= 1
    changed.unlink()
    changed.write_bytes(bytes(data))
    os.chown(changed, 65534, 65534)
    changed.chmod(0o444)
    done = strive("variants", *given, "--json", sets=(*QUICK, "variants.seed=7"))
    assert done.code in (3, 6), done
    assert len(artefacts(own_cache, "variants")) == 1, "nothing was made of the changed bytes"
    assert strive("cache", "verify", "--deep").code == 6
    assert strive("cache", "verify", "--deep", "--repair").code in (0, 6)
    again = strive("variants", *given, "--json", sets=(*QUICK, "variants.seed=7"))
    assert again.code == 0 and len(artefacts(own_cache, "variants")) == 2
