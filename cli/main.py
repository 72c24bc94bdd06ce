"""The entry point: runs the app and turns what escapes it into a message and an exit code."""

import os
import signal
import sys
import time
import traceback
from types import FrameType

from strive.cli.output import close_displays, print_json, printable
from strive.configs.errors import InterruptedRun, StriveError, UsageError

CLOSED = 141
"""Exit code when nobody reads stdout."""


def main() -> None:
    """Run the command line; always leaves by `sys.exit` with a code of the documented table."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    """Run one command line and return its exit code."""
    # Idle OpenMP threads sleep instead of spinning: beside another busy process, spinning makes every step several
    # times slower. Read once, when torch is imported.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    if sys.stdout is None:
        return CLOSED
    if is_follower():
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    try:
        return carry_out(arguments)
    except BrokenPipeError:
        return closed_pipe()
    except SystemExit as left:
        if isinstance(left.__context__, BrokenPipeError):
            return closed_pipe()
        raise


def is_follower() -> bool:
    """Whether torchrun has started this process beside a first one, which alone talks."""
    return os.environ.get("RANK", "0") != "0" and int(os.environ.get("WORLD_SIZE", "1")) > 1


def carry_out(arguments: list[str]) -> int:
    """Run the app; what escapes it becomes a message and an exit code."""
    started = time.monotonic()
    for number in (signal.SIGTERM, signal.SIGUSR1):
        signal.signal(number, on_terminate)
    from strive.cli.app import app

    try:
        code = app(args=arguments, standalone_mode=False)
        sys.stdout.flush()
        return tell(arguments, stopped(), 130) if code == 130 else int(code or 0)  # Typer's own way with Ctrl-C
    except StriveError as error:
        return tell(arguments, error, error.code, time.monotonic() - started)
    except KeyboardInterrupt:
        return tell(arguments, stopped(), 130)
    except BrokenPipeError:
        raise
    except Exception as error:
        if hasattr(error, "format_message"):
            return usage(arguments, error)
        if type(error).__name__ in ("Exit", "Abort"):
            code = int(getattr(error, "exit_code", 130))
            return tell(arguments, stopped(), 130) if code == 130 else code
        return bug(arguments, error)


def stopped() -> StriveError:
    """Ctrl-C where nothing is finished first."""
    return StriveError("stopped at once", "", "Run the same command again to continue.")


def on_terminate(number: int, frame: FrameType | None) -> None:
    """A scheduler's signal outside the loops that finish their item first."""
    raise InterruptedRun(f"stopped by {signal.Signals(number).name}", 143)


def closed_pipe() -> int:
    """The reader of stdout left (`| head`): nothing more is written."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return CLOSED


def tell(arguments: list[str], error: StriveError, code: int, seconds: float = 0.0) -> int:
    """Show an error in its three parts; with --json as the object that every command prints."""
    close_displays()
    if "--json" in arguments:
        status = "partial" if code in (4, 130, 143) and error.fields.get("done") else "failed"
        print_json(command_of(arguments), status, {**error.fields, "error": error.as_dict()}, seconds)
        sys.stdout.flush()
    who = f"process {os.environ['RANK']}: " if is_follower() else ""
    lines = [f"{who}error: {error.what}"]
    lines += [f"  expected: {error.expected}"] if error.expected else []
    lines += [f"  {error.do}"] if error.do else []
    sys.stderr.write("\n".join(printable(line) for line in lines) + "\n")
    if "-v" in arguments or "--verbose" in arguments:
        traceback.print_exc()
    return code


def usage(arguments: list[str], error: Exception) -> int:
    """A wrong command line, as Typer words it."""
    if "--json" not in arguments:
        error.show()  # type: ignore[attr-defined]
        return 2
    return tell(arguments, UsageError(error.format_message(), "a command line of --help", "See `strive --help`."), 2)  # type: ignore[attr-defined]


def bug(arguments: list[str], error: Exception) -> int:
    """An error of ours: one line, with the traceback in a log file (or on stderr with -v)."""
    from strive.cache.store import default_root

    close_displays()
    log = default_root() / "logs" / "last-error.txt"
    try:
        log.parent.mkdir(parents=True, exist_ok=True)
        log.write_text("".join(traceback.format_exception(error)), encoding="utf-8")
        where = f"The traceback is in {log}; please report it with the output of `strive doctor`."
    except OSError:
        where = "Run again with -v for the traceback, and please report it with the output of `strive doctor`."
    if "-v" in arguments or "--verbose" in arguments:
        traceback.print_exception(error)
    return tell(
        [a for a in arguments if a not in ("-v", "--verbose")],
        StriveError(f"unexpected {type(error).__name__}: {error}", "", where),
        1,
    )


def command_of(arguments: list[str]) -> str:
    """The command's name, for the JSON object."""
    return next((a for a in arguments if not a.startswith("-")), "strive")


if __name__ == "__main__":
    main()
