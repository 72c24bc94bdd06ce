"""The only way bytes reach the disk: a target is the old bytes or the new bytes, never half of them.

A file is written under a temporary name beside its target, synced, renamed, and its folder synced. A folder is built
the same way with `manifest.json` written last.
"""

import json
import os
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from strive.cache import disk, fault
from strive.cache.draft import MANIFEST, Draft, check_name
from strive.cache.ledger import append_line, read_jsonl
from strive.cache.sweep import temporary_in
from strive.cache.sync import chunks_of, make_folder, sync_folder, write_file
from strive.configs.errors import UsageError

__all__ = [
    "MANIFEST", "append_line", "bytes_of", "check_name", "fill", "json_bytes", "publish_folder", "read_jsonl",
    "remove_folder", "write_bytes", "write_json", "write_stream",
]


def write_bytes(path: Path, data: bytes, workshop: Path | None = None) -> None:
    """Put `data` at `path`, replacing what was there.

    The temporary name lies in `workshop` (same file system; default: the target's folder). Raises MissingError when
    there is no space or no permission, OSError for other faults; the old file is untouched in both cases.
    """
    write_stream(path, [data], len(data), workshop)


def write_stream(path: Path, chunks: Iterable[bytes], size_bytes: int = 0, workshop: Path | None = None) -> None:
    """`write_bytes` for bytes that come in pieces; what the pieces' maker raises leaves the old file untouched.

    `size_bytes`: how many there will be about, for the message about a full disk. Raises UsageError for a target that
    is a folder or a device: a file must not take its place.
    """
    if path.exists() and not path.is_file():
        raise UsageError(f"{path}: not a regular file", "a file, or a name that is free", "Choose another name.")
    with disk.explained(path, size_bytes):
        make_folder(path.parent)
        temporary = temporary_in(workshop or path.parent)
        try:
            write_file(temporary, chunks, 0o666)
            fault.point()
            os.replace(temporary, path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        sync_folder(path.parent)


def write_json(path: Path, value: Any, workshop: Path | None = None) -> None:
    """Put `value` at `path` as JSON: sorted keys, indent 1, newline at the end; NaN is refused (ValueError)."""
    write_bytes(path, json_bytes(value), workshop)


def json_bytes(value: Any) -> bytes:
    """The bytes `write_json` writes."""
    text = json.dumps(value, sort_keys=True, indent=1, ensure_ascii=False, allow_nan=False)
    return (text + "\n").encode("utf-8", "surrogatepass")


def manifest_bytes(manifest: Mapping[str, Any]) -> bytes:
    """A manifest as JSON, a line for each of its sorted keys: Python encodes indented JSON ten times slower."""
    lines = (f"{_dumps(name)}: {_dumps(manifest[name])}" for name in sorted(manifest))
    return ("{\n" + ",\n".join(lines) + "\n}\n").encode("utf-8", "surrogatepass")


_dumps = json.JSONEncoder(sort_keys=True, ensure_ascii=False, allow_nan=False).encode


def publish_folder(
    target: Path, files: Mapping[str, bytes | Path], manifest: dict[str, Any], workshop: Path | None = None,
    replace: bool = False,
) -> dict[str, Any]:
    """Make the folder `target` appear with all of `files` and, written last, `manifest.json`.

    `files` maps relative names (may contain "/") to bytes or to a file to copy. The manifest gets `outputs`, a sorted
    list of {path, bytes, digest}, and is returned. With `replace` a folder that is there gives way once the new one
    is complete on disk: between two renames, never while bytes are copied. Raises OSError (ENOTEMPTY or EEXIST) when
    `target` is a filled folder and `replace` is off, ValueError for a name that leaves the folder, MissingError when
    there is no space or no permission.
    """
    if MANIFEST in map(check_name, files):
        raise ValueError(f"{MANIFEST} is written by publish_folder itself")
    with disk.explained(target, bytes_of(files)):
        make_folder(target.parent)
        temporary = temporary_in(workshop or target.parent)
        try:
            draft = Draft(temporary)
            filled = fill(draft, files, manifest)
            if replace:
                remove_folder(target, workshop)
            draft.reveal(target)
        except BaseException:
            shutil.rmtree(temporary, ignore_errors=True)
            raise
        sync_folder(target.parent)
    return filled


def fill(draft: Draft, files: Mapping[str, bytes | Path], manifest: dict[str, Any]) -> dict[str, Any]:
    """Write the files in the order of their names and seal; returns the manifest with its `outputs`."""
    for name in sorted(files):
        draft.add(name, chunks_of(files[name]))
    filled = {**manifest, "outputs": list(draft.outputs)}
    draft.seal(manifest_bytes(filled))
    return filled


def bytes_of(files: Mapping[str, bytes | Path]) -> int:
    """How many bytes these files have."""
    return sum(source.stat().st_size if isinstance(source, Path) else len(source) for source in files.values())


def remove_folder(path: Path, workshop: Path | None = None) -> None:
    """Make a folder vanish at once: renamed to a temporary name first, so that no reader sees half of it."""
    with disk.explained(path):
        temporary = temporary_in(workshop or path.parent)
        fault.point()
        try:
            os.rename(path, temporary)
        except FileNotFoundError:
            return
        sync_folder(path.parent)
        shutil.rmtree(temporary, ignore_errors=True)
