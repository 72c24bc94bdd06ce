"""Lists of artefacts by item, a line each, streamed to and from disk: what a run over any number of samples leaves.

A line is `<64 hex key> <item id as a JSON string>`.
"""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path

from strive.cache import atomic
from strive.cache.key import KEY, check_key

_LINES = 1000


def write(place: Path, rows: Iterable[tuple[str, str]], workshop: Path) -> None:
    """Replace the list at `place`; ValueError for a key that is none, and the old list stays."""
    atomic.write_stream(place, _chunks(rows), workshop=workshop)


def read(place: Path) -> Iterator[tuple[str, str]]:
    """(key, item id) in the order they were written; none when there is no list. A line that is damaged is left out."""
    try:
        file = place.open("rb")
    except OSError:
        return
    with file:
        for line in file:
            row = parse(line)
            if row is not None:
                yield row


def keys(place: Path) -> Iterator[bytes]:
    """The keys alone, as they stand in the file; one that is damaged may be none."""
    try:
        file = place.open("rb")
    except OSError:
        return
    with file:
        yield from (line[:64] for line in file)


def _chunks(rows: Iterable[tuple[str, str]]) -> Iterator[bytes]:
    lines: list[str] = []
    for key, item in rows:
        lines.append(f"{check_key(key)} {json.dumps(item)}\n")
        if len(lines) == _LINES:
            yield "".join(lines).encode()
            lines = []
    yield "".join(lines).encode()


def parse(line: bytes) -> tuple[str, str] | None:
    """(key, item id) of one line; None when it is none."""
    try:
        key, _, text = line.decode("ascii").partition(" ")
        item = json.loads(text)
    except ValueError:
        return None
    return (key, item) if KEY.fullmatch(key) and isinstance(item, str) else None
