"""What training rests on, for every family: shared prefixes are exact, rollout and update read the same prompt."""

from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from tiny_models import FAMILIES, QWEN
from torch import Tensor
from vlm_views import mixed_views

from strive.stages.vlm import Policy, Sampling, ViewInputs, load_policy

MODES = [(family, {}) for family in FAMILIES] + [
    (family, {"frame_pairing": pairing}) for family in QWEN for pairing in ("repeat", "images")
] + [(family, {"time_text": "seconds"}) for family in ("qwen2_vl", "internvl", "llava_onevision")]
NAMES = ["-".join([family, *modes.values()]) for family, modes in MODES]


def load(folder: Path, **options: object) -> Policy:
    return load_policy(str(folder), max_pixels=64 * 14 * 14, min_pixels=784, **options)  # type: ignore[arg-type]


@dataclass(frozen=True)
class Scored:
    """Log-probs float32 [R, C] of one way of computing them, and the gradient of every parameter that got one."""

    logprobs: Tensor
    gradients: dict[str, Tensor]


def rows_of(views: list[ViewInputs]) -> tuple[list[ViewInputs], list[Tensor]]:
    """Eight rows on five views, completions of 1 to 9 tokens."""
    generator = torch.Generator().manual_seed(1)
    order, lengths = [0, 0, 1, 2, 3, 3, 3, 4], [9, 3, 5, 1, 4, 7, 2, 6]
    return [views[index] for index in order], [torch.randint(0, 300, (n,), generator=generator) for n in lengths]


WEIGHTS = torch.randn(8, 9, generator=torch.Generator().manual_seed(2))


def gradients(policy: Policy) -> dict[str, Tensor]:
    return {name: own.grad.clone() for name, own in policy.model.named_parameters() if own.grad is not None}


def scored(policy: Policy, views: list[ViewInputs], share_prefix: bool) -> Scored:
    rows, completions = rows_of(views)
    policy.model.zero_grad()
    values = policy.logprobs(rows, completions, share_prefix=share_prefix).logprobs
    (values * WEIGHTS).sum().backward()
    return Scored(values.detach(), gradients(policy))


def scored_in_parts(policy: Policy, views: list[ViewInputs]) -> Scored:
    """As a training step does: one prefill, completions on leaves of it a few at a time, one backward through it."""
    rows, completions = rows_of(views)
    policy.model.zero_grad()
    prefix = policy.prefill(views)
    leaves, values = prefix.detached(), torch.zeros(8, 9)
    for part in (range(3), range(3, 4), range(4, 8)):
        owners, given = [views.index(rows[row]) for row in part], [completions[row] for row in part]
        own = policy.score(leaves, owners, given).logprobs
        (own * WEIGHTS[part.start:part.stop, :own.shape[1]]).sum().backward()
        values[part.start:part.stop, :own.shape[1]] = own.detach()
    prefix.backward(leaves)
    return Scored(values, gradients(policy))


def differences(one: Scored, other: Scored) -> tuple[float, float]:
    """Largest difference of a gradient entry over its tensor's largest entry; of the whole vector over its norm.

    A bias that is added to every key moves no softmax: its gradient is zero but for rounding, in both.
    """
    assert one.gradients.keys() == other.gradients.keys()
    nothing = 1e-6 * max(float(own.abs().max()) for own in other.gradients.values())
    entries = []
    for name, expected in other.gradients.items():
        scale = float(expected.abs().max())
        if scale < nothing:
            assert name.endswith("k_proj.bias") and one.gradients[name].abs().max() < nothing, name
        else:
            entries.append(float((one.gradients[name] - expected).abs().max()) / scale)
    whole, expected = (torch.cat([found.gradients[name].flatten() for name in one.gradients]) for found in (one, other))
    return max(entries), float((whole - expected).norm() / expected.norm())


@pytest.mark.parametrize(("family", "modes"), MODES, ids=NAMES)
def test_a_shared_prefix_gives_the_log_probs_and_gradients_of_the_repeated_computation(
    family: str, modes: dict[str, str], model_folders: dict[str, Path]
) -> None:
    policy = load(model_folders[family], trainable=True, freeze_vision=False, **modes)
    views = mixed_views(policy)
    shared, repeated = scored(policy, views, True), scored(policy, views, False)
    entries, whole = differences(shared, repeated)
    assert torch.allclose(shared.logprobs, repeated.logprobs, rtol=1e-5, atol=1e-5)
    assert entries <= 1e-5 and whole <= 1e-5, (entries, whole)
    seen = {name: float(own.abs().max()) for name, own in shared.gradients.items() if name.startswith("model.vis")}
    assert len(seen) > 10 and max(seen.values()) > 1e-3, "gradients reach the vision tower"


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("recompute", [False, True])
def test_micro_batches_on_one_prefill_give_the_gradients_of_the_repeated_computation(
    family: str, recompute: bool, model_folders: dict[str, Path]
) -> None:
    """Also where layers hold only their inputs (gradient checkpointing)."""
    policy = load(model_folders[family], trainable=True, freeze_vision=False)
    views = mixed_views(policy)
    repeated = scored(policy, views, False)
    if recompute:
        policy.recompute()
    parts = scored_in_parts(policy, views)
    entries, whole = differences(parts, repeated)
    assert torch.allclose(parts.logprobs, repeated.logprobs, rtol=1e-5, atol=1e-5)
    assert entries <= 1e-5 and whole <= 1e-5, (entries, whole)


@pytest.mark.parametrize(("family", "modes"), MODES, ids=NAMES)
def test_rollout_log_probs_are_the_training_log_probs_on_the_same_prompt(
    family: str, modes: dict[str, str], model_folders: dict[str, Path]
) -> None:
    """The object that was sampled from is scored: its tokens and positions are those of the rollout's."""
    policy = load(model_folders[family], trainable=True, **modes)
    views = mixed_views(policy)
    before = [(view.input_ids.clone(), view.position_ids.clone()) for view in views]
    drawn = policy.generate(views, 3, Sampling(10, temperature=0.8, top_p=0.9), torch.Generator().manual_seed(0))
    rows = [(view, own) for view, completions in zip(views, drawn, strict=True) for own in completions]
    scores = policy.logprobs([view for view, _ in rows], [own.ids for _, own in rows], temperature=0.8).logprobs
    for row, (_, own) in enumerate(rows):
        assert (scores[row, :len(own.ids)].detach() - own.logprobs).abs().max() <= 1e-4
    for view, again, (ids, positions) in zip(views, mixed_views(policy), before, strict=True):
        assert torch.equal(view.input_ids, ids) and torch.equal(view.position_ids, positions)
        assert torch.equal(again.input_ids, ids) and torch.equal(again.position_ids, positions)


@pytest.mark.parametrize("family", FAMILIES)
def test_no_token_of_a_picture_can_be_sampled(family: str, policies: dict[str, Policy]) -> None:
    policy = policies[family]
    vocabulary = policy.tokenizer.get_vocab()
    for token in ("<|vision_start|>", "<|video_pad|>", "<|image_pad|>", "<image>", "<video>", "<img>", "</img>",
                  "<IMG_CONTEXT>"):
        assert token not in vocabulary or vocabulary[token] in policy.suppressed_ids.tolist(), token
    assert policy.adapter.placeholder_id in policy.suppressed_ids.tolist()
    nearly_uniform = Sampling(20, temperature=50.0)
    drawn = policy.generate(mixed_views(policy)[:2], 8, nearly_uniform, torch.Generator().manual_seed(0))
    tokens = {token for completions in drawn for own in completions for token in own.ids.tolist()}
    assert len(tokens) > 100 and not tokens & set(policy.suppressed_ids.tolist())


@pytest.mark.parametrize("family", FAMILIES)
def test_a_lora_trains_every_projection_of_the_language_model_and_nothing_else(
    family: str, model_folders: dict[str, Path]
) -> None:
    policy = load(model_folders[family], trainable=True, lora_rank=2)
    trained = {name for name, own in policy.model.named_parameters() if own.requires_grad}
    assert all(".lora_" in name and ".language_model.layers." in name for name in trained)
    assert len(trained) == 3 * 7 * 2  # layers x (q, k, v, o, gate, up, down) x (A, B)
    before = policy.encode_vision(mixed_views(policy)[:1])[0]
    assert before is not None and not before.tokens.requires_grad


@pytest.mark.parametrize("family", FAMILIES)
def test_a_frozen_tower_is_all_that_makes_features(family: str, model_folders: dict[str, Path]) -> None:
    """With the tower frozen nothing left to train can change a feature, so that features may be kept."""
    policy = load(model_folders[family], trainable=True)
    views = mixed_views(policy)[:2]
    before = [own.tokens.clone() for own in policy.encode_vision(views) if own is not None]
    with torch.no_grad():
        for parameter in policy.core.parameters():
            if parameter.requires_grad:
                parameter.add_(0.1)
    after = [own.tokens for own in policy.encode_vision(views) if own is not None]
    assert all(torch.equal(one, other) for one, other in zip(before, after, strict=True))
    frozen = {id(own) for own in policy.adapter.tower(policy.core).parameters()}
    assert frozen == {id(own) for own in policy.core.parameters() if not own.requires_grad}


@pytest.mark.parametrize("family", FAMILIES)
def test_features_of_a_view_do_not_depend_on_its_neighbours(family: str, policies: dict[str, Policy]) -> None:
    policy = policies[family]
    views = mixed_views(policy)[:4]
    with torch.no_grad():
        for view, together in zip(views, policy.encode_vision(views), strict=True):
            alone = policy.encode_vision([view])[0]
            assert alone is not None and together is not None
            torch.testing.assert_close(alone.tokens, together.tokens, atol=1e-5, rtol=1e-5)
