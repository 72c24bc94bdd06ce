"""Log-probs of given completions; that a shared prefix is exact, for every family, is in `test_families.py`."""

from pathlib import Path

import pytest
import torch
from vlm_views import mixed_views

from strive.stages.vlm import Policy, load_policy, token_probs
from strive.stages.vlm.token_probs import token_logprobs


def rows_of(policy: Policy) -> tuple[list, list[torch.Tensor]]:
    """Eight rows on five views, completions of 1 to 9 tokens."""
    views = mixed_views(policy)
    generator = torch.Generator().manual_seed(1)
    order, lengths = [0, 0, 1, 2, 3, 3, 3, 4], [9, 3, 5, 1, 4, 7, 2, 6]
    return [views[index] for index in order], [torch.randint(0, 300, (n,), generator=generator) for n in lengths]


def test_padding_does_not_change_a_row(policy: Policy) -> None:
    rows, completions = rows_of(policy)
    with torch.no_grad():
        together = policy.logprobs(rows, completions)
        for row, (view, own) in enumerate(zip(rows, completions, strict=True)):
            alone = policy.logprobs([view], [own])
            torch.testing.assert_close(together.logprobs[row, :len(own)], alone.logprobs[0], atol=1e-5, rtol=1e-5)
            assert together.logprobs[row, len(own):].abs().sum() == 0
            assert together.mask[row].sum() == len(own)


def test_given_features_are_used_instead_of_the_tower(policy: Policy) -> None:
    rows, completions = rows_of(policy)
    with torch.no_grad():
        features = policy.encode_vision(rows)
        before = policy.encoder_calls
        given = policy.logprobs(rows, completions, features=features)
        assert policy.encoder_calls == before
        torch.testing.assert_close(given.logprobs, policy.logprobs(rows, completions).logprobs, atol=1e-5, rtol=1e-5)


def test_a_frozen_tower_gets_no_gradient(model_folders: dict[str, Path]) -> None:
    policy = load_policy(str(model_folders["qwen3_vl"]), max_pixels=64 * 14 * 14, min_pixels=784, trainable=True)
    rows, completions = rows_of(policy)
    policy.logprobs(rows, completions).logprobs.sum().backward()
    for name, parameter in policy.core.named_parameters():
        assert (parameter.grad is None) == name.startswith("model.visual"), name


def test_log_probs_of_known_logits() -> None:
    hidden = torch.tensor([[0.5, 0.25, 0.25], [1.0, 1.0, 1.0]]).log()
    values = token_logprobs(torch.nn.Identity(), hidden, torch.tensor([1, 2]), 1.0)
    torch.testing.assert_close(values.exp(), torch.tensor([0.25, 1 / 3]))


def test_chunks_of_the_vocabulary_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    head = torch.nn.Linear(8, 50, bias=False)
    targets = torch.arange(12)
    found = []
    for limit in (2**26, 50 * 5):
        monkeypatch.setattr(token_probs, "CHUNK_ELEMENTS", limit)
        hidden = torch.randn(12, 8, generator=torch.Generator().manual_seed(0)).requires_grad_()
        head.zero_grad()
        values = token_logprobs(head, hidden, targets, 0.7)
        values.sum().backward()
        found.append((values.detach(), hidden.grad, head.weight.grad.clone()))
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other)
