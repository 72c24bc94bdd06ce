"""The recipe of a measurement: everything that may change its figures, and the identity that it gives each sample."""

from collections.abc import Mapping
from typing import Any

from strive.cache.digest import digest_json
from strive.cache.key import library_series
from strive.configs.errors import UsageError
from strive.configs.schema import Config
from strive.stages.tasks.prompt import PROMPT_FORMATS
from strive.stages.tasks.sample import Sample

VERSION = 1  # of prompting, parsing and grading together


def recipe_of(config: Config, bench: str, identity: str) -> dict[str, Any]:
    """What the figures depend on, as plain JSON: settings, model identity, how frames were taken, library series."""
    settings = config.eval.result_keys()
    if settings["prompt_format"] not in PROMPT_FORMATS:
        raise UsageError(
            f"eval.prompt_format {settings['prompt_format']!r}",
            f"one of {', '.join(PROMPT_FORMATS)}",
            "Set eval.prompt_format to one of these.",
        )
    return {
        "version": VERSION,
        "bench": bench,
        "model": identity,
        **{f"eval.{key}": value for key, value in settings.items()},
        **{f"extract.{key}": value for key, value in config.extract.result_keys().items()},
        "libraries": library_series("torch", "transformers"),
    }


def sample_key(sample: Sample, recipe: Mapping[str, Any], frames: str = "") -> str:
    """Identity of an answer: sample, recipe, content digest of the frames. Resume goes by it, never by position."""
    return digest_json({"sample": sample.to_json(), "recipe": dict(recipe), "frames": frames})


def differences(past: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """The keys that differ, each as `key: old -> new`."""
    keys = sorted(set(past) | set(now))
    return [f"{key}: {past.get(key)} -> {now.get(key)}" for key in keys if past.get(key) != now.get(key)]
