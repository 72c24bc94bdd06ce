"""What every artefact was made from, held in some three hundred bytes each: which ones a run needs follows from it.

Runs name artefacts by key, manifests name what they were made from by content digest. Both stand here as their first
16 bytes.
"""

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

_HEX = re.compile(r"[0-9a-f]{64}")
_SIZE = 16


class Links:
    """Filled by `add`; `reach` follows keys and digests to all that they stand on."""

    def __init__(self) -> None:
        self._sources: dict[bytes, bytes] = {}
        self._by_content: dict[bytes, bytes] = {}

    def add(self, key: str, digest: str, inputs: Any) -> None:
        """An artefact by its key, with the digest of its content and what its manifest says it was made from."""
        self._sources[head(key)] = b"".join(names_in(inputs))
        content = head(digest)
        self._by_content[content] = self._by_content.get(content, b"") + head(key)

    def reach(self, names: Iterable[bytes]) -> set[bytes]:
        """The heads of all keys that `names` lead to, directly or through what those were made from."""
        needed: set[bytes] = set()
        ahead = list(names)
        while ahead:
            name = ahead.pop()
            ahead += _split(self._by_content.get(name, b""))
            if name not in needed and name in self._sources:
                needed.add(name)
                ahead += _split(self._sources[name])
        return needed


def head(name: str) -> bytes:
    """The first bytes of a key or of a digest with or without its `sha256:`."""
    return bytes.fromhex(name.removeprefix("sha256:")[: 2 * _SIZE])


def names_in(record: Mapping[str, Any] | Any) -> set[bytes]:
    """The heads of everything in a record that can be a key or a digest, wherever it stands."""
    return {head(name) for name in _HEX.findall(json.dumps(record))}


def _split(heads: bytes) -> list[bytes]:
    return [heads[start:start + _SIZE] for start in range(0, len(heads), _SIZE)]
