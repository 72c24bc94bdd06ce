"""Turns marked answers into the figures of results.json."""

from collections.abc import Mapping, Sequence
from typing import Any

from strive.stages.eval.benchmarks import is_aside, rows_of
from strive.stages.eval.benchmarks.data import BenchData
from strive.stages.eval.figures.statistics import mean
from strive.stages.eval.figures.tally import Tally
from strive.stages.eval.protocols.verdict import Verdict
from strive.stages.tasks.sample import Sample

MOST_VALUES = 40  # a meta field with more values than this is no category


def summarise(
    data: BenchData,
    rows: Mapping[str, Mapping[str, Any]],
    failed: Sequence[Mapping[str, str]],
    protocol: str = "strict",
    too_large: int = 0,
    unscored: int = 0,
) -> dict[str, Any]:
    """Figures over the answered samples, in fractions; `too_large` of the failed ones did not fit in memory, the
    frames of `unscored` ones have no scores to be chosen by.

    accuracy: mean score over the protocol's denominator; unread replies count 0. accuracy_answered: the same over
    replies that could be read. accuracy_all: failed samples count 0 too. headline: the benchmark's published metrics.
    groups: the same by category.
    """
    asked = [sample for sample in data.samples if sample.id in rows]
    tally = tallied(data, asked, rows)
    whole = tally.whole
    known = [value for sample in asked if (value := chance(sample)) is not None]
    formed = [float(rows[s.id]["well_formed"]) for s in asked if rows[s.id].get("well_formed") is not None]
    groups = tally.groups()
    return {
        **tally.figures(),
        "protocol": protocol,
        "headline": rows_of(data.bench).headline(tally, protocol),
        "format_rate": mean(formed),
        "n_rows": len(asked),
        "n_total": len(data.samples),
        "n_undecodable": len(failed) - too_large - unscored,
        "n_too_large": too_large,
        "n_unscored": unscored,
        "n_videos": len({sample.video for sample in asked}),
        "accuracy_all": whole.total / (whole.n + len(failed)) if whole.n or failed else None,
        "chance": mean(known),
        "n_chance": len(known),
        "groups": groups,
        "families": groups.get("family") or groups.get("task_type") or groups.get("question_type") or {},
        "failed": [dict(one) for one in failed],
    }


def tallied(data: BenchData, asked: Sequence[Sample], rows: Mapping[str, Mapping[str, Any]]) -> Tally:
    """The answers counted by the benchmark's categories, or by the fields that look like ones."""
    tally, kind = Tally(), rows_of(data.bench)
    fields = data.fields or categories(asked)
    for sample in asked:
        row = rows[sample.id]
        published = data.published.get(sample.id)
        places = kind.categories(published) if published else {name: str(field_of(sample, name)) for name in fields}
        verdict = Verdict(row["score"], row["status"], row["parsed"], counted=row.get("counted", True))
        aside = published is not None and is_aside(published)
        tally.add(verdict, places, sample.video, bool(row.get("well_formed")), aside)
    return tally


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
