"""Trackers: what they are given, what a resume does not give twice, and that none of them can stop a training run."""

import json
import os
import pty
import sqlite3
import struct
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from training_world import Notes, small_config

from strive.configs.errors import InterruptedRun, MissingError
from strive.stages.train import trackers
from strive.stages.train.run_folder import RunFolder
from strive.stages.train.tracker_writers import Remembered, shareable
from strive.stages.train.trackers import Kind, check_trackers, open_trackers

TESTS = [str(Path(__file__).parent), str(Path(__file__).parents[1])]
SCRIPT = """
import sys
sys.path[:0] = {tests!r}
from pathlib import Path
from training_world import Notes, small_config
from strive.stages.train.run_folder import RunFolder
from strive.stages.train.trackers import open_trackers
notes = Notes()
with open_trackers([{name!r}], RunFolder(Path({run!r})), small_config(), {after}, notes) as tracker:
    for step in range({after} + 1, {last} + 1):
        tracker.write({{"step": step, "reward_mean": step / 8, "kl": None}})
sys.stderr.write(chr(10).join(notes.lines))
"""


class Broken:
    """A tracker of somebody else's that raises its own kind of error from its second row on."""

    class Unreachable(Exception):
        """Known to nobody."""

    def __init__(self, place: object) -> None:
        self.rows = 0

    def write(self, step: int, figures: Mapping[str, float]) -> None:
        self.rows += 1
        if self.rows > 1:
            raise self.Unreachable("connection\nrefused")

    def close(self, code: int) -> None:
        raise self.Unreachable("never reached")


class Stubborn(Broken):
    """One that cannot even be opened."""

    def __init__(self, place: object) -> None:
        raise self.Unreachable


def run_folder(tmp_path: Path) -> RunFolder:
    (tmp_path / "run").mkdir(exist_ok=True)
    return RunFolder(tmp_path / "run")


def session(name: str, run: Path, after: int, last: int, **env: str) -> tuple[str, str]:
    """Rows after+1 … last in a process of its own, with a terminal for questions and talk; (stdout, talk)."""
    code = SCRIPT.format(tests=TESTS, name=name, run=str(run), after=after, last=last)
    leader, follower = pty.openpty()
    child = subprocess.Popen([sys.executable, "-c", code], stdin=follower, stdout=subprocess.PIPE, stderr=follower,
                             text=True, env={**os.environ, **env})
    os.close(follower)
    said = b""
    with suppress(OSError):  # how Linux says that the other side is closed
        while part := os.read(leader, 1 << 16):
            said += part
    os.close(leader)
    out, _ = child.communicate(timeout=60)
    assert child.returncode == 0, said
    return out, said.decode().replace("\r\n", "\n")


def test_a_tracker_without_its_package_is_refused_with_the_command_that_installs_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "only_a_folder").mkdir()
    monkeypatch.syspath_prepend(str(tmp_path))
    for name in ("only_a_folder", "nobody_has_this"):
        monkeypatch.setitem(trackers.TRACKERS, name, Kind(Broken, "rows", "wandb"))
        with pytest.raises(MissingError) as refused:
            check_trackers(["tensorboard", name])
        assert refused.value.code == 5 and "pip install strive[wandb]" in refused.value.do
    check_trackers(["tensorboard"])


def test_a_tracker_that_fails_is_given_up_with_one_warning_and_the_others_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    monkeypatch.setitem(trackers.TRACKERS, "broken", Kind(Broken, "broken rows"))
    monkeypatch.setitem(trackers.TRACKERS, "stubborn", Kind(Stubborn, "stubborn rows"))
    notes, run = Notes(), run_folder(tmp_path)
    with open_trackers(["broken", "stubborn", "tensorboard"], run, small_config(), 0, notes) as tracker:
        for step in (1, 2, 3, 4):
            tracker.write({"step": step, "loss": 1.0})
    assert notes.lines == ["no stubborn rows (Unreachable); metrics.jsonl has everything",
                           "no broken rows (connection refused); metrics.jsonl has everything"]
    assert [e.step for e in EventAccumulator(str(run.board)).Reload().Scalars("loss")] == [1, 2, 3, 4]


def test_a_signal_passes_through_a_tracker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Interrupted(Broken):
        def write(self, step: int, figures: Mapping[str, float]) -> None:
            raise InterruptedRun("stopped by SIGTERM", 143)

        def close(self, code: int) -> None:
            closed.append(code)

    closed: list[int] = []
    monkeypatch.setitem(trackers.TRACKERS, "interrupted", Kind(Interrupted, "rows"))
    notes = Notes()
    with (pytest.raises(InterruptedRun),
          open_trackers(["interrupted"], run_folder(tmp_path), small_config(), 0, notes) as tracker):
        tracker.write({"step": 1, "loss": 1.0})
    assert closed == [143] and not notes.lines


def test_tensorboard_hides_the_rows_that_a_resume_makes_again(tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    run = run_folder(tmp_path)
    for after, last, value in ((0, 4, 1.0), (2, 5, 2.0)):
        with open_trackers(["tensorboard"], run, small_config(), after, Notes()) as tracker:
            for step in range(after + 1, last + 1):
                tracker.write({"step": step, "loss": value, "kl": None, "note": "words"})
    shown = EventAccumulator(str(run.board)).Reload()
    assert [(e.step, e.value) for e in shown.Scalars("loss")] == [(1, 1), (2, 1), (3, 2), (4, 2), (5, 2)]
    assert shown.Tags()["scalars"] == ["loss"]


def test_what_is_shared_has_the_settings_but_no_secret_and_no_absolute_path() -> None:
    config = small_config(model="/home/me/models/qwen", train__rewards={"/home/me/own.py:score": 1.0})
    shared = shareable(config)
    assert shared["model"] == "qwen" and shared["train"]["rewards"] == {"own.py:score": 1.0}
    assert shared["train"]["max_new_tokens"] == 6 and shared["train"]["max_prompt_tokens"] == 16384
    assert "/home" not in json.dumps(shared)
    from strive.stages.train.tracker_writers import without_secrets

    assert without_secrets({"hub_token": "x", "api_key": "x", "db_password": "x", "from": ["https://me:pw@host/a"],
                            "windows": "C:\\Users\\me\\model"}) == {"from": ["https://host/a"], "windows": "model"}


def test_a_tracker_gets_each_step_once_over_all_resumes(tmp_path: Path) -> None:
    first = Remembered(tmp_path / "wandb.json")
    assert [first.is_new(step) for step in (1, 2, 3)] == [True] * 3
    again = Remembered(tmp_path / "wandb.json")
    assert again.id == first.id and [again.is_new(step) for step in (2, 3, 4)] == [False, False, True]
    (tmp_path / "wandb.json").write_text("torn")
    assert Remembered(tmp_path / "wandb.json").id != first.id


def wandb_records(run: Path) -> list[Any]:
    """What the offline runs hold, oldest first: a LevelDB log (32 KiB blocks of crc, length, type, data) of records."""
    from wandb.proto import wandb_internal_pb2

    found = []
    for file in sorted(run.glob("wandb/offline-run-*/run-*.wandb")):
        data, at, held = file.read_bytes(), 7, b""
        while at + 7 <= len(data):
            if 32768 - at % 32768 < 7:
                at += 32768 - at % 32768
            length, kind = struct.unpack_from("<HB", data, at + 4)
            held, at = held + data[at + 7 : at + 7 + length], at + 7 + length
            if kind in (1, 4):  # whole, or the last piece
                found.append(wandb_internal_pb2.Record.FromString(held))
                held = b""
    return found


def test_wandb_goes_on_with_the_same_run_and_holds_each_step_once(tmp_path: Path) -> None:
    pytest.importorskip("wandb", reason="the extra `wandb` is not installed")
    run = run_folder(tmp_path).root
    for after, last in ((0, 3), (2, 5)):
        out, said = session("wandb", run, after, last, WANDB_MODE="offline", HOME=str(tmp_path))
        assert out == "" and said.startswith("W&B: offline; to send it: wandb sync ") and "warning" not in said
    held = json.loads((run / "wandb.json").read_bytes())
    records = wandb_records(run)
    assert {r.run.run_id for r in records if r.HasField("run")} == {held["id"]} and held["step"] == 5
    rows = [{item.key or item.nested_key[0]: json.loads(item.value_json) for item in r.history.item}
            for r in records if r.HasField("history")]
    assert [row["reward_mean"] for row in rows] == [1 / 8, 2 / 8, 3 / 8, 4 / 8, 5 / 8]
    assert [row["_step"] for row in rows] == [1, 2, 3, 4, 5] and not any("kl" in row for row in rows)
    settings = {u.key: json.loads(u.value_json) for r in records if r.HasField("run") for u in r.run.config.update}
    assert settings["train"]["max_new_tokens"] == 6


def test_wandb_that_cannot_be_reached_is_recorded_on_disk_with_one_warning(tmp_path: Path) -> None:
    pytest.importorskip("wandb", reason="the extra `wandb` is not installed")
    run = run_folder(tmp_path).root
    unset = {name: "" for name in os.environ if name.startswith("WANDB_")}
    _, said = session("wandb", run, 0, 3, **unset, HOME=str(tmp_path))  # no key, and nobody to answer a prompt
    assert said.count("W&B cannot be used now") == 1 and "wandb sync" in said and "choice" not in said
    assert sum(r.HasField("history") for r in wandb_records(run)) == 3


def test_trackio_goes_on_with_the_same_run_and_keeps_stdout_clean(tmp_path: Path) -> None:
    pytest.importorskip("trackio", reason="the extra `trackio` is not installed")
    run, place = run_folder(tmp_path).root, {"TRACKIO_DIR": str(tmp_path / "trackio"), "HOME": str(tmp_path)}
    for after, last in ((0, 3), (2, 5)):
        out, said = session("trackio", run, after, last, **place)
        assert out == "" and "trackio show --project strive" in said and "no further" not in said
    with sqlite3.connect(tmp_path / "trackio" / "strive.db") as database:
        rows = database.execute("SELECT run_name, step, metrics FROM metrics ORDER BY step").fetchall()
    assert [(name, step) for name, step, _ in rows] == [(rows[0][0], step) for step in (1, 2, 3, 4, 5)]
    assert rows[0][0] == f"run-{json.loads((run / 'trackio.json').read_bytes())['id']}"
