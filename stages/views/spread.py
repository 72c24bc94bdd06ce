"""Uniform frames of a stretch with a drawn phase: views of the same stretch with other seeds show other frames."""

import numpy as np

from strive.stages.views.uniform import phase_indices

PHASES = 64  # steps of a phase, as a share of the spacing


def spread(n: int, k: int, rng: np.random.Generator) -> np.ndarray:
    """min(k, n) of 0..n−1, evenly spaced from a phase that is drawn: sorted unique int64."""
    return phase_indices(n, k, int(rng.integers(PHASES)), PHASES)
