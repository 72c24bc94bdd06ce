"""What a checkpoint holds: taken from a policy and its optimizer, and put back, bit for bit."""

import json
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import torch
from safetensors.torch import load_file, save
from torch import Tensor, nn

from strive.cache.atomic import json_bytes
from strive.configs.errors import StoppedError, UsageError, VerificationError
from strive.stages.train.checkpoint import Checkpoint
from strive.stages.train.engine.optimizer import Optimizer

if TYPE_CHECKING:
    from strive.stages.vlm.policy import Policy


@dataclass
class State:
    """What the loop remembers between steps; `step` steps are done.

    position: questions drawn from the stream so far (-1 in a checkpoint that does not say: a batch each step).
    bad_steps: non-finite steps in a row. skipped_steps, rollouts, bad_rewards: counts since the start. failed: samples
    left out while running, id -> reason. best_step, best_score: the highest evaluation so far, by the evaluation of
    `eval_digest`. eval_failed: samples that an evaluation could not ask, id -> reason.
    """

    step: int = 0
    position: int = -1
    bad_steps: int = 0
    skipped_steps: int = 0
    rollouts: int = 0
    bad_rewards: int = 0
    failed: dict[str, str] = field(default_factory=dict)
    best_step: int | None = None
    best_score: float | None = None
    eval_digest: str = ""
    eval_failed: dict[str, str] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """As plain JSON values."""
        return asdict(self)


def take(policy: "Policy", optimizer: Optimizer, state: State) -> dict[str, bytes]:
    """The files of a checkpoint; `StoppedError` rather than weights that are not finite."""
    if not optimizer.is_finite():
        raise StoppedError(f"step {state.step}: weights are not finite", "finite weights", "Lower train.learning_rate.")
    return {
        "model.safetensors": save(moving_parts(policy.model)),
        "optimizer.safetensors": save({name: t.contiguous() for name, t in optimizer.tensors().items()}),
        "optimizer.json": json_bytes({"updates": optimizer.counts()}),
        "rng.safetensors": save(generator_states()),
        "state.json": json_bytes(state.to_json()),
    }


def put_back(policy: "Policy", optimizer: Optimizer, checkpoint: Checkpoint) -> State:
    """Load a verified checkpoint into the policy, its optimizer and the generators; returns the loop's state."""
    weights = load_file(checkpoint.path / "model.safetensors")
    own = {**dict(policy.model.named_parameters()), **dict(policy.model.named_buffers())}
    wanted = set(moving_parts(policy.model))
    if wanted != set(weights):
        odd = sorted(wanted ^ set(weights))[0]
        raise VerificationError(f"{checkpoint.path}: weights of another model ({odd})", "the weights this run trains",
                                "Use the model the run was started with.")
    other = next((name for name in weights if weights[name].dtype != own[name].dtype), None)
    if other is not None:
        raise UsageError(f"{checkpoint.path}: {other} is {weights[other].dtype}, here it would be {own[other].dtype}",
                         "the precision the run was started with", "Resume on the same kind of device (train.device).")
    with torch.no_grad():
        for name, tensor in weights.items():
            own[name].copy_(tensor)
    counts = json.loads((checkpoint.path / "optimizer.json").read_bytes())["updates"]
    optimizer.load(load_file(checkpoint.path / "optimizer.safetensors"), counts)
    set_generators(load_file(checkpoint.path / "rng.safetensors"))
    return State(**checkpoint.state())


def moving_parts(model: nn.Module) -> dict[str, Tensor]:
    """Trainable parameters and persistent buffers on the CPU, by name; tied weights once."""
    kept = {name: p for name, p in model.named_parameters() if p.requires_grad}
    saved = set(model.state_dict(keep_vars=True))
    kept.update({name: b for name, b in model.named_buffers() if name in saved})  # type: ignore[misc]
    return {name: tensor.detach().cpu().contiguous() for name, tensor in kept.items()}


def generator_states() -> dict[str, Tensor]:
    """torch's global generators, uint8; rollouts draw from generators of their own, these serve dropout and such."""
    states = {"cpu": torch.get_rng_state()}
    if torch.cuda.is_available():
        states.update({f"cuda.{i}": state for i, state in enumerate(torch.cuda.get_rng_state_all())})
    return states


def set_generators(states: dict[str, Tensor]) -> None:
    """Put torch's global generators back; those of devices that are not here are passed over."""
    torch.set_rng_state(states["cpu"])
    for name, state in states.items():
        device, _, index = name.partition(".")
        if device == "cuda" and torch.cuda.is_available() and int(index) < torch.cuda.device_count():
            torch.cuda.set_rng_state(state, int(index))
