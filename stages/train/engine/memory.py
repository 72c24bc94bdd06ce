"""What to do when a step does not fit into memory: smaller forwards first, then leave out the largest question."""

import gc
from collections.abc import Sequence

import torch

from strive.stages.train.engine.rollout import Example

ATTEMPTS = 4
"""Tries of one step: as it is, with half the tokens a forward, and twice without its then largest question."""
REFUSALS = ("not enough memory", "can't allocate memory", "CUBLAS_STATUS_ALLOC_FAILED")
"""What allocators say that raise a plain RuntimeError: the CPU's on Windows and on Linux, cuBLAS."""


def is_out_of_memory(error: RuntimeError | MemoryError) -> bool:
    """True for a GPU's and for the CPU allocators' refusals; any other RuntimeError is a bug."""
    return isinstance(error, torch.OutOfMemoryError | MemoryError) or any(text in str(error) for text in REFUSALS)


def give_back() -> None:
    """Free what no tensor uses any more."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def largest(examples: Sequence[Example]) -> tuple[str, str]:
    """The id of the question with the longest prompts, and the reason to list it with."""
    example = max(examples, key=lambda e: sum(len(view) for view in e.views))
    longest = max(example.views, key=len)
    visual = f"{longest.inputs.visual_tokens} of them visual, {len(example.views)} variants"
    return example.sample.id, f"out of memory: prompt of {len(longest)} tokens, {visual}"
