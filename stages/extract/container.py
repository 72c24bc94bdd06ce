"""Reads the outermost structure of a video file: is it all there, or was it cut short, and what is it at all.

The counts and durations in headers are estimates; the sizes of the outermost boxes are not. A file whose boxes all end
inside it was not cut, so what it holds is all it ever held, whatever its header announces.
"""

import os
import struct
from pathlib import Path
from typing import BinaryIO, Literal

from strive.stages.archive.member import Member

Wholeness = Literal["whole", "cut", "unknown"]
HEAD_BYTES = 4096
EBML = b"\x1a\x45\xdf\xa3"
SEGMENT = b"\x18\x53\x80\x67"
IMAGES = (
    (b"\xff\xd8\xff", "jpeg_pipe"), (b"GIF8", "gif"), (b"BM", "bmp_pipe"),
    (b"II*\0", "tiff_pipe"), (b"MM\0*", "tiff_pipe"),
)
BOXES = {b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide", b"pnot", b"styp", b"sidx", b"moof"}


def wholeness(path: Path | Member) -> Wholeness:
    """Whether the outermost boxes of an MP4 / MOV, AVI or Matroska file end inside it."""
    with path.open("rb") as file:
        size = size_of(file)
        head = file.read(12)
        if head[4:8] in BOXES:
            return boxes(file, size)[0]
        if head[:4] == b"RIFF":
            return riff(file, size)
        return matroska(file, size) if head[:4] == EBML else "unknown"


def size_of(file: BinaryIO) -> int:
    """Bytes of an open file, which is left at its start."""
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    return size


def boxes(file: BinaryIO, size: int) -> tuple[Wholeness, set[bytes]]:
    """Wholeness and the names of the top-level boxes of an ISO base media file."""
    at, names = 0, set()
    while at + 8 <= size:
        file.seek(at)
        length, name = struct.unpack(">I4s", file.read(8))
        if length == 1:
            wide = file.read(8)
            length = struct.unpack(">Q", wide)[0] if len(wide) == 8 else size + 1
        elif length == 0:
            names.add(name)
            return "unknown", names
        if length < 8 or not name.isascii():
            break
        names.add(name)
        at += length
    return ("cut" if at > size else "whole"), names


def riff(file: BinaryIO, size: int) -> Wholeness:
    """Wholeness of an AVI: one RIFF chunk, or several in a row when it is large."""
    at = 0
    while at + 8 <= size:
        file.seek(at)
        name, length = struct.unpack("<4sI", file.read(8))
        if name != b"RIFF":
            break
        if length in (0, 0xFFFFFFFF):
            return "unknown"
        if at + 8 + length > size:
            return "whole" if has_index(file, at + 12, size) else "cut"
        at += 8 + length
    return "whole"


def has_index(file: BinaryIO, at: int, size: int) -> bool:
    """True when an AVI's index, its last chunk, lies whole in the file: some writers get the outermost size wrong."""
    while at + 8 <= size:
        file.seek(at)
        name, length = struct.unpack("<4sI", file.read(8))
        if name == b"idx1":
            return bool(at + 8 + length <= size)
        at += 8 + length + length % 2
    return False


def matroska(file: BinaryIO, size: int) -> Wholeness:
    """Wholeness of a Matroska or WebM file by the size of its segment."""
    file.seek(4)
    header = vint(file)
    if header is None:
        return "unknown"
    file.seek(file.tell() + header)
    if file.read(4) != SEGMENT:
        return "cut" if file.tell() >= size else "unknown"
    length = vint(file)
    if length is None:
        return "unknown"
    return "cut" if file.tell() + length > size else "whole"


def vint(file: BinaryIO) -> int | None:
    """An EBML size; None when it is unknown (all ones) or not there."""
    first = file.read(1)
    if not first or not first[0]:
        return None
    extra = 8 - first[0].bit_length()
    value = int.from_bytes(bytes([first[0] & (0x7F >> extra)]) + file.read(extra), "big")
    return None if value == (1 << 7 * (extra + 1)) - 1 else value


def image_demuxer(path: Path | Member) -> str | None:
    """The demuxer for an image file; left to itself FFmpeg takes the name for a pattern of many files."""
    with path.open("rb") as file:
        head = file.read(HEAD_BYTES)
    if head[:8] == b"\x89PNG\r\n\x1a\n":
        return "apng" if b"acTL" in head else "png_pipe"
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "webp_pipe"
    return next((name for magic, name in IMAGES if head.startswith(magic)), None)


def name_content(path: Path | Member) -> str:
    """Why a file that no demuxer takes is not a video, in words."""
    with path.open("rb") as file:
        size = size_of(file)
        head = file.read(HEAD_BYTES)
        if head[4:8] in BOXES and b"moov" not in boxes(file, size)[1]:
            return "index missing (file cut short?)"
    if head[:4] == EBML or head[:4] == b"RIFF" and head[8:12] == b"AVI ":
        return "index missing (file cut short?)"
    start = head.lstrip(b"\xef\xbb\xbf \t\r\n")[:64].lower()
    if start.startswith((b"<!doctype", b"<html", b"<head", b"<?xml")):
        return "not a video (an HTML or XML page)"
    for magic, name in ((b"%pdf", "a PDF"), (b"pk\x03\x04", "a ZIP archive"), (b"\x1f\x8b", "a gzip archive")):
        if start.startswith(magic):
            return f"not a video ({name})"
    if not head.strip(b"\0"):
        return "not a video (nothing but zero bytes)"
    if b"\0" not in head and is_text(head):
        return "not a video (text)"
    return "not a video that can be read"


def is_text(head: bytes) -> bool:
    """True for UTF-8 text; a character cut at the end of the head is forgiven."""
    try:
        head.decode()
    except UnicodeDecodeError as error:
        return error.start > len(head) - 4
    return True
