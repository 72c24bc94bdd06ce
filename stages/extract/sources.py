"""Turns what the user names (files, folders, patterns) into a stable list of videos."""

import glob
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from strive.configs.errors import MissingError, UsageError
from strive.stages.plan import VideoRef

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
    goes into folders). A name that is nothing stays in the list among others, to fail as an item of its own. Raises
    `MissingError` when no name is anything, `UsageError` for a folder or pattern without videos.
    """
    found: dict[Path, VideoRef] = {}
    typed: dict[Path, str] = {}
    for source in sources:
        for ref in videos_of(str(source)):
            found.setdefault(ref.path, ref)
            inside = os.path.normpath(os.path.join(source, ref.id)) if Path(source).is_dir() else ref.id
            typed.setdefault(ref.path, inside)
    found = {path: VideoRef(name, path) for path, name in told_apart(found, typed).items()}
    if found and not any(os.path.lexists(ref.path) for ref in found.values()):
        raise MissingError(f"{next(iter(found.values())).id}: no such file or folder",
                           "a video, a folder of videos or a pattern", "Check the path.")
    return list(found.values())


def told_apart(found: Mapping[Path, VideoRef], typed: Mapping[Path, str]) -> dict[Path, str]:
    """One id a video: its short one, as it was typed where that is taken twice, else the absolute path."""
    ids = {path: ref.id for path, ref in found.items()}
    for longer in (typed, typed, {path: str(path) for path in found}):  # twice: a typed one may be another's short one
        taken = Counter(ids.values())
        ids = {path: name if taken[name] == 1 else longer[path] for path, name in ids.items()}
    return ids


def videos_of(source: str) -> list[VideoRef]:
    """The videos of one source."""
    path = Path(source)
    if path.is_dir():
        refs = [VideoRef(str(file.relative_to(path)), absolute(file)) for file in walk(path)]
        if not refs:
            raise UsageError(f"{source}: no video in this folder", f"files ending in {some()}",
                             "Name files directly if their extension is another.")
        return refs
    if glob.has_magic(source) and not os.path.lexists(path):
        matches = sorted(Path(match) for match in glob.glob(source, recursive=True))
        refs = [VideoRef(relative(match), absolute(match)) for match in matches if not match.is_dir()]
        if refs:
            return refs
        raise UsageError(f"{source}: nothing matches", "a pattern that matches video files", "Check the pattern.")
    return [VideoRef(relative(path), absolute(path))]


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
