"""Scores have their published definitions."""

import json
import math
import random

import numpy as np
import pytest

from strive.stages.tasks.overlap import rouge_mean
from strive.stages.tasks.sample import QUESTION_TYPES, Sample
from strive.stages.tasks.spans import box_iou, tiou
from strive.stages.tasks.verifiers import BY_TYPE, VERIFIERS, mean_relative_accuracy, verifier_of


def test_mra_uses_the_published_grid_and_comparison() -> None:
    grid = np.linspace(0.5, 0.95, int((0.95 - 0.5) / 0.05 + 2))
    for gold in (1, 4, 7, 20, 1.3):
        for share in np.linspace(0.4, 1.6, 121):
            value = repr(float(gold * share))
            want = float((abs(float(value) - gold) / gold <= 1 - grid).mean())
            assert mean_relative_accuracy(value, repr(float(gold))) == want


def test_mra_at_a_count_that_is_off_by_one_and_off_by_half() -> None:
    assert mean_relative_accuracy("5", "4") == pytest.approx(0.6)
    assert mean_relative_accuracy("3", "4") == pytest.approx(0.6)
    assert mean_relative_accuracy("6", "4") == pytest.approx(0.1)
    assert mean_relative_accuracy("4", "4") == 1.0
    assert mean_relative_accuracy("-4", "4") == 0.0


def test_mra_of_a_gold_zero_is_defined() -> None:
    assert (mean_relative_accuracy("0", "0"), mean_relative_accuracy("1", "0")) == (1.0, 0.0)


def test_tiou_equals_counting_on_a_grid() -> None:
    rng = random.Random(0)
    for _ in range(50):
        a, b = sorted(rng.randrange(0, 40) for _ in range(2)), sorted(rng.randrange(0, 40) for _ in range(2))
        cells_a, cells_b = set(range(*a)), set(range(*b))
        union = len(cells_a | cells_b)
        assert tiou(a, b) == pytest.approx(len(cells_a & cells_b) / union if union else 0.0)
        assert tiou(a, b) == tiou(b, a)
    assert tiou([0, 5], [5, 9]) == 0.0


def test_box_iou_equals_counting_pixels() -> None:
    rng = random.Random(1)
    for _ in range(50):
        boxes = [
            [min(x), min(y), max(x), max(y)]
            for x, y in (
                ([rng.randrange(12) for _ in range(2)], [rng.randrange(12) for _ in range(2)]) for _ in range(2)
            )
        ]
        pixels = [{(x, y) for x in range(b[0], b[2]) for y in range(b[1], b[3])} for b in boxes]
        union = len(pixels[0] | pixels[1])
        assert box_iou(*boxes) == pytest.approx(len(pixels[0] & pixels[1]) / union if union else 0.0)


def test_rouge_of_equal_disjoint_and_half_shared_texts() -> None:
    assert rouge_mean("a red car stops", "The red car stops.") == 1.0
    assert rouge_mean("blue", "red car") == 0.0
    assert rouge_mean("", "red") == 0.0
    assert rouge_mean("red car", "red bus") == pytest.approx((0.5 + 0.0 + 0.5) / 3)


def test_every_question_type_has_verifiers_and_scores_stay_between_0_and_1() -> None:
    assert set(BY_TYPE) == set(QUESTION_TYPES)
    assert {name for names in BY_TYPE.values() for name in names} == set(VERIFIERS)
    for given, gold in (("1e308", "1e-300"), ("-1e308", "1"), ("0", "5")):
        for name in ("mra", "relative", "progress", "numeric"):
            assert 0.0 <= VERIFIERS[name].score(given, gold) <= 1.0
    assert math.isfinite(
        VERIFIERS["id_interval"].score(json.dumps({"id": 1, "time": [0, 0]}), json.dumps({"id": 1, "time": [0, 0]}))
    )


def test_the_metric_in_meta_chooses_the_verifier() -> None:
    assert verifier_of(Sample("1", "v", "q", None, "4", "numerical", {"metric": "mra"})) is VERIFIERS["mra"]
    assert verifier_of(Sample("1", "v", "q", None, "4", "numerical")) is VERIFIERS["numeric"]
    assert verifier_of(Sample("1", "v", "q", None, "red", "open", {"metric": "exact"})) is VERIFIERS["exact"]
