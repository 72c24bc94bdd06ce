"""`strive report` writes one page for the runs named, and says what it found in each."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

MAIN = "from strive.cli.main import main; main()"


def strive(*arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", MAIN, "report", *arguments], capture_output=True, text=True, timeout=60,
        stdin=subprocess.DEVNULL, cwd=cwd,
    )


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run of three steps, the last line torn."""
    folder = tmp_path / "my run"
    folder.mkdir()
    rows = "".join(json.dumps({"step": s, "reward_mean": 0.1 * s, "accuracy": 0.5}) + "\n" for s in (1, 2, 3))
    (folder / "metrics.jsonl").write_text(rows + '{"step": 4, "rew', "utf-8")
    return folder


def answer(*arguments: str) -> dict[str, Any]:
    return json.loads(strive(*arguments, "--json").stdout)


def test_the_page_of_one_run_lies_in_the_run(run: Path) -> None:
    found = answer(str(run))
    assert found["status"] == "ok" and found["outputs"] == {"report": str(run / "report.html")}
    assert found["runs"] == [{"run": str(run), "kind": "train", "steps": 3, "rollouts": 0, "predictions": 0}]
    assert (run / "report.html").read_text("utf-8").startswith("<!doctype html>")


def test_the_page_of_several_runs_lies_here_or_where_asked(run: Path, tmp_path: Path) -> None:
    assert strive(str(run), str(run), cwd=tmp_path).stdout == "wrote report.html\n"
    assert (tmp_path / "report.html").is_file()
    assert strive(str(run), "--out", str(tmp_path / "new" / "page.html")).returncode == 0
    assert (tmp_path / "new" / "page.html").is_file()


def test_dry_run_writes_nothing(run: Path) -> None:
    assert strive(str(run), "--dry-run").returncode == 0
    assert not (run / "report.html").exists()


def test_a_folder_that_is_no_run_and_one_that_is_not_there_are_told_apart(run: Path, tmp_path: Path) -> None:
    wrong = strive(str(run), str(tmp_path), "--out", str(tmp_path / "r.html"), "--json")
    assert wrong.returncode == 2 and "not a run folder" in json.loads(wrong.stdout)["error"]["what"]
    missing = strive(str(tmp_path / "nowhere"))
    assert missing.returncode == 5 and "no such run folder" in missing.stderr
    assert not (tmp_path / "r.html").exists()
