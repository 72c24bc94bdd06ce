"""Questions read for a step: those that can be used, and why the others cannot."""

from collections.abc import Iterable
from typing import Protocol

from strive.configs.errors import ItemError
from strive.stages.train.engine.rollout import Example


class Finds(Protocol):
    """Where examples come from."""

    def get(self, sample_id: str) -> Example:
        """The example, `ItemError` when it cannot be used."""


def read_usable(examples: Finds, names: Iterable[str]) -> tuple[dict[str, Example], dict[str, str]]:
    """The examples by id in the order of `names`, and id -> reason of those that cannot be used."""
    from strive.stages.train.engine import memory

    found: dict[str, Example] = {}
    reasons: dict[str, str] = {}
    for name in names:
        try:
            found[name] = examples.get(name)
        except ItemError as error:
            reasons[name] = error.what
        except (RuntimeError, MemoryError) as error:
            if not memory.is_out_of_memory(error):
                raise
            memory.give_back()
            reasons[name] = "out of memory while its variants were encoded"
    return found, reasons
