"""Digests of bytes, files, folders and JSON values: what an artefact is known by, instead of its name."""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any


def digest_bytes(data: bytes | memoryview) -> str:
    """`sha256:` and 64 hex digits."""
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def digest_file(path: Path) -> str:
    """The digest of a file's bytes, read in pieces."""
    with path.open("rb", buffering=0) as file:
        return f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}"


def digest_json(value: Any) -> str:
    """The digest of a JSON value: key order does not matter; NaN and infinity are refused (ValueError)."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)
    return digest_bytes(text.encode("ascii"))


def digest_folder(path: Path, patterns: tuple[str, ...] = ("*",)) -> str:
    """The digest of the names and bytes of the files at or below `path` that match one of `patterns`."""
    return digest_json([[name, digest_file(path / name)] for name in names_in(path, patterns)])


def names_in(path: Path, patterns: tuple[str, ...] = ("*",)) -> list[str]:
    """The relative names, sorted, of the files at or below `path` that match one of `patterns`."""
    return sorted({found.relative_to(path).as_posix() for found in _matching(path, patterns)})


def _matching(path: Path, patterns: tuple[str, ...]) -> Iterator[Path]:
    for pattern in patterns:
        yield from (found for found in path.rglob(pattern) if found.is_file())
