"""Turns what the user names (files, folders, patterns, zip archives, URLs) into a stable list of videos."""

import glob
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from strive.configs.errors import ItemError, MissingError, UsageError
from strive.configs.urls import is_url, shown_url
from strive.stages.archive.contents import contents
from strive.stages.plan import VideoRef
from strive.stages.tasks.videos import checked_url, split_member

EXTENSIONS = frozenset({
    "3g2", "3gp", "amv", "asf", "avi", "divx", "dv", "f4v", "flv", "gif", "h264", "hevc", "ivf", "m1v", "m2ts", "m2v",
    "m4v", "mjpeg", "mjpg", "mkv", "mov", "mp4", "mpe", "mpeg", "mpg", "mpv", "mts", "mxf", "nut", "ogm", "ogv", "qt",
    "rm", "rmvb", "swf", "ts", "vob", "webm", "wmv", "wtv", "y4m",
})


def find_videos(sources: Iterable[str | Path]) -> list[VideoRef]:
    """The videos that `sources` name, each once, in the order of the sources and sorted within each.

    A file is taken whatever its name. A folder gives, recursively, the files with a known video extension, named by
    their path inside it; where that names two videos, both are named by the folder as it was typed and the path inside
    it (by the absolute path if even that names two). A name with `*`, `?` or `[` that is no file is a pattern (`**`
    goes into folders). A zip archive gives its members with a known video extension, `archive.zip::member` that one,
    a URL itself. A name that is nothing stays in the list among others, to fail as an item of its own. Raises
    `MissingError` when no name is anything, `UsageError` for a folder, archive or pattern without videos.
    """
    found: dict[str, VideoRef] = {}
    typed: dict[str, str] = {}
    for source in sources:
        for ref in videos_of(str(source)):
            found.setdefault(place(ref), ref)
            inside = os.path.isdir(source) and not ref.url
            typed.setdefault(place(ref), os.path.normpath(os.path.join(source, ref.id)) if inside else ref.id)
    refs = [replace(found[where], id=name) for where, name in told_apart(found, typed).items()]
    if refs and not any(ref.url or os.path.lexists(ref.path) for ref in refs):
        raise MissingError(f"{refs[0].id}: no such file or folder", "a video, a folder of videos, a pattern or a URL",
                           "Check the path.")
    return refs


def place(ref: VideoRef) -> str:
    """Where a video is, whatever it is called."""
    return ref.url or (f"{ref.path}::{ref.member}" if ref.member else str(ref.path))


def told_apart(found: Mapping[str, VideoRef], typed: Mapping[str, str]) -> dict[str, str]:
    """One id a video: its short one, as it was typed where that is taken twice, else its place."""
    ids = {where: ref.id for where, ref in found.items()}
    last = {where: ref.id if ref.url else where for where, ref in found.items()}
    for longer in (typed, typed, last):  # twice: a typed one may be another's short one
        taken = Counter(ids.values())
        ids = {where: name if taken[name] == 1 else longer[where] for where, name in ids.items()}
    return ids


def videos_of(source: str) -> list[VideoRef]:
    """The videos of one source."""
    if is_url(source):
        return [VideoRef(shown_url(source), Path(), url=checked_url(source))]
    path = Path(source)
    if path.is_dir():
        refs = [VideoRef(str(file.relative_to(path)), absolute(file)) for file in walk(path)]
        if not refs:
            raise UsageError(f"{source}: no video in this folder", f"files ending in {some()}",
                             "Name files directly if their extension is another.")
        return refs
    if os.path.lexists(path):
        return file_or_members(path)
    archive, member = split_member(source)
    if member is not None and os.path.lexists(archive):
        return [VideoRef(f"{relative(Path(archive))}::{member}", absolute(Path(archive)), member=member)]
    if glob.has_magic(source):
        matches = sorted(Path(match) for match in glob.glob(source, recursive=True))
        refs = [ref for match in matches if not match.is_dir() for ref in file_or_members(match)]
        if refs:
            return refs
        raise UsageError(f"{source}: nothing matches", "a pattern that matches video files", "Check the pattern.")
    return [VideoRef(relative(path), absolute(path))]


def file_or_members(path: Path) -> list[VideoRef]:
    """The file itself, or the videos of a zip archive, sorted. One that cannot be read stays, to fail as an item."""
    name, where = relative(path), absolute(path)
    if path.suffix.lower() != ".zip":
        return [VideoRef(name, where)]
    try:
        inside = [member for member in contents(where) if is_video(member)]
    except ItemError:
        return [VideoRef(name, where)]
    if not inside:
        raise UsageError(f"{name}: no video in this archive", f"members ending in {some()}",
                         "Name a member directly if its extension is another: archive.zip::path/in/zip")
    return [VideoRef(f"{name}::{member}", where, member=member) for member in sorted(inside)]


def is_video(member: str) -> bool:
    """Whether an archive's member is a video by its extension; hidden ones (and a Mac's shadow files) are not."""
    path = Path(member)
    hidden = any(part.startswith((".", "__MACOSX")) for part in path.parts)
    return path.suffix[1:].lower() in EXTENSIONS and not hidden


def walk(folder: Path) -> Iterator[Path]:
    """Files with a video extension under a folder, in sorted order; hidden ones and links to folders are left out."""
    for entry in sorted(folder.iterdir(), key=lambda one: os.fsencode(one.name)):
        if entry.name.startswith("."):
            continue
        if entry.is_dir():
            if not entry.is_symlink():
                yield from walk(entry)
        elif entry.suffix[1:].lower() in EXTENSIONS:
            yield entry


def relative(path: Path) -> str:
    """The path as an id: relative to the current folder where it lies inside it."""
    here = Path.cwd()
    whole = absolute(path)
    return str(whole.relative_to(here)) if whole.is_relative_to(here) else str(whole)


def absolute(path: Path) -> Path:
    """The absolute path, links kept."""
    return Path(os.path.abspath(path))


def some() -> str:
    """A few extensions, for messages."""
    return ", ".join(f".{name}" for name in ("mp4", "mkv", "webm", "mov", "avi", "gif"))
