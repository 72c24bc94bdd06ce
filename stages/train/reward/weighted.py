"""A run's rewards with their weights, and what those of the user's own have to tell: of replies and of groups alike."""

from collections.abc import Mapping
from typing import Generic, TypeVar

from strive.stages.train.reward.own_call import OwnCall

Kept = TypeVar("Kept")


class Weighted(Generic[Kept]):
    """Parts by name, each with a weight."""

    def __init__(self, weights: Mapping[str, float], parts: Mapping[str, Kept]) -> None:
        self.weights, self.parts = dict(weights), dict(parts)

    def take_warnings(self) -> list[str]:
        """What went wrong in functions of the user's own since it was last asked, each kind once a run."""
        return [f"{text}; such rollouts have no reward" for part in self._own() for text in part.take_troubles()]

    def failures(self) -> dict[str, dict[str, int]]:
        """Rollouts without a finite number so far: reward, then kind ("raised KeyError", "timeout", "not finite")."""
        return {part.name: dict(part.failures) for part in self._own() if part.failures}

    def close(self) -> None:
        """Close the objects that have something to close."""
        for part in self._own():
            part.close()

    def _own(self) -> list[OwnCall]:
        return [part for part in self.parts.values() if isinstance(part, OwnCall)]
