"""The processes of a data-parallel run: what they add up, what they agree on, and who writes.

Started by torchrun, each process takes a share of every step's questions; gradients and totals are summed, so that the
result is that of one process. Alone, everything here is the identity.
"""

import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from strive.stages.train.engine.optimizer import Optimizer

BUCKET_ELEMENTS = 2**25
"""Gradients are summed this many numbers at a time."""
LONGEST_WAIT = timedelta(days=7)
"""How long the others wait while the first process makes bundles or evaluates."""


@dataclass(frozen=True)
class Ranks:
    """This process is number `rank` of `world`."""

    rank: int = 0
    world: int = 1

    @property
    def is_first(self) -> bool:
        """Whether this process writes and talks."""
        return self.rank == 0

    def share(self, count: int) -> range:
        """Which of `count` items are this process's: every world-th."""
        return range(self.rank, count, self.world)

    def sum(self, values: Sequence[float]) -> list[float]:
        """Sums over all processes, float64."""
        return self._reduced(values, "SUM")

    def max(self, value: float) -> float:
        """The largest over all processes."""
        return self._reduced([value], "MAX")[0]

    def any(self, flag: bool) -> bool:
        """Whether it holds for one of them."""
        return self.max(float(flag)) > 0

    def gather(self, value: Any) -> list[Any]:
        """Every process's JSON value, in the order of ranks; plain bytes travel, never pickles."""
        if self.world == 1:
            return [value]
        import torch

        own = torch.tensor(list(json.dumps(value).encode()), dtype=torch.uint8, device=self._device())
        sizes = [int(size) for size in self._each(torch.tensor([len(own)], device=own.device))]
        padded = torch.nn.functional.pad(own, (0, max(sizes) - len(own)))
        found = self._each(padded)
        return [json.loads(bytes(part[:size].tolist())) for part, size in zip(found, sizes, strict=True)]

    def sum_gradients(self, optimizer: "Optimizer") -> None:
        """Add up the gradients of all processes, in buckets; of parameters that have one somewhere, so that the others
        stay without, as in one process."""
        if self.world == 1:
            return
        anywhere = [count > 0 for count in self.sum([float(has) for has in optimizer.has_gradient()])]
        bucket: list[Tensor] = []
        held = 0
        for gradient in optimizer.gradients(anywhere):
            bucket.append(gradient)
            held += gradient.numel()
            if held >= BUCKET_ELEMENTS:
                self._sum_bucket(bucket)
                bucket, held = [], 0
        if bucket:
            self._sum_bucket(bucket)

    def barrier(self) -> None:
        """Wait for all."""
        if self.world > 1:
            self.sum([0.0])

    @contextmanager
    def first_goes_first(self) -> Iterator[None]:
        """What is inside runs in the first process, then in the others, which find its results in the cache."""
        if not self.is_first:
            self.barrier()
        yield
        if self.is_first:
            self.barrier()

    def _sum_bucket(self, bucket: "list[Tensor]") -> None:
        import torch

        flat = torch.cat([gradient.flatten() for gradient in bucket])
        torch.distributed.all_reduce(flat)
        for gradient, own in zip(bucket, flat.split([g.numel() for g in bucket]), strict=True):
            gradient.copy_(own.view_as(gradient))

    def _reduced(self, values: Sequence[float], how: str) -> list[float]:
        if self.world == 1:
            return [float(value) for value in values]
        import torch

        held = torch.tensor(values, dtype=torch.float64, device=self._device())
        torch.distributed.all_reduce(held, op=getattr(torch.distributed.ReduceOp, how))
        reduced: list[float] = held.tolist()
        return reduced

    def _each(self, own: "Tensor") -> "list[Tensor]":
        import torch

        found = [torch.empty_like(own) for _ in range(self.world)]
        torch.distributed.all_gather(found, own)
        return found

    def _device(self) -> "torch.device":
        import torch

        return torch.device("cpu")  # figures and JSON are small; gradients go where they lie


def world_size() -> int:
    """How many processes torchrun has started; 1 without it. Needs no torch."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def joined() -> Ranks:
    """This process's place among those that torchrun has started, once all have met; one alone without torchrun.

    Each process takes the GPU of its LOCAL_RANK where there are GPUs. What lies there is summed over NCCL, all else
    over gloo.
    """
    if world_size() == 1:
        return Ranks()
    import torch
    from torch import distributed

    if torch.cuda.is_available():
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    if not distributed.is_initialized():
        backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo"
        distributed.init_process_group(backend, timeout=LONGEST_WAIT)
    return Ranks(distributed.get_rank(), distributed.get_world_size())
