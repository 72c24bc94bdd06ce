"""Controls are one setting away, each its own result: no frames, frames out of order, options in another order."""

from pathlib import Path

import pytest
from eval_jobs import job_of, small_config
from pydantic import ValidationError

from strive.cache.ledger import read_jsonl
from strive.cache.store import Store
from strive.configs.errors import UsageError
from strive.configs.run_stages import EvalConfig
from strive.stages.eval.benchmarks.data import BenchData
from strive.stages.eval.controls import ORDER, shuffled, with_controls
from strive.stages.eval.stage import run_eval
from strive.stages.tasks.sample import Sample


def question(name: str, options: tuple[str, ...] | None = ("red", "green", "blue", "grey"), answer: str = "C",
             kind: str = "multiple_choice") -> Sample:
    return Sample(name, "a.mp4", "Which?", options, answer, kind)


def nowhere(sample: Sample) -> Path:
    raise AssertionError("no video is asked for")


def test_no_frames_is_the_text_only_control() -> None:
    assert EvalConfig.model_validate({"frames": 0}).control == "text_only"
    assert small_config("eval.frames=0").eval == small_config("eval.control=text_only", "eval.frames=32").eval
    with pytest.raises(ValidationError, match="no frames are text_only"):
        EvalConfig.model_validate({"frames": 0, "control": "blank"})


def test_shuffled_options_keep_their_texts_and_the_gold_letter_follows_its_text() -> None:
    for k in range(200):
        before = question(f"q{k}")
        after = shuffled(before, 0)
        assert sorted(after.options or ()) == ["blue", "green", "grey", "red"]
        assert (after.options or ())[ord(after.answer) - ord("A")] == "blue"
        assert [(before.options or ())[old] for old in after.meta[ORDER]] == list(after.options or ())
    letters = {shuffled(question(f"q{k}"), 0).answer for k in range(200)}
    assert letters == {"A", "B", "C", "D"}


def test_several_gold_letters_follow_their_texts() -> None:
    for k in range(50):
        after = shuffled(question(f"q{k}", answer="A,D", kind="multi_answer"), 3)
        named = {(after.options or ())[ord(letter) - ord("A")] for letter in after.answer.split(",")}
        assert named == {"red", "grey"} and after.answer == ",".join(sorted(after.answer.split(",")))


def test_the_order_belongs_to_seed_and_question_and_questions_without_options_stay() -> None:
    assert shuffled(question("a"), 1) == shuffled(question("a"), 1)
    assert len({shuffled(question("a"), seed).options for seed in range(40)}) > 5
    open_one = question("a", None, "red", "open")
    assert shuffled(open_one, 1) is open_one


def test_other_protocols_refuse_another_order_of_options() -> None:
    config = EvalConfig(options_shuffled=True, protocol="official")
    with pytest.raises(UsageError, match="options_shuffled"):
        with_controls(BenchData([question("a")], nowhere), config)


@pytest.mark.parametrize("setting", ["eval.options_shuffled=true", "eval.shuffle_frames=true", "eval.frames=0"])
def test_a_control_is_a_run_of_its_own_and_says_what_it_is(
    setting: str, tmp_path: Path, tiny: Path, dataset: Path, shared_store: Store
) -> None:
    outcome = run_eval(job_of(tmp_path / "run", tiny, dataset, shared_store, setting))
    assert outcome.done == 9 and outcome.results["control"] in ("options_shuffled", "shuffle_frames", "text_only")
    row = next(row for row in read_jsonl(tmp_path / "run" / "predictions.jsonl") if row["id"] == "a-mc")
    assert row["choices"][ord(row["gold"]) - ord("A")] == "left" and row["options"] == row["choices"]
    with pytest.raises(UsageError, match="another recipe"):
        run_eval(job_of(tmp_path / "run", tiny, dataset, shared_store))
