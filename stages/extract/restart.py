"""Whether a decoder can start at a packet and give what it would give had it decoded everything before."""

from collections.abc import Iterator
from typing import Any

from strive.stages.extract.pyav import Unsure

H264_IDR, H264_PICTURES, H264_SETS = {5}, range(1, 6), {7, 8, 13, 15}
HEVC_ENTRIES, HEVC_PICTURES, HEVC_SETS = range(16, 22), range(0, 32), {32, 33, 34}
ALONE = frozenset({"vp9", "av1", "libdav1d", "mjpeg"})  # a key frame of these resets all that a decoder keeps
LISTED = frozenset({"h264", "hevc"})


def can_restart(stream: Any) -> bool:
    """Whether this is a codec, and a way of storing it, whose entry points can be told from the packets."""
    name, extra = stream.codec_context.name, stream.codec_context.extradata
    return name in ALONE or (name in LISTED and bool(extra) and extra[0] == 1 and len(extra) > 22)


class Checker:
    """Looks at the packets of a stream for which `can_restart` holds.

    H.264 and HEVC (ISO 14496-15) packets are units behind their length; parameter sets lie in the header, and may lie
    in packets again. One that the header does not have may change all that comes after, wherever decoding starts.
    """

    def __init__(self, stream: Any) -> None:
        codec = stream.codec_context
        self.is_hevc, self.is_listed = codec.name == "hevc", codec.name in LISTED
        self.extra = bytes(codec.extradata or b"")
        self.prefix = (self.extra[21 if self.is_hevc else 4] & 3) + 1 if self.is_listed else 0

    def check(self, packet: Any, is_start: bool) -> None:
        """Raises `Unsure` when the packet brings new parameters, or is no entry point where one is needed."""
        if packet.has_sidedata("new_extradata"):
            raise Unsure
        if not self.is_listed:
            return
        sets = HEVC_SETS if self.is_hevc else H264_SETS
        pictures, entries = (HEVC_PICTURES, HEVC_ENTRIES) if self.is_hevc else (H264_PICTURES, H264_IDR)
        first = None
        for kind, unit in self.units(bytes(packet)):
            if kind in sets and unit not in self.extra:
                raise Unsure
            if first is None and kind in pictures:
                first = kind
        if is_start and first not in entries:
            raise Unsure

    def units(self, data: bytes) -> Iterator[tuple[int, bytes]]:
        """The kind and bytes of each unit of a packet."""
        at = 0
        while at + self.prefix < len(data):
            start = at + self.prefix
            at = start + int.from_bytes(data[at:start], "big")
            head = data[start]
            yield (head >> 1 & 63 if self.is_hevc else head & 31), data[start:at]
