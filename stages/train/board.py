"""The metrics as TensorBoard events in `RUN/tensorboard/`, to watch several runs; metrics.jsonl is the record."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from strive.stages.reporter import Reporter


class Board:
    """Writes rows as scalars; a board that cannot be written is given up with one warning, training goes on."""

    def __init__(self, folder: Path, after: int, reporter: Reporter) -> None:
        self.reporter = reporter
        self._writer: Any = None
        try:
            from torch.utils.tensorboard import SummaryWriter

            self._writer = SummaryWriter(str(folder), purge_step=after + 1)
        except (ImportError, OSError) as error:
            self._give_up(error)

    def write(self, row: Mapping[str, Any]) -> None:
        """One step's figures, by name and step."""
        if self._writer is None:
            return
        try:
            for name, value in row.items():
                if name != "step" and isinstance(value, int | float):
                    self._writer.add_scalar(name, value, row["step"])
        except OSError as error:
            self._give_up(error)

    def close(self) -> None:
        """Write what is left."""
        if self._writer is None:
            return
        try:
            self._writer.close()
        except OSError as error:
            self._give_up(error)

    def _give_up(self, error: Exception) -> None:
        self._writer = None
        self.reporter.warn(f"no TensorBoard events ({error}); metrics.jsonl has everything")


@contextmanager
def board(folder: Path, after: int, reporter: Reporter) -> Iterator[Board]:
    """A board for the steps after `after`; what an earlier run wrote beyond is hidden by TensorBoard."""
    made = Board(folder, after, reporter)
    try:
        yield made
    finally:
        made.close()
