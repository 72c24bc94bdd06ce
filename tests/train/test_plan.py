"""The plan says which settings are allowed and do not do what they are there for."""

from typing import Any

import pytest

from strive.configs.load import load
from strive.configs.schema import Config
from strive.stages.train.engine.split import chance
from strive.stages.train.plan import pointless


def config(recipe: str, *sets: str) -> Config:
    return load(preset="demo", recipe=recipe, sets=sets, env={}, flags={}).config


@pytest.mark.parametrize(("recipe", "sets", "said"), [
    ("strive", (), []),
    ("strive_anneal", (), ["train.anneal_steps = 1000, train.steps = 80"]),
    ("strive_anneal", ("train.anneal_steps=80",), []),
    ("t_grpo", (), ["train.length_band begins at 320 tokens, train.max_new_tokens = 32"]),
    ("t_grpo", ("train.length_band=[8,32]",), []),
    ("strive", ("variants.operators=[canonical, tiers]",), []),
    ("strive", ("variants.operators=[canonical, tiers]", "train.max_pixels=6272"), ["variants.tier_pixels = 3136"]),
])
def test_settings_that_do_nothing_are_named(recipe: str, sets: tuple[str, ...], said: list[str]) -> None:
    found = pointless(config(recipe, *sets))
    assert len(found) == len(said)
    assert all(text.startswith(start) for text, start in zip(found, said, strict=True))


@pytest.mark.parametrize("steps", [500, 900])
def test_the_chance_that_is_named_is_that_of_the_last_step(steps: int) -> None:
    settings: Any = config("strive_anneal", f"train.steps={steps}")
    (text,) = pointless(settings)
    assert text.endswith(f"{chance(settings.train, steps - 1):.2f}")
