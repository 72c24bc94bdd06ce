"""The operators by name. To add one: a file with an `Operator`, and a line here.

An entry of `variants.operators` or `variants.contrast` is a chain joined by "+", such as `draw+shuffle+salient_crop`:
one operator that chooses frames, then `frame_count`, then those that reorder frames, then spatial ones. A chain that
starts with a spatial operator begins with a draw, or with the canonical view where that operator is for contrast only.
"""

import difflib
from dataclasses import replace

import numpy as np

from strive.configs.data_stages import VariantsConfig
from strive.configs.errors import UsageError
from strive.stages.views.crop_append import CROP_APPEND
from strive.stages.views.drop import DROP
from strive.stages.views.flip import FLIP
from strive.stages.views.frame_choice import CANONICAL, DRAW, PHASE
from strive.stages.views.frame_count import FRAME_COUNT
from strive.stages.views.grayscale import GRAYSCALE
from strive.stages.views.mask import MASK
from strive.stages.views.noise import NOISE
from strive.stages.views.operation import Operator
from strive.stages.views.reverse import REVERSE
from strive.stages.views.salient_crop import SALIENT_CROP
from strive.stages.views.samplers import RANDOM, sampler
from strive.stages.views.segment import SEGMENT
from strive.stages.views.shuffle import SHUFFLE
from strive.stages.views.tiers import TIERS, check_tiers
from strive.stages.views.view import View

OPERATORS: dict[str, Operator] = {
    "canonical": CANONICAL,
    "draw": DRAW,
    "phase": PHASE,
    "segment": SEGMENT,
    "drop": DROP,
    "tiers": TIERS,
    "frame_count": FRAME_COUNT,
    "shuffle": SHUFFLE,
    "reverse": REVERSE,
    "salient_crop": SALIENT_CROP,
    "crop_append": CROP_APPEND,
    "mask": MASK,
    "noise": NOISE,
    "grayscale": GRAYSCALE,
    "flip": FLIP,
}
LATER = {"frame_count": 1, "shuffle": 2, "reverse": 2}  # temporal, also after one that chose frames


def chain(entry: str, key: str = "variants.operators") -> list[Operator]:
    """The operators of one entry of the config key, one that chooses frames first; the others are not `temporal` here.

    Raises `UsageError` for an unknown name or a wrong order.
    """
    parts = [named(part.strip(), key) for part in entry.split("+")]
    places = [place(part) for part in parts]
    if places != sorted(places) or places.count(0) > 1:
        raise UsageError(f"{key}: {entry!r} has its operators in an order that cannot be carried out",
                         "one that chooses frames, then frame_count, then shuffle or reverse, then spatial ones",
                         "Write for instance draw+salient_crop.")
    if not parts[0].temporal:
        parts.insert(0, CANONICAL if parts[0].contrast_only else DRAW)
    return [parts[0], *(replace(part, temporal=False) for part in parts[1:])]


def place(operator: Operator) -> int:
    """Where an operator stands in a chain: 0 chooses frames, then those that work on chosen ones, 3 spatial."""
    return LATER.get(operator.name, 0) if operator.temporal else 3


def named(name: str, key: str) -> Operator:
    """The operator of that name, or `UsageError` with the nearest name."""
    if name in OPERATORS:
        return OPERATORS[name]
    near = difflib.get_close_matches(name, OPERATORS, 1)
    raise UsageError(f"{key}: unknown operator {name!r}", f"one of {', '.join(sorted(OPERATORS))}",
                     f"Did you mean {near[0]}?" if near else f"Set {key} to some of these.")


def entry_of(config: VariantsConfig, variant: int) -> str:
    """The entry of a variant: the list in order, then repeated from its second entry on."""
    entries = config.operators
    if variant < len(entries):
        return entries[variant]
    return entries[1 + (variant - 1) % (len(entries) - 1)] if len(entries) > 1 else entries[0]


def check_names(config: VariantsConfig) -> None:
    """Raise `UsageError` for an unknown sampler, an unknown operator or an empty list, before any work."""
    sampler(config.sampler)
    if not config.operators:
        raise UsageError("variants.operators is empty", "one entry per variant", "Set it, say to [canonical, draw].")
    for entry in config.operators:
        chain(entry)
    for entry in config.contrast:
        chain(entry, "variants.contrast")
    if config.uses("tiers"):
        check_tiers(config)


def contrast_only(config: VariantsConfig) -> list[str]:
    """Operators of views that are trained on although they are meant for contrast, in order of first use."""
    entries = [entry_of(config, variant) for variant in range(config.count)]
    names = [operator.name for entry in entries for operator in chain(entry) if operator.contrast_only]
    return list(dict.fromkeys(names))


def same_draws(config: VariantsConfig) -> int:
    """How many variants draw the same frames because the sampler is not random; 0 when fewer than two do."""
    if config.sampler in RANDOM:
        return 0
    draws = sum(chain(entry_of(config, variant))[0].name == "draw" for variant in range(config.count))
    return draws if draws > 1 else 0


def changes_pixels(view: View, position: int) -> list[dict]:
    """The entries of `view.operators` that change the pixels at this position, in order."""
    steps = [dict(step) for step in view.operators if OPERATORS[str(step["operator"])].render is not None]
    return [step for step in steps if step.get("frames", [0, len(view.indices)])[0] <= position
            < step.get("frames", [0, len(view.indices)])[1]]


def render(image: np.ndarray, steps: list[dict], index: int) -> np.ndarray:
    """The image, uint8 [H, W, 3], after the given steps; `index` is its place in the pool of frames."""
    for step in steps:
        change = OPERATORS[step["operator"]].render
        image = change(image, step, index) if change else image
    return np.ascontiguousarray(image)
