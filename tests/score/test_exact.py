"""Cosines have the same bits alone, in any company, in any order, and are right."""

from fractions import Fraction

import numpy as np
import pytest

from strive.configs.errors import ItemError
from strive.stages.score.exact import STEPS, cosines, quantised


def directions(count: int, size: int, seed: int) -> np.ndarray:
    rows = np.random.default_rng(seed).standard_normal((count, size))
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


@pytest.mark.parametrize("size", [1, 7, 64, 512, 1023])
def test_one_question_gets_the_bits_that_it_gets_among_many_in_any_order(size: int) -> None:
    images, texts = (quantised(directions(count, size, seed)) for count, seed in ((203, 0), (65, 1)))
    together = cosines(images, texts)
    assert together.shape == (65, 203) and together.dtype == np.float32
    for q in range(0, 65, 8):
        assert np.array_equal(cosines(images, texts[q : q + 1])[0], together[q])
    order, dims = np.random.default_rng(2).permutation(203), np.random.default_rng(3).permutation(size)
    assert np.array_equal(cosines(images[order], texts), together[:, order])
    assert np.array_equal(cosines(images[:, dims], texts[:, dims]), together)
    assert np.array_equal((images[:, None] * texts).sum(axis=2).T.astype(np.float32), together)


def test_products_of_quantised_directions_are_exact_to_the_last_bit() -> None:
    images, texts = quantised(directions(5, 200, 4)), quantised(directions(3, 200, 5))
    for text, row in zip(texts, texts @ images.T, strict=True):
        for image, value in zip(images, row, strict=True):
            exact = sum(Fraction(x) * Fraction(y) for x, y in zip(text.tolist(), image.tolist(), strict=True))
            assert Fraction(value) == exact


def test_the_longest_and_most_even_vectors_are_exact_too() -> None:
    for size in (1, 4, 512):
        row = np.full((1, size), np.sqrt(1 / size))
        value = quantised(row) @ quantised(row).T
        assert Fraction(float(value[0, 0])) == size * Fraction(float(quantised(row)[0, 0])) ** 2


def test_components_are_whole_steps_and_cosines_hardly_move() -> None:
    images, texts = directions(300, 512, 6), directions(20, 512, 7)
    steps = quantised(images) * STEPS
    assert np.array_equal(steps, np.rint(steps)) and np.abs(quantised(images) - images).max() <= 0.5 / STEPS
    moved = cosines(quantised(images), quantised(texts)) - (texts.astype(np.float64) @ images.astype(np.float64).T)
    assert np.abs(moved).max() < 1e-7


@pytest.mark.parametrize("bad", [np.nan, np.inf, 1.5])
def test_what_is_not_a_direction_is_refused(bad: float) -> None:
    rows = directions(3, 4, 8)
    rows[1, 0] = bad
    with pytest.raises(ItemError, match="length 1"):
        quantised(rows)
