"""Finds a benchmark's videos: unpacked beside its tables, or in its zips, of which one video at a time is unpacked."""

from collections.abc import Callable, Sequence
from pathlib import Path, PurePosixPath

from strive.configs.errors import ItemError, MissingError
from strive.stages.eval.benchmarks.zips import all_members, unpack
from strive.stages.tasks.sample import Sample
from strive.stages.tasks.sample_rows import RowError

SUFFIXES = (".mp4", ".MP4", ".mkv", ".webm", ".avi", ".mov")


def video_finder(data: Path, work: Path, archives: Sequence[Path], folders: Sequence[str],
                 layout: str) -> Callable[[Sample], Path]:
    """A function from sample to video file. `sample.video` is "folder/name.mp4" with a folder of `folders`, which is a
    folder of `data` or of a zip; the extension may be another one there.

    Raises `MissingError` when there is neither a folder nor a zip.
    """
    there = [name for name in folders if (data / name).is_dir()]
    packed = {name: one for name, one in all_members(archives).items() if str(PurePosixPath(name).parent) in folders}
    if not packed and not there:
        looked = f"{len(archives)} zip files" if archives else "no zip files"
        raise MissingError(f"{data}: no videos ({looked}, no folder {', '.join(folders[:4])})", layout,
                           "Download the videos into the folder.")

    looked_in = " and ".join([f"{len(archives)} zip files"] * bool(archives) + [f"{len(there)} folders"] * bool(there))

    def find(sample: Sample) -> Path:
        path = PurePosixPath(sample.video)
        for suffix in SUFFIXES:
            name = f"{path.with_suffix('')}{suffix}" if path.suffix in SUFFIXES else f"{path}{suffix}"
            if (data / name).is_file():
                return data / name
            if name in packed:
                return unpack(packed[name], work)
        raise ItemError(f"no video {path} in {looked_in}")

    return find


def plain_name(value: object, what: str) -> str:
    """A published name that becomes part of a path. Raises `RowError` for one that leaves its folder."""
    text = value if isinstance(value, str) else ""
    if not text or "/" in text or "\\" in text or "\0" in text or text in (".", "..") or len(text) > 200:
        raise RowError(f"{what} {value!r}"[:250], "a plain file name")
    return text
