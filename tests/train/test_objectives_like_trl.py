"""Our objectives and TRL's `GRPOTrainer` on the same log-probs give the same loss and gradient; needs trl."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest
import torch
from tiny_models import make_tokenizer
from token_batches import settings
from torch import Tensor

from strive.stages.train.objective.inputs import LossSettings, TokenBatch, Totals
from strive.stages.train.objective.objectives import is_clipped, loss_named

LONGEST, ROWS = 7, 8


@dataclass(frozen=True)
class World:
    """A trainer with a tiny text model, and one batch of prompts and ragged completions."""

    trainer: Any
    prompt: Tensor
    completion: Tensor
    mask: Tensor
    advantages: Tensor

    def logp(self) -> Tensor:
        """Log-probs of the completions, [R, C], with the gradient of the model."""
        ids = torch.cat([self.prompt, self.completion], 1)
        scores = self.trainer.model(ids).logits.log_softmax(-1)[:, self.prompt.shape[1] - 1 : -1]
        return scores.gather(2, self.completion[..., None])[..., 0]

    def gradient(self, loss: Tensor) -> Tensor:
        """Of all weights, one vector."""
        parts = torch.autograd.grad(loss, list(self.trainer.model.parameters()), allow_unused=True)
        return torch.cat([part.flatten() for part in parts if part is not None])


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    trl, datasets = pytest.importorskip("trl"), pytest.importorskip("datasets")
    from transformers import Qwen2Config, Qwen2ForCausalLM

    folder, tokenizer = tmp_path_factory.mktemp("trl"), make_tokenizer()
    torch.manual_seed(0)
    Qwen2ForCausalLM(Qwen2Config(vocab_size=len(tokenizer), hidden_size=32, intermediate_size=64, num_hidden_layers=2,
                                 num_attention_heads=2, num_key_value_heads=2)).save_pretrained(folder / "model")
    tokenizer.save_pretrained(folder / "model")
    plain_kl = {"use_bias_correction_kl": False} if hasattr(trl.GRPOConfig, "use_bias_correction_kl") else {}
    args = trl.GRPOConfig(output_dir=str(folder), num_generations=ROWS, per_device_train_batch_size=ROWS, bf16=False,
                          use_cpu=True, report_to=[], max_completion_length=LONGEST, beta=0.0,
                          model_init_kwargs={"dtype": "float32"}, **plain_kl)
    prompts = datasets.Dataset.from_list([{"prompt": "a"}] * ROWS)
    trainer = trl.GRPOTrainer(str(folder / "model"), args=args, train_dataset=prompts, processing_class=tokenizer,
                              reward_funcs=lambda completions, **_: [0.0] * len(completions))
    trainer.current_gradient_accumulation_steps = 1
    draw = torch.Generator().manual_seed(1)
    prompt, completion = (torch.randint(0, len(tokenizer), (ROWS, n), generator=draw) for n in (5, LONGEST))
    mask = torch.arange(LONGEST) < torch.randint(1, LONGEST + 1, (ROWS,), generator=draw)[:, None]
    return World(trainer, prompt, completion, mask, torch.linspace(-1.5, 1.5, ROWS))


def compared(world: World, rule: LossSettings, weight: Tensor | None = None, spread: float = 0.3) -> TokenBatch:
    """Both losses and both gradients on one off-policy batch agree to 1e-6; the batch, for what a test adds."""
    draw = torch.Generator().manual_seed(2)
    logp = world.logp()
    old, ref = (logp.detach() + torch.randn(logp.shape, generator=draw) * spread for _ in range(2))
    extra = {} if weight is None else {"importance_sampling_ratio": weight}
    theirs = world.trainer.compute_loss(world.trainer.model, {
        "prompt_ids": world.prompt, "prompt_mask": torch.ones_like(world.prompt), "completion_ids": world.completion,
        "completion_mask": world.mask.long(), "advantages": world.advantages, "old_per_token_logps": old,
        "ref_per_token_logps": ref, "num_items_in_batch": world.mask.sum(), **extra})
    batch = TokenBatch(logp, old, world.advantages, world.mask, ref, weight, world.mask.sum().float().expand(ROWS))
    ours = loss_named(rule.loss)(batch, rule, Totals.of(world.mask, groups=1))
    assert ours.item() == pytest.approx(theirs.item(), abs=1e-6)
    own, other = world.gradient(ours), world.gradient(theirs)
    assert (own - other).norm() < 1e-6 * other.norm()
    return batch


@pytest.fixture
def trl_set(world: World, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Sets what TRL reads, for one test."""

    def apply(loss: str, beta: float = 0.0, level: str = "token", low: float = 0.2, high: float = 0.28,
              delta: float | None = None) -> None:
        for name, value in {"loss_type": loss, "beta": beta, "importance_sampling_level": level, "epsilon_low": low,
                            "epsilon_high": high}.items():
            assert hasattr(world.trainer, name)
            monkeypatch.setattr(world.trainer, name, value)
        monkeypatch.setattr(world.trainer.args, "delta", delta)

    return apply


@pytest.mark.parametrize("beta", [0.0, 0.04])
@pytest.mark.parametrize("name", ["dapo", "grpo", "dr_grpo", "bnpo"])
def test_token_ratios(world: World, trl_set: Callable[..., None], name: str, beta: float) -> None:
    trl_set(name, beta)
    rule = settings(name, kl_beta=beta, max_new_tokens=LONGEST)
    assert is_clipped(compared(world, rule), rule).any()


@pytest.mark.parametrize("beta", [0.0, 0.04])
def test_gspo_is_grpo_at_the_level_of_sequences(world: World, trl_set: Callable[..., None], beta: float) -> None:
    trl_set("grpo", beta, level="sequence", low=0.05, high=0.08)
    rule = settings("gspo", kl_beta=beta, clip_low=0.05, clip_high=0.08)
    assert is_clipped(compared(world, rule), rule).any()


@pytest.mark.parametrize("beta", [0.0, 0.04])
def test_cispo_without_a_lower_bound(world: World, trl_set: Callable[..., None], beta: float) -> None:
    """TRL's epsilon_high is the largest weight itself, ours is added to 1."""
    trl_set("cispo", beta, high=1.28)
    rule = replace(settings("cispo", kl_beta=beta), clip_low=1.0)
    assert is_clipped(compared(world, rule), rule).any()


def test_dual_clip_is_the_two_sided_clip(world: World, trl_set: Callable[..., None]) -> None:
    """TRL's delta (INTELLECT-2, arXiv 2505.07291) bounds the ratio; above 1 + epsilon_high that is dual clip."""
    trl_set("dapo", delta=1.5)
    on, off = settings(clip_dual=1.5), settings()
    batch = compared(world, on, spread=0.6)
    assert (is_clipped(batch, on) != is_clipped(batch, off)).any()


@pytest.mark.parametrize("name", ["dapo", "grpo", "cispo"])
def test_the_weight_of_truncated_importance_sampling(world: World, trl_set: Callable[..., None], name: str,
                                                     monkeypatch: pytest.MonkeyPatch) -> None:
    trl_set(name, 0.04, high=1.28 if name == "cispo" else 0.28)
    monkeypatch.setattr(world.trainer, "use_vllm", True)
    monkeypatch.setattr(world.trainer, "vllm_importance_sampling_correction", True, raising=False)
    rule = settings(name, kl_beta=0.04)
    weight = torch.rand(ROWS, LONGEST, generator=torch.Generator().manual_seed(3)) + 0.5
    compared(world, replace(rule, clip_low=1.0) if name == "cispo" else rule, weight)
