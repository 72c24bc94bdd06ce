"""The strive recipe with one variant is GRPO, written out here: advantage, loss and gradient of every weight."""

from pathlib import Path

import pytest
import torch
from test_step import Step, policy_of

from strive.configs.load import load


def grpo(step: Step, model: Path) -> tuple[list[float], float, dict[str, torch.Tensor]]:
    """(advantages, loss, gradients) of GRPO, the tokens of all replies averaged (DAPO, arXiv 2503.14476, eq. 8).

    Groups of eight rows; a reply at a time, each with its whole prompt.
    """
    config, policy = step.config, policy_of(model)
    advantages: list[float] = []
    for start in range(0, len(step.rows), 8):
        rewards = torch.tensor(step.rewards[start : start + 8], dtype=torch.float64)
        advantages += ((rewards - rewards.mean()) / (rewards.std() + 1e-4)).tolist()
    tokens = sum(len(row.completion.ids) for row in step.rows)
    loss = torch.zeros(())
    for row, advantage in zip(step.rows, advantages, strict=True):
        logp = policy.logprobs([row.view.inputs], [row.completion.ids], features=[row.view.features],
                               share_prefix=False).logprobs[0]
        ratio = torch.exp(logp - logp.detach())
        bounded = ratio.clamp(1 - config.clip_low, 1 + config.clip_high)
        loss = loss - torch.minimum(ratio * advantage, bounded * advantage).sum() / tokens
    loss.backward()
    return advantages, loss.item(), {n: p.grad for n, p in policy.model.named_parameters() if p.grad is not None}


@pytest.mark.parametrize("model", ["qwen25", "qwen3"])
@pytest.mark.parametrize("changes", [{}, {"train__advantage_scope": "per_variant"}])
def test_strive_with_one_variant_is_grpo_in_advantage_loss_and_gradient(
    tmp_path: Path, model: str, changes: dict[str, object], request: pytest.FixtureRequest
) -> None:
    """To 1e-6: gradients relative to the largest entry where that is above 1 (float32 sums in another order)."""
    folder = request.getfixturevalue(model)
    recipe = load(env={}, flags={}, recipe="strive").config.train
    step = Step(tmp_path, folder, variants__count=1, **changes)
    assert (step.config.loss, step.config.advantage_scale) == (recipe.loss, recipe.advantage_scale)
    advantages, loss, theirs = grpo(step, folder)
    assert step.advantages.values.tolist() == pytest.approx(advantages, abs=1e-6)
    ours = step.gradients()
    assert step.update.loss == pytest.approx(loss, abs=1e-6)
    assert ours.keys() == theirs.keys()
    largest = max(float(g.abs().max()) for g in theirs.values())
    assert largest > 1e-3
    for name, gradient in theirs.items():
        assert float((ours[name] - gradient).abs().max()) <= 1e-6 * max(largest, 1.0), name
