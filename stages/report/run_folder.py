"""Reads a run folder (train or eval) as the report needs it; what is not there is simply absent."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from strive.cache.atomic import read_jsonl
from strive.configs.errors import MissingError, UsageError, VerificationError

MOST_BYTES = 512 * 1024 * 1024


@dataclass(frozen=True)
class RunFolder:
    """One run: `metrics` one row a step, `rollouts` and `predictions` as written, `results` of an evaluation."""

    name: str
    path: Path
    config: Mapping[str, Any] = field(default_factory=dict)
    sources: Mapping[str, str] = field(default_factory=dict)
    about: Mapping[str, Any] = field(default_factory=dict)
    metrics: tuple[dict[str, Any], ...] = ()
    rollouts: tuple[dict[str, Any], ...] = ()
    predictions: tuple[dict[str, Any], ...] = ()
    results: Mapping[str, Any] = field(default_factory=dict)

    @property
    def is_eval(self) -> bool:
        """True for a folder that `strive eval` wrote."""
        return not self.metrics and bool(self.results or self.predictions)


def read_run(path: Path) -> RunFolder:
    """The run at `path`. Raises `MissingError` when it is not there, `UsageError` when it is not a run folder,
    `VerificationError` for a file that is not what it should be."""
    if not path.is_dir():
        raise MissingError(f"{path}: no such run folder", "a folder that strive train or eval wrote", "Check the path.")
    known = ("metrics.jsonl", "results.json", "predictions.jsonl")
    if not any((path / name).is_file() for name in known):
        raise UsageError(f"{path}: not a run folder", f"one of {', '.join(known)} in it",
                         "Give the folder that was --run (or --out) of the run.")
    config, sources, about = read_config(path / "config.yaml")
    rows = {name: tuple(optional_jsonl(path / f"{name}.jsonl")) for name in ("metrics", "rollouts", "predictions")}
    return RunFolder(path.resolve().name, path, config, sources, about, last_of_each_step(rows["metrics"]),
                     rows["rollouts"], rows["predictions"], optional_json(path / "results.json"))


def last_of_each_step(rows: tuple[dict[str, Any], ...]) -> tuple[dict[str, Any], ...]:
    """Rows in step order; a step that was done again after a resume counts once, its last row."""
    by_step = {row["step"]: row for row in rows if isinstance(row.get("step"), int)}
    return tuple(by_step[step] for step in sorted(by_step))


def optional_jsonl(path: Path) -> list[dict[str, Any]]:
    """The rows of a ledger, or none when the run did not write it."""
    if not path.is_file():
        return []
    check_size(path)
    return [row for row in read_jsonl(path) if isinstance(row, dict)]


def optional_json(path: Path) -> dict[str, Any]:
    """A JSON object, or an empty one when the run did not write it."""
    if not path.is_file():
        return {}
    check_size(path)
    try:
        value = json.loads(path.read_text("utf-8"))
    except (ValueError, RecursionError) as error:
        raise VerificationError(f"{path}: not JSON ({error})", "one JSON object", "Run the evaluation again.") from error
    return value if isinstance(value, dict) else {}


def check_size(path: Path) -> None:
    """Refuse to read what no run of ours writes."""
    size = path.stat().st_size
    if size > MOST_BYTES:
        raise UsageError(f"{path}: {size} bytes", f"at most {MOST_BYTES}", "Report on a shorter run.")


def read_config(path: Path) -> tuple[dict[str, Any], dict[str, str], dict[str, Any]]:
    """The resolved config as dotted keys, the source of each value, and what else the file says of the run."""
    if not path.is_file():
        return {}, {}, {}
    check_size(path)
    try:
        tree = yaml.safe_load(path.read_text("utf-8")) or {}
    except (yaml.YAMLError, RecursionError) as error:
        raise VerificationError(f"{path}: not YAML", "the config that the run wrote", "Mend or remove the file.") from error
    if not isinstance(tree, dict):
        return {}, {}, {}
    sources = tree.pop("sources", None)
    config = tree.pop("config", None)
    if not isinstance(config, dict):
        config, tree = tree, {}
    return dotted(config), {str(k): str(v) for k, v in (sources or {}).items()}, tree


def dotted(tree: Mapping[str, Any]) -> dict[str, Any]:
    """`{"train": {"steps": 3}}` as `{"train.steps": 3}`; deeper values stay whole."""
    flat: dict[str, Any] = {}
    for section, value in tree.items():
        if isinstance(value, Mapping):
            flat.update({f"{section}.{key}": inner for key, inner in value.items()})
        else:
            flat[str(section)] = value
    return flat
