"""Turns graded answers into the figures of results.json."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from strive.stages.eval.figures.statistics import clustered_se, interval95, mean
from strive.stages.tasks.sample import Sample

STATUSES = ("unparsed", "ambiguous", "truncated", "empty")
MOST_VALUES = 40  # a meta field with more values than this is no category


def summarise(
    samples: Sequence[Sample],
    rows: Mapping[str, Mapping[str, Any]],
    failed: Sequence[Mapping[str, str]],
    fields: Sequence[str] = (),
    too_large: int = 0,
    unscored: int = 0,
) -> dict[str, Any]:
    """Figures over the answered samples, in fractions; `too_large` of the failed ones did not fit in memory, the
    frames of `unscored` ones have no scores to be chosen by.

    accuracy: mean score, unread replies count 0. accuracy_answered: the same over replies that could be read.
    accuracy_all: failed samples count 0 too. `fields`: categories for the tables; default: every text field of
    `meta` that all samples have, with few values.
    """
    asked = [sample for sample in samples if sample.id in rows]
    figures = block([rows[sample.id] for sample in asked])
    scores = [float(rows[sample.id]["score"]) for sample in asked]
    se = clustered_se(scores, [sample.video for sample in asked])
    tables = {field: table(asked, rows, field) for field in (fields or categories(samples))}
    possible = [chance(sample) for sample in asked]
    known = [value for value in possible if value is not None]
    return {
        **figures,
        "n_total": len(samples),
        "n_undecodable": len(failed) - too_large - unscored,
        "n_too_large": too_large,
        "n_unscored": unscored,
        "n_videos": len({sample.video for sample in asked}),
        "accuracy_all": sum(scores) / (len(asked) + len(failed)) if asked or failed else None,
        "se": se,
        "ci": interval95(figures["accuracy"], se),
        "chance": mean(known),
        "n_chance": len(known),
        "groups": tables,
        "families": tables.get("family") or tables.get("task_type") or tables.get("question_type") or {},
        "failed": [dict(one) for one in failed],
    }


def block(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The counts and shares of some answers."""
    read = [float(row["score"]) for row in rows if row["status"] == "ok"]
    counts = {f"n_{status}": sum(row["status"] == status for row in rows) for status in STATUSES}
    return {
        "n": len(rows),
        "n_answered": len(read),
        **counts,
        "accuracy": mean([float(row["score"]) for row in rows]),
        "accuracy_answered": mean(read),
        "format_rate": mean([float(row["well_formed"]) for row in rows]),
    }


def table(samples: Sequence[Sample], rows: Mapping[str, Mapping[str, Any]], field: str) -> dict[str, dict[str, Any]]:
    """Figures for each value of a field."""
    members: dict[str, list[Sample]] = defaultdict(list)
    for sample in samples:
        members[str(field_of(sample, field))].append(sample)
    result = {}
    for value in sorted(members):
        figures = block([rows[sample.id] for sample in members[value]])
        figures["se"] = clustered_se(
            [float(rows[s.id]["score"]) for s in members[value]], [s.video for s in members[value]]
        )
        result[value] = figures
    return result


def field_of(sample: Sample, field: str) -> Any:
    """`question_type`, or a field of `meta`."""
    return sample.question_type if field == "question_type" else sample.meta.get(field, "")


def categories(samples: Sequence[Sample]) -> list[str]:
    """`question_type` and the text fields of `meta` that every sample has, with 2 to 40 values that repeat."""
    if not samples:
        return []
    shared = set(samples[0].meta).intersection(*(set(sample.meta) for sample in samples))
    fields = ["question_type"]
    for field in sorted(shared - {"metric"}):
        values = {sample.meta[field] for sample in samples if isinstance(sample.meta[field], str)}
        whole = all(isinstance(sample.meta[field], str) for sample in samples)
        if whole and 2 <= len(values) <= min(MOST_VALUES, max(2, len(samples) // 2)):
            fields.append(field)
    return fields


def chance(sample: Sample) -> float | None:
    """1 / number of possible answers: `meta.choices`, else the options, else 1/2 for yes or no; None if unknown."""
    choices = sample.meta.get("choices")
    if isinstance(choices, list | tuple) and choices:
        return 1.0 / len(choices)
    if sample.question_type == "multiple_choice" and sample.options:
        return 1.0 / len(sample.options)
    if sample.question_type == "multi_answer" and sample.options:
        return 1.0 / (2 ** len(sample.options) - 1)
    return 0.5 if sample.question_type == "yes_no" else None
