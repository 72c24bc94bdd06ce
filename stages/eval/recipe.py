"""The recipe of a measurement: everything that may change its figures, and the identity that it gives each sample."""

from collections.abc import Mapping
from typing import Any

from strive.cache.digest import digest_json
from strive.cache.key import library_series
from strive.configs.run_stages import EvalConfig
from strive.configs.schema import Config
from strive.stages.eval.answering.choosing import CHOSEN
from strive.stages.tasks.plugins import plugin_identity
from strive.stages.tasks.prompt import format_named
from strive.stages.tasks.sample import Sample

YOUNGER = ("time_text", "frame_pairing", "shuffle_frames", "options_shuffled")
VERSION = 2  # of prompting, parsing and grading together


def recipe_of(config: Config, bench: str, identity: str, chosen: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """What the figures depend on, as plain JSON: settings, model identity, how frames were taken, library series.

    `chosen`: sampler, its settings and the scorer where frames are chosen by scores (`footage.chosen_by`).
    """
    settings = config.eval.result_keys()
    for name in YOUNGER:  # measurements from before these keys keep their identity
        if settings[name] == EvalConfig.model_fields[name].default:
            del settings[name]
    format_named(settings["prompt_format"], "eval.prompt_format")
    own = plugin_identity([settings["prompt_format"]], "eval.prompt_format")
    return {
        "version": VERSION,
        "bench": bench,
        "model": identity,
        **{f"eval.{key}": value for key, value in settings.items()},
        **{f"extract.{key}": value for key, value in config.extract.result_keys().items()},
        "libraries": library_series("torch", "transformers"),
        **({"own_code": own} if own else {}),
        **{CHOSEN + key: value for key, value in (chosen or {}).items()},
    }


def sample_key(sample: Sample, recipe: Mapping[str, Any], frames: str = "") -> str:
    """Identity of an answer: sample, recipe, content digest of the frames. Resume goes by it, never by position."""
    return digest_json({"sample": sample.to_json(), "recipe": dict(recipe), "frames": frames})


def differences(past: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """The keys that differ, each as `key: old -> new`."""
    keys = sorted(set(past) | set(now))
    return [f"{key}: {past.get(key)} -> {now.get(key)}" for key in keys if past.get(key) != now.get(key)]
