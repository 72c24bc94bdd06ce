"""What a benchmark's reader gives: samples, where each one's video is, which categories its tables have."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from strive.configs.errors import UsageError
from strive.stages.tasks.dataset import read_dataset, resolve_video
from strive.stages.tasks.sample import Sample


@dataclass(frozen=True)
class BenchData:
    """`video_path(sample)`: an existing or missing file; it raises `ItemError` when a published video is not there.

    `fields`: categories reported (fields of `meta` or `question_type`); () takes every field that looks like one.
    """

    samples: list[Sample]
    video_path: Callable[[Sample], Path]
    fields: tuple[str, ...] = ()


def from_dataset(data: Path, videos: Path, follow_links: bool = False) -> BenchData:
    """A dataset file as a benchmark. Raises `UsageError` for bad rows and paths that leave `videos`."""
    samples = read_dataset(data)
    paths = {sample.video: resolve_video(sample.video, videos, follow_links) for sample in samples}
    return BenchData(samples, lambda sample: paths[sample.video])


def need_folder(data: Path, what: str) -> None:
    """`UsageError` unless `data` is a folder."""
    if not data.is_dir():
        raise UsageError(f"{data}: not a folder", what, "Check the path given to --data.")
