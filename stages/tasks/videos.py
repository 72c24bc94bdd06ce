"""Finds a sample's video under the videos folder and refuses every path that leaves it."""

import os
from pathlib import Path, PureWindowsPath

from strive.configs.errors import UsageError


def resolve_video(sample_video: str, videos_dir: Path, follow_links: bool = False) -> Path:
    """The absolute path of `sample_video` under `videos_dir`; whether the file exists is the reader's matter.

    Refused with `UsageError`: the empty name, absolute paths (of Windows too), "..", NUL, and symbolic links out of the
    folder unless `follow_links`. Newlines and other control characters are taken: file names may hold them.
    """
    parts = Path(sample_video).parts
    windows = PureWindowsPath(sample_video)
    if not sample_video or "\0" in sample_video:
        raise refused(sample_video, videos_dir, "is no file name")
    if os.path.isabs(sample_video) or windows.drive or windows.root or ".." in parts or ".." in windows.parts:
        raise refused(sample_video, videos_dir, "leaves the videos folder")
    path = Path(os.path.abspath(videos_dir)) / sample_video
    if not follow_links:
        root = Path(os.path.realpath(videos_dir))
        real = Path(os.path.realpath(path))
        if real != root and root not in real.parents:
            raise refused(sample_video, videos_dir, f"is a link out of the videos folder (to {real})", links=True)
    return path


def refused(video: str, folder: Path, why: str, links: bool = False) -> UsageError:
    """The error for a path that is not followed."""
    do = "Pass --follow-links if you trust the links in this folder." if links else "Mend the dataset row."
    return UsageError(f"video {video!r} {why}", f"a relative path inside {folder}", do)
