"""An artefact folder while it is made: it lies under a temporary name and appears at its target complete, or never."""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from strive.cache import fault
from strive.cache.sweep import TEMPORARY
from strive.cache.sync import sync_folder, write_file

MANIFEST = "manifest.json"


class Draft:
    """Files are added, `seal` writes the manifest, `reveal` renames the folder.

    A `durable` draft syncs each file and, when sealed, its folders: all of it is on disk before the rename can show
    it. With `durable` off the caller sees to that between `seal` and `reveal`.
    """

    def __init__(self, folder: Path, durable: bool = True) -> None:
        fault.point()
        folder.mkdir()
        self.folder, self.durable = folder, durable
        self.outputs: list[dict[str, Any]] = []
        self._folders = {folder}

    def add(self, name: str, chunks: Iterable[bytes]) -> dict[str, Any]:
        """Write one file; returns its {path, bytes, digest}. Raises ValueError for a name that leaves the folder."""
        if check_name(name) == MANIFEST:
            raise ValueError(f"{MANIFEST} is written by seal")
        place = self.folder / name
        if place.parent not in self._folders:
            place.parent.mkdir(parents=True, exist_ok=True)
            self._folders.update(self.folder / parent for parent in Path(name).parents)
        size, digest = write_file(place, chunks, 0o444, self.durable)
        self.outputs.append({"path": name, "bytes": size, "digest": digest})
        return self.outputs[-1]

    def seal(self, manifest: bytes) -> None:
        """Write the manifest, last of all files."""
        write_file(self.folder / MANIFEST, [manifest], 0o444, self.durable)
        for made in sorted(self._folders, reverse=True) if self.durable else ():
            sync_folder(made)

    def reveal(self, target: Path) -> None:
        """Raises OSError (ENOTEMPTY or EEXIST) when `target` is a filled folder."""
        fault.point()
        os.rename(self.folder, target)


def check_name(name: str) -> str:
    """The name itself when it is relative and stays inside its folder; ValueError otherwise."""
    is_bad = "\\" in name or "\0" in name or ":" in name
    if is_bad or any(part in ("", ".", "..") or part.startswith(TEMPORARY) for part in name.split("/")):
        raise ValueError(f"not a name inside a folder: {name!r}")
    return name
