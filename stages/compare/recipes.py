"""Reads the recipes of a comparison as people type them: NAME, FILE.yaml, or either with `:key=value,key=value`."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from strive.configs.errors import UsageError
from strive.configs.load import Resolved, check_key, load, nearest, shipped_names

FORM = "a recipe's name, a YAML file, or either with changes, as in strive:train.learning_rate=3e-5,variants.tau=1"
CLOSES = {"[": "]", "{": "}", "(": ")"}
OWN = {
    "train.seed": "--seeds", "train.eval_every": "--points",
    "train.steps": "--set train.steps=N: the baseline's steps are the budget, each recipe gets as many as fit into it",
}
"""Keys that a comparison sets itself, with what to use instead."""


@dataclass(frozen=True)
class Asked:
    """One recipe argument: `name` is unique in a comparison; `recipe` is shipped, or `file` is the user's; `changes`
    are KEY=VALUE, the last word on these keys."""

    name: str
    recipe: str | None
    file: Path | None
    changes: tuple[str, ...]


@dataclass(frozen=True)
class Layers:
    """What is laid under and over every recipe alike. `quick`: KEY=VALUE that --set may still override."""

    preset: str | None = None
    config_files: tuple[Path, ...] = ()
    quick: tuple[str, ...] = ()
    sets: tuple[str, ...] = ()
    flags: Mapping[str, Any] = field(default_factory=dict)


def read_recipes(arguments: Iterable[str]) -> list[Asked]:
    """The arguments in their order; `UsageError` for an unknown recipe, a malformed change, or a name used twice."""
    asked = [read_recipe(text) for text in arguments]
    names = [one.name for one in asked]
    twice = next((name for place, name in enumerate(names) if name in names[:place]), None)
    if twice is not None:
        raise UsageError(f"two recipes are called {twice}", "a different name for each: results are kept by name",
                         "Leave one out, or give two files different names.")
    return asked


def read_recipe(text: str) -> Asked:
    """One argument."""
    head, colon, tail = text.partition(":")
    changes = tuple(split_changes(tail)) if colon else ()
    for change in changes:
        key, equals, _ = change.partition("=")
        if not equals or not key.strip():
            raise UsageError(f"{text}: {change!r} is no change", FORM, "Write KEY=VALUE; put lists into [ ].")
        check_key(key.strip(), f"recipe {text}")
        refuse_own(key.strip(), text)
    if head in shipped_names("recipes"):
        return Asked(text, head, None, changes)
    file = Path(head)
    if not file.is_file():
        names = shipped_names("recipes")
        raise UsageError(f"{head}: no recipe of that name and no such file", f"{', '.join(names)}, or a YAML file",
                         nearest(head, names).replace("config show", "config ls"))
    return Asked(file.stem + colon + tail, None, file, changes)


def refuse_own(key: str, text: str) -> None:
    """`UsageError` for keys that a comparison sets itself."""
    if key in OWN:
        raise UsageError(f"{text}: {key} is set by the comparison",
                         "the same seeds, evaluations and budget for all recipes", f"Leave it out and use {OWN[key]}.")


def split_changes(text: str) -> list[str]:
    """The pieces between commas; a comma inside brackets does not split. `UsageError` for a bracket left open."""
    pieces, waiting, start = [], [], 0
    for place, sign in enumerate(text):
        if sign in CLOSES:
            waiting.append(CLOSES[sign])
        elif waiting and sign == waiting[-1]:
            waiting.pop()
        elif sign == "," and not waiting:
            pieces.append(text[start:place])
            start = place + 1
    if waiting:
        raise UsageError(f"{text}: a bracket is not closed", f"a {waiting[-1]} before the end", "Close it.")
    return [*pieces, text[start:]]


def resolve(asked: Asked, layers: Layers) -> Resolved:
    """The config of one recipe: preset, recipe, user file, --config files, environment, --set, then its own changes."""
    files = (asked.file,) if asked.file is not None else ()
    sets = (*layers.quick, *layers.sets, *asked.changes)
    try:
        return load(preset=layers.preset, recipe=asked.recipe, config_files=(*files, *layers.config_files), sets=sets,
                    flags=layers.flags)
    except UsageError as error:
        raise UsageError(f"recipe {asked.name}: {error.what}", error.expected, error.do) from error
