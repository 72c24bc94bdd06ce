"""One finished result: its manifest, and its files, whose bytes are checked before the first use in a process."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from strive.cache.digest import digest_bytes, digest_file, digest_json
from strive.configs.errors import VerificationError

_checked: set[tuple[str, int, int, int]] = set()


@dataclass(frozen=True)
class Artefact:
    """A complete artefact folder; `manifest` is laid out as in `manifest.py`."""

    stage: str
    key: str
    path: Path
    manifest: Mapping[str, Any] = field(compare=False, repr=False)

    @cached_property
    def digest(self) -> str:
        """Of the content, not the key: making the same bytes again leaves later stages fresh."""
        return digest_json(sorted([out["path"], out["digest"]] for out in self.manifest["outputs"]))

    @property
    def meta(self) -> dict[str, Any]:
        """What the stage noted about the content."""
        return dict(self.manifest.get("meta") or {})

    @property
    def size_bytes(self) -> int:
        """Bytes of all files but the manifest."""
        return sum(out["bytes"] for out in self.manifest["outputs"])

    @property
    def names(self) -> list[str]:
        """The files, sorted."""
        return sorted(out["path"] for out in self.manifest["outputs"])

    def file(self, name: str) -> Path:
        """The path of a file whose bytes match the manifest; VerificationError otherwise."""
        output = self._output(name)
        place = self.path / name
        mark = self._mark(place, name)
        if mark not in _checked:
            self._compare(name, digest_file(place), output["digest"])
            _checked.add(mark)
        return place

    def read(self, name: str) -> bytes:
        """The bytes of a file, matching the manifest; VerificationError otherwise."""
        output = self._output(name)
        mark = self._mark(self.path / name, name)
        data = (self.path / name).read_bytes()
        if mark not in _checked or len(data) != output["bytes"]:
            self._compare(name, digest_bytes(data), output["digest"])
            _checked.add(mark)
        return data

    def damage(self) -> list[str]:
        """Every file read anew and compared; one reason for each that does not match."""
        reasons = []
        for output in self.manifest["outputs"]:
            try:
                found = digest_file(self.path / output["path"])
            except OSError as error:
                reasons.append(f"{output['path']}: {os.strerror(error.errno or 0)}")
                continue
            if found != output["digest"]:
                reasons.append(f"{output['path']}: the bytes are not those that were written")
        return reasons

    def _output(self, name: str) -> Mapping[str, Any]:
        for output in self.manifest["outputs"]:
            if output["path"] == name:
                return output
        raise self._damaged(f"has no file {name!r}")

    def _mark(self, place: Path, name: str) -> tuple[str, int, int, int]:
        try:
            stat = place.stat()
        except OSError as error:
            raise self._damaged(f"file {name} cannot be read ({os.strerror(error.errno or 0)})") from error
        return str(place), stat.st_size, stat.st_mtime_ns, stat.st_ino

    def _compare(self, name: str, found: str, expected: str) -> None:
        if found != expected:
            raise self._damaged(f"file {name} does not have the bytes that were written")

    def _damaged(self, text: str) -> VerificationError:
        return VerificationError(
            f"{self.path}: {text}.", "The bytes its manifest records.",
            "Run `strive cache verify --deep --repair` to drop what is damaged, then this command again to remake it.",
        )
