"""Rewards of the user's own: imported from the user's machine alone, called under a deadline, never trusted."""

import json
import math
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from strive.configs.errors import MissingError, StoppedError, StriveError, UsageError
from strive.stages.tasks.plugins import plugin_identity
from strive.stages.tasks.prompt import PROMPT_FORMATS
from strive.stages.tasks.sample import Sample
from strive.stages.train.reward.deadline import within
from strive.stages.train.reward.rewards import RewardSet, check_names, load_rewards

SAMPLES = [Sample(f"q{i}", "v.mp4", "Which?", ("red", "blue"), "B", "multiple_choice", {"n": i}) for i in range(4)]
REPLIES = [PROMPT_FORMATS["think_answer"].parse(f"<think>{'x' * i}</think><answer>B</answer>", False) for i in range(4)]
Write = Callable[[str], str]
pytest_plugins = ["own_code"]


def one(name: str, timeout_s: float = 60.0) -> RewardSet:
    return load_rewards({name: 1.0}, timeout_s)


def totals(rewards: RewardSet) -> list[float]:
    return [scored.total for scored in rewards.score_batch(SAMPLES, REPLIES)]


def test_a_function_of_a_file_in_the_current_folder_is_a_reward_beside_built_ins(write: Write) -> None:
    name = write("def near(sample, reply):\n    return sample.meta['n'] / 4") + ":near"
    rewards = load_rewards({"accuracy": 0.5, name: 2.0}, 60.0)
    scored = rewards.score_batch(SAMPLES, REPLIES)
    assert [s.total for s in scored] == [0.5, 1.0, 1.5, 2.0] and scored[1].parts == {"accuracy": 1.0, name: 0.25}
    assert rewards.score(SAMPLES[3], REPLIES[3]) == scored[3] and rewards.score_batch([], []) == []


def test_a_reward_in_a_package_and_one_that_is_an_object_are_found(
    write: Write, tmp_path: Path
) -> None:
    (tmp_path / "own_package").mkdir()
    (tmp_path / "own_package" / "judge.py").write_text(
        "class Judge:\n    closed = 0\n    def __call__(self, sample, reply): return 0.25\n"
        "    def close(self): Judge.closed += 1\njudge = Judge()\n")
    write("")
    rewards = one("own_package.judge:judge")
    assert totals(rewards) == [0.25] * 4
    rewards.close()
    assert rewards.parts["own_package.judge:judge"].function.closed == 1  # type: ignore[attr-defined]


def test_a_batch_reward_is_called_once_with_all_rollouts(write: Write) -> None:
    module = write("""
        from strive.stages.train.reward.own_reward import batch_reward
        calls = []
        @batch_reward
        def rank(samples, replies):
            calls.append(len(replies))
            return [i / len(replies) for i in range(len(replies))]
    """)
    assert totals(one(f"{module}:rank")) == [0, 0.25, 0.5, 0.75] and sys.modules[module].calls == [4]


@pytest.mark.parametrize(("value", "kind"), [
    ("None", "NoneType"), ("'1'", "str"), ("[1.0]", "list"), ("True", "bool"), ("1j", "complex"), ("reply", "Reply"),
])
def test_what_is_not_a_number_is_an_error_naming_function_value_and_type(
    value: str, kind: str, write: Write
) -> None:
    name = write(f"def odd(sample, reply):\n    return {value}") + ":odd"
    with pytest.raises(UsageError, match=rf"reward {name} returned .*\({kind}\)"):
        totals(one(name))


@pytest.mark.parametrize(("value", "message"), [
    ("[1.0] * 3", "returned 3 values for 4 replies"), ("1.0", r"returned 1.0 \(float\)"),
    ("[1.0, 1.0, None, 1.0]", r"returned None \(NoneType\)"),
])
def test_a_batch_reward_of_another_length_or_type_is_an_error(
    value: str, message: str, write: Write
) -> None:
    module = write("from strive.stages.train.reward.own_reward import batch_reward\n"
                   f"@batch_reward\ndef odd(samples, replies):\n    return {value}")
    with pytest.raises(UsageError, match=message):
        totals(one(f"{module}:odd"))


@pytest.mark.parametrize(("body", "kind", "told"), [
    ("return float('nan')", "not finite", "returned nan"), ("return -float('inf')", "not finite", "returned -inf"),
    ("return 10 ** 400", "not finite", "returned inf"), ("return {}['who']", "raised KeyError", "KeyError: 'who'"),
    ("import sys; sys.exit(3)", "raised SystemExit", "SystemExit: 3"),
    ("import asyncio; raise asyncio.CancelledError", "raised CancelledError", "CancelledError"),
    ("raise type('Mute', (Exception,), {'__str__': lambda self: 1 / 0})", "raised Mute", "cannot be read"),
    ("return odd(sample, reply)", "raised RecursionError", "RecursionError"),
    ("assert False, 'line\\nbreak'", "raised AssertionError", "line break"),
])
def test_a_reply_without_a_number_is_named_counted_and_told_once(
    body: str, kind: str, told: str, write: Write
) -> None:
    name = write(f"def odd(sample, reply):\n    if sample.meta['n'] < 2: return 1.0\n    {body}") + ":odd"
    rewards = load_rewards({"accuracy": 1.0, name: 1.0}, 60.0)
    scored = rewards.score_batch(SAMPLES, REPLIES)
    assert [s.bad for s in scored] == [(), (), (name,), (name,)]
    assert [s.total for s in scored[:2]] == [2.0, 2.0] and all(math.isnan(s.total) for s in scored[2:])
    (warning,) = rewards.take_warnings()
    assert name in warning and told in warning and "\n" not in warning
    assert rewards.failures() == {name: {kind: 2}}
    rewards.score_batch(SAMPLES, REPLIES)
    assert rewards.take_warnings() == [] and rewards.failures() == {name: {kind: 4}}


def test_the_warning_says_where_in_the_users_file_it_happened(write: Write) -> None:
    module = write("def inner(x):\n    return 1 / x\n\ndef odd(sample, reply):\n    return inner(0)\n")
    rewards = one(f"{module}:odd")
    totals(rewards)
    assert f"({module}.py:2)" in rewards.take_warnings()[0]


def test_a_batch_reward_that_raises_leaves_the_whole_batch_without_a_reward(write: Write) -> None:
    module = write("from strive.stages.train.reward.own_reward import batch_reward\n"
                   "@batch_reward\ndef odd(samples, replies):\n    raise OSError('no judge')")
    rewards = one(f"{module}:odd")
    assert all(math.isnan(total) for total in totals(rewards))
    assert rewards.failures() == {f"{module}:odd": {"raised OSError": 4}}


@pytest.mark.parametrize("body", [
    "time.sleep(1e6)",
    "threading.Event().wait()",
    "re.match('(a+)+$', 'a' * 60 + 'b')",
    "while True: pass",
    "while True:\n        try: time.sleep(0.01)\n        except Exception: pass",
    "subprocess.run(['sleep', '1000'])",
    "asyncio.run(asyncio.sleep(1e6))",
    "lock = threading.Lock(); lock.acquire(); lock.acquire()",
])
def test_a_call_that_never_ends_is_interrupted_and_the_third_stops_the_run(
    body: str, write: Write
) -> None:
    text = f"import asyncio, re, subprocess, threading, time\ndef slow(sample, reply):\n    {body}\n    return 1.0"
    rewards, began = one(write(text) + ":slow", 0.1), time.monotonic()
    assert math.isnan(rewards.score(SAMPLES[0], REPLIES[0]).total)
    assert "took longer than train.reward_timeout_s = 0.1 s" in rewards.take_warnings()[0]
    with pytest.raises(StoppedError, match=r":slow took longer .* in 3 of 3 calls") as caught:
        rewards.score_batch(SAMPLES, REPLIES)
    assert caught.value.code == 4 and "train.reward_timeout_s" in caught.value.do
    assert time.monotonic() - began < 3


def test_code_that_swallows_the_interruption_is_interrupted_again(write: Write) -> None:
    text = """
        import time
        def stubborn(sample, reply):
            try: time.sleep(1e6)
            except: time.sleep(1e6)
            while True:
                try: 1 / 0
                except: time.sleep(0.5)
    """
    began = time.monotonic()
    assert math.isnan(one(write(text) + ":stubborn", 0.1).score(SAMPLES[0], REPLIES[0]).total)
    assert time.monotonic() - began < 5


def test_a_rare_slow_call_does_not_stop_the_run(write: Write) -> None:
    text = """
        import time
        calls = []
        def slow(sample, reply):
            calls.append(1)
            if len(calls) % 60 == 0: time.sleep(1e6)
            return 1.0
    """
    rewards = one(write(text) + ":slow", 0.02)
    found = [rewards.score(SAMPLES[0], REPLIES[0]).total for _ in range(300)]
    assert sum(math.isnan(total) for total in found) == 5


def test_the_deadline_gives_back_the_handler_and_the_timer_that_were_set() -> None:
    rung: list[int] = []
    before = signal.signal(signal.SIGALRM, lambda number, frame: rung.append(number))
    signal.setitimer(signal.ITIMER_REAL, 0.2)
    try:
        assert within(30.0, lambda: 5) == 5
        deadline = time.monotonic() + 5
        while not rung and time.monotonic() < deadline:
            time.sleep(0.01)
        assert rung == [signal.SIGALRM]
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def test_a_reward_can_be_called_outside_the_main_thread(write: Write) -> None:
    rewards, found = one(write("def near(sample, reply): return 0.5") + ":near"), []
    thread = threading.Thread(target=lambda: found.extend(totals(rewards)))
    thread.start()
    thread.join()
    assert found == [0.5] * 4


@pytest.mark.parametrize(("text", "attribute", "kind", "message"), [
    ("x = 1", "near", UsageError, "no 'near' in"), ("near = 1", "near", UsageError, "int, which cannot be called"),
    ("class near: pass", "near", UsageError, "is a class"),
    ("def near(sample): return 1.0", "near", UsageError, r"near\(sample\) cannot be called with \(sample, reply\)"),
    ("def near(a, b, c): return 1.0", "near", UsageError, "missing a required argument: 'c'"),
    ("async def near(a, b): return 1.0", "near", UsageError, "is asynchronous"),
    ("def near(a, b): yield 1.0", "near", UsageError, "or a generator"),
    ("def near(a, b) return 1", "near", UsageError, r"raised SyntaxError: .*line 1\)"),
    ("raise RuntimeError('no key')", "near", UsageError, "raised RuntimeError: no key"),
    ("raise SystemExit(0)", "near", UsageError, "raised SystemExit"),
    ("import no_such_package_here", "near", MissingError, "imports no_such_package_here, which is not installed"),
    ("from math import hypot as near", "nearer", UsageError, "Did you mean near"),
])
def test_what_cannot_be_a_reward_is_refused_in_three_parts(
    text: str, attribute: str, kind: type[StriveError], message: str, write: Write
) -> None:
    name = f"{write(text)}:{attribute}"
    with pytest.raises(kind, match=message) as caught:
        check_names({name: 1.0})
    assert name in caught.value.what and caught.value.expected and caught.value.do


@pytest.mark.parametrize("name", [
    "no_such_module_here:near", "folder/mine.py:near", ":near", "mine:", "a:b:c", "builtins:pow",
])
def test_names_that_lead_nowhere_are_refused(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError) as caught:
        check_names({"accuracy": 1.0, name: 1.0})
    assert name in caught.value.what and caught.value.expected and caught.value.do


def test_a_changed_file_is_another_identity_and_built_ins_have_none(write: Write, tmp_path: Path) -> None:
    module = write("def near(sample, reply): return 1.0")
    names = ["accuracy", f"{module}:near"]
    before = plugin_identity(names, "train.rewards")
    assert list(before) == [f"{module}:near"] and before == plugin_identity(names, "train.rewards")
    (tmp_path / f"{module}.py").write_text("def near(sample, reply): return 0.0")
    assert plugin_identity(names, "train.rewards") != before
    again = write(f"from {module} import near")
    through = plugin_identity([f"{again}:near"], "train.rewards")
    (tmp_path / f"{module}.py").write_text("def near(sample, reply): return 0.5")
    assert plugin_identity([f"{again}:near"], "train.rewards") != through


def test_modules_of_the_current_folder_do_not_hide_installed_ones_later(
    write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = write("def near(sample, reply): return 1.0") + ":near"
    before = list(sys.path)
    monkeypatch.setattr(sys, "path", list(before))
    one(name)
    assert sys.path[: len(before)] == before and sys.path[len(before) :] == [os.getcwd()]


def test_a_dataset_can_name_no_code(tmp_path: Path) -> None:
    (tmp_path / "evil.py").write_text("open('canary', 'w').close()\ndef near(sample, reply): return 1.0\n")
    row = {"id": "q", "video": "v.mp4", "question": "evil:near", "options": None, "answer": "1",
           "question_type": "open", "meta": {"rewards": {"evil:near": 1.0}, "prompt_format": "evil:near"}}
    (tmp_path / "data.jsonl").write_text(json.dumps(row) + "\n")
    command = [sys.executable, "-m", "strive.cli", "train", "--check", "--data", "data.jsonl"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert not (tmp_path / "canary").exists()
