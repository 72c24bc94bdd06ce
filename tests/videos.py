"""Makes tiny real videos whose frame number can be read from the picture, whole ones and broken ones, for every test.

A picture is a 4 × 4 board of blocks: the corner blocks say which way is up (red, green, blue, white), twelve black or
white blocks between them are the bits of the frame number.
"""

import struct
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

CORNERS = {(0, 0): (255, 0, 0), (0, 3): (0, 255, 0), (3, 0): (0, 0, 255), (3, 3): (255, 255, 255)}
BITS = [(r, c) for r in range(4) for c in range(4) if (r, c) not in CORNERS]
MILLISECOND = Fraction(1, 1000)


def picture(number: int, width: int = 64, height: int = 48) -> np.ndarray:
    """The board of frame `number` (0–4095), uint8 RGB [height, width, 3]."""
    board = np.zeros((4, 4, 3), np.uint8)
    for place, colour in CORNERS.items():
        board[place] = colour
    for bit, place in enumerate(BITS):
        board[place] = 255 if number >> bit & 1 else 0
    rows, columns = np.arange(height) * 4 // height, np.arange(width) * 4 // width
    return board[rows[:, None], columns[None, :]]


def blocks(image: np.ndarray) -> np.ndarray:
    """Mean colour of the middle of each of the 4 × 4 blocks of an image, float [4, 4, 3]."""
    height, width = image.shape[:2]
    found = np.zeros((4, 4, 3))
    for r in range(4):
        for c in range(4):
            y, x = int((r + 0.5) * height / 4), int((c + 0.5) * width / 4)
            ry, rx = max(height // 16, 0), max(width // 16, 0)
            found[r, c] = image[y - ry : y + ry + 1, x - rx : x + rx + 1].reshape(-1, 3).mean(0)
    return found


def number_of(image: np.ndarray) -> int:
    """The frame number in an upright picture."""
    found = blocks(image)
    return sum(1 << bit for bit, place in enumerate(BITS) if found[place].mean() > 127)


def is_upright(image: np.ndarray) -> bool:
    """True when each corner has its colour."""
    found = blocks(image)
    return all(np.abs(found[place] - colour).max() < 100 for place, colour in CORNERS.items())


def make_video(
    path: Path, frames: int = 30, fps: float = 10, size: tuple[int, int] = (64, 48), *, codec: str = "libx264",
    pix_fmt: str = "yuv420p", times: Sequence[float] | None = None, options: dict[str, str] | None = None,
    muxer: str | None = None, muxer_options: dict[str, str] | None = None, numbers: Sequence[int] | None = None,
    bframes: int = 0, gop: int = 12, audio: bool = False, degrees: int = 0, mirror: bool = False,
) -> Path:
    """Write a video of (width, height) `size`; `times` in seconds makes it a variable-rate one.

    With `degrees` and `mirror` the stored pictures are upright once they are mirrored, then turned clockwise so far.
    """
    rate = Fraction(fps).limit_denominator(1001)
    with av.open(str(path), "w", format=muxer, options=muxer_options or {}) as container:
        stream = container.add_stream(codec, rate=rate)
        stream.width, stream.height = size if degrees % 180 == 0 else size[::-1]
        stream.pix_fmt = pix_fmt
        if codec in ("libx264", "libx265"):
            stream.options = {"bf": str(bframes), "g": str(gop), "preset": "veryfast", **(options or {})}
        else:
            stream.options = dict(options or {})
            if bframes:
                stream.options = {"bf": str(bframes), **stream.options}
        if times is not None:
            stream.codec_context.time_base = MILLISECOND
        sound = container.add_stream("aac" if muxer != "matroska" else "libopus", rate=48000) if audio else None
        for i in range(frames if times is None else len(times)):
            board = turned_back(picture(numbers[i] if numbers else i, *size), degrees, mirror)
            frame = av.VideoFrame.from_ndarray(board, format="rgb24")
            frame.pts = i if times is None else round(times[i] * 1000)
            frame.time_base = 1 / rate if times is None else MILLISECOND
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
        if sound is not None:
            _mux_silence(container, sound, 1.0)
    return path


def turned_back(image: np.ndarray, degrees: int, mirror: bool) -> np.ndarray:
    """The picture that is `image` after mirroring it left–right and turning it clockwise."""
    image = np.rot90(image, degrees // 90)
    return np.ascontiguousarray(image[:, ::-1] if mirror else image)


def _mux_silence(container: av.container.OutputContainer, stream: av.AudioStream, seconds: float) -> None:
    for start in range(0, int(48000 * seconds), 960):
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 960), np.float32), format="flt", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = 48000, start, Fraction(1, 48000)
        container.mux(stream.encode(frame))
    container.mux(stream.encode(None))


def make_audio_only(path: Path) -> Path:
    """A file with one second of silence and no video stream."""
    with av.open(str(path), "w") as container:
        _mux_silence(container, container.add_stream("aac", rate=48000), 1.0)
    return path


def make_cover_art(path: Path) -> Path:
    """An MP3 whose only video stream is its cover picture."""
    import cv2

    picture_bytes = cv2.imencode(".jpg", picture(5))[1].tobytes()
    body = b"\x00image/jpeg\x00\x03\x00" + picture_bytes
    frame = b"APIC" + struct.pack(">I", len(body)) + b"\x00\x00" + body
    size = len(frame)
    tag = b"ID3\x03\x00\x00" + bytes([size >> 21 & 127, size >> 14 & 127, size >> 7 & 127, size & 127]) + frame
    sound = path.with_suffix(".sound.mp3")
    with av.open(str(sound), "w", format="mp3", options={"id3v2_version": "0", "write_xing": "0"}) as container:
        stream = container.add_stream("libmp3lame", rate=48000)
        for start in range(0, 48000, 1152):
            piece = av.AudioFrame.from_ndarray(np.zeros((1, 1152), np.float32), format="fltp", layout="mono")
            piece.sample_rate, piece.pts, piece.time_base = 48000, start, Fraction(1, 48000)
            container.mux(stream.encode(piece))
        container.mux(stream.encode(None))
    path.write_bytes(tag + sound.read_bytes())
    sound.unlink()
    return path


def make_front_index(path: Path, frames: int = 90, fps: float = 30, **more: object) -> Path:
    """An MP4 with its index in front of the data, as downloads are."""
    return make_video(path, frames, fps, muxer="mp4", muxer_options={"movflags": "faststart"}, **more)  # type: ignore[arg-type]


def cut(source: Path, target: Path, share: float) -> Path:
    """The first `share` of a file."""
    data = source.read_bytes()
    target.write_bytes(data[: int(len(data) * share)])
    return target


def cut_media(source: Path, target: Path, share: float) -> Path:
    """An MP4 with its index in front, whole, and the first `share` of its media data."""
    data = source.read_bytes()
    start = data.index(b"mdat") + 4
    target.write_bytes(data[: start + int((len(data) - start) * share)])
    return target


def flip_bits(source: Path, target: Path, start: float, count: int = 40, seed: int = 0) -> Path:
    """A copy with `count` random bytes changed after `start` (share of the file); headers and index are left whole."""
    data = bytearray(source.read_bytes())
    places = np.random.default_rng(seed).integers(int(len(data) * start), len(data), count)
    for place in places:
        data[place] ^= 0xA5
    target.write_bytes(bytes(data))
    return target


def garble(source: Path, target: Path, places: Sequence[int], skip: int = 6) -> Path:
    """A copy in which the packets at these places in the file hold other bytes behind their first `skip`."""
    data = bytearray(source.read_bytes())
    with av.open(str(source)) as container:
        packets = [packet for packet in container.demux(video=0) if packet.size]
    for packet in (packets[place] for place in places):
        tail = bytes(packet)[-64:]  # a container may keep the head of a packet apart
        at = data.index(tail, packet.pos or 0) + len(tail) - packet.size
        data[at + skip : at + packet.size] = bytes(byte ^ 0x5A for byte in data[at + skip : at + packet.size])
    target.write_bytes(bytes(data))
    return target


def make_rotated(path: Path, degrees: int, mirror: bool = False, **more: object) -> Path:
    """An MP4 that is upright once its display matrix is obeyed: mirror left–right, then turn clockwise."""
    source = path.with_suffix(".stored.mp4")
    make_video(source, degrees=degrees, mirror=mirror, **more)  # type: ignore[arg-type]
    set_matrix(source, path, degrees, mirror)
    source.unlink()
    return path


def set_matrix(source: Path, target: Path, degrees: int, mirror: bool = False) -> Path:
    """An MP4 whose display matrix mirrors the stored picture left–right, then turns it clockwise by `degrees`."""
    a, b, c, d = {0: (1, 0, 0, 1), 90: (0, 1, -1, 0), 180: (-1, 0, 0, -1), 270: (0, -1, 1, 0)}[degrees]
    if mirror:
        a, b = -a, -b
    data = bytearray(source.read_bytes())
    at = data.index(b"tkhd") + 4 + 40  # version 0: the matrix follows 40 bytes of version, flags, times and layer
    one = 1 << 16
    data[at : at + 36] = struct.pack(">9i", a * one, b * one, 0, c * one, d * one, 0, 0, 0, 1 << 30)
    target.write_bytes(bytes(data))
    return target


def avi_claim(source: Path, target: Path, frames: int) -> Path:
    """An AVI whose headers announce `frames` frames, whatever it holds."""
    data = bytearray(source.read_bytes())
    avih, strh = data.index(b"avih") + 8, data.index(b"strh") + 8
    data[avih + 16 : avih + 20] = struct.pack("<I", frames)
    data[strh + 32 : strh + 36] = struct.pack("<I", frames)
    target.write_bytes(bytes(data))
    return target


def avi_dropped(
    target: Path, shown: Sequence[int], total: int, fps: int = 10, size: tuple[int, int] = (64, 48)
) -> Path:
    """An AVI as capture programs wrote them: `total` entries, of which only those in `shown` hold a picture (MJPEG)."""
    import cv2

    def chunk(name: bytes, body: bytes) -> bytes:
        return name + struct.pack("<I", len(body)) + body + b"\0" * (len(body) % 2)

    width, height = size
    pictures = {i: cv2.imencode(".jpg", picture(i, *size)[..., ::-1])[1].tobytes() for i in shown}
    movi, index = b"", b""
    for i in range(total):
        body = pictures.get(i, b"")
        index += b"00dc" + struct.pack("<III", 16 if body else 0, len(movi) + 4, len(body))
        movi += chunk(b"00dc", body)
    avih = struct.pack("<14I", 1_000_000 // fps, 0, 0, 0x10, total, 0, 1, 0, width, height, 0, 0, 0, 0)
    rates = (0, 0, 0, 0, 1, fps, 0, total, 0, -1, 0)
    strh = struct.pack("<4s4sIHHIIIIIIiI4H", b"vids", b"MJPG", *rates, 0, 0, width, height)
    strf = struct.pack("<IiiHH4sIiiII", 40, width, height, 1, 24, b"MJPG", width * height * 3, 0, 0, 0, 0)
    strl = chunk(b"LIST", b"strl" + chunk(b"strh", strh) + chunk(b"strf", strf))
    header = chunk(b"LIST", b"hdrl" + chunk(b"avih", avih) + strl)
    target.write_bytes(chunk(b"RIFF", b"AVI " + header + chunk(b"LIST", b"movi" + movi) + chunk(b"idx1", index)))
    return target


def scale_duration(source: Path, target: Path, factor: int) -> Path:
    """An MP4 whose movie, track and media headers announce `factor` times the duration."""
    data = bytearray(source.read_bytes())
    for name, offset in ((b"mvhd", 16), (b"tkhd", 20), (b"mdhd", 16)):
        at = data.index(name) + 4 + offset
        (value,) = struct.unpack(">I", data[at : at + 4])
        data[at : at + 4] = struct.pack(">I", min(value * factor, 0xFFFFFFF0))
    target.write_bytes(bytes(data))
    return target


def trim_by_edit(source: Path, target: Path, media_time: int) -> Path:
    """An MP4 whose edit list starts `media_time` ticks into the track: what lies before is not shown."""
    data = bytearray(source.read_bytes())
    at = data.index(b"elst") + 4 + 8
    data[at + 4 : at + 8] = struct.pack(">i", media_time)
    target.write_bytes(bytes(data))
    return target


def cut_after(source: Path, target: Path, frames: int) -> Path:
    """The file up to half of the packet after the first `frames` packets."""
    with av.open(str(source)) as container:
        packets = [packet for packet in container.demux(video=0) if packet.size]
    target.write_bytes(source.read_bytes()[: packets[frames].pos + packets[frames].size // 2])
    return target
