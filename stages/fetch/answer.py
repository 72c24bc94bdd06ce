"""What a server answers: bytes from some place on, what it says of the file, or that it will not or cannot now."""

from abc import ABC, abstractmethod
from typing import Protocol

from strive.stages.fetch.partial import Note

STOPPED = "stopped; what was downloaded is kept"
CHANGED = "the file changed on the server while it was downloaded"


class Broken(Exception):
    """A download that did not come through; asking again may help, after `wait_s` at least."""

    def __init__(self, reason: str, wait_s: float = 0.0) -> None:
        super().__init__(reason)
        self.wait_s = wait_s


class Outdated(Broken):
    """The file is not the one whose beginning is there: it must be had from its first byte."""


class Answer(ABC):
    """Bytes of the file that `note` describes, from place `start` on."""

    start: int
    note: Note

    @abstractmethod
    def read(self) -> bytes:
        """The next bytes, b"" at the end. Raises `Broken` when the connection breaks or falls silent."""

    @abstractmethod
    def close(self) -> None:
        """Let go of the connection."""


class Place(Protocol):
    """Where the URLs of one scheme lead to."""

    def ask(self, url: str, start: int, note: Note) -> Answer:
        """The file from `start` on if it is still what `note` says, else from its beginning.

        Raises `ItemError` when the server says no, `Broken` when it may be asked again. No message holds the URL.
        """

    def close(self) -> None:
        """Let go of all connections."""


def bounds(content_range: str) -> tuple[int, int | None]:
    """First byte and length of the whole file by a `Content-Range` ("bytes 5-9/10"). Raises `Outdated` for others."""
    unit, _, rest = content_range.strip().partition(" ")
    span, _, size = rest.partition("/")
    first = span.partition("-")[0]
    if unit.lower() != "bytes" or not first.isdecimal() or not (size.isdecimal() or size == "*"):
        raise Outdated("the server answered with a part of the file that it does not name")
    return int(first), None if size == "*" else int(size)
