"""A run with rewards and a prompt format of the user's own: faults are counted or stop it, changes are refused."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from training_world import Notes, make_job

from strive.cache.ledger import read_jsonl
from strive.configs.errors import StoppedError, UsageError
from strive.stages.train.stage import train

pytest_plugins = ["own_code"]
Write = Callable[[str], str]
BUSY = "len(set(reply.raw)) / max(len(reply.raw), 1)"


def test_an_own_reward_teaches_and_what_raises_is_counted_by_name(tmp_path: Path, qwen25: Path, write: Write) -> None:
    name = write(f"""
        seen = []
        def busy(sample, reply):
            seen.append(reply.raw)
            if len(seen) == 3: raise KeyError("third")
            return {BUSY}
    """) + ":busy"
    notes = Notes()
    outcome = train(make_job(tmp_path, qwen25, train__steps=1, train__rewards={name: 1.0}, reporter=notes))
    assert outcome.metrics["bad_rewards"] == 1 and outcome.metrics["grad_norm"] > 0
    assert any(f"reward {name} raised KeyError: 'third'" in line for line in notes.lines)


def test_a_batch_reward_is_called_once_a_step(tmp_path: Path, qwen25: Path, write: Write) -> None:
    module = write(f"""
        from strive.stages.train.reward.own_reward import batch_reward
        sizes = []
        @batch_reward
        def busy(samples, replies):
            sizes.append(len(samples))
            return [{BUSY} for reply in replies]
    """)
    train(make_job(tmp_path, qwen25, train__steps=2, train__rewards={f"{module}:busy": 1.0}))
    assert sys.modules[module].sizes == [16, 16]


@pytest.mark.parametrize(("value", "message"), [("'high'", r"returned 'high' \(str\)"), ("None", "NoneType")])
def test_a_wrong_type_stops_the_run_at_its_first_batch(
    value: str, message: str, tmp_path: Path, qwen25: Path, write: Write
) -> None:
    name = write(f"def odd(sample, reply): return {value}") + ":odd"
    with pytest.raises(UsageError, match=message):
        train(make_job(tmp_path, qwen25, train__rewards={name: 1.0}))
    assert not (tmp_path / "run" / "metrics.jsonl").exists()


def test_a_reward_that_never_returns_stops_the_run(tmp_path: Path, qwen25: Path, write: Write) -> None:
    name = write("import time\ndef slow(sample, reply): time.sleep(1e6)") + ":slow"
    with pytest.raises(StoppedError, match=f"reward {name} took longer") as caught:
        train(make_job(tmp_path, qwen25, train__rewards={name: 1.0}, train__reward_timeout_s=0.1))
    assert caught.value.code == 4


def test_a_changed_reward_file_is_refused_by_name(tmp_path: Path, qwen25: Path, write: Write) -> None:
    module = write(f"def busy(sample, reply): return {BUSY}")
    name = f"{module}:busy"
    train(make_job(tmp_path, qwen25, train__steps=1, train__checkpoint_every=1, train__rewards={name: 1.0}))
    again = make_job(tmp_path, qwen25, train__steps=2, train__checkpoint_every=1, train__rewards={name: 1.0})
    (tmp_path / f"{module}.py").write_text("def busy(sample, reply): return 1.0")
    with pytest.raises(UsageError, match="other settings") as caught:
        train(again)
    assert name in caught.value.what
    (tmp_path / f"{module}.py").write_text(f"def busy(sample, reply): return {BUSY}")
    assert train(again).step == 2


def test_an_own_prompt_format_is_asked_and_parsed_and_belongs_to_the_run(
    tmp_path: Path, qwen25: Path, write: Write
) -> None:
    module = write("""
        from strive.stages.tasks.prompt import Reply, stem
        asked, parsed = [], []
        class Plain:
            def render(self, question):
                asked.append(question.id)
                return stem(question)
            def parse(self, text, truncated):
                parsed.append(text)
                if not text: return Reply("", None, False, "empty")
                return Reply(text, text, len(text) % 2 == 0, "ok", truncated)
        plain = Plain()
    """)
    job = make_job(tmp_path, qwen25, train__steps=1, train__prompt_format=f"{module}:plain")
    train(job)
    seen = sys.modules[module]
    assert seen.asked and len(seen.parsed) == 16
    assert {row["reply"] for row in read_jsonl(tmp_path / "run" / "rollouts.jsonl")} <= set(seen.parsed)
    (tmp_path / f"{module}.py").write_text((tmp_path / f"{module}.py").read_text() + "# changed\n")
    with pytest.raises(UsageError, match=f"{module}:plain"):
        train(make_job(tmp_path, qwen25, train__steps=2, train__prompt_format=f"{module}:plain"))
