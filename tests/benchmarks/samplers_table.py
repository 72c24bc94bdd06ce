"""Prints what each sampler does with two weak events and a strong distractor (the table of docs/score.md).

Run it with `python tests/benchmarks/samplers_table.py [--trials 300]`.

A trial is a video of 256 frames with standard normal scores. Three stretches of 7 frames that do not touch stand out:
two events, whose scores are raised by 2, and a distractor, by 3. Each sampler draws 16 frames of the z-scored scores,
twice, as two variants would. Printed are the share of draws with a frame of both events, the mean over draws of the
largest step from one frame to the next (the ends of the video count as frames), and the mean Jaccard index of the two
draws.
"""

import argparse
from dataclasses import dataclass

import numpy as np

from strive.stages.frames.scores import zscore
from strive.stages.views.randomness import generator, stable_seed
from strive.stages.views.samplers import SAMPLERS, SamplerParams

FRAMES, BUDGET, WIDTH = 256, 16, 7
EVENT, DISTRACTOR = 2.0, 3.0
ROWS = [
    ("uniform", SamplerParams()), ("topk", SamplerParams()), ("binmax", SamplerParams()),
    ("its", SamplerParams()), ("its", SamplerParams(its_power=3.0)),
    ("aks", SamplerParams(aks_depth=3, aks_threshold=0.2)), ("aks", SamplerParams(aks_depth=5, aks_threshold=0.8)),
    ("gumbel", SamplerParams(tau=0.5)),
    *(("strat_gumbel", SamplerParams(tau=tau, coverage=coverage))
      for tau, coverage in ((0.25, 0.5), (0.5, 0.5), (0.5, 1.0), (1.0, 0.5))),
]
SHOWN = {"its": ("its_power",), "aks": ("aks_depth", "aks_threshold"), "gumbel": ("tau",),
         "strat_gumbel": ("tau", "coverage")}


@dataclass(frozen=True)
class Trial:
    """A video's scores [256] and the first frame of each event."""

    scores: np.ndarray
    events: tuple[int, int]


def trial(number: int) -> Trial:
    """The video of that number; the same on every machine."""
    rng = generator(stable_seed("samplers_table", number))
    while True:
        first, second, third = (int(start) for start in rng.integers(0, FRAMES - WIDTH + 1, 3))
        if min(abs(first - second), abs(first - third), abs(second - third)) > WIDTH:
            break
    scores = rng.standard_normal(FRAMES)
    for start, height in ((first, EVENT), (second, EVENT), (third, DISTRACTOR)):
        scores[start:start + WIDTH] += height
    return Trial(zscore(scores), (first, second))


def measured(name: str, params: SamplerParams, trials: list[Trial]) -> tuple[float, float, float]:
    """Share of draws that hit both events, mean largest step in frames, mean Jaccard index of two draws."""
    both, gaps, overlap = [], [], []
    for number, video in enumerate(trials):
        draws = [SAMPLERS[name](video.scores, BUDGET, generator(stable_seed("draw", number, variant)), params)
                 for variant in (1, 2)]
        for draw in draws:
            both.append(all(((draw >= start) & (draw < start + WIDTH)).any() for start in video.events))
            gaps.append(int(np.diff(draw, prepend=-1, append=FRAMES).max()))
        shared = len(np.intersect1d(*draws))
        overlap.append(shared / (2 * BUDGET - shared))
    return float(np.mean(both)), float(np.mean(gaps)), float(np.mean(overlap))


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trials", type=int, default=300)
    trials = [trial(number) for number in range(parser.parse_args().trials)]
    print("| sampler | both events hit | mean largest step | Jaccard of two draws |\n|---|---|---|---|")
    for name, params in ROWS:
        settings = ", ".join(f"{key.removeprefix(name + '_')} {getattr(params, key):g}" for key in SHOWN.get(name, ()))
        both, gap, overlap = measured(name, params, trials)
        print(f"| {name}{' ' if settings else ''}{settings} | {both:.2f} | {gap:.1f} | {overlap:.2f} |")


if __name__ == "__main__":
    main()
