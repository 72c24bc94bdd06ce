"""Losses by hand, against a published-formula GRPO, and against TRL where it is installed."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from strive.configs.errors import UsageError
from strive.configs.run_stages import TrainConfig
from strive.stages.train.advantages import compute
from strive.stages.train.losses import LOSSES, Totals, is_clipped, k3, loss_named

CLIPS = {"clip_low": 0.2, "clip_high": 0.28}


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


def ragged(seed: int, rows: int = 16, longest: int = 9) -> tuple[list[Tensor], Tensor, Tensor, Tensor, Tensor]:
    """Completions of different lengths: their log-probs as a list and padded; old, ref [R, C]; mask."""
    draw = torch.Generator().manual_seed(seed)
    lengths = torch.randint(1, longest + 1, (rows,), generator=draw)
    logp = -torch.rand(rows, longest, generator=draw) * 3
    old = logp + torch.randn(rows, longest, generator=draw) * 0.3
    ref = logp + torch.randn(rows, longest, generator=draw) * 0.3
    mask = torch.arange(longest) < lengths[:, None]
    return [logp[i, :n].clone().requires_grad_() for i, n in enumerate(lengths)], logp, old, ref, mask


@pytest.mark.parametrize("beta", [0.0, 0.04])
def test_one_variant_equals_grpo_in_advantage_loss_and_gradient(beta: float) -> None:
    pieces, logp, old, ref, mask = ragged(1)
    rewards = np.random.default_rng(0).choice([0.0, 0.1, 1.0], 16).tolist()
    expected = grpo_reference(pieces, [row[m] for row, m in zip(old, mask, strict=True)], rewards, 8, 0.2, 0.28, beta,
                              [row[m] for row, m in zip(ref, mask, strict=True)])
    expected.backward()
    values = compute(rewards, [i // 8 for i in range(16)], [0] * 16, TrainConfig()).values
    ours = logp.clone().requires_grad_()
    loss = LOSSES["grpo"](ours, old, torch.tensor(values, dtype=torch.float32), mask, kl_beta=beta, ref=ref, **CLIPS)
    loss.backward()
    assert abs(loss.item() - expected.item()) < 1e-6
    assert ours.grad is not None
    for row, piece in enumerate(pieces):
        assert piece.grad is not None
        assert (ours.grad[row, : len(piece)] - piece.grad).abs().max() < 1e-6
        assert (ours.grad[row, len(piece):] == 0).all()


def test_both_losses_by_hand() -> None:
    """Rows of 2 and 1 tokens, A = 1 and -1. Ratios 1.5 (clipped to 1.28), 1, 0.5 (clipped to 0.8: -(-0.8))."""
    logp = torch.log(torch.tensor([[0.6, 0.5], [0.25, 0.9]]))
    old = torch.log(torch.tensor([[0.4, 0.5], [0.5, 0.1]]))
    mask = torch.tensor([[True, True], [True, False]])
    advantages = torch.tensor([1.0, -1.0])
    dapo = LOSSES["dapo"](logp, old, advantages, mask, **CLIPS)
    grpo = LOSSES["grpo"](logp, old, advantages, mask, **CLIPS)
    assert dapo.item() == pytest.approx((-1.28 - 1 + 0.8) / 3, abs=1e-6)
    assert grpo.item() == pytest.approx(((-1.28 - 1) / 2 + 0.8) / 2, abs=1e-6)


def test_each_bound_stops_the_gradient_on_its_own_side() -> None:
    ratios, advantages = torch.tensor([[0.7], [0.7], [1.25], [1.35], [1.35]]), torch.tensor([-1.0, 1.0, 1.0, 1.0, -1.0])
    logp = torch.log(ratios).requires_grad_()
    mask = torch.ones(5, 1, dtype=torch.bool)
    LOSSES["dapo"](logp, torch.zeros(5, 1), advantages, mask, **CLIPS).backward()
    assert logp.grad is not None
    stopped = (logp.grad == 0).flatten().tolist()
    assert stopped == [True, False, False, True, False]
    assert is_clipped(logp.detach(), torch.zeros(5, 1), advantages, 0.2, 0.28).flatten().tolist() == stopped


def test_k3_is_never_negative_exact_by_hand_and_does_not_overflow() -> None:
    logp = torch.tensor([0.0, 0.0, -1.0, 500.0, -500.0])
    ref = torch.tensor([0.0, 1.0, -2.0, 0.0, 0.0])
    got = k3(logp, ref)
    assert got[:3].tolist() == pytest.approx([0.0, np.e - 2, np.exp(-1.0)], abs=1e-6)
    assert torch.isfinite(got).all() and (got >= 0).all()


@pytest.mark.parametrize("name", sorted(LOSSES))
def test_tokens_after_the_end_never_change_loss_or_gradient(name: str) -> None:
    _, logp, old, ref, mask = ragged(2)
    advantages = torch.linspace(-1, 1, 16)
    results = []
    for junk in (0.0, 77.0, float("nan"), -float("inf")):
        own = torch.where(mask, logp, torch.tensor(junk)).requires_grad_()
        loss = LOSSES[name](own, torch.where(mask, old, torch.tensor(junk)), advantages, mask, kl_beta=0.1,
                            ref=torch.where(mask, ref, torch.tensor(junk)), **CLIPS)
        loss.backward()
        assert own.grad is not None
        results.append((loss.item(), own.grad))
    for loss_value, gradient in results[1:]:
        assert loss_value == results[0][0] and torch.equal(gradient, results[0][1])


@pytest.mark.parametrize("name", sorted(LOSSES))
def test_micro_batches_add_up_to_the_whole_batch(name: str) -> None:
    _, logp, old, _, mask = ragged(3)
    advantages = torch.linspace(-1, 2, 16)
    whole = LOSSES[name](logp, old, advantages, mask, **CLIPS)
    cuts = [slice(0, 3), slice(3, 4), slice(4, 16)]
    parts = sum(LOSSES[name](logp[c], old[c], advantages[c], mask[c], totals=Totals.of(mask), **CLIPS) for c in cuts)
    assert whole.item() == pytest.approx(float(parts), abs=1e-6)


@pytest.mark.parametrize("name", sorted(LOSSES))
def test_rows_in_any_order_give_the_same_loss(name: str) -> None:
    _, logp, old, _, mask = ragged(4)
    advantages, order = torch.linspace(-1, 2, 16), torch.randperm(16, generator=torch.Generator().manual_seed(0))
    straight = LOSSES[name](logp, old, advantages, mask, **CLIPS)
    mixed = LOSSES[name](logp[order], old[order], advantages[order], mask[order], **CLIPS)
    assert straight.item() == pytest.approx(mixed.item(), abs=1e-6)


@pytest.mark.parametrize("name", sorted(LOSSES))
def test_zero_advantages_give_zero_loss_and_zero_gradient(name: str) -> None:
    _, logp, old, _, mask = ragged(5)
    own = logp.clone().requires_grad_()
    loss = LOSSES[name](own, old, torch.zeros(16), mask, **CLIPS)
    loss.backward()
    assert own.grad is not None
    assert loss.item() == 0 and (own.grad == 0).all()


def test_an_unknown_loss_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(UsageError, match="Did you mean grpo"):
        loss_named("grop")


@pytest.mark.parametrize(("name", "beta"), [("grpo", 0.0), ("grpo", 0.04), ("dapo", 0.0), ("dapo", 0.04)])
def test_the_loss_is_trl_s_on_the_same_tensors(tmp_path: Path, name: str, beta: float) -> None:
    trl, datasets = pytest.importorskip("trl"), pytest.importorskip("datasets")
    from tiny_models import make_tokenizer
    from transformers import Qwen2Config, Qwen2ForCausalLM

    tokenizer = make_tokenizer()
    torch.manual_seed(0)
    Qwen2ForCausalLM(Qwen2Config(vocab_size=len(tokenizer), hidden_size=32, intermediate_size=64, num_hidden_layers=2,
                                 num_attention_heads=2, num_key_value_heads=2)).save_pretrained(tmp_path / "model")
    tokenizer.save_pretrained(tmp_path / "model")
    plain_kl = {"use_bias_correction_kl": False} if hasattr(trl.GRPOConfig, "use_bias_correction_kl") else {}
    args = trl.GRPOConfig(output_dir=str(tmp_path), loss_type=name, beta=beta, epsilon=0.2, epsilon_high=0.28,
                          num_generations=4, per_device_train_batch_size=8, bf16=False, use_cpu=True, report_to=[],
                          max_completion_length=7, model_init_kwargs={"dtype": "float32"}, **plain_kl)
    prompts = datasets.Dataset.from_list([{"prompt": "a"}] * 8)
    trainer = trl.GRPOTrainer(str(tmp_path / "model"), args=args, train_dataset=prompts, processing_class=tokenizer,
                              reward_funcs=lambda completions, **_: [0.0] * len(completions))
    model = trainer.model
    trainer.current_gradient_accumulation_steps = 1
    draw = torch.Generator().manual_seed(1)
    prompt = torch.randint(0, len(tokenizer), (8, 5), generator=draw)
    completion = torch.randint(0, len(tokenizer), (8, 7), generator=draw)
    mask = torch.arange(7) < torch.randint(1, 8, (8,), generator=draw)[:, None]
    advantages = torch.linspace(-1.5, 1.5, 8)
    with torch.no_grad():
        now = model(torch.cat([prompt, completion], 1)).logits.log_softmax(-1)[:, 4:-1]
    now = now.gather(2, completion[..., None])[..., 0]
    old, ref = (now + torch.randn(8, 7, generator=draw) * 0.3 for _ in range(2))
    theirs = trainer.compute_loss(model, {
        "prompt_ids": prompt, "prompt_mask": torch.ones_like(prompt), "completion_ids": completion,
        "completion_mask": mask.long(), "advantages": advantages, "old_per_token_logps": old,
        "ref_per_token_logps": ref, "num_items_in_batch": mask.sum()})
    ours = LOSSES[name](now, old, advantages, mask, kl_beta=beta, ref=ref, **CLIPS)
    assert ours.item() == pytest.approx(theirs.item(), abs=1e-6)
