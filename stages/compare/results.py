"""What a comparison consists of and what its runs left behind: the seam between running and reporting."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

VIEWS = ("uniform", "importance")
"""How held-out questions are shown: the canonical view (headline), and the importance sampler's."""


@dataclass(frozen=True)
class Arm:
    """One recipe of a comparison.

    name: as it was asked for, unique. settings: dotted keys with values where it differs from the baseline. steps:
    optimiser steps such that steps x prompts_per_step x generated rollouts per question meets the budget as nearly as
    whole steps can, never above. generated, trained: rollouts of a whole run.
    """

    name: str
    settings: Mapping[str, Any]
    steps: int
    generated: int
    trained: int
    variants: int
    generations: int


@dataclass(frozen=True)
class RunResult:
    """One arm with one seed.

    metrics: the rows of metrics.jsonl; where the policy was evaluated on the uniform view they hold `eval_accuracy`.
    evals: view -> results.json of the final policy. scores: view -> question id -> score in [0, 1].
    agreement: as `strive.stages.eval.agreement` says it, None without.
    seconds: wall-clock of the run, evaluations included; of one that was stopped and continued, since the last start.
    """

    arm: str
    seed: int
    metrics: list[dict[str, Any]]
    evals: dict[str, dict[str, Any]]
    scores: dict[str, dict[str, float]]
    agreement: dict[str, Any] | None
    seconds: float


@dataclass(frozen=True)
class Comparison:
    """A whole comparison. base: view -> results.json of the policy before training, `base_scores` its scores.

    families: question id -> family ("" where the data names none). groups: arm -> question id -> one 0/1 for each group
    of the base policy that was rolled out without training (1: all rewards equal); {} when that was not asked for.
    group_accuracy: the same with the mean accuracy of each group's rollouts, in [0, 1].
    failed: runs that did not finish, {"arm", "seed", "reason"}. videos: question id -> its video, of training and
    held-out questions: intervals over questions are clustered by it; a question not named stands for itself.
    """

    arms: list[Arm]
    seeds: list[int]
    baseline: str
    budget: int
    runs: list[RunResult]
    base: dict[str, dict[str, Any]]
    base_scores: dict[str, dict[str, float]]
    families: dict[str, str]
    groups: dict[str, dict[str, list[int]]] = field(default_factory=dict)
    group_accuracy: dict[str, dict[str, list[float]]] = field(default_factory=dict)
    failed: list[dict[str, Any]] = field(default_factory=list)
    timing: dict[str, Any] = field(default_factory=dict)
    videos: dict[str, str] = field(default_factory=dict)
