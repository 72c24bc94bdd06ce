"""Prints the figures of docs/advantages.md, computed exactly: `python tests/benchmarks/advantage_facts.py`.

Rewards are 0 or 1, reply g on view v is right with probability p_v. The toy policy has one parameter x and says "right"
with probability p_v = sigmoid(x + b_v): a reply's score is d log pi / dx = r - p_v, its group's gradient the mean of
A (r - p_v). Rewards of a view are exchangeable, so expectations are sums over how many replies of each view are right.
"""

import itertools
import math
import sys
from collections.abc import Iterator, Sequence

import numpy as np

from strive.configs.run_stages import TrainConfig
from strive.stages.train.objective.advantages import compute

VIEWS = (0.92, 0.73, 0.50, 0.18)


def equal_share(views: Sequence[float], each: int) -> float:
    """P(all V x G rewards equal) = prod p_v^G + prod (1 - p_v)^G."""
    return math.prod(p**each for p in views) + math.prod((1 - p) ** each for p in views)


def outcomes(views: Sequence[float], each: int) -> Iterator[tuple[float, list[int]]]:
    """Each way in which numbers of right replies can fall out, with its probability."""
    for hits in itertools.product(range(each + 1), repeat=len(views)):
        chance = math.prod(math.comb(each, k) * p**k * (1 - p) ** (each - k) for p, k in zip(views, hits, strict=True))
        yield chance, list(hits)


def gradient(views: Sequence[float], each: int, config: TrainConfig) -> tuple[float, float]:
    """(mean / std of one group's gradient, share of groups without any advantage), exactly."""
    first = second = silent = 0.0
    variants = [v for v in range(len(views)) for _ in range(each)]
    scores = np.repeat(views, each)
    for chance, hits in outcomes(views, each):
        rewards = np.array([float(g < k) for k in hits for g in range(each)])
        values = compute(rewards, [0] * len(rewards), variants, config).values
        found = float((values * (rewards - scores)).mean())
        first, second = first + chance * found, second + chance * found**2
        silent += chance * bool((values == 0).all())
    deviation = math.sqrt(max(second - first**2, 0.0))
    return (first / deviation if deviation > 0 else 0.0), silent


def offset_gradient(views: Sequence[float], each: int) -> float:
    """The largest expected gradient that a constant per variant, added to the advantages, makes: 0."""
    return max(abs(sum(chance * sum(hits[v] - each * views[v] for v in range(len(views)) if v == shifted)
                       for chance, hits in outcomes(views, each))) for shifted in range(len(views)))


def say(text: str) -> None:
    sys.stdout.write(text + "\n")


def collapse() -> None:
    """Fact 1."""
    say("P(all 8 rewards equal), mean accuracy 0.9")
    for views, each in (((0.9,), 8), ((1, 1, 0.9, 0.7), 2), ((0.98, 0.95, 0.9, 0.77), 2)):
        say(f"  {len(views)} x {each}  p = {', '.join(f'{p:g}' for p in views):<20} {equal_share(views, each):.3f}")


def signal() -> None:
    """Fact 2."""
    say(f"gradient of one group: mean / std, and groups without advantage; four views p = {VIEWS}")
    scopes = ("joint", "per_variant", "hierarchical", "joint_mean_row_std", "row_mean_joint_std")
    for each in (1, 2, 4):
        for scope in scopes[: 5 if each > 1 else 1]:
            ratio, silent = gradient(VIEWS, each, TrainConfig.model_validate({"advantage_scope": scope}))
            say(f"  4 x {each}  {scope:<20} {ratio:5.2f}  {silent:6.1%}")
    for p in VIEWS:
        ratio, silent = gradient((p,), 8, TrainConfig())
        say(f"  1 x 8  one view, p = {p:<10} {ratio:5.2f}  {silent:6.1%}")
    say(f"  expected gradient of a constant per variant: {offset_gradient(VIEWS, 2):.0e} or less")


def outliers() -> None:
    """Facts 3 and 4."""
    say("one right reply among N: its advantage, and (N - 1) / sqrt(N)")
    for size in (2, 8, 16, 32):
        rewards = [1.0] + [0.0] * (size - 1)
        got = compute(rewards, [0] * size, [0] * size, TrainConfig()).values[0]
        say(f"  N = {size:<3} {got:.2f}  {(size - 1) / math.sqrt(size):.2f}")
    say("all 8 right, one badly formed (rewards 1.0 and 0.9): its advantage by min_std")
    for floor in (0.0, 0.05, 0.2):
        config = TrainConfig(advantage_min_std=floor)
        say(f"  min_std {floor:<4g} {compute([1.0] * 7 + [0.9], [0] * 8, [0] * 8, config).values[7]:.2f}")
    got = compute([1.0, 0.9], [0] * 2, [0] * 2, TrainConfig()).values
    far = compute([1.0, 0.0], [0] * 2, [0] * 2, TrainConfig()).values
    say(f"two replies: +-{got[0]:.3f} for rewards 1.0 and 0.9, +-{far[0]:.3f} for 1 and 0")


if __name__ == "__main__":
    collapse()
    signal()
    outliers()
