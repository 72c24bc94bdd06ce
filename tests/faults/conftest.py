"""Runs an action in a real child process, with a write fault if asked, and says how the child ended."""

import os
from collections.abc import Callable

import pytest

from strive.cache import fault

InChild = Callable[..., int]


@pytest.fixture
def in_child() -> InChild:
    """`in_child(action, "write:3:kill")` returns the exit code, or minus the signal that ended the child."""

    def run(action: Callable[[], object], what: str | None = None) -> int:
        pid = os.fork()
        if pid == 0:
            _act(action, what)
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])

    return run


def _act(action: Callable[[], object], what: str | None) -> None:
    code = 1
    try:
        if what:
            os.environ["STRIVE_FAULT"] = what
        fault._points = 0
        action()
        code = 0
    except OSError as error:
        code = error.errno or 1
    except Exception as error:  # the child must never return into pytest
        code = getattr(error, "code", 1)
    finally:
        os._exit(code)
