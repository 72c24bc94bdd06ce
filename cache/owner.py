"""Who is writing: host, process and start time, so that what the dead left behind is told from what the living hold.

A process number alone proves nothing (numbers are reused, and two containers may share a folder and a host name), so
an owner is host + process namespace + boot + process number + start time.
"""

import hashlib
import os
import sys
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

from strive.configs.urls import shown_command


@dataclass(frozen=True)
class Owner:
    """One process on one machine; `space` names the machine as far as process numbers go."""

    host: str
    space: str  # 12 hex digits of host name + process namespace: owners of another space cannot be looked up from here
    pid: int
    start: str  # boot and start tick; "" where the system does not tell
    command: str

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)

    @staticmethod
    def from_dict(record: dict[str, Any]) -> "Owner":
        """The inverse of `as_dict`; raises KeyError, TypeError or ValueError when the record is not one."""
        texts = (str(record["host"]), str(record["space"]), int(record["pid"]), str(record["start"]))
        return Owner(*texts, str(record["command"]))

    def is_here(self) -> bool:
        """Whether this owner's process could be seen from this process."""
        return self.space == _space()

    def is_dead(self) -> bool:
        """True only when it is certain: an owner on another host, or one that runs, is not dead."""
        if not self.is_here():
            return False
        now = _start_of(self.pid)
        return now is None or (bool(self.start) and bool(now) and now != self.start)


def me() -> Owner:
    """This process."""
    return _me(os.getpid())


def tag() -> str:
    """This process in a form that fits into a file name: `<space>-<pid>-<start>`."""
    owner = me()
    return f"{owner.space}-{owner.pid}-{owner.start or '0'}"


def is_here_tag(text: str) -> bool:
    """Whether a `tag` is of this machine's process space."""
    return text.split("-")[0] == _space()


def is_dead_tag(text: str) -> bool:
    """Whether a `tag` names a process of this machine that no longer runs."""
    parts = text.split("-")
    if len(parts) < 3 or not parts[1].isdigit():
        return False
    start = "" if parts[2] == "0" else parts[2]
    return Owner("", parts[0], int(parts[1]), start, "").is_dead()


@cache
def _me(pid: int) -> Owner:
    command = shown_command([Path(sys.argv[0]).name, *sys.argv[1:]])[:200] if sys.argv else ""
    return Owner(os.uname().nodename, _space(), pid, _start_of(pid) or "", command)


@cache
def _space() -> str:
    try:
        namespace = os.stat("/proc/self/ns/pid").st_ino
    except OSError:
        namespace = 0
    return hashlib.sha256(f"{os.uname().nodename}/{namespace}".encode()).hexdigest()[:12]


@cache
def _boot() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text()[:8]
    except OSError:
        return "0"


def _start_of(pid: int) -> str | None:
    """`<boot>.<start tick>` of a running process, "" when the system does not tell, None when there is no such one."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return _alive_without_proc(pid)
    fields = text.rpartition(")")[2].split()
    if fields[0] in ("Z", "X"):
        return None
    return f"{_boot()}.{fields[19]}"


def _alive_without_proc(pid: int) -> str | None:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return None
    except PermissionError:
        return ""
    return ""
