"""The optimiser: warm-up, clipping, float32 masters, nothing applied that is not finite."""

import pytest
import torch
from torch import nn

from strive.configs.run_stages import TrainConfig
from strive.stages.train.engine.optimizer import Optimizer, learning_rate


def layer(dtype: torch.dtype = torch.float32) -> nn.Linear:
    torch.manual_seed(0)
    return nn.Linear(4, 3, bias=False).to(dtype)


def gradient(module: nn.Linear, value: float = 1.0) -> None:
    module.weight.grad = torch.full_like(module.weight, value)


def test_warm_up_is_linear_then_constant() -> None:
    config = TrainConfig(learning_rate=1.0, warmup_steps=4)
    assert [learning_rate(config, step) for step in range(6)] == [0.25, 0.5, 0.75, 1.0, 1.0, 1.0]
    assert learning_rate(TrainConfig(learning_rate=1.0), 0) == 1.0


def test_it_is_adamw_with_clipped_gradients() -> None:
    ours, theirs = layer(), layer()
    config = TrainConfig(learning_rate=1e-2, weight_decay=0.1, grad_clip=0.5)
    optimizer = Optimizer(ours.named_parameters(), config)
    reference = torch.optim.AdamW(theirs.parameters(), lr=1e-2, weight_decay=0.1)
    for value in (3.0, -1.0, 0.2):
        gradient(ours, value)
        applied = optimizer.apply(0)
        gradient(theirs, value)
        norm = nn.utils.clip_grad_norm_(theirs.parameters(), 0.5)
        reference.step()
        assert applied.grad_norm == pytest.approx(float(norm)) and applied.applied
    torch.testing.assert_close(ours.weight, theirs.weight)


def test_tiny_updates_reach_bfloat16_weights_in_the_long_run() -> None:
    """Updates of 1e-4 on weights near 0.3 (bfloat16 step 0.002): each alone is rounded away, 40 of them are not."""
    module = layer(torch.bfloat16)
    before = module.weight.detach().clone()
    optimizer = Optimizer(module.named_parameters(), TrainConfig(learning_rate=1e-4))
    gradient(module)
    optimizer.apply(0)
    assert (module.weight[before.abs() > 0.3] == before[before.abs() > 0.3]).all()
    for _ in range(40):
        gradient(module)
        optimizer.apply(0)
    assert ((before - module.weight).float() > 0.002).all()


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_gradients_that_are_not_finite_change_neither_weights_nor_moments(value: float) -> None:
    module = layer()
    optimizer = Optimizer(module.named_parameters(), TrainConfig(learning_rate=1e-2))
    gradient(module)
    optimizer.apply(0)
    weights, state = module.weight.detach().clone(), {k: v.clone() for k, v in optimizer.tensors().items()}
    gradient(module, value)
    assert not optimizer.apply(0).applied
    assert torch.equal(module.weight, weights) and module.weight.grad is None
    assert all(torch.equal(state[name], tensor) for name, tensor in optimizer.tensors().items())


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_saved_state_goes_on_bit_for_bit(dtype: torch.dtype) -> None:
    config = TrainConfig(learning_rate=1e-2)
    straight, first = layer(dtype), layer(dtype)
    one, two = (Optimizer(module.named_parameters(), config) for module in (straight, first))
    for optimizer, module in ((one, straight), (two, first)):
        for value in (1.0, -0.3):
            gradient(module, value)
            optimizer.apply(0)
    resumed = layer(dtype)
    resumed.load_state_dict(first.state_dict())
    three = Optimizer(resumed.named_parameters(), config)
    three.load(two.tensors(), two.counts())
    for optimizer, module in ((one, straight), (three, resumed)):
        gradient(module, 0.7)
        optimizer.apply(0)
    assert torch.equal(straight.weight, resumed.weight)


def test_frozen_parameters_are_not_touched() -> None:
    module = nn.Sequential(layer(), nn.Linear(3, 2))
    module[1].requires_grad_(False)
    optimizer = Optimizer(module.named_parameters(), TrainConfig(weight_decay=0.5))
    assert set(optimizer.params) == {"0.weight"}


def test_eight_bit_moments_train_and_come_back_from_a_checkpoint() -> None:
    pytest.importorskip("bitsandbytes", reason="needs the 8bit extra")
    config = TrainConfig(learning_rate=1e-2, optimizer="adamw_8bit")

    def wide() -> nn.Linear:
        torch.manual_seed(0)
        return nn.Linear(128, 64)  # a weight of 8,192 numbers in 8 bits, a bias of 64 that stays in 32

    whole, parts = wide(), wide()
    steps = [torch.randn(64, 128, generator=torch.Generator().manual_seed(i)) for i in range(4)]

    def go(module: nn.Linear, optimizer: Optimizer, step: int) -> None:
        module.weight.grad, module.bias.grad = steps[step].clone(), steps[step][:, 0].clone()
        assert optimizer.apply(step).applied

    straight, first = Optimizer(whole.named_parameters(), config), Optimizer(parts.named_parameters(), config)
    for step in range(4):
        go(whole, straight, step)
    for step in range(2):
        go(parts, first, step)
    kept = first.tensors()
    assert kept["state1.weight"].dtype == torch.uint8 and kept["state1.bias"].dtype == torch.float32
    again = Optimizer(parts.named_parameters(), config)
    again.load(kept, first.counts())
    for step in range(2, 4):
        go(parts, again, step)
    assert torch.equal(whole.weight, parts.weight) and torch.equal(whole.bias, parts.bias)
