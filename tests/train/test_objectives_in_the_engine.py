"""Objectives run through the engine with the batch's own totals: the size of micro-batches changes no gradient."""

from pathlib import Path

import pytest
import torch
from test_step import Step


@pytest.mark.parametrize("name", ["bnpo", "dr_grpo", "gspo", "cispo", "reinforce"])
def test_small_micro_batches_give_the_gradient_of_large_ones(tmp_path: Path, qwen25: Path, name: str) -> None:
    """The second inner epoch is off-policy, so ratios and the lower clip are at work in it."""
    changes = {"train__loss": name, "train__inner_epochs": 2, "train__sampled_cap": 2.0, "train__learning_rate": 1e-3,
               "train__clip_low": 0.01, "train__clip_high": 2.0}
    large, small = (Step(tmp_path, qwen25, **changes) for _ in range(2))
    small.engine.token_budget = 1
    ours, theirs = large.gradients(), small.gradients()
    assert large.update.applied and small.update.applied and max(g.abs().max() for g in ours.values()) > 0
    for key, gradient in ours.items():
        torch.testing.assert_close(theirs[key], gradient, rtol=1e-3, atol=1e-5)
    assert large.update.loss == pytest.approx(small.update.loss, rel=1e-3)
    assert large.update.clip_frac == pytest.approx(small.update.clip_frac, abs=0.05)
    assert (large.update.clip_frac > 0) == (name != "reinforce")
