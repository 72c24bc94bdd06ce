"""Reads a video's packets without decoding them: which frames there are, when, and what the header announces."""

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from strive.configs.errors import ItemError
from strive.stages.archive.member import Member
from strive.stages.extract.container import Wholeness, image_demuxer, name_content, wholeness
from strive.stages.extract.packets import Packets, Reading
from strive.stages.extract.pyav import av, explain
from strive.stages.extract.timeline import usable_rate

DEMUXERS = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,flv,live_flv,mpeg,mpegts,mpegvideo,mpeg1video,mpeg2video,ogg,asf,asf_o,"
    "gif,apng,webp,webp_anim,avif,h264,hevc,av1,obu,ivf,m4v,mjpeg,mjpeg_2000,mxf,nut,rm,swf,dv,yuv4mpegpipe,wtv,vc1,"
    "amv,smjpeg,nsv,nuv,roq,smk,bink,flic,h261,h263,vvc,dirac,rawvideo,mp3,aac,flac,wav,ac3,aiff,caf,"
    "png_pipe,jpeg_pipe,webp_pipe,bmp_pipe,tiff_pipe,gif_pipe,jpegls_pipe,ppm_pipe,pgm_pipe,qoi_pipe"
)
REACHED = 0.99


@dataclass(frozen=True)
class Facts:
    """What header and packets say about a file's video stream; times in seconds from the container's start."""

    format: str
    codec: str
    stream: int
    origin: Fraction
    carried: bool  # False: the container has no presentation times (AVI with B-frames stores decoding order only)
    ahead: int  # ticks that the stamps of decoded frames are later than they should be
    wholeness: Wholeness
    header_frames: int
    header_duration_s: float | None
    packet_times: np.ndarray  # float64 [P], sorted
    packets_end_s: float
    file_end_s: float  # of all streams
    rate: float  # average frames per second
    packets: Packets

    @property
    def first_s(self) -> float:
        """Time of the first packet."""
        return float(self.packet_times[0]) if len(self.packet_times) else 0.0

    @property
    def held(self) -> bool:
        """True when the file holds all it ever held, so that its packets, not its header, say what can be expected."""
        if self.wholeness != "unknown" or self.header_duration_s is None:
            return self.wholeness != "cut"
        return self.file_end_s - min(self.first_s, 0.0) >= REACHED * self.header_duration_s

    @property
    def announced_frames(self) -> int:
        """Frames to expect: the packets of a file that is all there, else what the header announces."""
        return len(self.packet_times) if self.held else max(self.announced_by_header, len(self.packet_times))

    @property
    def announced_by_header(self) -> int:
        """Frames by the header alone: its count, else its duration times the rate."""
        return self.header_frames or round((self.header_duration_s or 0.0) * self.rate)

    @property
    def announced_s(self) -> float:
        """Seconds of picture to expect."""
        span = self.packets_end_s - self.first_s
        return span if self.held else max(self.header_duration_s or 0.0, span)


def open_container(path: Path | Member) -> Any:
    """The open container; `ItemError` naming what the file is. Playlists, which name other files, are refused."""
    options = {"format_whitelist": DEMUXERS, "protocol_whitelist": "file"}
    source = str(path) if isinstance(path, Path) else path.open()
    try:
        return av.open(source, format=image_demuxer(path), options=options, metadata_errors="replace")
    except av.FFmpegError as error:
        explain(error)
        raise ItemError(name_content(path)) from error


def video_stream(container: Any) -> Any:
    """The first video stream that is not a cover picture; `ItemError` when there is none."""
    cover = av.stream.Disposition.attached_pic
    streams = [stream for stream in container.streams.video if not stream.disposition & cover]
    if not streams:
        raise ItemError("no video stream")
    if streams[0].codec_context is None:
        raise ItemError("no decoder for its video codec")
    return streams[0]


def scan(path: Path | Member) -> Facts:
    """Demux the whole file once. Raises `ItemError` with the reason when it is not a video."""
    with open_container(path) as container:
        stream = video_stream(container)
        origin = start_of(container, stream)
        found = Reading(container, stream, origin)
        found.read(container)
        times = np.sort(np.asarray(found.times, np.float64))
        if not len(times):
            raise ItemError(f"{stream.frames} frames announced, 0 decodable" if stream.frames else "no video stream")
        span = float(times[-1] - times[0])
        duration = (stream.duration or 0) * stream.time_base or Fraction(container.duration or 0, av.time_base)
        return Facts(
            container.format.name, stream.codec_context.name, stream.index, origin, found.carried, found.ahead,
            wholeness(path), stream.frames, float(duration) or None, times, found.end, found.file_end,
            average_rate(stream, (len(times) - 1) / span if span > 0 else None), found.packets,
        )


def average_rate(stream: Any, measured: float | None) -> float:
    """Frames per second: the header's figure where packets agree with it (within 5 %), else the packets'."""
    header = float(stream.average_rate or 0)
    if measured and abs(header - measured) > 0.05 * measured:
        return usable_rate(measured, header)
    return usable_rate(header, measured, float(stream.guessed_rate or 0))


def start_of(container: Any, stream: Any) -> Fraction:
    """The container's start in seconds; a negative one is an encoder's priming, which is not shown, and counts as 0."""
    if container.start_time is None:
        return stream.start_time * stream.time_base if stream.start_time is not None else Fraction(0)
    start = Fraction(container.start_time, av.time_base)
    if stream.start_time is not None and abs(stream.start_time * stream.time_base - start) < Fraction(1, av.time_base):
        start = stream.start_time * stream.time_base
    return max(start, Fraction(0))
