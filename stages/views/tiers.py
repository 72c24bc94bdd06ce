"""Temporal operator with pixels of its own: few large frames and many small ones for the tokens of a plain view.

As in Q-Frame, frames are ranked once and the ranks fill tiers of falling resolution, each a clip: half of the tokens on
few frames, the rest on many smaller ones (4 + 8 / 4 + 32 / 16 = 8 frames' worth).
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any

import numpy as np

from strive.configs.data_stages import VariantsConfig
from strive.configs.errors import UsageError
from strive.stages.bundle.opencv import import_cv2
from strive.stages.views.operation import Operator, Scene
from strive.stages.views.randomness import generator, gumbel, stable_seed
from strive.stages.views.samplers import RANDOM, SamplerParams, sampler
from strive.stages.views.selection import noisy_keys
from strive.stages.views.topk import topk
from strive.stages.views.view import View

GRAIN = 28
"""Side of a visual token in pixels (Qwen2-VL, Qwen2.5-VL): tiers have multiples of it, which no resizing changes."""
LEAST = 4 * GRAIN**2
"""Pixels below which a policy enlarges a frame again: `train.min_pixels` at its default, or a quarter of tier_pixels
where that is less, as in the demo."""


@dataclass(frozen=True)
class Tier:
    """`grid` (rows, columns) of visual tokens of a frame, `cost` = its tokens over those of a frame of divisor 1,
    `share` of the view's tokens."""

    grid: tuple[int, int]
    cost: float
    share: float


def apply_tiers(view: View, scene: Scene) -> View:
    """Frames by the configured sampler, the highest ranks in the first tier; sorted inside each tier.

    Rank: the sampler's own keys where it draws by Gumbel noise, else the importance. One clip a tier; frames of the
    first one are shown as they are stored. Every frame of the pool is shown at most once.
    """
    config, n = scene.config, scene.n
    check_tiers(config)
    tiers = tiers_of(config, *(int(side) for side in scene.frame_sizes[0]))
    counts = frame_counts(tiers, config.frames, n)
    seed = stable_seed(view.seed, "tiers")
    z = np.asarray(scene.scores.importance, np.float64)
    chosen = sampler(config.sampler)(z, sum(counts), generator(seed), SamplerParams.of(config))
    keys = noisy_keys(z, gumbel(generator(seed), n), config.tau) if config.sampler in RANDOM else z
    groups = split_by_rank(chosen, keys, counts)
    bounds = [0, *np.cumsum([len(group) for group in groups]).tolist()]
    shown = [tier for tier, count in zip(tiers, counts, strict=True) if count]
    choice = {"operator": "tiers", "sampler": config.sampler, "tau": config.tau, "coverage": config.coverage,
              "seed": seed, "tier_pixels": config.tier_pixels, "tiers": [list(tier) for tier in config.tiers],
              "counts": list(counts), "frames": [0, 0]}
    sizes = [{"operator": "tiers", "frames": bounds[i : i + 2], "size": [side * GRAIN for side in tier.grid]}
             for i, tier in enumerate(shown) if tier.cost < 1]
    return replace(view, indices=np.concatenate(groups), clip_bounds=tuple(bounds), sampler=config.sampler,
                   operators=(*view.operators, choice, *sizes))


def check_tiers(config: VariantsConfig) -> None:
    """`UsageError` unless there are tiers, each with a positive share and a divisor of at least 1, all at most 1."""
    tiers = config.tiers
    if not tiers or any(share <= 0 or divisor < 1 for share, divisor in tiers) or sum(s for s, _ in tiers) > 1 + 1e-6:
        raise UsageError(f"variants.tiers is {tiers}", "pairs of a share of the tokens (all together at most 1) and a "
                         "divisor of at least 1", "Set it, say to [[0.5, 1], [0.25, 2], [0.25, 4]].")


def tiers_of(config: VariantsConfig, height: int, width: int, grain: int = GRAIN) -> list[Tier]:
    """The tiers for frames of this size, largest first; tiers that come out at one size are one.

    A frame of divisor 1 has the tokens that a policy with `max_pixels` = tier_pixels gives it; a frame of divisor d
    the grid nearest to 1 / d² of them with sides rounded up or down, and no fewer than `LEAST` pixels.
    """
    least = min(LEAST, config.tier_pixels // 4)
    rows, columns = token_grid(height, width, config.tier_pixels, grain)
    shares: dict[tuple[int, int], float] = {}
    for share, divisor in sorted(config.tiers, key=lambda tier: tier[1]):
        grid = raised(*reduced(rows, columns, divisor), least / grain**2)
        shares[grid] = shares.get(grid, 0.0) + share
    rows, columns = raised(rows, columns, least / grain**2)
    return [Tier(grid, grid[0] * grid[1] / (rows * columns), share) for grid, share in shares.items()]


def token_grid(height: int, width: int, max_pixels: int, grain: int) -> tuple[int, int]:
    """Rows and columns of visual tokens of a frame, as the Qwen-VL families size it (`target_size`)."""
    rows, columns = (max(1, round(side / grain)) for side in (height, width))
    if rows * columns * grain**2 > max_pixels:
        beta = math.sqrt(height * width / max_pixels)
        rows, columns = (max(1, math.floor(side / beta / grain)) for side in (height, width))
    return rows, columns


def raised(rows: int, columns: int, least: float) -> tuple[int, int]:
    """The grid that those families make of one with fewer than `least` tokens; others as they are."""
    beta = math.sqrt(least / (rows * columns))
    return (rows, columns) if beta <= 1 else (math.ceil(rows * beta - 1e-9), math.ceil(columns * beta - 1e-9))


def reduced(rows: int, columns: int, divisor: int) -> tuple[int, int]:
    """The grid with sides rows / divisor, columns / divisor rounded up or down: nearest in tokens, then in shape."""
    sides = [{max(1, side // divisor), max(1, -(-side // divisor))} for side in (rows, columns)]
    wanted = rows * columns / divisor**2
    return min(((r, c) for r in sorted(sides[0]) for c in sorted(sides[1])),
               key=lambda grid: (abs(grid[0] * grid[1] - wanted), abs(math.log(grid[0] * columns / grid[1] / rows))))


def frame_counts(tiers: Sequence[Tier], budget: int, pool: int) -> list[int]:
    """Frames of each tier: share · budget / cost, which is share · budget · d² where the sides divide by d.

    Rounded to pairs, as most families show two frames a temporal patch. At most `pool` together, the first tiers served
    first. Tokens that a small pool leaves over bring frames of the last tiers up, to the first as far as they go, so
    that a pool no larger than `budget` is one plain clip.
    """
    wanted = [2 * math.floor(tier.share * budget / tier.cost / 2 + 0.5) for tier in tiers]
    wanted[0] = wanted[0] or 1
    counts = [max(0, min(count, pool - sum(wanted[:i]))) for i, count in enumerate(wanted)]
    if sum(wanted) > pool:
        spare = budget - sum(count * tier.cost for count, tier in zip(counts, tiers, strict=True))
        for high, low in sorted(combinations(range(len(tiers)), 2), key=lambda pair: (pair[0], -pair[1])):
            gain = max(tiers[high].cost - tiers[low].cost, 1e-6)
            moved = max(0, min(counts[low], 2 * math.floor(spare / gain / 2 + 1e-9)))
            counts[high], counts[low], spare = counts[high] + moved, counts[low] - moved, spare - moved * gain
    return counts


def split_by_rank(chosen: np.ndarray, keys: np.ndarray, counts: Sequence[int]) -> list[np.ndarray]:
    """The chosen frames (int64, sorted) in groups of `counts` by falling key, sorted in each; no empty groups."""
    groups = []
    for count in filter(None, counts):
        best = topk(keys[chosen], count, generator(0), SamplerParams())
        groups.append(chosen[best])
        chosen = np.delete(chosen, best)
    return groups


def render_tier(image: np.ndarray, step: Mapping[str, Any], index: int) -> np.ndarray:
    """The image in its tier's size, uint8 [h, w, 3], each pixel the mean of the area it covers."""
    cv2, (height, width) = import_cv2(), step["size"]
    return np.asarray(cv2.resize(np.ascontiguousarray(image), (width, height), interpolation=cv2.INTER_AREA))


TIERS = Operator(
    "tiers", True, apply_tiers, frozenset({"text", "counting", "repetition", "order", "speed", "unreadable"}),
    render_tier,
)
