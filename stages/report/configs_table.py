"""The runs' settings side by side: which differ, and where each value came from."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from strive.stages.report.run_folder import RunFolder


@dataclass(frozen=True)
class Value:
    """A value, where it came from ("" for a default), and the runs that have it."""

    text: str
    source: str
    runs: tuple[str, ...]


@dataclass(frozen=True)
class Setting:
    """One key with its values: one when all runs agree."""

    key: str
    values: tuple[Value, ...]

    @property
    def differs(self) -> bool:
        """True when the runs do not agree on the value itself."""
        return len({value.text for value in self.values}) > 1

    @property
    def is_default(self) -> bool:
        """True when no run set it."""
        return not any(value.source for value in self.values)


def settings(runs: Sequence[RunFolder]) -> list[Setting]:
    """Every key of any run, in the order of the first run that has it."""
    keys = list(dict.fromkeys(key for run in runs for key in run.config))
    return [Setting(key, values_of(key, runs)) for key in keys]


def values_of(key: str, runs: Sequence[RunFolder]) -> tuple[Value, ...]:
    """The distinct values and sources of a key, each with its runs; runs without the key are left out."""
    having: dict[tuple[str, str], list[str]] = {}
    for run in runs:
        if key in run.config:
            having.setdefault((text(run.config[key]), source(run, key)), []).append(run.name)
    return tuple(Value(value, origin, tuple(names)) for (value, origin), names in having.items())


def source(run: RunFolder, key: str) -> str:
    """Where the value came from, empty for a default."""
    found = run.sources.get(key, "")
    return "" if found in ("default", "defaults") else found


def text(value: Any) -> str:
    """A setting as it would be typed."""
    if isinstance(value, bool) or value is None:
        return {True: "true", False: "false", None: "null"}[value]
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {text(inner)}" for key, inner in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(text(inner) for inner in value) + "]"
    return f"{value:g}" if isinstance(value, float) else str(value)
