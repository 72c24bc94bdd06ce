"""The operators by name. To add one: a file with an `Operator`, and a line here.

An entry of `variants.operators` is a chain joined by "+", such as `draw+salient_crop`: one temporal operator first,
spatial ones after it. A chain that starts with a spatial operator begins with a draw.
"""

import difflib

import numpy as np

from strive.configs.data_stages import VariantsConfig
from strive.configs.errors import UsageError
from strive.stages.views.frame_choice import CANONICAL, DRAW, PHASE
from strive.stages.views.operation import Operator
from strive.stages.views.salient_crop import SALIENT_CROP
from strive.stages.views.samplers import sampler
from strive.stages.views.view import View

OPERATORS: dict[str, Operator] = {
    "canonical": CANONICAL,
    "draw": DRAW,
    "phase": PHASE,
    "salient_crop": SALIENT_CROP,
}


def chain(entry: str) -> list[Operator]:
    """The operators of one entry, a temporal one first; `UsageError` for an unknown name or a wrong order."""
    parts = [named(part.strip()) for part in entry.split("+")]
    if not parts[0].temporal:
        parts.insert(0, DRAW)
    if any(part.temporal for part in parts[1:]):
        raise UsageError(f"variants.operators: {entry!r} chooses frames twice", "one temporal operator, first",
                         "Write for instance draw+salient_crop.")
    return parts


def named(name: str) -> Operator:
    """The operator of that name, or `UsageError` with the nearest name."""
    if name in OPERATORS:
        return OPERATORS[name]
    near = difflib.get_close_matches(name, OPERATORS, 1)
    raise UsageError(f"variants.operators: unknown operator {name!r}", f"one of {', '.join(sorted(OPERATORS))}",
                     f"Did you mean {near[0]}?" if near else "Set variants.operators to some of these.")


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
        raise UsageError("variants.operators is empty", "one entry per variant", "Set it, say to canonical,draw.")
    for entry in config.operators:
        chain(entry)


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
