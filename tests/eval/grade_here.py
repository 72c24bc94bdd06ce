"""`strive grade` in the test's own process: the same command, without two seconds of imports each time."""

import contextlib
import io
from typing import Any

import typer

from strive.cli import grade
from strive.cli.main import tell
from strive.configs.errors import StriveError


def strive_grade(*arguments: str) -> tuple[int, str, str]:
    """Exit code, stdout and stderr of `strive grade ARGUMENTS`."""
    app = typer.Typer(pretty_exceptions_enable=False)
    grade.add_to(app, "grade", "")
    app.command("another")(lambda: None)  # so that the first one is named
    said, told = io.StringIO(), io.StringIO()
    line: list[str] = ["grade", *arguments]
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(told):
        try:
            code: Any = app(args=line, standalone_mode=False)
        except StriveError as error:
            code = tell(line, error, error.code)
    return int(code or 0), said.getvalue(), told.getvalue()
