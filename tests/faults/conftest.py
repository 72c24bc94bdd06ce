"""Runs an action in a real child process, with a write fault if asked; makes the dataset that whole runs work on."""

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

for folder in (Path(__file__).parent, Path(__file__).parents[1]):
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))

from chain_world import World, make_world  # noqa: E402
from warm_process import WarmProcess  # noqa: E402

from strive.cache import fault  # noqa: E402

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


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    """Four videos with three questions each."""
    return make_world(tmp_path_factory.mktemp("world") / "data")


@pytest.fixture(scope="session")
def warm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WarmProcess]:
    """Starts commands in processes that have imported everything."""
    process = WarmProcess(tmp_path_factory.mktemp("warm"))
    yield process
    process.close()


@pytest.fixture(scope="session")
def calm(tmp_path_factory: pytest.TempPathFactory, world: World, warm: WarmProcess) -> Path:
    """The cache of an undisturbed run of the whole chain; never written to."""
    cache = tmp_path_factory.mktemp("calm") / "cache"
    warm.finish(world.command("variants", cache))
    return cache
