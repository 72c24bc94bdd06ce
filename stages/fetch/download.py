"""Downloads a URL into a partial file: streamed, within limits, taken up again where the connection broke."""

from threading import Event, Lock
from typing import Any

from strive.cache import disk
from strive.configs.data_stages import FetchConfig
from strive.configs.errors import ItemError, MissingError
from strive.stages.fetch.answer import CHANGED, STOPPED, Answer, Broken, Outdated, Place
from strive.stages.fetch.content import not_a_video
from strive.stages.fetch.partial import Partial

MIB = 1 << 20
PROGRESS_BYTES = 8 * MIB
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.2, 30.0


class Download:
    """Downloads with one config; used from several threads."""

    def __init__(self, config: FetchConfig) -> None:
        self.config, self.stop = config, Event()
        self._places: dict[str, Place] = {}
        self._lock = Lock()

    def run(self, url: str, partial: Partial) -> dict[str, Any]:
        """Have the whole file in `partial`; returns the facts for the manifest.

        Raises `ItemError` with the reason when it cannot be had, `MissingError` when there is no space or the extra is
        not installed. What came stays in `partial` unless it is no video.
        """
        partial.resume()
        failures, counted_from = 0, partial.length
        while True:
            try:
                return self.attempt(url, partial)
            except Broken as error:
                if partial.length >= counted_from + PROGRESS_BYTES:
                    failures, counted_from = 0, partial.length
                failures += 1
                if failures > self.config.retries:
                    raise ItemError(f"{error}{so_far(partial)} ({times(failures)})") from None
                self.pause(failures, error.wait_s)
            finally:
                partial.close()

    def attempt(self, url: str, partial: Partial) -> dict[str, Any]:
        """One connection's worth, none when everything is there; raises `Broken` when it broke off."""
        if not partial.length or partial.length != partial.note.size_bytes:
            try:
                self.connect(url, partial)
            except Outdated:
                partial.discard()
                raise
        if reason := not_a_video(partial):
            partial.discard()
            raise ItemError(reason)
        note = partial.note
        return {"etag": note.etag, "last_modified": note.last_modified, "size_bytes": partial.length}

    def connect(self, url: str, partial: Partial) -> None:
        """Ask for what is missing and write it."""
        answer = self.place(url).ask(url, partial.length if partial.note.validator else 0, partial.note)
        try:
            if not (partial.length and answer.start == partial.length and partial.note.is_same(answer.note)):
                if answer.start:
                    raise Outdated(CHANGED)
                partial.begin(answer.note)
            self.check_size(answer.note.size_bytes or 0, partial)
            self.pour(answer, partial)
        finally:
            answer.close()
        if partial.note.size_bytes is not None and partial.length != partial.note.size_bytes:
            raise Broken("the connection broke off")
        partial.sync()

    def pour(self, answer: Answer, partial: Partial) -> None:
        """Write what comes, as it comes."""
        while data := answer.read():
            if self.stop.is_set():
                raise ItemError(STOPPED)
            if partial.length + len(data) > self.config.max_mib * MIB:
                self.check_size(partial.length + len(data), partial)
            partial.append(data)

    def check_size(self, size_bytes: int, partial: Partial) -> None:
        """`ItemError` above the limit, `MissingError` when there is no room for the rest and for the finished copy."""
        if size_bytes > self.config.max_mib * MIB:
            partial.discard()
            raise ItemError(f"{size_bytes} bytes, more than fetch.max_mib={self.config.max_mib} allows")
        needed = 2 * size_bytes - partial.length
        if disk.free_bytes(partial.root) < needed:
            raise disk.no_space(partial.root, needed)

    def pause(self, failures: int, wait_s: float) -> None:
        """Wait longer each time, and as long as the server asks; `ItemError` when the stage is left meanwhile."""
        longest = max(FIRST_PAUSE_S * 2 ** (failures - 1), wait_s)
        if self.stop.wait(min(longest, LONGEST_PAUSE_S)):
            raise ItemError(STOPPED)

    def close(self) -> None:
        """End the downloads that are going and let go of all connections."""
        self.stop.set()
        for place in self._places.values():
            place.close()

    def place(self, url: str) -> Place:
        """Where the URL's scheme leads to; one for all its URLs."""
        scheme = "s3" if url.lower().startswith("s3:") else "http"
        with self._lock:
            if scheme not in self._places:
                self._places[scheme] = place_of(scheme, self.config, self.stop)
            return self._places[scheme]


def place_of(scheme: str, config: FetchConfig, stop: Event) -> Place:
    """A place of that scheme; `MissingError` naming the extra that it needs."""
    try:
        if scheme == "s3":
            from strive.stages.fetch.bucket import Bucket

            return Bucket(config, stop)
        from strive.stages.fetch.web import Web

        return Web(config, stop)
    except ImportError as error:
        raise MissingError(f"Videos behind {scheme} URLs need the package {error.name}, which is not installed.",
                           "The extra remote.", "Install it: pip install 'strive[remote]'") from error


def so_far(partial: Partial) -> str:
    """How much there is, in words."""
    if not partial.length:
        return ""
    whole = "" if partial.note.size_bytes is None else f" of {partial.note.size_bytes}"
    return f"; {partial.length}{whole} bytes came"


def times(failures: int) -> str:
    """How often it was tried since it last went on, in words."""
    return "tried once" if failures == 1 else f"tried {failures} times"
