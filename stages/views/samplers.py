"""The samplers by name. To add one: a file with one function of the `Sampler` signature, and a line here.

A sampler gets scores z [N] (z-scored, finite), a budget k, a generator of its own and the parameters, and returns
exactly min(k, N) sorted unique int64 indices.
"""

from strive.configs.errors import UsageError
from strive.stages.views.aks import aks
from strive.stages.views.binmax import binmax
from strive.stages.views.gumbel import gumbel, strat_gumbel
from strive.stages.views.its import its
from strive.stages.views.selection import Sampler, SamplerParams
from strive.stages.views.topk import topk
from strive.stages.views.uniform import uniform, uniform_indices

SAMPLERS: dict[str, Sampler] = {
    "uniform": uniform,
    "topk": topk,
    "binmax": binmax,
    "its": its,
    "aks": aks,
    "gumbel": gumbel,
    "strat_gumbel": strat_gumbel,
}

RANDOM = frozenset({"gumbel", "strat_gumbel"})
"""The samplers whose draws differ from variant to variant; the others give every variant the same frames."""

__all__ = ["RANDOM", "SAMPLERS", "Sampler", "SamplerParams", "sampler", "uniform_indices"]


def sampler(name: str) -> Sampler:
    """The sampler of that name; `UsageError` listing the names when there is none."""
    if name not in SAMPLERS:
        raise UsageError(f"variants.sampler: unknown sampler {name!r}", f"one of {', '.join(sorted(SAMPLERS))}",
                         "Set variants.sampler to one of these.")
    return SAMPLERS[name]
