"""The first table of the page: what was reached, beside the controls and what chance and the evidence allow."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from strive.stages.report.values import mapping, share

ROWS = (
    ("base", "Base policy", "start", "before training"),
    ("trained", "Trained policy", "result", "after training"),
    ("text_only", "No video in the prompt", "control", "trained policy"),
    ("blank", "Every frame grey", "control", "trained policy"),
    ("swapped", "Frames of another video", "control", "trained policy"),
)
FACTS = (
    ("n_eval", "held-out questions"), ("steps", "training steps"), ("seed", "seed"), ("seconds", "seconds in all"),
)


@dataclass(frozen=True)
class HeadlineRow:
    """One line: shares from 0 to 1, or None where a figure was not measured."""

    label: str
    note: str
    kind: str  # start, result, control
    accuracy: float
    answered: float | None
    format_rate: float | None
    visible: float | None  # accuracy where the evidence is in the frames shown


@dataclass(frozen=True)
class Family:
    """One family of questions: accuracy of the base and the trained policy, of the controls, and chance."""

    name: str
    base: float | None
    trained: float | None
    chance: float | None
    controls: tuple[float, ...]


@dataclass(frozen=True)
class Headline:
    """The table, its reference marks (label → share), and single facts (label → text)."""

    title: str
    text: str
    rows: tuple[HeadlineRow, ...]
    families: tuple[Family, ...]
    marks: Mapping[str, float]
    facts: Mapping[str, str]
    gain: float | None


def read_headline(summary: Mapping[str, Any]) -> Headline:
    """From figures under the names that `strive demo` prints (`base_accuracy`, `text_only_accuracy`, `chance`, …),
    a `title`, a `text` of two sentences, and `facts` (label → value) for anything else."""
    rows = tuple(
        HeadlineRow(label, note, kind, accuracy, share(summary.get(f"{name}_accuracy_answered")),
                    share(summary.get(f"{name}_format_rate")), share(summary.get(f"{name}_accuracy_when_visible")))
        for name, label, kind, note in ROWS
        if (accuracy := share(summary.get(f"{name}_accuracy"))) is not None
    )
    marks = {name: value for name in ("chance", "ceiling") if (value := share(summary.get(name))) is not None}
    facts = {label: plain(summary[name]) for name, label in FACTS if summary.get(name) is not None}
    if (visible := share(summary.get("visible_share"))) is not None:
        facts["questions whose evidence is in the frames shown"] = f"{100 * visible:.0f} %"
    facts |= {str(label): plain(value) for label, value in mapping(summary.get("facts")).items()}
    return Headline(str(summary.get("title") or ""), str(summary.get("text") or ""), rows, read_families(summary),
                    marks, facts, gain(rows))


def read_families(summary: Mapping[str, Any]) -> tuple[Family, ...]:
    """The families of the summary, in its order."""
    found = mapping(summary.get("families"))
    return tuple(
        Family(str(name), share(row.get("base")), share(row.get("trained")), share(row.get("chance")),
               tuple(v for arm in ("text_only", "blank", "swapped") if (v := share(row.get(arm))) is not None))
        for name, row in found.items() if isinstance(row, Mapping)
    )


def gain(rows: tuple[HeadlineRow, ...]) -> float | None:
    """Trained minus base, when both are there."""
    by_kind = {row.kind: row.accuracy for row in rows}
    return by_kind["result"] - by_kind["start"] if {"result", "start"} <= by_kind.keys() else None


def plain(value: Any) -> str:
    """A figure as text, floats with three digits."""
    return f"{value:.3g}" if isinstance(value, float) else str(value)
