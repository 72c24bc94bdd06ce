"""One finished result: its files, whose bytes are checked before the first use in a process, and its manifest.

A run holds one for each of its items, so it keeps what is asked for often (names, sizes, digests) in a few hundred
bytes; the manifest is read from disk again when it is wanted.
"""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from sys import intern
from typing import Any

from strive.cache import manifest as manifests
from strive.cache.digest import digest_bytes, digest_file, digest_json
from strive.configs.errors import VerificationError

_CHECKED_LIMIT = 1 << 18
_checked: set[bytes] = set()


@dataclass(frozen=True, slots=True)
class Output:
    """One file of an artefact, as its manifest records it."""

    path: str
    size_bytes: int
    digest: str


class Artefact:
    """A complete artefact folder below the cache folder `root`; its manifest is laid out as in `manifest.py`."""

    __slots__ = ("_digest", "_manifest", "_outputs", "key", "root", "stage")

    def __init__(self, stage: str, key: str, root: Path, manifest: Mapping[str, Any]) -> None:
        self.stage, self.key, self.root = intern(stage), key, root
        self._outputs = b"".join(_packed(out) for out in manifest["outputs"])
        self._digest: bytes | None = None
        self._manifest: Mapping[str, Any] | None = manifest

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Artefact) and self._place == other._place

    def __hash__(self) -> int:
        return hash(self._place)

    def __repr__(self) -> str:
        return f"Artefact({self.stage}/{self.key})"

    def light(self) -> "Artefact":
        """The same, without the manifest that was read to find it."""
        self._manifest = None
        return self

    @property
    def path(self) -> Path:
        """The artefact's folder."""
        return self.root.joinpath(self.stage, self.key[:2], self.key)

    @property
    def manifest(self) -> Mapping[str, Any]:
        """All that is recorded; VerificationError when it cannot be read any more."""
        if self._manifest is not None:
            return self._manifest
        found = manifests.read(self.path)
        if found is None:
            raise self._damaged("its manifest cannot be read")
        return found

    @property
    def digest(self) -> str:
        """Of the content, not the key: making the same bytes again leaves later stages fresh."""
        if self._digest is None:
            text = digest_json(sorted([out.path, out.digest] for out in self.outputs()))
            self._digest = bytes.fromhex(text.removeprefix("sha256:"))
        return f"sha256:{self._digest.hex()}"

    @property
    def meta(self) -> dict[str, Any]:
        """What the stage noted about the content."""
        return dict(self.manifest.get("meta") or {})

    @property
    def size_bytes(self) -> int:
        """Bytes of all files but the manifest."""
        return sum(out.size_bytes for out in self.outputs())

    @property
    def names(self) -> list[str]:
        """The files, sorted."""
        return sorted(out.path for out in self.outputs())

    def outputs(self) -> Iterator[Output]:
        """The files with their sizes and digests, in the manifest's order."""
        start = 0
        while start < len(self._outputs):
            end = self._outputs.index(b"\0", start)
            name, figures = self._outputs[start:end], self._outputs[end + 1:end + 41]
            yield Output(name.decode("utf-8", "surrogatepass"), int.from_bytes(figures[:8], "big"),
                         f"sha256:{figures[8:].hex()}")
            start = end + 41

    def file(self, name: str) -> Path:
        """The path of a file whose bytes match the manifest; VerificationError otherwise."""
        output, place = self._output(name), self.path / name
        mark = self._mark(place, output)
        if mark not in _checked:
            self._compare(name, digest_file(place), output.digest)
            _remember(mark)
        return place

    def read(self, name: str) -> bytes:
        """The bytes of a file, matching the manifest; VerificationError otherwise."""
        output, place = self._output(name), self.path / name
        mark = self._mark(place, output)
        data = place.read_bytes()
        if mark not in _checked or len(data) != output.size_bytes:
            self._compare(name, digest_bytes(data), output.digest)
            _remember(mark)
        return data

    def damage(self) -> list[str]:
        """Every file read anew and compared; one reason for each that does not match."""
        reasons = []
        for output in self.outputs():
            try:
                found = digest_file(self.path / output.path)
            except OSError as error:
                reasons.append(f"{output.path}: {os.strerror(error.errno or 0)}")
                continue
            if found != output.digest:
                reasons.append(f"{output.path}: the bytes are not those that were written")
        return reasons

    @property
    def _place(self) -> tuple[Path, str, str]:
        return self.root, self.stage, self.key

    def _output(self, name: str) -> Output:
        for output in self.outputs():
            if output.path == name:
                return output
        raise self._damaged(f"has no file {name!r}")

    def _mark(self, place: Path, output: Output) -> bytes:
        """What stands for "this very file had these bytes"; it changes when the file does."""
        try:
            stat = place.stat()
        except OSError as error:
            raise self._damaged(f"file {output.path} cannot be read ({os.strerror(error.errno or 0)})") from error
        told = f"{place}\0{output.digest}\0{stat.st_dev} {stat.st_ino} {stat.st_size} {stat.st_mtime_ns}"
        return blake2b(os.fsencode(told), digest_size=16).digest()

    def _compare(self, name: str, found: str, expected: str) -> None:
        if found != expected:
            raise self._damaged(f"file {name} does not have the bytes that were written")

    def _damaged(self, text: str) -> VerificationError:
        return VerificationError(
            f"{self.path}: {text}.", "The bytes its manifest records.",
            "Run `strive cache verify --deep --repair` to drop what is damaged, then this command again to remake it.",
        )


def _packed(out: Mapping[str, Any]) -> bytes:
    """`<path> 0 <8 bytes size> <32 bytes digest>`."""
    digest = bytes.fromhex(out["digest"].removeprefix("sha256:"))
    return out["path"].encode("utf-8", "surrogatepass") + b"\0" + int(out["bytes"]).to_bytes(8, "big") + digest


def _remember(mark: bytes) -> None:
    """Not for ever: a run over millions of files hashes some of them again rather than grow."""
    if len(_checked) >= _CHECKED_LIMIT:
        _checked.clear()
    _checked.add(mark)
