"""A view of several clips, as tiers and appended crops make them: one prompt, each clip with its own size and times."""

from pathlib import Path

import numpy as np
import pytest
import torch
from tiny_models import FAMILIES
from vlm_views import clip

from strive.stages.vlm import Policy, Sampling, ViewInputs, load_policy
from strive.stages.vlm.forward import joined

COUNTS = (4, 5, 8)
SIZES = ((84, 140), (56, 84), (28, 56))  # not the same number of tokens anywhere
TIMES = [np.array([2.0, 3.5, 9.0, 11.0]), np.array([0.5, 1.0, 6.0, 7.5, 20.0]), np.arange(8) * 2.5 + 0.25]


def clips() -> list[np.ndarray]:
    return [clip(count, seed, *size) for seed, (count, size) in enumerate(zip(COUNTS, SIZES, strict=True))]


def view_of(policy: Policy, shown: list[np.ndarray] | None = None) -> ViewInputs:
    return policy.encode_view(shown or clips(), np.concatenate(TIMES), "What colour?")


def alone(policy: Policy, number: int) -> ViewInputs:
    return policy.encode_view([clips()[number]], TIMES[number], "What colour?")


def runs(view: ViewInputs) -> list[range]:
    """The stretches of visual tokens in the prompt."""
    flags = [0, *view.mm_token_type_ids.ne(0).int().tolist(), 0]
    at = np.flatnonzero(np.diff(flags))
    return [range(a, b) for a, b in zip(at[::2].tolist(), at[1::2].tolist(), strict=True)]


def offsets(view: ViewInputs, run: range) -> torch.Tensor:
    """Positions [axes, tokens] of a run, counted from the first position that follows the text before it."""
    return view.position_ids[:, run.start : run.stop] - (view.position_ids[:, : run.start].max() + 1)


def test_tokens_and_records_are_those_of_the_clips_alone(policy: Policy) -> None:
    view, singles = view_of(policy), [alone(policy, number) for number in range(3)]
    assert view.visual_tokens == sum(single.visual_tokens for single in singles)
    assert view.extra["clips"] == [single.extra["clips"][0] for single in singles]
    assert view.grid_thw is not None and view.pixel_values is not None
    assert view.grid_thw.tolist() == [row for single in singles for row in single.grid_thw.tolist()]
    assert torch.equal(view.pixel_values, torch.cat([single.pixel_values for single in singles]))


def test_the_prompt_is_the_clips_one_after_another_and_then_the_question(policy: Policy) -> None:
    view = view_of(policy)
    shown = [policy.tokenizer.decode(alone(policy, number).input_ids) for number in range(3)]
    tokens, text, place = policy.adapter.token_of["video"], policy.tokenizer.decode(view.input_ids), 0
    for own in shown:
        first, last = own.index(tokens), own.rindex(tokens) + len(tokens)
        place = text.index(own[first:last], place) + last - first
    assert text[place:].count("What colour?") == 1 and tokens not in text[place:]


def test_positions_of_each_clip_are_its_own(policy: Policy) -> None:
    """mRoPE starts anew at each clip, from the position after the text before it, by the clip's own times."""
    view = view_of(policy)
    if policy.adapter.axes == 1:
        assert view.position_ids[0].tolist() == list(range(len(view))) and view.next_position == len(view)
        return
    mine = [run for run in runs(view)]
    theirs = [(single, run) for single in (alone(policy, number) for number in range(3)) for run in runs(single)]
    assert len(mine) == len(theirs)
    for run, (single, own) in zip(mine, theirs, strict=True):
        assert torch.equal(offsets(view, run), offsets(single, own))
    for before, after in zip(mine[:-1], mine[1:], strict=True):
        assert view.position_ids[:, after.start].min() > view.position_ids[:, before.start : before.stop].max()
    assert view.next_position == int(view.position_ids.max()) + 1


@pytest.mark.parametrize("family", FAMILIES)
def test_every_clip_tells_its_own_times(family: str, model_folders: dict[str, Path]) -> None:
    told = family in ("qwen2_5_vl", "qwen3_vl")
    policy = load_policy(str(model_folders[family]), max_pixels=64 * 196, min_pixels=784,
                         time_text="none" if told else "seconds")
    view = view_of(policy)
    text = policy.tokenizer.decode(view.input_ids)
    if family == "qwen2_5_vl":
        ticks = [sorted(set(offsets(view, run)[0].tolist())) for run in runs(view)]
        assert ticks == [[5, 20], [1, 13, 40], [3, 13, 23, 33]]  # 2 a second, pairs of frames at their mean
        return
    told_of = {
        "qwen3_vl": ["<2.8 seconds>", "<10.0 seconds>", "<0.8 seconds>", "<6.8 seconds>", "<20.0 seconds>"],
        "internvl": ["Frame4 at 11.0s", "Frame1 at 0.5s", "Frame5 at 20.0s", "Frame1 at 0.2s"],
    }.get(family, ["at 2.0s, 3.5s, 9.0s, 11.0s.", "at 0.5s, 1.0s, 6.0s, 7.5s, 20.0s.", "at 0.2s, 2.8s, 5.2s"])
    places = [text.index(words) for words in told_of]
    assert places == sorted(places)


def test_features_of_a_clip_do_not_depend_on_the_other_clips(policy: Policy) -> None:
    with torch.no_grad():
        together, *singles = policy.encode_vision([view_of(policy), *(alone(policy, number) for number in range(3))])
    assert together is not None and all(single is not None for single in singles)
    for level in range(1 + len(together.deepstack)):
        mine, theirs = ([own.tokens, *own.deepstack][level] for own in (together, joined(singles)))
        torch.testing.assert_close(mine, theirs, atol=1e-5, rtol=1e-5)


def test_log_probs_of_the_rollout_are_those_of_training_and_every_clip_counts(policy: Policy) -> None:
    views = [view_of(policy), alone(policy, 1)]
    drawn = policy.generate(views, 3, Sampling(8, temperature=0.9), torch.Generator().manual_seed(0))
    rows = [(view, own) for view, completions in zip(views, drawn, strict=True) for own in completions]
    for shared in (True, False):
        with torch.no_grad():
            again = policy.logprobs([view for view, _ in rows], [own.ids for _, own in rows], 0.9,
                                    share_prefix=shared).logprobs
        for row, (_, own) in enumerate(rows):
            assert (again[row, : len(own.ids)] - own.logprobs).abs().max() <= 1e-4
    given = drawn[0][0].ids
    with torch.no_grad():
        for number in range(3):
            other = clips()
            other[number] = 255 - other[number]
            changed = policy.logprobs([view_of(policy, other)], [given], 0.9).logprobs[0]
            assert (changed[: len(given)] - drawn[0][0].logprobs).abs().max() > 1e-3, number
