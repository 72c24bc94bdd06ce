"""Decodes forward with PyAV (FFmpeg's libraries): exact presentation times, and it says when data was damaged."""

from collections.abc import Iterator
from typing import Any

from strive.configs.errors import MissingError

try:
    import av
    import av.logging
except ImportError as error:
    raise MissingError(f"PyAV cannot be loaded ({error})", "the package av", "Install it: pip install av") from error

from strive.stages.extract.orientation import Orientation, from_matrix
from strive.stages.extract.shot import Shot

DAMAGE = ("error while decoding", "Error at MB", "damaged", "non-existing", "Missing reference", "overread",
          "unavailable for", "out of range", "decode error", "Invalid NAL")
NO_MEMORY = "get_buffer() failed"  # some decoders call a lack of memory invalid data


def explain(error: BaseException) -> None:
    """Let memory errors through; every other FFmpeg error means that the data ends or is broken here."""
    if isinstance(error, MemoryError):
        raise MemoryError from error


def shots(container: Any, stream: Any, facts: Any) -> Iterator[Shot]:
    """The stream's frames in presentation order, damaged ones left out.

    After damage (an error, a frame flagged corrupt, a decoder's complaint about lost picture data) frames are left out
    until the next key frame, because they build on what was lost. The last value of `broken_before` that no frame
    carries is lost with the frames after it.
    """
    av.logging.set_level(av.logging.ERROR)
    stream.codec_context.thread_count = 1
    number, broken, shift = -1, False, None
    with av.logging.Capture(local=True) as complaints:
        for frames, failed in decoded(container, stream):
            said = any(sign in line[2] for line in complaints for sign in DAMAGE)
            if any(NO_MEMORY in line[2] for line in complaints):
                raise MemoryError
            complaints.clear()
            broken |= failed or said
            for frame in frames:
                number += 1
                broken |= bool(frame.is_corrupt)
                if broken and (frame.is_corrupt or said or not frame.key_frame):
                    continue
                time, shift = time_of(frame, stream, facts, shift)
                yield shot(frame, number, time, stream, broken)
                broken = False


def decoded(container: Any, stream: Any) -> Iterator[tuple[list[Any], bool]]:
    """For each packet the frames that came out, and whether it could not be decoded; ends where the file breaks off."""
    packets = container.demux(stream)
    while True:
        try:
            packet = next(packets)
        except StopIteration:
            break
        except av.FFmpegError as error:
            explain(error)
            break
        if packet.size:  # an empty packet would end decoding: AVI files hold them for dropped frames
            yield attempt(packet.decode)
    yield attempt(lambda: stream.codec_context.decode(None))


def attempt(decode: Any) -> tuple[list[Any], bool]:
    """The frames of one call, and whether it failed."""
    try:
        return decode(), False
    except EOFError:
        return [], False
    except av.FFmpegError as error:
        explain(error)
        return [], True


def time_of(frame: Any, stream: Any, facts: Any, shift: float | None) -> tuple[float | None, float | None]:
    """Seconds from the container's start, and the shift that is kept between calls.

    Where the container has decoding times only, they rise by the same steps as presentation times but start later by
    the decoder's delay: the first frame is put where the first packet is.
    """
    stamp = frame.pts if facts.carried and frame.pts is not None else frame.dts
    if stamp is None:
        return None, shift
    seconds = float(stamp * stream.time_base - facts.origin)
    if facts.carried:
        return seconds, shift
    shift = seconds - facts.first_s if shift is None else shift
    return seconds - shift, shift


def shot(frame: Any, number: int, time: float | None, stream: Any, broken: bool) -> Shot:
    """A PyAV frame as a `Shot`."""
    ticks = getattr(frame, "duration", None)
    matrix = frame.side_data.get("DISPLAYMATRIX")
    return Shot(
        number, time, float(ticks * stream.time_base) if ticks else None, broken, (frame.height, frame.width),
        from_matrix(bytes(matrix)) if matrix is not None else Orientation(), lambda: frame.to_ndarray(format="rgb24"),
    )
