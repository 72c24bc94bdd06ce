"""Objectives by hand, against GRPO as published, and what must hold for every one of them."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from token_batches import ragged, settings, totals, with_gradient
from torch import Tensor

from strive.configs.errors import UsageError
from strive.configs.load import load, shipped_names
from strive.configs.run_stages import TrainConfig
from strive.stages.train.objective.advantages import compute
from strive.stages.train.objective.inputs import LossSettings, TokenBatch, Totals, group_tokens, truncated_weight
from strive.stages.train.objective.names import LOSS_NAMES
from strive.stages.train.objective.objectives import OBJECTIVES, is_clipped, loss_named

CLIPPING = ["bnpo", "dapo", "dr_grpo", "gspo", "grpo"]


def grpo_reference(logp: list[Tensor], old: list[Tensor], rewards: list[float], group: int, low: float, high: float,
                   beta: float, ref: list[Tensor], eps: float = 1e-4) -> Tensor:
    """GRPO as published (arXiv 2402.03300, eq. 3, 4 and section 4.1.2), completion by completion; minus: a loss."""
    objective = torch.zeros(())
    for start in range(0, len(rewards), group):
        own = torch.tensor(rewards[start : start + group], dtype=torch.float64)
        advantages = (own - own.mean()) / (own.std() + eps)
        for i in range(group):
            ratio = torch.exp(logp[start + i] - old[start + i])
            bounded = torch.clamp(ratio, 1 - low, 1 + high)
            gain = torch.minimum(ratio * advantages[i].float(), bounded * advantages[i].float())
            gap = ref[start + i] - logp[start + i]
            kl = torch.exp(gap) - gap - 1
            objective = objective + (gain - beta * kl).mean() / len(rewards)
    return -objective


@pytest.mark.parametrize("beta", [0.0, 0.04])
def test_one_variant_equals_grpo_in_advantage_loss_and_gradient(beta: float) -> None:
    batch = replace(ragged(1), weight=None)
    rewards = np.random.default_rng(0).choice([0.0, 0.1, 1.0], 16).tolist()
    pieces = [row[m].clone().requires_grad_() for row, m in zip(batch.logp, batch.mask, strict=True)]
    assert batch.ref is not None
    expected = grpo_reference(pieces, [row[m] for row, m in zip(batch.old, batch.mask, strict=True)], rewards, 8, 0.2,
                              0.28, beta, [row[m] for row, m in zip(batch.ref, batch.mask, strict=True)])
    expected.backward()
    values = compute(rewards, [i // 8 for i in range(16)], [0] * 16, TrainConfig()).values
    ours, leaf = with_gradient(replace(batch, advantages=torch.tensor(values, dtype=torch.float32)))
    loss = loss_named("grpo")(ours, settings("grpo", kl_beta=beta), totals(ours))
    loss.backward()
    assert abs(loss.item() - expected.item()) < 1e-6
    assert leaf.grad is not None
    for row, piece in enumerate(pieces):
        assert piece.grad is not None
        assert (leaf.grad[row, : len(piece)] - piece.grad).abs().max() < 1e-6
        assert (leaf.grad[row, len(piece):] == 0).all()


def by_hand() -> TokenBatch:
    """Rows of 2 and 1 tokens, A = 1 and -1. Ratios 1.5 (bounded by 1.28) and 1; 0.5 (bounded by 0.8)."""
    logp, old = torch.tensor([[0.6, 0.5], [0.25, 0.9]]).log(), torch.tensor([[0.4, 0.5], [0.5, 0.1]]).log()
    return TokenBatch(logp, old, torch.tensor([1.0, -1.0]), torch.tensor([[True, True], [True, False]]))


def test_averages_by_hand() -> None:
    """Token terms -1.28, -1 | 0.8. With max_new_tokens 10; the rows are two questions, or one."""
    for name, expected in (("dapo", (-1.28 - 1 + 0.8) / 3), ("grpo", ((-1.28 - 1) / 2 + 0.8) / 2),
                           ("dr_grpo", (-1.28 - 1 + 0.8) / (2 * 10))):
        assert loss_named(name)(by_hand(), settings(name), Totals(3, 2)).item() == pytest.approx(expected, abs=1e-6)
    apart, together = (replace(by_hand(), group_tokens=torch.tensor(sums)) for sums in ([2.0, 1.0], [3.0, 3.0]))
    bnpo = loss_named("bnpo")
    assert bnpo(apart, settings("bnpo"), Totals(3, 2, 2)).item() == pytest.approx(((-1.28 - 1) / 2 + 0.8) / 2, abs=1e-6)
    assert bnpo(together, settings("bnpo"), Totals(3, 2, 1)).item() == pytest.approx((-1.28 - 1 + 0.8) / 3, abs=1e-6)


def test_gspo_by_hand() -> None:
    """s = sqrt(1.5 * 1) = 1.2247 within the bounds, gradient -s / 2 for each token; s = 0.5 bounded by 0.8."""
    batch, leaf = with_gradient(by_hand())
    loss = loss_named("gspo")(batch, settings("gspo"), Totals(3, 2))
    assert loss.item() == pytest.approx((-(1.5**0.5) + 0.8) / 2, abs=1e-6)
    loss.backward()
    assert leaf.grad is not None
    assert leaf.grad.flatten().tolist() == pytest.approx([-(1.5**0.5) / 4, -(1.5**0.5) / 4, 0, 0], abs=1e-6)
    assert is_clipped(batch, settings("gspo")).tolist() == [[False, False], [True, False]]
    tight = settings("gspo", clip_low=3e-4, clip_high=4e-4)
    assert is_clipped(batch, tight).tolist() == [[True, True], [True, False]]


def test_cispo_by_hand() -> None:
    """Held ratios 1.28, 1, 0.8: loss -(1.28 log .6 + log .5 - 0.8 log .25) / 3, and no token is silenced."""
    batch, leaf = with_gradient(by_hand())
    loss = loss_named("cispo")(batch, settings("cispo"), Totals(3, 2))
    assert loss.item() == pytest.approx(-(1.28 * np.log(0.6) + np.log(0.5) - 0.8 * np.log(0.25)) / 3, abs=1e-6)
    loss.backward()
    assert leaf.grad is not None
    assert leaf.grad.flatten().tolist() == pytest.approx([-1.28 / 3, -1 / 3, 0.8 / 3, 0], abs=1e-6)
    for sign in (1, -1):
        either = replace(batch, advantages=sign * batch.advantages)
        assert is_clipped(either, settings("cispo")).tolist() == [[True, False], [True, False]]
    open_below = replace(settings("cispo"), clip_low=1.0)
    assert is_clipped(batch, open_below).tolist() == [[True, False], [False, False]]


def test_reinforce_by_hand() -> None:
    """-(log .6 + log .5 - log .25) / 3, whatever the old policy was; the gradient is -A / 3."""
    batch, leaf = with_gradient(by_hand())
    loss = loss_named("reinforce")(batch, settings("reinforce"), Totals(3, 2))
    assert loss.item() == pytest.approx(-(np.log(0.6) + np.log(0.5) - np.log(0.25)) / 3, abs=1e-6)
    loss.backward()
    assert leaf.grad is not None
    assert leaf.grad.flatten().tolist() == pytest.approx([-1 / 3, -1 / 3, 1 / 3, 0])
    assert not is_clipped(batch, settings("reinforce")).any()


def test_reinforce_with_leave_one_out_is_rloo_up_to_one_factor() -> None:
    """RLOO (arXiv 2402.14740): mean over completions of -(r_i - mean of the others) log pi(o_i)."""
    rewards = np.random.default_rng(4).normal(size=8)
    config = TrainConfig(advantage_baseline="leave_one_out", advantage_scale="none")
    values = torch.tensor(compute(rewards, [i // 4 for i in range(8)], [0] * 8, config).values)
    batch, leaf = with_gradient(replace(ragged(2, rows=8, dtype=torch.float64), weight=None, advantages=values))
    loss_named("reinforce")(batch, settings("reinforce"), totals(batch)).backward()
    other = batch.logp.detach().clone().requires_grad_()
    for i in range(8):
        rest = [rewards[j] for j in range(8) if j // 4 == i // 4 and j != i]
        (-(rewards[i] - np.mean(rest)) * other[i][batch.mask[i]].sum() / 8).backward()
    assert leaf.grad is not None and other.grad is not None
    torch.testing.assert_close(leaf.grad, other.grad * 8 / batch.mask.sum(), rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("name", CLIPPING)
def test_clipped_tokens_have_no_gradient_and_the_others_have(name: str) -> None:
    """One token a row; A = 1, 1, -1, -1, 1: above, inside, below, above (not bounded for A < 0), below (same)."""
    logp = torch.log(torch.tensor([[1.5], [1.1], [0.5], [1.5], [0.5]])).requires_grad_()
    batch = TokenBatch(logp, torch.zeros(5, 1), torch.tensor([1.0, 1, -1, -1, 1]), torch.ones(5, 1, dtype=torch.bool),
                       group_tokens=torch.ones(5))
    loss_named(name)(batch, settings(name), Totals(5, 5, 5)).backward()
    assert logp.grad is not None
    bound = is_clipped(batch, settings(name))
    assert bound[:, 0].tolist() == [True, False, True, False, False]
    assert ((logp.grad == 0) == bound).all()


@pytest.mark.parametrize("name", CLIPPING)
def test_dual_clip_bounds_what_a_bad_token_can_cost(name: str) -> None:
    """Ratio 5, A = -1: loss 5 without, c = 3 with dual clip, no gradient; a ratio of 2 and A = 1 are not touched."""
    logp = torch.log(torch.tensor([[5.0], [2.0], [5.0]])).requires_grad_()
    batch = TokenBatch(logp, torch.zeros(3, 1), torch.tensor([-1.0, -1, 1]), torch.ones(3, 1, dtype=torch.bool),
                       group_tokens=torch.ones(3))
    share = 10 if name == "dr_grpo" else 1
    off, on = settings(name), settings(name, clip_dual=3.0)
    whole = Totals(3, 3, 3)
    assert loss_named(name)(batch, off, whole).item() == pytest.approx((5 + 2 - 1.28) / 3 / share, abs=1e-6)
    loss = loss_named(name)(batch, on, whole)
    assert loss.item() == pytest.approx((3 + 2 - 1.28) / 3 / share, abs=1e-6)
    loss.backward()
    assert logp.grad is not None
    assert (logp.grad[:, 0] != 0).tolist() == [False, True, False]
    assert is_clipped(batch, on)[:, 0].tolist() == [True, False, True]
    assert is_clipped(batch, off)[:, 0].tolist() == [False, False, True]


def test_an_unknown_loss_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(UsageError, match="Did you mean grpo"):
        loss_named("grop")


def test_every_name_that_passes_the_check_has_an_objective() -> None:
    assert set(OBJECTIVES) == set(LOSS_NAMES)


@pytest.mark.parametrize("recipe", shipped_names("recipes"))
def test_every_shipped_recipe_names_an_objective_that_runs_on_its_settings(recipe: str) -> None:
    config = load(recipe=recipe, env={}).config.train
    rule, batch = LossSettings.of(config), ragged(13)
    assert torch.isfinite(loss_named(config.loss)(batch, rule, totals(batch)))
    assert is_clipped(batch, rule).any() == (config.loss not in ("reinforce", "cispo"))


def test_the_weight_is_the_capped_ratio_without_gradient() -> None:
    old = torch.tensor([[0.0, 1.0, -1.0, 400.0]]).requires_grad_()
    weight = truncated_weight(old, torch.zeros(1, 4), cap=2.0)
    assert weight.tolist()[0] == pytest.approx([1.0, 2.0, np.exp(-1), 2.0])
    assert not weight.requires_grad


def test_tokens_of_a_group_are_counted_by_id() -> None:
    assert group_tokens([3, 1, 4, 2], ["a", "b", "a", "b"]) == [7.0, 3.0, 7.0, 3.0]


def test_shapes_that_would_broadcast_are_refused() -> None:
    batch = ragged(11)
    with pytest.raises(ValueError, match="advantages"):
        replace(batch, advantages=batch.advantages[:, None])


def test_bnpo_without_the_groups_tokens_is_refused() -> None:
    batch = ragged(12)
    with pytest.raises(ValueError, match="group"):
        loss_named("bnpo")(replace(batch, group_tokens=None), settings("bnpo"), totals(batch))
