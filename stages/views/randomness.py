"""Seeds and noise of the views: a stable hash of what is drawn for, never Python's `hash`, never a shared generator."""

import hashlib
import json

import numpy as np


def stable_seed(*parts: str | int) -> int:
    """A 63-bit seed from its parts: the first 8 bytes of the sha256 of their JSON, without the top bit."""
    text = json.dumps(list(parts), ensure_ascii=True, separators=(",", ":"))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def generator(seed: int) -> np.random.Generator:
    """A PCG64 generator of that seed."""
    return np.random.Generator(np.random.PCG64(seed))


def gumbel(rng: np.random.Generator, n: int) -> np.ndarray:
    """`n` independent Gumbel(0, 1) values, float64, finite: −log(−log u) with u kept off 0 and 1."""
    u = np.clip(rng.random(n), 1e-300, 1.0 - 2.0**-53)
    return np.asarray(-np.log(-np.log(u)))
