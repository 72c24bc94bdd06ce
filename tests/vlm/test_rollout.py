"""Rollout: completions of several views at once are those of each view alone."""

import pytest
import torch
from vlm_views import mixed_views

from strive.stages.vlm import Completion, Policy, Sampling, ViewInputs


def sample(policy: Policy, views: list[ViewInputs], n: int, sampling: Sampling, seed: int = 0) -> list[Completion]:
    found = policy.generate(views, n, sampling, torch.Generator().manual_seed(seed))
    return [completion for of_view in found for completion in of_view]


def test_rollout_log_probs_are_the_training_log_probs(policy: Policy) -> None:
    views = mixed_views(policy)
    drawn = sample(policy, views, 3, Sampling(10, temperature=0.8, top_p=0.9))
    rows = [view for view in views for _ in range(3)]
    with torch.no_grad():
        scored = policy.logprobs(rows, [own.ids for own in drawn], temperature=0.8)
    for row, own in enumerate(drawn):
        assert (scored.logprobs[row, :len(own.ids)] - own.logprobs).abs().max() < 1e-4
        assert scored.mask[row].tolist() == [step < len(own.ids) for step in range(scored.mask.shape[1])]


def test_log_probs_on_another_view_are_others(policy: Policy) -> None:
    """The swap test: the same tokens given the wrong view's pixels score clearly differently."""
    views = mixed_views(policy)[:2]
    drawn = sample(policy, views, 2, Sampling(10))
    own = [views[0]] * 2 + [views[1]] * 2
    swapped = [views[1]] * 2 + [views[0]] * 2
    with torch.no_grad():
        right = policy.logprobs(own, [c.ids for c in drawn]).logprobs
        wrong = policy.logprobs(swapped, [c.ids for c in drawn]).logprobs
    assert (right - wrong).abs().amax(dim=1).min() > 1e-2


def test_greedy_does_not_depend_on_the_neighbours(policy: Policy) -> None:
    views = mixed_views(policy)
    together = sample(policy, views, 1, Sampling(8, temperature=0.0))
    for view, own in zip(views, together, strict=True):
        alone = sample(policy, [view], 1, Sampling(8, temperature=0.0))[0]
        assert torch.equal(own.ids, alone.ids)
        assert (own.logprobs - alone.logprobs).abs().max() < 1e-5


def test_a_rows_draw_does_not_depend_on_how_the_batch_is_cut(policy: Policy) -> None:
    views = mixed_views(policy)
    whole = policy.generate(views, 2, Sampling(8), torch.Generator().manual_seed(5))
    generator = torch.Generator().manual_seed(5)
    parts = [own for part in (views[:2], views[2:]) for own in policy.generate(part, 2, Sampling(8), generator)]
    for ours, theirs in zip(whole, parts, strict=True):
        assert [c.ids.tolist() for c in ours] == [c.ids.tolist() for c in theirs]


def test_the_same_seed_draws_the_same_and_another_seed_does_not(policy: Policy) -> None:
    views = mixed_views(policy)[:2]
    first, again, other = (sample(policy, views, 2, Sampling(8), seed) for seed in (1, 1, 2))
    assert [c.ids.tolist() for c in first] == [c.ids.tolist() for c in again]
    assert [c.ids.tolist() for c in first] != [c.ids.tolist() for c in other]
    assert first[0].ids.tolist() != first[1].ids.tolist(), "completions of one view differ"


def test_visual_tokens_are_never_sampled(policy: Policy) -> None:
    drawn = sample(policy, mixed_views(policy), 8, Sampling(20, temperature=50.0))  # nearly uniform over the vocabulary
    tokens = torch.cat([own.ids for own in drawn])
    names = ("<|vision_start|>", "<|vision_end|>", "<|vision_pad|>", "<|image_pad|>", "<|video_pad|>")
    visual = {policy.tokenizer.convert_tokens_to_ids(name) for name in names}
    assert visual <= set(policy.suppressed_ids.tolist())
    assert len(tokens) > 500 and not set(tokens.tolist()) & set(policy.suppressed_ids.tolist())
    assert int(tokens.max()) < len(policy.tokenizer)


def test_a_reply_ends_with_its_end_token_or_at_the_limit(policy: Policy) -> None:
    drawn = sample(policy, mixed_views(policy), 40, Sampling(12, temperature=50.0))
    for own in drawn:
        ends = [token in policy.eos_ids for token in own.ids.tolist()]
        assert not any(ends[:-1]) and ends[-1] == own.finished and len(own.ids) == len(own.logprobs)
        assert own.finished or len(own.ids) == 12
        assert "<|" not in own.text
    assert {own.finished for own in drawn} == {True, False}, "both kinds were seen, so rows left the batch"


def test_rows_that_ended_leave_the_batch_without_a_trace(policy: Policy) -> None:
    """With many rows ending at different steps, what the others get equals what they get alone."""
    views = mixed_views(policy)
    sampling = Sampling(12, temperature=50.0)
    drawn = sample(policy, views, 40, sampling)
    rows = [view for view in views for _ in range(40)]
    with torch.no_grad():
        scored = policy.logprobs(rows, [own.ids for own in drawn], temperature=50.0)
    for row, own in enumerate(drawn):
        assert (scored.logprobs[row, :len(own.ids)] - own.logprobs).abs().max() < 1e-4


@pytest.mark.parametrize("steps", [1, 2])
def test_very_short_limits_work(policy: Policy, steps: int) -> None:
    drawn = sample(policy, mixed_views(policy), 2, Sampling(steps))
    assert all(1 <= len(own.ids) <= steps for own in drawn)


def test_no_views_no_completions(policy: Policy) -> None:
    assert policy.generate([], 2, Sampling(4), None) == []


def test_no_end_token_before_the_least_length(policy: Policy) -> None:
    drawn = sample(policy, mixed_views(policy), 20, Sampling(9, temperature=50.0, min_new_tokens=4))
    assert min(len(own.ids) for own in drawn) >= 5, "the end token may be the fifth"
    assert any(own.finished for own in drawn)
    forced = sample(policy, mixed_views(policy), 4, Sampling(7, temperature=50.0, min_new_tokens=7))
    assert all(len(own.ids) == 7 and not own.finished for own in forced)


def test_a_stop_text_ends_a_completion_and_stays_in_it(policy: Policy) -> None:
    free = sample(policy, mixed_views(policy)[:1], 6, Sampling(12), seed=3)
    text = next(own.text[2:4] for own in free if len(own.text) > 4)
    stopped = sample(policy, mixed_views(policy)[:1], 6, Sampling(12, stop=(text,)), seed=3)
    for own, whole in zip(stopped, free, strict=True):
        assert whole.ids[:len(own.ids)].tolist() == own.ids.tolist(), "the same draws up to there"
        assert own.text.count(text) == (1 if text in whole.text else 0) and own.finished >= (text in own.text)


def test_entropy_is_that_of_the_sampled_distributions(policy: Policy) -> None:
    view = mixed_views(policy)[0]
    [own] = sample(policy, [view], 1, Sampling(5, temperature=0.7))
    with torch.no_grad():
        steps = []
        for length in range(len(own.ids)):
            prefix = torch.cat([own.ids[:length], torch.tensor([0])])
            logits: list[torch.Tensor] = []
            head = policy.core.lm_head.register_forward_hook(lambda m, i, o, to=logits: to.append(o))
            policy.logprobs([view], [prefix], temperature=0.7, share_prefix=False)
            head.remove()
            probs = (logits[-1][-1].float() / 0.7).softmax(-1)
            steps.append(float(-(probs * probs.log()).sum()))
    assert own.entropy == pytest.approx(sum(steps) / len(steps), abs=1e-4)
