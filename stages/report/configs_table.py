"""The runs' settings side by side: which differ, and where each value came from."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from strive.stages.report.run_folder import RunFolder


@dataclass(frozen=True)
class Setting:
    """One key: a value and a source per run ("" for a default)."""

    key: str
    values: tuple[str, ...]
    sources: tuple[str, ...]
    differs: bool

    @property
    def is_default(self) -> bool:
        """True when no run set it."""
        return not any(self.sources)


def settings(runs: Sequence[RunFolder]) -> list[Setting]:
    """Every key of any run, in the order of the first run that has it."""
    keys = list(dict.fromkeys(key for run in runs for key in run.config))
    rows = []
    for key in keys:
        values = tuple(text(run.config[key]) if key in run.config else "–" for run in runs)
        sources = tuple(source(run, key) for run in runs)
        rows.append(Setting(key, values, sources, len(set(values)) > 1))
    return rows


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
