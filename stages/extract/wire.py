"""How parent and decode child talk over pipes: a JSON header and binary blobs, never pickle.

    message  uint32 header bytes | uint32 blobs | uint64 size of each blob | header (JSON) | blobs
"""

import json
import os
import select
import struct
import time
from collections.abc import Sequence
from typing import Any

MAX_HEADER_BYTES = 256 << 20
MAX_BLOBS = 1 << 20


def pack(header: dict[str, Any], blobs: Sequence[bytes] = ()) -> bytes:
    """One message as bytes."""
    head = json.dumps(header).encode()
    sizes = struct.pack(f">{len(blobs)}Q", *(len(blob) for blob in blobs))
    return b"".join([struct.pack(">II", len(head), len(blobs)), sizes, head, *blobs])


def receive(fd: int, deadline: float | None = None) -> tuple[dict[str, Any], list[bytes]]:
    """The next message; `EOFError` when the other side is gone, `TimeoutError` at `deadline` (of time.monotonic)."""
    head_bytes, count = struct.unpack(">II", read_exactly(fd, 8, deadline))
    if head_bytes > MAX_HEADER_BYTES or count > MAX_BLOBS:
        raise EOFError("not a message")
    sizes = struct.unpack(f">{count}Q", read_exactly(fd, 8 * count, deadline))
    header = json.loads(read_exactly(fd, head_bytes, deadline))
    return header, [read_exactly(fd, size, deadline) for size in sizes]


def read_exactly(fd: int, size: int, deadline: float | None) -> bytes:
    """`size` bytes from a pipe."""
    data = bytearray()
    while len(data) < size:
        if deadline is not None:
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([fd], [], [], left)[0]:
                raise TimeoutError
        piece = os.read(fd, min(size - len(data), 1 << 20))
        if not piece:
            raise EOFError("the other side is gone")
        data += piece
    return bytes(data)
