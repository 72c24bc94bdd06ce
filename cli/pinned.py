"""Keeps a training run's view at the bottom of the terminal, calm, and whole when the window changes its size."""

import sys

from rich.console import Console, ConsoleOptions, ConsoleRenderable, RenderResult
from rich.control import Control
from rich.live import Live
from rich.segment import ControlType
from rich.text import Text

from strive.cli.live import Watch

REDRAWS_PER_S = 2.0


class Pinned(Live):
    """Draws a `Watch` twice a second, below all that is printed meanwhile; the last state stays."""

    def __init__(self, watch: Watch, console: Console | None = None) -> None:
        self.watch, self.view = watch, View(watch)
        super().__init__(self.view, console=console or Console(stderr=True), refresh_per_second=REDRAWS_PER_S,
                         vertical_overflow="crop", redirect_stdout=sys.stdout.isatty())

    def say(self, text: str) -> None:
        """One line above the view; the terminal wraps it, so that it can be copied whole."""
        self.console.print(Text(text), soft_wrap=True, highlight=False)

    def end(self) -> None:
        """Draw the last state and leave it there."""
        self.watch.is_over = True
        self.stop()

    def process_renderables(self, renderables: list[ConsoleRenderable]) -> list[ConsoleRenderable]:
        """Go back over the lines that a narrower window has wrapped since they were drawn, then draw as ever."""
        width = max(self.console.width, 1)
        wrapped = sum((cells - 1) // width for cells in self.view.drawn if cells)
        drawn = super().process_renderables(renderables)
        back = ((ControlType.ERASE_IN_LINE, 2), (ControlType.CURSOR_UP, 1)) * wrapped
        return [Control(ControlType.CARRIAGE_RETURN, *back), *drawn] if wrapped else drawn


class View:
    """A `Watch` as something that rich can draw, for the size that the terminal has at that moment."""

    def __init__(self, watch: Watch) -> None:
        self.watch = watch
        self.drawn: list[int] = []  # cells of each line as it stands on the terminal

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        lines = self.watch.lines(console.width, console.height)
        self.drawn = [line.cell_len for line in lines]
        yield Text("\n", no_wrap=True, overflow="crop", end="").join(lines)
