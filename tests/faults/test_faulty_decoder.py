"""V11, V12, V14: a decoder that hangs, crashes or eats memory, or a file that changes meanwhile, costs one item."""

import os
import shutil
import time
from pathlib import Path

import pytest
from command_line import artefacts, strive
from videos import make_video

pytest_plugins = ["faulty_decoder"]


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return make_video(tmp_path / "source.mp4", 5)


def folder_of(source: Path, *names: str) -> Path:
    """A folder with videos of these names, each of other bytes."""
    folder = source.parent / "videos"
    folder.mkdir()
    for i, name in enumerate(names):
        shutil.copyfile(source, folder / name)
        with (folder / name).open("ab") as file:
            file.write(b"\0\0\0\x09free" + bytes([i]))
    return folder


@pytest.mark.usefixtures("faulty_decoder")
def test_v11_v12_each_harm_fails_its_own_item_and_the_run_goes_on(source: Path, own_cache: Path) -> None:
    names = ("1-good.mp4", "2-spin.mp4", "3-crash.mp4", "4-good.mp4", "5-eat.mp4", "6-abort.mp4", "7-killed.mp4",
             "8-good.mp4")
    folder, limits = folder_of(source, *names), ("extract.deadline_s=3", "extract.memory_mib=256")
    started = time.monotonic()
    done = strive("extract", folder, "--json", "--workers", "2", sets=limits)
    assert done.code == 3 and done.answer["done"] == 3 and time.monotonic() - started < 60
    assert done.reasons == {
        "2-spin.mp4": "decode took more than 3 s",
        "3-crash.mp4": "the decoder crashed (SIGSEGV)",
        "5-eat.mp4": "decoding needed more than 256 MiB of memory",
        "6-abort.mp4": "the decoder crashed (SIGABRT)",
        "7-killed.mp4": "the decoder was killed (SIGKILL; out of memory?)",
    }
    assert len(artefacts(own_cache, "extract")) == 3 and not children_of(os.getpid())


@pytest.mark.usefixtures("faulty_decoder")
def test_v11_a_spinning_decoder_holds_up_no_other_worker(source: Path) -> None:
    folder = folder_of(source, "0-spin.mp4", *(f"{i}-good.mp4" for i in range(1, 7)))
    done = strive("extract", folder, "--json", "--workers", "2", sets=("extract.deadline_s=3",))
    assert done.answer["done"] == 6 and done.reasons == {"0-spin.mp4": "decode took more than 3 s"}


@pytest.mark.slow
@pytest.mark.usefixtures("faulty_decoder")
def test_v12_a_hundred_crashes_leave_no_child_no_open_file_and_every_good_video_done(
    source: Path, own_cache: Path
) -> None:
    harms = ("crash", "abort", "killed", "eat")
    folder = folder_of(source, *(f"{i:03d}-{harms[i // 2 % 4] if i % 2 else 'good'}.mp4" for i in range(200)))
    files = len(os.listdir("/proc/self/fd"))
    done = strive("extract", folder, "--json", "--workers", "2", sets=("extract.memory_mib=256",))
    assert done.answer["done"] == 100 and len(done.reasons) == 100
    assert len(artefacts(own_cache, "extract")) == 100 and not children_of(os.getpid())
    assert len(os.listdir("/proc/self/fd")) <= files + 4
    print(sorted(set(done.reasons.values())))


@pytest.mark.parametrize("how", ["grow", "swap"])
@pytest.mark.usefixtures("faulty_decoder")
def test_v14_a_file_that_changes_while_it_is_read_fails_and_the_same_command_takes_it_later(
    source: Path, own_cache: Path, how: str
) -> None:
    folder = folder_of(source, f"1-{how}.mp4", "2-good.mp4")
    done = strive("extract", folder, "--json")
    assert done.code == 3 and done.answer["done"] == 1
    assert done.reasons[f"1-{how}.mp4"].startswith("the file changed while it was read")
    assert len(artefacts(own_cache, "extract")) == 1
    (folder.parent / "site" / "sitecustomize.py").unlink()
    assert strive("extract", folder, "--json").answer["done"] == 1


def children_of(parent: int) -> list[str]:
    """Command lines of the living decode children of a process."""
    found = []
    for place in Path("/proc").glob("[0-9]*"):
        try:
            fields = (place / "stat").read_text().rpartition(")")[2].split()
            words = (place / "cmdline").read_bytes()
        except OSError:
            continue
        if int(fields[1]) == parent and fields[0] not in "ZX" and b"strive.stages.extract" in words:
            found.append(words.decode(errors="replace"))
    return found
