"""AdamW (or its 8-bit form) with linear warm-up, gradient clipping, and float32 masters for weights of lower precision.

A bfloat16 weight cannot hold an update 256 times smaller than itself, which is what a rate of 1e-6 makes; so such
weights are stepped in float32 and rounded into the model.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from strive.configs.run_stages import TrainConfig

MASTER = "master"
"""Kind of tensor beside the optimizer's own: `exp_avg`, `exp_avg_sq`, or `state1`, `qmap1`, `absmax1` … in 8 bits."""


@dataclass(frozen=True)
class Applied:
    """One update: the gradient norm before clipping, the learning rate, and whether it was applied (finite) at all."""

    grad_norm: float
    lr: float
    applied: bool


class Optimizer:
    """Owns the trainable parameters of one policy, by name."""

    def __init__(self, named: Iterable[tuple[str, nn.Parameter]], config: TrainConfig) -> None:
        self.config = config
        self.params = {name: parameter for name, parameter in named if parameter.requires_grad}
        self.masters = {name: _master(parameter) for name, parameter in self.params.items()}
        self.adam = _adam(list(self.masters.values()), config)

    def apply(self, step: int) -> Applied:
        """Clip and apply the accumulated gradients of step number `step` (from 0), then clear them.

        Gradients that are not finite change nothing: neither weights nor moments.
        """
        lr = learning_rate(self.config, step)
        self.collect()
        self._move_on_without()
        norm = float(nn.utils.clip_grad_norm_(self.masters.values(), self.config.grad_clip))
        if math.isfinite(norm):
            self.adam.param_groups[0]["lr"] = lr
            self.adam.step()
            self._lower_weights()
        self.discard()
        return Applied(norm, lr, math.isfinite(norm))

    def collect(self) -> None:
        """Move the gradients so far to the float32 masters: sums of many parts would lose digits in bfloat16."""
        for name, master in self.masters.items():
            parameter = self.params[name]
            if master is not parameter and parameter.grad is not None:
                raised = parameter.grad.float()
                master.grad = raised if master.grad is None else master.grad.add_(raised)
                parameter.grad = None

    def has_gradient(self) -> list[bool]:
        """Of each parameter, in order, whether it has got one."""
        self.collect()
        return [master.grad is not None for master in self.masters.values()]

    def gradients(self, of: Sequence[bool]) -> list[Tensor]:
        """The accumulated gradients of the parameters chosen, in order; zeros where there are none."""
        found = []
        for master, wanted in zip(self.masters.values(), of, strict=True):
            if wanted:
                if master.grad is None:
                    master.grad = torch.zeros_like(master)
                found.append(master.grad)
        return found

    def discard(self) -> None:
        """Forget the accumulated gradients."""
        for parameter in (*self.params.values(), *self.masters.values()):
            parameter.grad = None

    def is_finite(self) -> bool:
        """True when every trainable weight is a finite number."""
        return all(bool(torch.isfinite(parameter).all()) for parameter in self.params.values())

    def tensors(self) -> dict[str, Tensor]:
        """Moments and masters by `<kind>.<parameter name>`, on the CPU."""
        held: dict[str, Tensor] = {}
        for name, master in self.masters.items():
            state = self.adam.state.get(master, {})
            held.update({f"{kind}.{name}": value.detach().cpu().clone() for kind, value in state.items()
                         if kind != "step" and torch.is_tensor(value)})
            if master is not self.params[name]:
                held[f"{MASTER}.{name}"] = master.detach().cpu()
        return held

    def counts(self) -> dict[str, int]:
        """How many updates each parameter has had."""
        return {name: int(self.adam.state[master]["step"]) for name, master in self.masters.items()
                if master in self.adam.state}

    def load(self, tensors: Mapping[str, Tensor], counts: Mapping[str, int]) -> None:
        """Take over the state that `tensors` and `counts` gave."""
        for name, master in self.masters.items():
            if f"{MASTER}.{name}" in tensors:
                master.data.copy_(tensors[f"{MASTER}.{name}"])
            if name in counts:
                self.adam.state[master] = self._state(name, master, tensors, counts[name])

    def _state(self, name: str, master: Tensor, tensors: Mapping[str, Tensor], count: int) -> dict[str, Any]:
        own = {key.partition(".")[0]: value for key, value in tensors.items() if key.partition(".")[2] == name}
        own.pop(MASTER, None)
        step = count if self.config.optimizer == "adamw_8bit" else torch.tensor(float(count), device=master.device)
        return {"step": step, **{kind: value.to(master.device, copy=True) for kind, value in own.items()}}

    def _move_on_without(self) -> None:
        """A gradient of exactly zero for what has been updated before and got none this time: its moments decay."""
        for master in self.masters.values():
            if master.grad is None and master in self.adam.state:
                master.grad = torch.zeros_like(master)

    def _lower_weights(self) -> None:
        with torch.no_grad():
            for name, master in self.masters.items():
                if master is not self.params[name]:
                    self.params[name].copy_(master)


def learning_rate(config: TrainConfig, step: int) -> float:
    """lr * min(1, (step + 1) / warmup): linear, then constant, so that `steps` may be raised later."""
    return config.learning_rate * min(1.0, (step + 1) / max(config.warmup_steps, 1))


def _adam(masters: list[nn.Parameter], config: TrainConfig) -> torch.optim.Optimizer:
    """torch's AdamW, or with `adamw_8bit` that of bitsandbytes (block-wise 8-bit moments, arXiv 2110.02861)."""
    if config.optimizer == "adamw_8bit":
        from bitsandbytes.optim import AdamW8bit

        made: torch.optim.Optimizer = AdamW8bit(masters, lr=config.learning_rate, weight_decay=config.weight_decay)
        return made
    fused = all(master.device.type in ("cpu", "cuda") for master in masters)
    return torch.optim.AdamW(masters, lr=config.learning_rate, weight_decay=config.weight_decay, fused=fused)


def _master(parameter: nn.Parameter) -> nn.Parameter:
    if parameter.dtype in (torch.float32, torch.float64):
        return parameter
    return nn.Parameter(parameter.detach().float().clone())
