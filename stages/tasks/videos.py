"""Finds a sample's video: a path under the videos folder, a member of a zip there, or a URL; all else is refused."""

import os
import re
from pathlib import Path, PureWindowsPath
from urllib.parse import urlsplit

from strive.configs.errors import UsageError
from strive.configs.urls import HIDDEN, is_url, shown_url
from strive.stages.plan import VideoRef

SCHEMES = ("http", "https", "s3")
IN_ZIP = re.compile(r"(?i)(.+?\.zip)::(.+)", re.DOTALL)
UNPRINTABLE = re.compile(r"[\x00-\x20\x7f]")


def video_ref(name: str, videos_dir: Path, follow_links: bool = False) -> VideoRef:
    """The video of that name: a URL, `archive.zip::member` with the archive under `videos_dir`, or a path under it.

    Its id is the name, without secrets. Raises `UsageError` for what `resolve_video` and `checked_url` refuse and for
    a member whose name leaves its archive. Nothing is opened: whether it exists is the reader's matter.
    """
    if is_url(name):
        return VideoRef(shown_url(name), Path(), url=checked_url(name))
    archive, member = split_member(name)
    if member is None or os.path.lexists(Path(videos_dir) / name):
        return VideoRef(name, resolve_video(name, videos_dir, follow_links))
    if leaves(member):
        raise UsageError(f"video {name!r} leaves its archive", "the name of a member as the archive lists it",
                         "Mend the dataset row.")
    return VideoRef(name, resolve_video(archive, videos_dir, follow_links), member=member)


def split_member(name: str) -> tuple[str, str | None]:
    """`archive.zip::path/in/zip.mp4` as its two parts; the member is None for any other name."""
    found = IN_ZIP.fullmatch(name)
    return (found[1], found[2]) if found else (name, None)


def checked_url(url: str) -> str:
    """The URL itself. Raises `UsageError` for another scheme than http, https and s3, for one without host or path, and
    for one whose secrets were taken out."""
    scheme = url.partition(":")[0].lower()
    shown, expected = shown_url(url), "an http, https or s3 URL"
    if scheme not in SCHEMES:
        raise UsageError(f"video {shown}: URLs of scheme {scheme!r} are not read", expected, "Mend the dataset row.")
    try:
        parts = urlsplit(url)
        is_whole = bool(parts.hostname) and len(parts.path) > 1
        _ = parts.port
    except ValueError:
        is_whole = False
    if not is_whole or UNPRINTABLE.search(url):
        raise UsageError(f"video {shown!r} is no whole URL", f"{expected} with host and path, spaces written as %20",
                         "Mend the dataset row.")
    if HIDDEN in url:
        raise UsageError(f"video {shown}: parts of this URL were left out when it was stored", "the whole URL",
                         "Take it from the dataset that it comes from.")
    return url


def resolve_video(sample_video: str, videos_dir: Path, follow_links: bool = False) -> Path:
    """The absolute path of `sample_video` under `videos_dir`; whether the file exists is the reader's matter.

    Refused with `UsageError`: the empty name, absolute paths (of Windows too), "..", NUL, and symbolic links out of the
    folder unless `follow_links`. Newlines and other control characters are taken: file names may hold them.
    """
    if not sample_video or "\0" in sample_video:
        raise refused(sample_video, videos_dir, "is no file name")
    if is_url(sample_video):
        raise UsageError(f"video {shown_url(sample_video)} is a URL", f"a relative path inside {videos_dir}",
                         "strive extract, score and variants fetch URLs; here videos must be files.")
    if leaves(sample_video):
        raise refused(sample_video, videos_dir, "leaves the videos folder")
    path = Path(os.path.abspath(videos_dir)) / sample_video
    if not follow_links:
        root = Path(os.path.realpath(videos_dir))
        real = Path(os.path.realpath(path))
        if real != root and root not in real.parents:
            raise refused(sample_video, videos_dir, f"is a link out of the videos folder (to {real})", links=True)
    return path


def leaves(name: str) -> bool:
    """Whether a name is no relative path that stays inside its folder, by the rules of POSIX or of Windows."""
    windows = PureWindowsPath(name)
    absolute = os.path.isabs(name) or windows.drive or windows.root
    return bool(absolute) or ".." in Path(name).parts or ".." in windows.parts


def refused(video: str, folder: Path, why: str, links: bool = False) -> UsageError:
    """The error for a path that is not followed."""
    do = "Pass --follow-links if you trust the links in this folder." if links else "Mend the dataset row."
    return UsageError(f"video {video!r} {why}", f"a relative path inside {folder}", do)
