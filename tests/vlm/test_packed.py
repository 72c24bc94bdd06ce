"""Completions laid end to end: one prompt with many of very different length is cut into spans, and nothing changes."""

import pytest
import torch
from vlm_views import mixed_views

from strive.stages.vlm import Policy, packed
from strive.stages.vlm.packed import spans_of


def test_spans_hold_whole_completions_and_about_the_asked_number_of_tokens() -> None:
    spans = spans_of([100, 150, 0, 90, 200, 64, 0])
    assert spans[0][0] == 0 and spans[-1][1] == 604
    assert all(left[1] == right[0] for left, right in zip(spans, spans[1:], strict=False))
    edges = {0, 100, 250, 340, 540, 604}
    assert {end for _, end in spans} <= edges and len(spans) > 3


@pytest.mark.parametrize("span", [1, 8, 10_000])
def test_many_spans_give_the_repeated_computation(policy: Policy, span: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packed, "SPAN", span)
    view = mixed_views(policy)[0]
    draw = torch.Generator().manual_seed(0)
    replies = [torch.randint(10, 200, (length,), generator=draw) for length in (5, 1, 12, 9, 2, 7)]
    found = []
    for share in (True, False):
        policy.core.zero_grad()
        policy.core.requires_grad_(True)
        out = policy.logprobs([view] * len(replies), replies, share_prefix=share)
        (out.logprobs * torch.linspace(-1, 1, len(replies)).unsqueeze(1)).sum().backward()
        gradients = {name: p.grad for name, p in policy.core.named_parameters() if p.grad is not None}
        found.append((out.logprobs.detach(), gradients))
    policy.core.requires_grad_(False)
    (ours, gradients), (theirs, expected) = found
    assert (ours - theirs).abs().max() < 1e-4
    for name, gradient in expected.items():
        assert (gradients[name] - gradient).abs().max() <= 1e-5 * gradient.abs().max() + 1e-7, name
