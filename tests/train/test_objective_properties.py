"""What must hold for every objective: padding, micro-batches, order, zero advantages, overflow, weights."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from token_batches import part, ragged, settings, totals, with_gradient

from strive.configs.run_stages import TrainConfig
from strive.stages.train.objective.advantages import compute
from strive.stages.train.objective.objectives import OBJECTIVES, is_clipped, loss_named

ALL = sorted(OBJECTIVES)


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("junk", [77.0, float("nan"), float("inf"), -float("inf")])
def test_what_stands_after_the_end_never_changes_loss_or_gradient(name: str, junk: float) -> None:
    clean, rule = ragged(2), settings(name, kl_beta=0.1, clip_dual=3.0)
    results = []
    for filler in (0.0, junk):
        fields = {key: torch.where(clean.mask, getattr(clean, key), torch.tensor(filler))
                  for key in ("logp", "old", "ref", "weight")}
        leaf = fields.pop("logp").requires_grad_()
        batch = replace(clean, logp=leaf, **fields)
        loss = loss_named(name)(batch, rule, totals(clean))
        loss.backward()
        assert leaf.grad is not None
        results.append((loss.item(), leaf.grad, is_clipped(batch, rule)))
    assert np.isfinite(results[0][0]) and results[0][0] == results[1][0]
    assert torch.equal(results[0][1], results[1][1]) and torch.equal(results[0][2], results[1][2])
    assert (results[0][1][~clean.mask] == 0).all() and not results[0][2][~clean.mask].any()


@pytest.mark.parametrize("name", ALL)
def test_micro_batches_add_up_to_the_whole_batch_in_loss_and_gradient(name: str) -> None:
    """Cut through questions, so that no part holds a whole group."""
    batch, leaf = with_gradient(ragged(3, dtype=torch.float64))
    rule = settings(name, kl_beta=0.1, clip_dual=1.5)
    whole = loss_named(name)(batch, rule, totals(batch))
    whole.backward()
    again, other = with_gradient(ragged(3, dtype=torch.float64))
    parts = 0.0
    for cut in (slice(0, 3), slice(3, 4), slice(4, 16)):
        loss = loss_named(name)(part(again, cut), rule, totals(batch))
        loss.backward(retain_graph=True)
        parts += loss.item()
    assert whole.item() == pytest.approx(parts, abs=1e-12)
    assert leaf.grad is not None and other.grad is not None
    torch.testing.assert_close(leaf.grad, other.grad, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("name", ALL)
def test_rows_in_any_order_give_the_same_loss(name: str) -> None:
    batch, order = ragged(4, dtype=torch.float64), torch.randperm(16, generator=torch.Generator().manual_seed(0))
    straight = loss_named(name)(batch, settings(name), totals(batch))
    mixed = loss_named(name)(part(batch, order), settings(name), totals(batch))
    assert straight.item() == pytest.approx(mixed.item(), abs=1e-12)


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("spread", [0.3, 200.0])
def test_zero_advantages_give_zero_loss_and_zero_gradient(name: str, spread: float) -> None:
    """Also where the ratio is far out of what a float can hold."""
    batch, leaf = with_gradient(replace(ragged(5, spread=spread), advantages=torch.zeros(16)))
    loss = loss_named(name)(batch, settings(name, clip_dual=3.0), totals(batch))
    loss.backward()
    assert leaf.grad is not None
    assert loss.item() == 0 and (leaf.grad == 0).all()


@pytest.mark.parametrize("name", ALL)
def test_an_enormous_ratio_gives_a_finite_loss_and_gradient(name: str) -> None:
    batch, leaf = with_gradient(ragged(6, spread=300.0))
    loss = loss_named(name)(batch, settings(name, kl_beta=0.04), totals(batch))
    loss.backward()
    assert leaf.grad is not None
    assert torch.isfinite(loss) and torch.isfinite(leaf.grad).all()


@pytest.mark.parametrize("name", ALL)
def test_an_odd_log_prob_of_a_real_token_is_never_hidden(name: str) -> None:
    batch = ragged(7)
    broken = batch.logp.clone()
    broken[3, 0] = float("nan")
    assert not torch.isfinite(loss_named(name)(replace(batch, logp=broken), settings(name), totals(batch)))


@pytest.mark.parametrize("name", ALL)
def test_equal_rewards_give_exactly_no_gradient(name: str) -> None:
    values = compute([1 / 3] * 16, [i // 4 for i in range(16)], [0] * 16, TrainConfig()).values
    batch, leaf = with_gradient(replace(ragged(8), advantages=torch.tensor(values, dtype=torch.float32)))
    loss_named(name)(batch, settings(name), totals(batch)).backward()
    assert leaf.grad is not None and (leaf.grad == 0).all()


@pytest.mark.parametrize("name", ALL)
def test_the_first_update_has_the_same_direction_for_every_objective(name: str) -> None:
    """old = logp: each token's gradient is -A times its share in the average."""
    start = replace(ragged(9, dtype=torch.float64), weight=None)
    batch, leaf = with_gradient(replace(start, old=start.logp))
    loss_named(name)(batch, settings(name), totals(batch)).backward()
    lengths = batch.mask.sum(1, keepdim=True).double()
    assert batch.group_tokens is not None
    by_row = 1 / (16 * lengths)
    shares = {"grpo": by_row, "gspo": by_row, "bnpo": 1 / (4 * batch.group_tokens[:, None]), "dr_grpo": 1 / 160}
    share = shares.get(name, 1 / lengths.sum())
    assert leaf.grad is not None
    torch.testing.assert_close(leaf.grad, -batch.advantages[:, None] * share * batch.mask, rtol=1e-12, atol=1e-15)
    assert not is_clipped(batch, settings(name)).any()


@pytest.mark.parametrize("name", ALL)
def test_the_weight_scales_the_policy_term_and_not_the_kl(name: str) -> None:
    batch = ragged(10, dtype=torch.float64)
    plain, charge = settings(name), settings(name, kl_beta=0.3)
    one, double, none = (replace(batch, weight=w) for w in (
        torch.ones_like(batch.logp), torch.full_like(batch.logp, 2.0), None))
    assert loss_named(name)(one, charge, totals(batch)) == loss_named(name)(none, charge, totals(batch))
    kl = loss_named(name)(none, charge, totals(batch)) - loss_named(name)(none, plain, totals(batch))
    twice = 2 * loss_named(name)(none, plain, totals(batch)) + kl
    assert loss_named(name)(double, charge, totals(batch)).item() == pytest.approx(twice.item(), abs=1e-12)
