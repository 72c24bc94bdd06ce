"""What a stage may say while it works; the command line implements it, stages never print."""

from typing import Any, Protocol


class Reporter(Protocol):
    """Receives plans, progress and warnings."""

    def plan(self, lines: list[str]) -> None:
        """Lines that say what will be done, before anything is."""

    def progress(self, stage: str, done: int, total: int, failed: int = 0, current: str = "") -> None:
        """Called after each item."""

    def info(self, text: str) -> None:
        """One line of talk."""

    def warn(self, text: str) -> None:
        """One line that is repeated at the end."""

    def metrics(self, row: dict[str, Any]) -> None:
        """One training step's metrics, for the live table."""

    def rollout(self, line: dict[str, Any]) -> None:
        """The best rollout of the step whose metrics come next, as rollouts.jsonl has it."""


class Silent:
    """A reporter that says nothing."""

    def plan(self, lines: list[str]) -> None: ...

    def progress(self, stage: str, done: int, total: int, failed: int = 0, current: str = "") -> None: ...

    def info(self, text: str) -> None: ...

    def warn(self, text: str) -> None: ...

    def metrics(self, row: dict[str, Any]) -> None: ...

    def rollout(self, line: dict[str, Any]) -> None: ...
