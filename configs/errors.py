"""The one error tree: every message says what is wrong, what was expected and what to do, and carries its exit code."""

from typing import Any


class StriveError(Exception):
    """An error the user can act on; `main` prints its three parts and exits with `code`."""

    code = 1

    def __init__(self, what: str, expected: str = "", do: str = "") -> None:
        super().__init__(what)
        self.what, self.expected, self.do = what, expected, do
        self.fields: dict[str, Any] = {}  # what was done until then, for --json

    def as_dict(self) -> dict[str, str]:
        return {"what": self.what, "expected": self.expected, "do": self.do}

    def __str__(self) -> str:
        return " ".join(part for part in (self.what, self.expected, self.do) if part)


class UsageError(StriveError):
    """Wrong flags, config or dataset; nothing was started."""

    code = 2


class StoppedError(StriveError):
    """Too many failures, or training went non-finite."""

    code = 4


class MissingError(StriveError):
    """Something needed is not there: disk space, weights, a decoder, a file."""

    code = 5


class VerificationError(StriveError):
    """Bytes on disk are not the bytes that were written."""

    code = 6


class LockedError(StriveError):
    """Another run holds the artefact and did not let go in time."""

    code = 7


class InterruptedRun(StriveError):
    """Stopped by a signal or a time limit after saving what was finished."""

    def __init__(self, what: str, code: int) -> None:
        super().__init__(what, "", "Run the same command again to continue.")
        self.code = code


class ItemError(StriveError):
    """One item (a video, a sample) cannot be done; the run goes on and lists it with `what` as the reason."""

    code = 3
