"""The decode child: `python -m strive.stages.extract.child PARENT_PID` answers requests on stdin until it ends.

It dies with its parent, ignores the signals that are meant for the parent, may not grow beyond the memory a request
allows, and keeps its answers apart from whatever a library prints.
"""

import ctypes
import os
import signal
import sys
from typing import Any

from strive.configs.errors import ItemError, MissingError
from strive.stages.extract.wire import pack, receive

PR_SET_PDEATHSIG = 1


def main() -> None:
    """Greet, then answer until stdin closes."""
    answers = own_stdout()
    die_with_parent(int(sys.argv[1]))
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1):
        signal.signal(number, signal.SIG_IGN)
    os.environ.setdefault("OPENCV_LOG_LEVEL", "ERROR")
    try:
        from strive.stages.extract.take import prepare, take

        prepare()
    except MissingError as error:
        send(answers, {"missing": error.as_dict()})
        return
    send(answers, {"ready": True})
    while True:
        try:
            request, _ = receive(0)
        except EOFError:
            return
        limit_memory(request["memory_mib"])
        try:
            header, blobs = take(request)
        except ItemError as error:
            header, blobs = {"reason": str(error)}, []
        except MemoryError:
            header, blobs = {"reason": f"decoding needed more than {request['memory_mib']} MiB of memory"}, []
        limit_memory(None)
        send(answers, header, blobs)


def own_stdout() -> int:
    """Move stdout to a private descriptor, so that no library can talk into answers; the public one becomes stderr."""
    private = os.dup(1)
    os.dup2(2, 1)
    return private


def send(fd: int, header: dict[str, Any], blobs: list[bytes] | None = None) -> None:
    """Write one message."""
    view = memoryview(pack(header, blobs or []))
    while view:
        view = view[os.write(fd, view) :]


def die_with_parent(parent: int) -> None:
    """Ask Linux to kill this process when its parent dies; elsewhere a closed stdin ends it."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != parent:
            sys.exit("the parent is gone")


def limit_memory(growth_mib: int | None) -> None:
    """Allow the address space to grow by so many MiB from now on (Linux; None lifts the limit)."""
    if sys.platform != "linux":
        return
    import resource

    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    soft = hard
    if growth_mib is not None:
        with open("/proc/self/statm", encoding="ascii") as file:
            used = int(file.read().split()[0]) * resource.getpagesize()
        soft = used + (growth_mib << 20)
        if hard != resource.RLIM_INFINITY:
            soft = min(soft, hard)
    resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


if __name__ == "__main__":
    main()
