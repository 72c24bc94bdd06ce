"""KL estimators: values by hand, what they expect to, whose gradient they have, and where they are charged."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from token_batches import ragged, settings, totals, with_gradient
from torch import Tensor

from strive.stages.train.objective.inputs import TokenBatch, Totals
from strive.stages.train.objective.kl import ESTIMATORS, k1, k2, k3, reward_kl
from strive.stages.train.objective.objectives import OBJECTIVES, loss_named

ALL = sorted(OBJECTIVES)


def test_the_three_estimators_by_hand() -> None:
    logp, ref = torch.log(torch.tensor([0.5, 0.25])), torch.log(torch.tensor([0.25, 0.5]))
    half = float(np.log(2))
    assert k1(logp, ref).tolist() == pytest.approx([half, -half])
    assert k2(logp, ref).tolist() == pytest.approx([half**2 / 2] * 2)
    assert k3(logp, ref).tolist() == pytest.approx([0.5 + half - 1, 2 - half - 1])


def test_k3_is_zero_where_nothing_moved_positive_elsewhere_and_cannot_overflow() -> None:
    logp, ref = torch.tensor([0.0, 0.0, -1.0, 500.0, -500.0]), torch.tensor([0.0, 1.0, -2.0, 0.0, 0.0])
    got = k3(logp, ref)
    assert got[:3].tolist() == pytest.approx([0.0, np.e - 2, np.exp(-1.0)], abs=1e-6)
    assert torch.isfinite(got).all() and (got >= 0).all()


def distributions() -> tuple[Tensor, Tensor]:
    """Logits of a policy and of a reference over 7 tokens, not close to each other."""
    draw = torch.Generator().manual_seed(0)
    policy, reference = torch.randn(2, 7, generator=draw, dtype=torch.float64)
    return policy.requires_grad_(), reference.log_softmax(0)


def kl(p: Tensor, q: Tensor) -> Tensor:
    """KL(p || q) of two vectors of log-probs."""
    return (p.exp() * (p - q)).sum()


def test_k1_and_k3_expect_to_the_kl_and_k2_does_not_quite() -> None:
    logits, ref = distributions()
    logp = logits.detach().log_softmax(0)
    exact = kl(logp, ref).item()
    expected = {name: (logp.exp() * estimate(logp, ref)).sum().item() for name, estimate in ESTIMATORS.items()}
    assert expected["k1"] == pytest.approx(exact, abs=1e-12) and expected["k3"] == pytest.approx(exact, abs=1e-12)
    assert abs(expected["k2"] - exact) > 1e-3


def expected_gradient(name: str) -> Tensor:
    """Mean over all tokens, as likely as the policy makes them, of the estimator's gradient in the loss."""
    logits, ref = distributions()
    logp = logits.log_softmax(0)
    (logp.detach().exp() * ESTIMATORS[name](logp, ref)).sum().backward()
    assert logits.grad is not None
    return logits.grad


def test_in_the_loss_k2_has_the_gradient_of_the_kl_k3_of_the_other_direction_and_k1_none() -> None:
    logits, ref = distributions()
    logp = logits.log_softmax(0)
    (reverse,) = torch.autograd.grad(kl(logp, ref), logits, retain_graph=True)
    (forward,) = torch.autograd.grad(kl(ref, logp), logits)
    torch.testing.assert_close(expected_gradient("k2"), reverse, rtol=1e-9, atol=1e-12)
    torch.testing.assert_close(expected_gradient("k3"), forward, rtol=1e-9, atol=1e-12)
    assert expected_gradient("k1").abs().max() < 1e-12
    assert (reverse - forward).abs().max() > 1e-2


@pytest.mark.parametrize(("name", "right"), [("k1", True), ("k2", False), ("k3", False)])
def test_in_the_reward_only_k1_has_the_gradient_of_the_kl(name: str, right: bool) -> None:
    """E[estimator(token) * grad log pi(token)], the policy gradient of the charge."""
    logits, ref = distributions()
    logp = logits.log_softmax(0)
    (reverse,) = torch.autograd.grad(kl(logp, ref), logits, retain_graph=True)
    charge = ESTIMATORS[name](logp.detach(), ref)
    (charged,) = torch.autograd.grad((logp.detach().exp() * charge * logp).sum(), logits)
    assert torch.allclose(charged, reverse, rtol=1e-9, atol=1e-12) == right


@pytest.mark.parametrize("estimator", sorted(ESTIMATORS))
def test_the_kl_is_averaged_like_the_policy_term(estimator: str) -> None:
    """Zero advantages leave beta * kl: rows of 2 and 1 tokens, values a, b | c."""
    logp, ref = torch.tensor([[-1.0, -2.0], [-0.5, 9.0]]), torch.tensor([[-1.5, -1.0], [-0.2, 9.0]])
    mask = torch.tensor([[True, True], [True, False]])
    batch = TokenBatch(logp, logp, torch.zeros(2), mask, ref, group_tokens=torch.tensor([2.0, 1.0]))
    (a, b), (c, _) = ESTIMATORS[estimator](logp, ref).tolist()
    by_token, by_row = 0.1 * (a + b + c) / 3, 0.1 * ((a + b) / 2 + c) / 2
    expected = {"grpo": by_row, "gspo": by_row, "bnpo": by_row, "dr_grpo": 0.1 * (a + b + c) / 20}
    for name in ALL:
        loss = loss_named(name)(batch, settings(name, kl_beta=0.1, kl_estimator=estimator), Totals(3, 2, 2))
        assert loss.item() == pytest.approx(expected.get(name, by_token), abs=1e-6)


@pytest.mark.parametrize("name", ALL)
def test_without_beta_the_reference_is_not_read(name: str) -> None:
    batch = ragged(1)
    losses = []
    for ref in (None, batch.ref, torch.full_like(batch.logp, float("nan"))):
        own, leaf = with_gradient(replace(batch, ref=ref))
        loss = loss_named(name)(own, settings(name), totals(own))
        loss.backward()
        losses.append((loss.item(), leaf.grad))
    assert all(loss == losses[0][0] and torch.equal(grad, losses[0][1]) for loss, grad in losses)
    with pytest.raises(ValueError, match="reference"):
        loss_named(name)(replace(batch, ref=None), settings(name, kl_beta=0.1), totals(batch))


def test_a_kl_in_the_reward_is_not_in_the_loss_as_well() -> None:
    assert settings(kl_beta=0.1).kl_beta == 0.1
    assert settings(kl_beta=0.1, kl_in="reward").kl_beta == 0.0


@pytest.mark.parametrize("estimator", sorted(ESTIMATORS))
def test_the_charge_on_a_reward_is_the_sum_over_the_completion(estimator: str) -> None:
    old, ref = torch.tensor([-1.0, -2.0, -0.5]), torch.tensor([-1.5, -1.0, -0.2])
    rule = settings(kl_estimator=estimator)
    expected = sum(float(ESTIMATORS[estimator](o, r)) for o, r in zip(old, ref, strict=True))
    assert reward_kl(old, ref, rule) == pytest.approx(expected, abs=1e-6)
    assert reward_kl(old, old, rule) == 0.0
    if estimator == "k1":
        assert reward_kl(old, ref, rule) == pytest.approx(float(old.sum() - ref.sum()), abs=1e-6)


@pytest.mark.parametrize("estimator", sorted(ESTIMATORS))
def test_the_gradient_of_the_kl_reaches_the_loss_with_zero_advantages(estimator: str) -> None:
    batch, leaf = with_gradient(replace(ragged(3), advantages=torch.zeros(16)))
    loss_named("dapo")(batch, settings(kl_beta=0.1, kl_estimator=estimator), totals(batch)).backward()
    assert leaf.grad is not None
    assert (leaf.grad[batch.mask] != 0).any() and (leaf.grad[~batch.mask] == 0).all()
