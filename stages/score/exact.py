"""Cosines that come out to the same bits in any order of summation, so that many questions may share one product.

Why they are exact: `quantised` vectors have components i · 2⁻²⁶ with whole i. A product of two is a whole multiple of
2⁻⁵², and so is every sum of products. For the terms of any part S of the dimensions, |Σ_S x·y| ≤ |x| |y| by
Cauchy–Schwarz, which is below 2 for vectors no longer than 1.4; a multiple of 2⁻⁵² below 2 has at most 53 bits, which
float64 holds. So no addition of any order, blocking or fused multiply-add ever rounds, and a matrix product gives the
bits of a loop. Rounding a component moves it by at most 2⁻²⁷; cosines move by about 10⁻⁸, less than a float32 shows.
"""

import numpy as np

from strive.configs.errors import ItemError

STEPS = float(1 << 26)
MAX_LENGTH = 1.4


def quantised(rows: np.ndarray) -> np.ndarray:
    """float64 rows [n, D] with components at the nearest multiples of 2⁻²⁶ (ties to even).

    Raises `ItemError` for rows that are not finite or longer than 1.4: directions have length 1, means of them less.
    """
    steps = np.multiply(rows, STEPS, dtype=np.float64)
    np.rint(steps, out=steps)
    steps /= STEPS
    squares = np.einsum("nd,nd->n", steps, steps)
    if not (squares <= MAX_LENGTH**2).all():
        raise ItemError("the scorer's vectors are not finite or not of length 1", "unit vectors", "Check score.model.")
    return steps


def cosines(images: np.ndarray, texts: np.ndarray) -> np.ndarray:
    """float32 [Q, R]: the products of quantised rows [R, D] and [Q, D], rounded once, at the end."""
    return np.asarray((texts @ images.T).astype(np.float32))
