"""Reads what the runs of a comparison left, as the plain values that the figures are made of."""

import json
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any, TypeVar

import numpy as np

from strive.cache.ledger import read_jsonl
from strive.stages.compare.layout import Layout
from strive.stages.compare.material import Material
from strive.stages.compare.plan import Plan
from strive.stages.compare.results import Comparison, RunResult
from strive.stages.compare.tasks import Task, wanted_groups
from strive.stages.tasks.dataset import read_dataset
from strive.stages.train.objective.parts import is_flat

Value = TypeVar("Value", int, float)


def gather(plan: Plan, material: Material, layout: Layout, tasks: Sequence[Task],
           failed: Mapping[str, str]) -> Comparison:
    """All finished runs; what has failed is named with its reason."""
    runs, seconds = [], {}
    for task in tasks:
        took = task.seconds()
        if took is None:
            continue
        seconds[task.name] = took
        if task.spec.kind == "train":
            runs.append(run_result(task, took))
    lost = [{"arm": task.spec.arm if task.spec.kind == "train" else task.name,
             "seed": task.spec.seed if task.spec.kind == "train" else -1, "reason": failed[task.name]}
            for task in tasks if task.name in failed]
    return Comparison(
        arms=[entry.arm for entry in plan.entries], seeds=plan.seeds, baseline=plan.baseline, budget=plan.budget,
        runs=runs, base=read_evals(layout.base), base_scores=read_scores(layout.base),
        families=families(material), groups=groups_by(flat_of, plan, layout, tasks),
        group_accuracy=groups_by(accuracy_of, plan, layout, tasks), failed=lost, timing={"runs": seconds},
        videos=videos(material),
    )


def run_result(task: Task, seconds: float) -> RunResult:
    """One finished run."""
    spec, folder = task.spec, Path(task.spec.folder)
    return RunResult(spec.arm, spec.seed, read_jsonl(folder / "metrics.jsonl"), read_evals(folder / "eval"),
                     read_scores(folder / "eval"), read_json(folder / "eval" / "agreement" / "agreement.json"), seconds)


def read_evals(folder: Path) -> dict[str, dict[str, Any]]:
    """View -> results.json of the complete evaluations in a folder."""
    found = {path.parent.name: read_json(path) for path in sorted(folder.glob("*/results.json"))}
    return {view: results for view, results in found.items() if results and results.get("complete")}


def read_scores(folder: Path) -> dict[str, dict[str, float]]:
    """View -> question id -> score; questions without a score have none."""
    return {path.parent.name: {row["id"]: float(row["score"]) for row in read_jsonl(path) if row["score"] is not None}
            for path in sorted(folder.glob("*/predictions.jsonl"))}


def families(material: Material) -> dict[str, str]:
    """The family of each held-out question, "" where the data names none."""
    return {sample.id: str(sample.meta.get("family") or "") for sample in read_dataset(material.evaluation)}


def videos(material: Material) -> dict[str, str]:
    """The video of each question, trained on or held out: questions about one video are not independent."""
    held_out, trained = read_dataset(material.evaluation), read_dataset(material.train)
    return {sample.id: sample.video for sample in (*trained, *held_out)}


def groups_by(figure: Callable[[Mapping[str, Any]], Value], plan: Plan, layout: Layout,
              tasks: Sequence[Task]) -> dict[str, dict[str, list[Value]]]:
    """Arm -> question -> the figure of the group of each round; finished ones only."""
    done = {Path(task.spec.folder) for task in tasks if task.spec.kind == "groups" and task.seconds() is not None}
    return {entry.arm.name: each_round(figure, read_jsonl(folder / "groups.jsonl"), plan.rounds)
            for folder, entries in wanted_groups(plan, layout).items() if folder in done for entry in entries}


def each_round(figure: Callable[[Mapping[str, Any]], Value], rows: Sequence[Mapping[str, Any]],
               rounds: int) -> dict[str, list[Value]]:
    """Question -> one figure a round, for the questions that could be rolled out in every round: arms are paired by it.
    """
    found: dict[str, list[Value]] = {}
    for row in sorted(rows, key=lambda row: (row["id"], row["round"])):
        if row["round"] < rounds and "reason" not in row:
            found.setdefault(row["id"], []).append(figure(row))
    return {name: values for name, values in found.items() if len(values) == rounds}


def flat_of(row: Mapping[str, Any]) -> int:
    """1 when all rewards of a group are equal, else 0; those that could not be had do not count."""
    return int(is_flat(np.array(finite(row["rewards"]))))


def accuracy_of(row: Mapping[str, Any]) -> float:
    """The mean accuracy of a group's rollouts."""
    return fmean(finite(row["accuracy"]))


def finite(values: Sequence[Sequence[float | None]]) -> list[float]:
    """All values of a group's variants that could be had."""
    return [value for variant in values for value in variant if value is not None and math.isfinite(value)]


def read_json(path: Path) -> dict[str, Any] | None:
    """A JSON object, None when it is not there."""
    try:
        return dict(json.loads(path.read_bytes()))
    except FileNotFoundError:
        return None
