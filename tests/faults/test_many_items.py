"""V16: ten thousand questions, one in a hundred about a broken video, are finished in constant memory."""

import json
import os
import sys
from pathlib import Path

import pytest
from command_line import QUICK, write_rows
from videos import make_video

FILES, BROKEN_EVERY = 50, 100


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """49 good videos of one second and a broken one."""
    folder = tmp_path_factory.mktemp("many") / "videos"
    folder.mkdir()
    for i in range(1, FILES):
        make_video(folder / f"{i}.mp4", 8, 8, numbers=[i * 10 + k for k in range(8)])
    (folder / "0.mp4").write_text("<html>429 Too Many Requests</html>")
    return folder


def video_of(row: int) -> str:
    """Every hundredth row is about the broken file."""
    return "0.mp4" if row % BROKEN_EVERY == 0 else f"{1 + row % (FILES - 1)}.mp4"


def run_rows(folder: Path, videos: Path, rows: int) -> tuple[int, str, str, float]:
    """Exit code, stdout, stderr and peak MiB of the command over so many rows, in a process of its own."""
    folder.mkdir()
    data = write_rows(folder / "d.jsonl", {f"q{i}": video_of(i) for i in range(rows)})
    words = [sys.executable, "-m", "strive.cli", "variants", "--data", str(data), "--videos", str(videos),
             "--cache-dir", str(folder / "cache"), *(w for one in (*QUICK, "variants.count=1") for w in ("--set", one))]
    pid = os.posix_spawn(sys.executable, words, os.environ, file_actions=[
        (os.POSIX_SPAWN_OPEN, fd, str(folder / name), os.O_WRONLY | os.O_CREAT, 0o644)
        for fd, name in ((1, "out"), (2, "err"))])
    _, status, used = os.wait4(pid, 0)
    said = [(folder / name).read_text() for name in ("out", "err")]
    return os.waitstatus_to_exitcode(status), said[0], said[1], used.ru_maxrss / 1024


@pytest.mark.slow
def test_v16_ten_thousand_rows_finish_with_one_line_the_failures_listed_and_no_more_memory(
    tmp_path: Path, videos: Path
) -> None:
    peaks = {}
    for rows in (5000, 10_000):  # both of more than one window of the runner
        code, out, err, peaks[rows] = run_rows(tmp_path / str(rows), videos, rows)
        assert code == 3, err
        assert len(out.splitlines()) == 1 and f"{rows - rows // BROKEN_EVERY} done" in out
        assert f"{rows // BROKEN_EVERY} failed ({rows // BROKEN_EVERY} not a video" in out
    listed = os.popen(f"{sys.executable} -m strive.cli status variants --failed --json "
                      f"--cache-dir {tmp_path / '10000' / 'cache'}").read()
    assert {row["id"] for row in json.loads(listed)["failed"]} == {f"q{i}" for i in range(0, 10_000, BROKEN_EVERY)}
    print(f"peak MiB: {peaks}")
    assert peaks[10_000] < peaks[5000] + 40
