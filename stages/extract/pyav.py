"""Decodes with PyAV (FFmpeg's libraries): exact presentation times, and it says when data was damaged."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from strive.configs.errors import MissingError

try:
    import av
    import av.logging
except ImportError as error:
    raise MissingError(f"PyAV cannot be loaded ({error})", "the package av", "Install it: pip install av") from error

from strive.stages.extract.clock import Clock
from strive.stages.extract.orientation import Orientation, from_matrix
from strive.stages.extract.shot import Shot

DAMAGE = ("error while decoding", "Error at MB", "damaged", "non-existing", "Missing reference", "overread",
          "unavailable for", "out of range", "decode error", "Invalid NAL")
NO_MEMORY = "get_buffer() failed"  # some decoders call a lack of memory invalid data
# By default the conversion starts a thread per core for each frame; older versions have one thread and no such option.
ONE_THREAD = {"threads": 1} if "threads" in (av.VideoFrame.reformat.__doc__ or "") else {}

# Damaged VP8 gives other pixels with several threads, without a word.
THREADED = frozenset({"h264", "hevc", "vp9", "av1", "libdav1d", "mpeg4", "mpeg2video", "mjpeg"})


class Unsure(Exception):
    """Something about the video is not plain; a slower way of decoding, which misses nothing, must be taken."""


def explain(error: BaseException) -> None:
    """Let memory errors through; every other FFmpeg error means that the data ends or is broken here."""
    if isinstance(error, MemoryError):
        raise MemoryError from error


def shots(container: Any, stream: Any, facts: Any, threads: int = 1) -> Iterator[Shot]:
    """The stream's frames in presentation order, damaged ones left out.

    After damage (an error, a frame flagged corrupt, a decoder's complaint about lost picture data) frames are left out
    until the next key frame, because they build on what was lost. The last value of `broken_before` that no frame
    carries is lost with the frames after it.

    Several threads decode different frames at the same time, so that what they complain of cannot be told by frame:
    with `threads` > 1 any damage, and any frame less than there are packets, raises `Unsure`.
    """
    view = View(stream, facts)
    number, broken = -1, False
    with decoder(stream, threads) as complaints:
        for frames, failed in decoded(container, stream):
            said = bool(complaints) and heard(complaints)
            broken |= failed or said
            for frame in frames:
                number += 1
                broken |= bool(frame.is_corrupt)
                if broken and threads > 1:
                    raise Unsure
                if broken and (frame.is_corrupt or said or not frame.key_frame):
                    continue
                yield view.shot(frame, number, broken)
                broken = False
    if threads > 1 and (broken or number + 1 < len(facts.packet_times)):
        raise Unsure


@contextmanager
def decoder(stream: Any, threads: int) -> Iterator[list[Any]]:
    """Set the stream's decoder up; gives the list of its complaints, which grows while it decodes."""
    codec = stream.codec_context
    codec.thread_count = threads
    if threads > 1:
        codec.thread_type = "AUTO"
    av.logging.set_level(av.logging.ERROR)
    av.logging.set_skip_repeated(False)  # the same complaint about two frames, or two videos, is two complaints
    with av.logging.Capture(local=threads == 1) as complaints:
        try:
            yield complaints
        finally:
            if threads > 1:  # a thread that complains while its decoder is freed would wait for this one for ever
                codec.flush_buffers()


def heard(complaints: list[Any]) -> bool:
    """Whether the decoder complained of damage since the last call. Raises `MemoryError` for a lack of memory."""
    lines = [line[2] for line in complaints]
    complaints.clear()
    if any(NO_MEMORY in line for line in lines):
        raise MemoryError
    return any(sign in line for line in lines for sign in DAMAGE)


def decoded(container: Any, stream: Any) -> Iterator[tuple[list[Any], bool]]:
    """For each packet the frames that came out, and whether it could not be decoded; ends where the file breaks off."""
    for packet in packets(container, stream):
        yield attempt(packet.decode)
    yield attempt(lambda: stream.codec_context.decode(None))


def packets(container: Any, stream: Any) -> Iterator[Any]:
    """The stream's packets, as far as the file goes."""
    demuxed = container.demux(stream)
    while True:
        try:
            packet = next(demuxed)
        except StopIteration:
            return
        except av.FFmpegError as error:
            explain(error)
            return
        if packet.size:  # an empty packet would end decoding: AVI files hold them for dropped frames
            yield packet


def attempt(decode: Any) -> tuple[list[Any], bool]:
    """The frames of one call, and whether it failed."""
    try:
        return decode(), False
    except EOFError:
        return [], False
    except av.FFmpegError as error:
        explain(error)
        return [], True


class View:
    """Sees the frames of one pass over a stream as `Shot`s."""

    def __init__(self, stream: Any, facts: Any) -> None:
        self.clock, self.facts = Clock(stream.time_base, facts.origin), facts
        self.shift: float | None = None

    def time_of(self, frame: Any) -> float | None:
        """Seconds from the container's start.

        Where the container has decoding times only, they rise by the same steps as presentation times but start later
        by the decoder's delay: the first frame is put where the first packet is.
        """
        is_shown_then = self.facts.carried and frame.pts is not None
        stamp = frame.pts - self.facts.ahead if is_shown_then else frame.dts
        if stamp is None:
            return None
        seconds = self.clock.at(stamp)
        if self.facts.carried:
            return seconds
        if self.shift is None:
            self.shift = seconds - self.facts.first_s
        return seconds - self.shift

    def shot(self, frame: Any, number: int, broken: bool) -> Shot:
        """A PyAV frame as a `Shot`."""
        ticks = getattr(frame, "duration", None)
        return Shot(
            number, self.time_of(frame), self.clock.lasts(ticks) if ticks else None, broken,
            (frame.height, frame.width), lambda: orientation_of(frame),
            lambda: frame.to_ndarray(format="rgb24", **ONE_THREAD), lasting=True,
        )


def orientation_of(frame: Any) -> Orientation:
    """How a frame says it must be turned."""
    matrix = frame.side_data.get("DISPLAYMATRIX")
    return from_matrix(bytes(matrix)) if matrix is not None else Orientation()
