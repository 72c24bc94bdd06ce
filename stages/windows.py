"""A large job in windows of some thousand samples, so that memory does not grow with the dataset."""

from collections.abc import Iterator
from dataclasses import replace

from strive.stages.plan import Job, VideoRef

WINDOW = 2048
"""Samples looked at together: large enough that decoding and scoring are kept busy, small enough to hold."""


def windows(job: Job) -> Iterator[tuple[Job, bool]]:
    """The job itself when it is no larger than its window, else jobs over consecutive parts; True with the last one.

    A part has the videos of its samples, so one that questions far apart share is in several parts.
    """
    size, whole = job.window, max(len(job.samples), len(job.videos))
    if size is None or whole <= size:
        job.samples = list(job.samples)  # a file's rows are read again each time else
        job.videos = job.videos or videos_of(job)
        yield job, True
        return
    for start in range(0, whole, size):
        part = replace(job, samples=list(job.samples[start : start + size]), videos=[], results={})
        part.videos = videos_of(part) if job.samples else job.videos[start : start + size]
        yield part, start + size >= whole


def videos_of(job: Job) -> list[VideoRef]:
    """The videos of a job's samples, each once, in the order of the samples."""
    if job.locate is None:
        return job.videos
    return [job.locate(name) for name in {sample.video: sample.located for sample in job.samples}.values()]


class Firsts:
    """Tells the first time that an item is met from the later ones: videos are met in several windows."""

    def __init__(self) -> None:
        self._seen: dict[str, set[int]] = {}

    def is_first(self, stage: str, item_id: str) -> bool:
        """True once for each item of a stage; kept as 64-bit hashes, about 60 bytes each."""
        seen, mark = self._seen.setdefault(stage, set()), hash(item_id)
        if mark in seen:
            return False
        seen.add(mark)
        return True
