"""What a training step will take, before it runs: tokens, memory at its fullest by part, and arithmetic."""

import os
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch

from strive.configs.errors import StriveError
from strive.configs.run_stages import TrainConfig
from strive.configs.schema import Config
from strive.stages.train.estimate.activations import PRECISIONS, Precision
from strive.stages.train.estimate.model_shape import ModelShape, read_config, shape_of
from strive.stages.train.estimate.peak_memory import Parts, Setup, phases
from strive.stages.train.estimate.step_shape import StepShape, planned
from strive.stages.train.estimate.work import flops
from strive.stages.vlm.load import choose_device, choose_dtype

GIB = 1 << 30
SLACK = {"cpu": 1.15, "cuda": 1.08, "mps": 1.15}
"""What an allocator holds beside live tensors, as a factor (docs/memory.md says what it was measured on)."""
FIXED_BYTES = {"cpu": 0, "cuda": 3 * GIB // 4, "mps": 0}
"""What a device's runtime and its libraries take: context, kernels, workspaces."""


@dataclass(frozen=True)
class Estimate:
    """One step of a run.

    prompt_tokens, completion_tokens, visual_tokens: of all views and rows of a step, completions at their longest.
    phase: when memory is fullest. parts: bytes then, by what they are, "allocator" included; they sum to `peak_bytes`.
    phase_bytes: the same sum for every phase. flops: by part. parameters, trained: elements.
    """

    prompt_tokens: int
    completion_tokens: int
    visual_tokens: int
    parameters: int
    trained: int
    phase: str
    parts: Parts
    peak_bytes: int
    phase_bytes: Parts
    flops: dict[str, float]
    precision: str
    device: str

    @property
    def total_flops(self) -> float:
        """Of the whole step."""
        return sum(self.flops.values())

    def to_json(self) -> dict[str, Any]:
        """Plain numbers, for `--json`."""
        return asdict(self) | {"total_flops": self.total_flops}

    def lines(self, memory_bytes: int | None = None) -> list[str]:
        """For people; with `memory_bytes`, the device's, a warning where the step needs more."""
        shown = ", ".join(f"{name} {size(count)}" for name, count in largest(self.parts))
        lines = [
            f"estimate  about {self.prompt_tokens:,} prompt tokens and at most {self.completion_tokens:,} completion "
            f"tokens a step; {count_text(self.parameters)} parameters, {count_text(self.trained)} trained, "
            f"{self.precision}",
            f"          memory {size(self.peak_bytes)} beside the process itself, at the fullest ({self.phase}): "
            f"{shown}",
            f"          arithmetic {flops_text(self.total_flops)} a step: "
            + ", ".join(f"{name} {flops_text(part)}" for name, part in self.flops.items()),
        ]
        if memory_bytes is not None and self.peak_bytes > memory_bytes:
            lines.append(f"warning   a step needs about {size(self.peak_bytes)}, {self.device} has "
                         f"{size(memory_bytes)}: try train.gradient_checkpointing=true, train.lora_rank=64, a smaller "
                         "train.tokens_per_microbatch, or fewer variants.frames")
        return lines


def estimate(model_config: Any, train: TrainConfig, shape: StepShape, device: str | None = None) -> Estimate:
    """What a step of `shape` takes. `model_config`: the Hugging Face config; `device` cpu, cuda or mps, else
    `train.device`. Raises UsageError for a model whose structure is not known."""
    return of_shape(shape_of(model_config), train, shape, device or choose_device(train.device).type)


def of_shape(model: ModelShape, train: TrainConfig, shape: StepShape, place: str) -> Estimate:
    """The same for a model whose measures are taken; `place` cpu, cuda or mps."""
    name = precision_name(train, place)
    setup = setup_of(model, train, shape, place, PRECISIONS[name])
    held = phases(setup)
    sums = {phase: whole(sum(parts.values()), place) for phase, parts in held.items()}
    phase = max(sums, key=lambda one: sums[one])
    parts = {part: count for part, count in held[phase].items() if count}
    parts["allocator"] = sums[phase] - sum(parts.values())
    work = flops(setup, train.inner_epochs, train.kl_beta > 0)
    return Estimate(shape.views * shape.prompt_tokens, shape.completions * shape.new_tokens,
                    shape.views * shape.view.tokens, model.total, setup.trainable, phase, parts, sums[phase], sums,
                    work, name, place)


def setup_of(model: ModelShape, train: TrainConfig, shape: StepShape, place: str, precision: Precision) -> Setup:
    """The settings that decide memory; a LoRA leaves the tower as it is."""
    lora = train.lora_rank > 0
    return Setup(model, shape, precision, "lora" if lora else "full", not lora and not train.freeze_vision,
                 train.lora_rank, train.gradient_checkpointing, train.tokens_per_microbatch, place == "cpu",
                 train.attention == "eager", 1 if train.optimizer == "adamw_8bit" else 4,
                 train.kl_beta > 0 and not lora)


def whole(live_bytes: int, place: str) -> int:
    """What the process or the device holds when tensors take `live_bytes`."""
    return round(live_bytes * SLACK[place]) + FIXED_BYTES[place]


def precision_name(train: TrainConfig, place: str) -> str:
    """float32, bfloat16 or mixed, as loading decides."""
    if train.dtype == "mixed":
        return "mixed"
    return str(choose_dtype(train.dtype, torch.device(place))).removeprefix("torch.")


def of_run(config: Config, model: str) -> Estimate:
    """The estimate of a run, for this process of it; StriveError where there is none. The same again costs nothing."""
    return _of_values(config.model_dump_json(), model, int(os.environ.get("WORLD_SIZE", "1")))


@lru_cache(maxsize=4)
def _of_values(values: str, model: str, processes: int) -> Estimate:
    config = Config.model_validate_json(values)
    model_config = read_config(model)
    return estimate(model_config, config.train, planned(model_config, config, processes))


def estimate_lines(config: Config, model: str) -> list[str]:
    """Lines of the plan; where nothing can be said, why."""
    try:
        found = of_run(config, model)
    except StriveError as error:
        return [f"estimate  none: {error.what}"]
    return found.lines(memory_bytes(found.device))


def memory_bytes(device: str) -> int | None:
    """Bytes that this machine's device can give: free ones of a GPU, all of main memory; None where nobody says."""
    if device == "cuda" and torch.cuda.is_available():
        return int(torch.cuda.mem_get_info()[0])
    return main_memory_bytes()


def main_memory_bytes() -> int | None:
    """Main memory, or less where a container is given less."""
    try:
        limits = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")]
    except (ValueError, OSError):
        return None
    group = Path("/sys/fs/cgroup/memory.max")
    text = group.read_text(encoding="ascii").strip() if group.is_file() else ""
    return min(limits + [int(text)] if text.isdigit() else limits)


def largest(parts: Parts) -> list[tuple[str, int]]:
    """The parts that make up most, largest first; the small ones together."""
    ordered = sorted(parts.items(), key=lambda part: -part[1])
    shown = [part for part in ordered if part[1] >= 0.02 * sum(parts.values())]
    rest = sum(count for _, count in ordered[len(shown):])
    return [*shown, ("rest", rest)] if rest else shown


def size(count: int) -> str:
    """Bytes for people."""
    return f"{count / GIB:.1f} GiB" if count >= GIB // 2 else f"{count / (1 << 20):.0f} MiB"


def count_text(count: int) -> str:
    """Elements for people."""
    return f"{count / 1e9:.2f} B" if count >= 1e9 else f"{count / 1e6:.1f} M"


def flops_text(count: float) -> str:
    """Operations for people."""
    for unit, scale in (("PFLOP", 1e15), ("TFLOP", 1e12)):
        if count >= 0.1 * scale:
            return f"{count / scale:,.1f} {unit}"
    return f"{count / 1e9:,.1f} GFLOP"
