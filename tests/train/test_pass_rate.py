"""The pass-rate filter: real rollouts of a tiny model, written down as they come, and exactly the open interval."""

import json
import math
import os
import random
import signal
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import torch
from training_world import Notes, exit_code, make_job

from strive.cache.ledger import read_jsonl
from strive.configs.errors import InterruptedRun, ItemError, StoppedError
from strive.stages.tasks.prompt import PROMPT_FORMATS
from strive.stages.train.engine.optimizer import Optimizer
from strive.stages.train.engine.prefix_engine import PrefixEngine
from strive.stages.train.engine.ranks import Ranks
from strive.stages.train.engine.rollout import Example, Row, Shown
from strive.stages.train.job import TrainJob
from strive.stages.train.questions.examples import Examples
from strive.stages.train.questions.pass_rate import check_kept, keep, left_out, measure, plan_lines, summary
from strive.stages.train.reward.rewards import Scored
from strive.stages.train.run_folder import RunFolder
from strive.stages.train.signals import Stop
from strive.stages.vlm.interface import Completion
from strive.stages.vlm.load import load_policy

FORMAT = PROMPT_FORMATS["think_answer"]


def lucky(row: Row) -> Scored:
    """Right in about half of a random model's rollouts, by the sum of their token ids."""
    hit = float(row.completion.ids.sum()) % 2
    return Scored(hit, {"accuracy": hit}, (), hit, False)


class Bench:
    """A job over tiny bundles with its policy, engine and examples; `rows` are the rollouts that were scored."""

    def __init__(self, folder: Path, model: Path, bundles: int = 5, **changes: object) -> None:
        changes = {"train__pass_rate": [0.0, 1.0], "train__pass_rate_rollouts": 4, **changes}
        self.job: TrainJob = make_job(folder, model, bundles=bundles, **changes)
        self.config, self.run = self.job.config.train, RunFolder(self.job.run)
        self.policy = load_policy(str(model), max_pixels=3136, min_pixels=784, trainable=True, freeze_vision=True)
        self.engine = PrefixEngine(self.policy, Optimizer(self.policy.model.named_parameters(), self.config),
                                   self.config)
        self.examples = Examples(self.policy, dict(self.job.bundles), FORMAT, self.config)
        self.ids = [name for name, _ in self.job.bundles]
        self.rows: list[Row] = []
        self.notes = Notes()

    def score(self, row: Row) -> Scored:
        self.rows.append(row)
        return lucky(row)

    def measure(self, stop: Stop | None = None, **others: object) -> dict[str, float]:
        parts: dict[str, Any] = {"engine": self.engine, "examples": self.examples, **others}
        return measure(ids=self.ids, config=self.config, run_folder=self.run, score=self.score, reporter=self.notes,
                       stop=stop or Stop(), **parts)

    def ledger(self) -> list[dict[str, object]]:
        return read_jsonl(self.run.root / "pass_rates.jsonl")


@pytest.fixture(scope="module")
def undisturbed_rates(tmp_path_factory: pytest.TempPathFactory, qwen25: Path) -> list[dict[str, object]]:
    """The ledger of a measurement of five questions that nothing stopped."""
    bench = Bench(tmp_path_factory.mktemp("undisturbed"), qwen25)
    bench.measure()
    return bench.ledger()


def test_rates_are_the_mean_accuracy_of_rollouts_split_over_all_variants(tmp_path: Path, qwen25: Path) -> None:
    bench = Bench(tmp_path, qwen25, bundles=3)
    before = {name: p.detach().clone() for name, p in bench.policy.model.named_parameters()}
    rng = torch.get_rng_state()
    rates = bench.measure()
    assert sorted(rates) == bench.ids and len(set(rates.values())) > 1
    for name in bench.ids:
        own = [row for row in bench.rows if row.sample_id == name]
        assert sorted((row.variant_id, row.gen_id) for row in own) == [(k, 0) for k in range(4)]
        assert rates[name] == sum(lucky(row).accuracy for row in own) / 4
    assert bench.ledger() == [{"id": name, "rate": rates[name], "rollouts": 4, "variants": 4} for name in bench.ids]
    assert all(torch.equal(before[name], p) for name, p in bench.policy.model.named_parameters())
    assert torch.equal(rng, torch.get_rng_state()) and not bench.run.last_item.exists()


def test_rollouts_that_do_not_divide_all_show_the_canonical_variant(tmp_path: Path, qwen25: Path) -> None:
    bench = Bench(tmp_path, qwen25, bundles=2, train__pass_rate_rollouts=6)
    bench.measure()
    assert [(row.variant_id, row.gen_id) for row in bench.rows] == [(0, g) for g in range(6)] * 2
    assert [row["variants"] for row in bench.ledger()] == [1, 1]


class StopsAfter(Stop):
    """A stop that is asked for once some rollouts have been scored."""

    def __init__(self, bench: Bench, rollouts: int) -> None:
        super().__init__()
        self.bench, self.rollouts = bench, rollouts

    @property
    def code(self) -> int | None:
        if len(self.bench.rows) >= self.rollouts:
            self._mark(signal.SIGTERM, None)
        return super().code


def test_a_stopped_measurement_keeps_what_it_has_and_goes_on_to_the_same_rates(
    tmp_path: Path, qwen25: Path, undisturbed_rates: list[dict[str, object]]
) -> None:
    bench = Bench(tmp_path, qwen25)
    with pytest.raises(InterruptedRun, match="SIGTERM; pass rates of 2 of 5 questions are kept") as caught:
        bench.measure(StopsAfter(bench, 8))
    assert caught.value.code == 143 and bench.ledger() == undisturbed_rates[:2]
    assert not bench.run.last_item.exists()
    again = Bench(tmp_path, qwen25)
    again.measure()
    assert again.ledger() == undisturbed_rates
    assert {row.sample_id for row in again.rows} == {"q2", "q3", "q4"}


def test_a_torn_row_is_owed_again_and_a_batch_that_was_cut_short_gives_the_same_rates(
    tmp_path: Path, qwen25: Path, undisturbed_rates: list[dict[str, object]]
) -> None:
    bench = Bench(tmp_path, qwen25)
    bench.run.root.mkdir(parents=True)
    lines = [json.dumps(row) for row in undisturbed_rates]
    (bench.run.root / "pass_rates.jsonl").write_text("\n".join(lines[:3]) + "\n" + lines[3][:11])
    rates = bench.measure()
    assert rates == {row["id"]: row["rate"] for row in undisturbed_rates}
    assert bench.ledger() == undisturbed_rates
    asked = len(bench.rows)
    assert bench.measure() == rates and len(bench.rows) == asked


def test_two_processes_share_the_questions_and_the_first_writes_the_same_rates(
    tmp_path: Path, qwen25: Path, undisturbed_rates: list[dict[str, object]]
) -> None:
    bench = Bench(tmp_path, qwen25)
    bench.run.root.mkdir(parents=True)
    children = [os.fork() or one_of_two(bench, rank, tmp_path) for rank in range(2)]
    assert [exit_code(child) for child in children] == [0, 0]
    assert bench.ledger() == undisturbed_rates
    asked = [set((tmp_path / f"asked{rank}").read_text().split()) for rank in range(2)]
    assert asked == [{"q0", "q2", "q4"}, {"q1", "q3"}]


def one_of_two(bench: Bench, rank: int, folder: Path) -> int:
    """Measure as one of two processes and end; the exit code says whether all went well."""
    code = 1
    try:
        torch.distributed.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=2)
        rates = bench.measure(ranks=Ranks(rank, 2))
        (folder / f"asked{rank}").write_text(" ".join(row.sample_id for row in bench.rows))
        code = 0 if sorted(rates) == bench.ids and not left_out(bench.run) else 2
    finally:
        os._exit(code)


@dataclass
class Unreadable:
    """Examples of which one cannot be used."""

    examples: Examples
    name: str

    def get(self, sample_id: str) -> Example:
        if sample_id == self.name:
            raise ItemError("prompt of 9 tokens, more than train.max_prompt_tokens = 8")
        return self.examples.get(sample_id)


def test_a_question_that_cannot_be_rolled_out_is_recorded_with_its_reason_and_left_out(
    tmp_path: Path, qwen25: Path
) -> None:
    bench = Bench(tmp_path, qwen25, bundles=3)
    rates = bench.measure(examples=Unreadable(bench.examples, "q1"))
    assert sorted(rates) == ["q0", "q2"]
    assert left_out(bench.run) == {"q1": "prompt of 9 tokens, more than train.max_prompt_tokens = 8"}
    assert bench.ledger()[1] == {"id": "q1", "rate": None, "reason": left_out(bench.run)["q1"]}


@dataclass
class Tight:
    """The real engine on a machine that has no room for the views of one question."""

    engine: PrefixEngine
    too_large: str
    shrunk: int = 0
    examples: list[Example] = field(default_factory=list)

    def rollout(self, views: Sequence[Shown], n: int, seeds: Sequence[int]) -> list[list[Completion]]:
        held = [one for one in self.examples if one.sample.id == self.too_large]
        if any(view in one.views for view in views for one in held):
            raise torch.OutOfMemoryError("CUDA out of memory")
        return self.engine.rollout(views, n, seeds)

    def shrink(self) -> None:
        self.shrunk += 1
        self.engine.shrink()


def test_out_of_memory_halves_the_forward_once_and_then_leaves_the_largest_question_out(
    tmp_path: Path, qwen25: Path
) -> None:
    bench = Bench(tmp_path, qwen25, bundles=4)
    tight = Tight(bench.engine, "q0", examples=[bench.examples.get(name) for name in bench.ids])
    rates = bench.measure(engine=tight)
    assert sorted(rates) == ["q1", "q2", "q3"] and tight.shrunk == 1
    assert list(left_out(bench.run)) == ["q0"] and "out of memory: prompt of" in left_out(bench.run)["q0"]
    assert any("half the tokens" in line for line in bench.notes.lines)


def test_an_error_that_is_no_lack_of_memory_is_raised(tmp_path: Path, qwen25: Path) -> None:
    class Broken(Tight):
        def rollout(self, views: Sequence[Shown], n: int, seeds: Sequence[int]) -> list[list[Completion]]:
            raise RuntimeError("shapes cannot be multiplied")

    bench = Bench(tmp_path, qwen25, bundles=2)
    with pytest.raises(RuntimeError, match="shapes"):
        bench.measure(engine=Broken(bench.engine, ""))
    assert bench.ledger() == []


def test_exactly_the_open_interval_is_kept() -> None:
    """Rates are counts over counts or anything else in [0, 1]; both ends of the interval are always among them."""
    for trial in range(300):
        rng = random.Random(trial)
        grid = rng.randint(2, 16)
        low, high = sorted(rng.sample(range(grid + 1), 2))
        interval = (low / grid, high / grid) if trial % 2 else (0.0, 1.0)
        rates = {f"q{i}": rng.choice([rng.random(), rng.randint(0, grid) / grid]) for i in range(40)}
        rates |= {"low": interval[0], "high": interval[1], "above": math.nextafter(interval[0], 1),
                  "below": math.nextafter(interval[1], 0)}
        kept = keep(rates, interval)
        assert kept == sorted(name for name, rate in rates.items() if rate > interval[0] and rate < interval[1])
        assert {"above", "below"} <= set(kept) and not {"low", "high"} & set(kept)


def test_too_few_questions_stop_the_run_with_the_spread_of_their_rates() -> None:
    rates = {f"a{i}": 1.0 for i in range(310)} | {f"n{i}": 0.0 for i in range(150)} | {f"b{i}": 0.5 for i in range(40)}
    with pytest.raises(StoppedError) as caught:
        check_kept(rates, (0.6, 0.9), 8)
    assert "of 500 questions 310 always right, 150 never right, 40 between; 0 kept" in caught.value.what
    assert "train.prompts_per_step = 8" in caught.value.expected and "train.pass_rate" in caught.value.do
    assert len(check_kept(rates, (0.0, 1.0), 40)) == 40
    assert summary(rates, (0.0, 1.0)).endswith("40 kept (accuracy above 0 and below 1)")


def test_the_plan_says_what_will_be_measured_and_then_what_was_kept(
    tmp_path: Path, qwen25: Path, undisturbed_rates: list[dict[str, object]]
) -> None:
    config, run = make_job(tmp_path, qwen25, train__pass_rate=[0.0, 1.0]).config.train, tmp_path / "run"
    assert plan_lines(config.model_copy(update={"pass_rate": None}), run, 5) == []
    assert "5 questions x 8 rollouts before the first step; kept with accuracy above 0" in plan_lines(config, run, 5)[0]
    run.mkdir()
    (run / "pass_rates.jsonl").write_text(json.dumps(undisturbed_rates[0]) + "\n")
    assert "first step (1 questions done)" in plan_lines(config, run, 5)[0]
    (run / "pass_rates.jsonl").write_text("".join(json.dumps(row) + "\n" for row in undisturbed_rates))
    assert "pass rate: of 5 questions" in plan_lines(config, run, 5)[0]
    assert "before the first step" in plan_lines(config, run, 5, force=True)[0]
