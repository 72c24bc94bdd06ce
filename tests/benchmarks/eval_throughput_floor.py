"""The floor of the evaluation benchmark: what one reading of each view costs at the machine's measured matmul rate.

Only products of matrices are counted, two operations for a weight and a token: the vision tower once a view, the
language model over each view's head once, over each question's tail, and over each reply's tokens; attention over what
each token sees; the vocabulary for each token of a reply. No norms, softmax, decoding of frames or Python.
"""

import time
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import nn

from strive.stages.vlm.policy import Policy


@dataclass(frozen=True)
class Work:
    """Floating-point operations of each part."""

    vision: float
    heads: float
    tails: float
    replies: float

    def seconds(self, rate: float) -> dict[str, float]:
        """Each part and all, at `rate` operations a second."""
        parts = {f"{name}_s": value / rate for name, value in asdict(self).items()}
        return {"seconds": sum(parts.values()), **parts}


@dataclass(frozen=True)
class Asked:
    """One view: tokens of its head and its patches, of each question's tail, of each reply."""

    head: int
    patches: int
    tails: list[int]
    replies: list[int]


def work_of(policy: Policy, views: list[Asked]) -> Work:
    """What a model of these sizes must at least compute."""
    text = policy.core.config.get_text_config()
    layers, hidden = int(text.num_hidden_layers), int(text.hidden_size)
    linear = products(policy.core.model.language_model.layers)
    vocabulary = 2 * policy.core.lm_head.weight.numel()
    attention = 4 * hidden * layers  # queries with keys, weights with values, for one token that sees one other
    visual = policy.core.model.visual
    merged = products(visual.merger) / visual.spatial_merge_size**2  # runs on groups of patches
    tower = products(visual.patch_embed) + products(visual.blocks) + merged

    def read(tokens: int, before: int) -> float:
        return tokens * linear + attention * tokens * (before + tokens / 2)

    return Work(
        vision=sum(view.patches * tower for view in views),
        heads=sum(read(view.head, 0) for view in views),
        tails=sum(read(tail, view.head) for view in views for tail in view.tails),
        replies=sum(read(own - 1, view.head + tail) + own * vocabulary
                    for view in views for tail, own in zip(view.tails, view.replies, strict=True)),
    )


def products(module: nn.Module) -> int:
    """Operations of a module's products for one input: two for each weight."""
    return 2 * sum(weight.numel() for weight in module.parameters() if weight.dim() > 1)


def matmul_rate(policy: Policy, rows: int, repeats: int = 5) -> float:
    """Operations a second of the language model's widest product over `rows` tokens: the best of several."""
    text: Any = policy.core.config.get_text_config()
    entering = torch.randn(rows, int(text.hidden_size))
    weight = torch.randn(int(text.intermediate_size), int(text.hidden_size))
    out = torch.empty(rows, int(text.intermediate_size))
    best = float("inf")
    for _ in range(repeats):
        start = time.perf_counter()
        for _ in range(8):
            torch.mm(entering, weight.t(), out=out)
        best = min(best, (time.perf_counter() - start) / 8)
    return 2 * rows * weight.numel() / best
