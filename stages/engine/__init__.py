"""How items are made: by this process and its children, or by a Ray cluster; the artefacts are the same bytes."""

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from strive.stages.plan import DataStage, Item, Job


class Engine(Protocol):
    """Makes the items of stages."""

    def make_all(self, stage: DataStage, job: Job, todo: Sequence[Item], replace: bool,
                 record: Callable[[Item, Any], None], stop: Any) -> None:
        """Make the items, calling `record(item, result)` for each from one thread; ends early when a signal came.

        A result is the new artefact, the reason of a failure, or None when another run made it meanwhile.
        """

    def close(self) -> None:
        """Give everything back."""


def open_engine(job: Job) -> Engine:
    """The engine that the job asks for."""
    if job.engine == "ray":
        from strive.stages.engine.ray import RayEngine

        return RayEngine(job)
    from strive.stages.engine.local import LocalEngine

    return LocalEngine(job)
