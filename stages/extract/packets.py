"""Goes through the packets of a file without decoding them: when each is shown, and where a decoder can start."""

from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from strive.stages.extract.clock import Clock
from strive.stages.extract.pyav import av, explain


@dataclass
class Packets:
    """The stream's packets in the order of the file, as they are found."""

    stamps: list[int] = field(default_factory=list)  # presentation times in ticks of the stream's time base
    keys: list[bool] = field(default_factory=list)  # where a decoder can start, as the container says
    plain: bool = True  # False: one of them is empty, not shown, flagged corrupt or without a presentation time


class Reading:
    """What the packets of a file say: `times` of the stream's packets that hold something to show (in the order of the
    file), their `end`, the `file_end` of all streams.

    AVI has decoding times only. Without B-frames they are the presentation times; those that the demuxer makes up may
    all be some ticks `ahead` of them. With B-frames presentation times are not `carried`.
    """

    def __init__(self, container: Any, stream: Any, origin: Fraction) -> None:
        self.index, self.origin = stream.index, origin
        self._is_avi = container.format.name == "avi"
        self._has_b_frames = bool(stream.codec_context.has_b_frames)
        self._ahead: set[int] = set()
        self.times: list[float] = []
        self.end = self.file_end = 0.0
        self.packets = Packets()
        self._clocks: dict[int, Clock] = {}

    def read(self, container: Any) -> None:
        """Go through the file, as far as it goes."""
        try:
            for packet in container.demux():
                if packet.size:
                    self.note(packet, packet.stream_index)
                elif packet.stream_index == self.index and packet.dts is not None:
                    self.packets.plain = False
        except av.FFmpegError as error:
            explain(error)

    def note(self, packet: Any, index: int) -> None:
        """Take one packet's times down."""
        clock = self._clocks.get(index) or self.clock_of(packet, index)
        if clock is None:
            return
        pts, is_ours = packet.pts, index == self.index
        stamp = packet.dts if self._is_avi or pts is None else pts
        if is_ours:
            self.keep(packet, pts)
        if stamp is None:
            if is_ours:
                self.times.append(self.times[-1] if self.times else 0.0)
            return
        begin = clock.at(stamp)
        stop = begin + clock.lasts(packet.duration or 0)
        self.file_end = max(self.file_end, stop)
        if is_ours and not packet.is_discard:
            self.times.append(begin)
            self.end = max(self.end, stop)

    @property
    def carried(self) -> bool:
        """Whether the container has presentation times, or decoding times that are the same."""
        return not self._is_avi or not (self._has_b_frames or len(self._ahead) > 1)

    @property
    def ahead(self) -> int:
        """How many ticks the stamps of decoded frames are later than they should be."""
        return max(self._ahead) if self.carried and self._ahead else 0

    def keep(self, packet: Any, pts: int | None) -> None:
        """Note what is needed to start in the middle."""
        if pts is None or packet.is_discard or packet.is_corrupt:
            self.packets.plain = False
            return
        if self._is_avi and packet.dts is not None:
            self._ahead.add(pts - packet.dts)
        self.packets.stamps.append(pts)
        self.packets.keys.append(packet.is_keyframe)

    def clock_of(self, packet: Any, index: int) -> Clock | None:
        """The clock of a stream, known from its first packet on."""
        if packet.time_base is None:
            return None
        self._clocks[index] = clock = Clock(packet.time_base, self.origin)
        return clock
