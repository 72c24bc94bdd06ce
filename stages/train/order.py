"""Which questions a step trains on: a pure function of seed and step, so that a position is just the step's number."""

import hashlib
import json
from collections.abc import Sequence

import numpy as np


def derive_seed(*parts: object) -> int:
    """A 63-bit seed from a chain of values; the same on every machine (never Python's `hash`)."""
    text = json.dumps([str(part) for part in parts])
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def steps_per_epoch(count: int, batch: int) -> int:
    """Whole batches in an epoch; the few questions left over differ from epoch to epoch."""
    return count // batch


def epoch_order(count: int, seed: int, epoch: int) -> np.ndarray:
    """A permutation of 0..count-1 for this epoch; int64 [count]."""
    return np.random.Generator(np.random.PCG64(derive_seed(seed, "train", "order", epoch))).permutation(count)


def batch_at(ids: Sequence[str], step: int, batch: int, seed: int) -> list[str]:
    """The `batch` different ids of step number `step` (from 0), in whatever order `ids` comes; len(ids) >= batch."""
    epoch, place = divmod(step, steps_per_epoch(len(ids), batch))
    known = sorted(ids)
    chosen = epoch_order(len(known), seed, epoch)[place * batch : (place + 1) * batch]
    return [known[i] for i in chosen]
