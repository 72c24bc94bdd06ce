"""Reads a run folder (train or eval) as the report needs it; what is not there is simply absent."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import yaml

from strive.cache.atomic import read_jsonl
from strive.configs.errors import MissingError, UsageError, VerificationError
from strive.stages.report.values import count, mapping

MOST_BYTES = 512 * 1024 * 1024


@dataclass(frozen=True)
class RunFolder:
    """One run: `config` by dotted key, `about` is run.json, `metrics` one row a step, `recipe` what the figures of an
    evaluation depend on, the rest as written."""

    name: str
    path: Path
    config: Mapping[str, Any] = field(default_factory=dict)
    sources: Mapping[str, str] = field(default_factory=dict)
    about: Mapping[str, Any] = field(default_factory=dict)
    metrics: tuple[dict[str, Any], ...] = ()
    rollouts: tuple[dict[str, Any], ...] = ()
    predictions: tuple[dict[str, Any], ...] = ()
    results: Mapping[str, Any] = field(default_factory=dict)
    recipe: Mapping[str, Any] = field(default_factory=dict)

    @property
    def is_eval(self) -> bool:
        """True for a folder that `strive eval` wrote."""
        return not self.metrics and bool(self.results or self.predictions)

    @property
    def bench(self) -> str:
        """The benchmark of an evaluation, "" when it recorded none."""
        return str(self.results.get("bench") or self.recipe.get("bench") or "")


def read_runs(paths: Sequence[Path]) -> list[RunFolder]:
    """The runs at `paths`; those of one name are named with as many folders above them as tell them apart."""
    found = [read_run(path) for path in paths]
    names = Counter(run.name for run in found)
    return [run if names[run.name] == 1 else replace(run, name=longer_name(run, found)) for run in found]


def longer_name(run: RunFolder, among: Sequence[RunFolder]) -> str:
    """The end of the run's path that no other run of another folder has."""
    parts = run.path.resolve().parts
    others = {one.path.resolve().parts for one in among} - {parts}
    for start in range(len(parts) - 1, 0, -1):
        end = parts[start:]
        if all(other[-len(end):] != end for other in others):
            return "/".join(end)
    return run.name


def read_run(path: Path) -> RunFolder:
    """The run at `path`. Raises `MissingError` when it is not there, `UsageError` when it is not a run folder,
    `VerificationError` for a file that is not what it should be."""
    if not path.is_dir():
        raise MissingError(f"{path}: no such run folder", "a folder that strive train or eval wrote", "Check the path.")
    known = ("metrics.jsonl", "results.json", "predictions.jsonl")
    if not any((path / name).is_file() for name in known):
        inside = any(path.glob(f"*/{name}") for name in known[1:])
        raise UsageError(f"{path}: not a run folder", f"one of {', '.join(known)} in it",
                         f"Give the runs in it: strive report {path}/*" if inside else
                         "Give the folder that was --run (or --out) of the run.")
    config, sources = read_config(path / "config.yaml")
    rows = {name: tuple(optional_jsonl(path / f"{name}.jsonl")) for name in ("metrics", "rollouts", "predictions")}
    about, results = optional_json(path / "run.json"), optional_json(path / "results.json")
    recipe = mapping(results.get("recipe")) or optional_json(path / "recipe.json")
    return RunFolder(path.resolve().name, path, config, sources, about, last_of_each_step(rows["metrics"]),
                     rows["rollouts"], rows["predictions"], results, recipe)


def last_of_each_step(rows: tuple[dict[str, Any], ...]) -> tuple[dict[str, Any], ...]:
    """Rows in step order; a step that was done again after a resume counts once, its last row."""
    by_step = {row["step"]: row for row in rows if count(row.get("step")) is not None}
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
        raise VerificationError(f"{path}: not JSON ({error})", "one JSON object", "Run the evaluation again.") from None
    return value if isinstance(value, dict) else {}


def check_size(path: Path) -> None:
    """Refuse to read what no run of ours writes."""
    size = path.stat().st_size
    if size > MOST_BYTES:
        raise UsageError(f"{path}: {size} bytes", f"at most {MOST_BYTES}", "Report on a shorter run.")


def read_config(path: Path) -> tuple[dict[str, Any], dict[str, str]]:
    """The resolved config as dotted keys, and the source of each value, which its line ends with as a comment."""
    if not path.is_file():
        return {}, {}
    check_size(path)
    text = path.read_text("utf-8", "replace")
    try:
        tree = yaml.safe_load(text) or {}
    except (yaml.YAMLError, RecursionError) as error:
        expected = "the config that the run wrote"
        raise VerificationError(f"{path}: not YAML", expected, "Mend or remove the file.") from error
    return (dotted(tree), read_sources(text)) if isinstance(tree, dict) else ({}, {})


def read_sources(text: str) -> dict[str, str]:
    """`key: value  # source` lines, the key of a section's line being `section.key`."""
    sources, section = {}, ""
    for line in text.splitlines():
        before, mark, source = line.rpartition("  # ")
        key = (before if mark else line).partition(":")[0]
        if not line.startswith(" "):
            section = "" if mark else key.strip()
        if mark:
            sources[f"{section}.{key.strip()}" if line.startswith(" ") else key.strip()] = source.strip()
    return sources


def dotted(tree: Mapping[str, Any]) -> dict[str, Any]:
    """`{"train": {"steps": 3}}` as `{"train.steps": 3}`; deeper values stay whole."""
    flat: dict[str, Any] = {}
    for section, value in tree.items():
        if isinstance(value, Mapping):
            flat.update({f"{section}.{key}": inner for key, inner in value.items()})
        else:
            flat[str(section)] = value
    return flat
