"""What training is asked to do and what it says at the end; imports nothing heavy."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from strive.cache.store import Artefact
from strive.configs.schema import Config
from strive.stages.reporter import Reporter
from strive.stages.train.engine.ranks import Ranks
from strive.stages.train.questions.order import Source

if TYPE_CHECKING:
    from strive.stages.vlm.policy import Policy

BUNDLE_FILE = "bundle.h5"
Evaluate = Callable[["Policy", int], Mapping[str, Any]]
"""Measures a policy after a step; its "accuracy" chooses the best checkpoint, its "failed" lists `{"id", "reason"}` of
what it could not ask. Must not depend on when it is called."""


@dataclass(frozen=True)
class TrainJob:
    """One run.

    bundles: (sample id, artefact with the file `bundle.h5`), any order. model: Hugging Face id, folder, run folder or
    demo. evaluate: called every `train.eval_every` steps and at the end. max_time_s: checkpoint and stop after the step
    in which this many seconds have passed, `spent_s` of them before `train` was called. sources: where each config
    value came from. force: start over, forgetting the run. eval_digest: what `evaluate` measures on; scores of another
    digest are not compared. data: the files that the samples come from, with their weights; () for one file. ranks: the
    processes that train together.
    """

    config: Config
    run: Path
    bundles: list[tuple[str, Artefact]]
    model: str
    reporter: Reporter
    evaluate: Evaluate | None = None
    max_time_s: float | None = None
    spent_s: float = 0.0
    sources: Mapping[str, str] = field(default_factory=dict)
    force: bool = False
    eval_digest: str = ""
    data: tuple[Source, ...] = ()
    ranks: Ranks = field(default_factory=Ranks)


@dataclass(frozen=True)
class TrainOutcome:
    """How a run ended.

    steps_done: steps that this call took (0: nothing to do). step: the run's last step. resumed_from: the checkpoint's
    step, None for a fresh start. metrics: the last row. failed: samples left out, with reasons, those
    of evaluations as "eval: …". best: None without evaluation.
    """

    steps_done: int
    step: int
    resumed_from: int | None
    metrics: dict[str, Any]
    failed: list[dict[str, str]]
    policy: Path
    best: Path | None
