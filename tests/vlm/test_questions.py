"""Questions about one view share the reading of it: same replies, same log-probs, one prefill a view."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch
from vlm_views import clip

from strive.stages.vlm import Completion, Policy, Sampling, ViewInputs
from strive.stages.vlm.questions import head_length, head_of

TEXTS = ("What colour?", "What colour is it, and which way does it go after the third flash?", "Why?", "What colour?")
GREEDY = Sampling(8, temperature=0.0)


def asked(policy: Policy) -> list[list[ViewInputs]]:
    """Three views with four, one and two questions; the fourth question repeats the first, the first view is longest.
    """
    seen = [([clip(8, 1)], np.arange(8) * 1.25, TEXTS), ([clip(1, 3)], np.zeros(1), TEXTS[1:2]),
            ([clip(4, 4), clip(2, 5, 84, 84)], np.arange(6) * 2.0, TEXTS[1:3])]
    return [[policy.encode_view(clips, times, text) for text in texts] for clips, times, texts in seen]


def shared(policy: Policy, questions: Sequence[Sequence[ViewInputs]], sampling: Sampling = GREEDY,
           seed: int = 0) -> list[list[Completion]]:
    return policy.reply(policy.read(questions), questions, sampling, torch.Generator().manual_seed(seed))


def alone(policy: Policy, questions: Sequence[Sequence[ViewInputs]],
          sampling: Sampling = GREEDY) -> list[list[Completion]]:
    return [[policy.generate([view], 1, sampling, None)[0][0] for view in own] for own in questions]


def test_greedy_replies_are_those_of_one_question_at_a_time(policy: Policy) -> None:
    questions = asked(policy)
    for ours, theirs in zip(shared(policy, questions), alone(policy, questions), strict=True):
        for own, expected in zip(ours, theirs, strict=True):
            assert own.ids.tolist() == expected.ids.tolist() and own.finished == expected.finished
            assert (own.logprobs - expected.logprobs).abs().max() < 1e-4 and own.text == expected.text


def test_first_token_logits_are_those_of_one_question_at_a_time(policy: Policy) -> None:
    questions = asked(policy)
    logits: list[torch.Tensor] = []
    head = policy.core.lm_head.register_forward_hook(lambda module, given, out: logits.append(out))
    shared(policy, questions, Sampling(1, temperature=0.0))
    alone(policy, questions, Sampling(1, temperature=0.0))
    head.remove()
    together = logits[0].view(3, 4, -1)
    places = [(view, j) for view, own in enumerate(questions) for j in range(len(own))]
    for (view, j), expected in zip(places, logits[1:], strict=True):
        assert (together[view, j] - expected[0]).abs().max() < 1e-4


def test_a_view_is_read_once_and_holds_all_visual_tokens(policy: Policy, monkeypatch: pytest.MonkeyPatch) -> None:
    questions = asked(policy)
    read: list[int] = []
    real = policy.adapter.decode

    def counted(core: Any, inputs: Any, at: torch.Tensor, **options: Any) -> torch.Tensor:
        read.append(at.shape[-1] * at.shape[-2] if options.get("prefix") is None else 0)
        return real(core, inputs, at, **options)

    monkeypatch.setattr(policy.adapter, "decode", counted)
    before = policy.encoder_calls
    prefix = policy.read(questions)
    policy.reply(prefix, questions, GREEDY, None)
    assert policy.encoder_calls == before + 3
    assert sum(read) == 3 * max(prefix.lengths) and read.count(0) == len(read) - 1
    for length, own in zip(prefix.lengths, questions, strict=True):
        assert int((own[0].mm_token_type_ids[:length] > 0).sum()) == own[0].visual_tokens
    assert prefix.lengths[1] == len(questions[1][0]), "a question alone has no tail"


def test_some_of_the_questions_can_be_answered_on_a_prefix_read_for_all(policy: Policy) -> None:
    questions = asked(policy)[:1]
    whole = shared(policy, questions)[0]
    prefix = policy.read(questions)
    parts = [policy.reply(prefix, [questions[0][start:start + 2]], GREEDY, None)[0] for start in (0, 2)]
    for own, expected in zip([*parts[0], *parts[1]], whole, strict=True):
        assert own.ids.tolist() == expected.ids.tolist()


def test_rows_draw_what_they_would_draw_alone(policy: Policy) -> None:
    questions, sampling = asked(policy), Sampling(8, temperature=0.8, top_p=0.9)
    ours = [own for view in shared(policy, questions, sampling, seed=3) for own in view]
    views = [view for own in questions for view in own]
    theirs = policy.generate(views, 1, sampling, torch.Generator().manual_seed(3))
    assert [own.ids.tolist() for own in ours] == [own[0].ids.tolist() for own in theirs]


def test_questions_that_end_early_leave_without_a_trace(policy: Policy) -> None:
    """Rows ending at different steps: what they were given scores as it was drawn."""
    questions, sampling = asked(policy) * 25, Sampling(12, temperature=50.0)
    ours = [own for view in shared(policy, questions, sampling) for own in view]
    assert {own.finished for own in ours} == {True, False} and len({len(own.ids) for own in ours}) > 2
    with torch.no_grad():
        scored = policy.logprobs([view for own in questions for view in own], [own.ids for own in ours], 50.0)
    for row, own in enumerate(ours):
        assert (scored.logprobs[row, :len(own.ids)] - own.logprobs).abs().max() < 1e-4


def test_prompts_of_two_views_are_not_taken_for_one(policy: Policy) -> None:
    views = [policy.encode_view([clip(frames, 1)], np.arange(frames) * 1.0, "Why?") for frames in (4, 8)]
    with pytest.raises(ValueError, match="before the last visual"):
        head_length(views)


def test_the_head_of_one_question_is_its_prompt(policy: Policy) -> None:
    view = asked(policy)[1][0]
    head = head_of([view])
    assert torch.equal(head.input_ids, view.input_ids) and head.next_position == view.next_position
