"""What a benchmark's reader gives: samples, the rows as published, where each video is, and how rows are counted."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from strive.configs.errors import UsageError
from strive.stages.eval.figures.tally import Tally
from strive.stages.eval.published import Published
from strive.stages.plan import VideoRef
from strive.stages.tasks.dataset import read_dataset
from strive.stages.tasks.sample import Sample
from strive.stages.tasks.videos import video_ref


class Rows(Protocol):
    """What a module `benchmarks/<bench>.py` knows of its rows; nothing here needs a video or a file."""

    def sample(self, row: Published) -> Sample:
        """The question in our words, for prompts and strict reading. Raises `RowError` for a row of another kind."""

    def video(self, row: Published) -> str:
        """Names the video, so that questions about it are counted together; the row's id where nothing tells."""

    def categories(self, row: Published) -> Mapping[str, str | tuple[str, ...]]:
        """The tables that the row counts in: field → value, or several values."""

    def headline(self, tally: Tally, protocol: str) -> dict[str, Any]:
        """The published metrics (fractions, None where rows are missing) by name, and what is to be said of them."""


@dataclass(frozen=True)
class BenchData:
    """`video_path(sample)`: an existing or missing file; it raises `ItemError` when a published video is not there.

    `fields`: categories reported (fields of `meta` or `question_type`); () takes every field that looks like one.
    `published`: rows by sample id; empty for dataset files, whose rows are samples. `bench`: the kind of rows, a name
    of `benchmarks.ROWS`. `subtitles(sample, times)`: the captions on screen at the shown frames' times (seconds), a
    line each, "" where the video has none; None when the benchmark is asked without subtitles.
    `submission(rows)`: what is handed in where answers are not published, made of predictions.jsonl's rows.
    `locate(sample)`: the video where it may be a URL or a zip member; without it `video_path` tells.
    A sample's `meta.cut_frame` (source frame number) ends its video: nothing from there on is shown.
    """

    samples: list[Sample]
    video_path: Callable[[Sample], Path]
    fields: tuple[str, ...] = ()
    published: Mapping[str, Published] = field(default_factory=dict)
    bench: str = "demo"
    subtitles: Callable[[Sample, Sequence[float]], str] | None = None
    submission: Callable[[Sequence[Mapping[str, Any]]], dict[str, list[Any]]] | None = None
    locate: Callable[[Sample], VideoRef] | None = None

    def video(self, sample: Sample) -> VideoRef:
        """Where a sample's video is; raises as `video_path` does."""
        return self.locate(sample) if self.locate else VideoRef(sample.video, self.video_path(sample))


def from_dataset(data: Path, videos: Path, follow_links: bool = False) -> BenchData:
    """A dataset file as a benchmark. Raises `UsageError` for bad rows and paths that leave `videos`."""
    samples = read_dataset(data)
    refs = {sample.video: video_ref(sample.located, videos, follow_links) for sample in samples}
    return BenchData(samples, lambda sample: refs[sample.video].path, locate=lambda sample: refs[sample.video])


def need_folder(data: Path, what: str) -> None:
    """`UsageError` unless `data` is a folder."""
    if not data.is_dir():
        raise UsageError(f"{data}: not a folder", what, "Check the path given to --data.")
