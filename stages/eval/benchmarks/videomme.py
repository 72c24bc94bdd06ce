"""Video-MME (without subtitles) in its published layout.

DATA/videomme/test-00000-of-00001.parquet        2700 rows: video_id, duration, domain, sub_category, url, videoID,
                                                 question_id, task_type, question, options ["A. …"], answer
DATA/videos_chunked_01.zip … _20.zip             members data/<videoID>.mp4
DATA/data/<videoID>.mp4 or DATA/videos/…         the same, already unpacked
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from strive.configs.errors import ItemError, MissingError, UsageError
from strive.stages.eval.benchmarks.data import BenchData, need_folder
from strive.stages.eval.benchmarks.tables import read_parquet
from strive.stages.eval.benchmarks.zips import Member, members, unpack
from strive.stages.tasks.sample import Sample
from strive.stages.tasks.sample_rows import RowError, sample_of

COLUMNS = (
    "video_id",
    "duration",
    "domain",
    "sub_category",
    "videoID",
    "question_id",
    "task_type",
    "question",
    "options",
    "answer",
)
FIELDS = ("duration", "domain", "sub_category", "task_type")
LAYOUT = "videomme/test-*.parquet and videos_chunked_*.zip, as published in lmms-lab/Video-MME"
SUFFIXES = (".mp4", ".MP4", ".mkv")


def read(data: Path, work: Path) -> BenchData:
    """The 2700 questions; videos are unpacked into `work` when they are asked for.

    Raises `MissingError` without the table or without any videos, `UsageError` for rows that are not Video-MME's.
    """
    need_folder(data, LAYOUT)
    tables = sorted([*data.glob("videomme/test-*.parquet"), *data.glob("test-*.parquet")])
    if not tables:
        raise MissingError(
            f"{data}: no test-*.parquet", LAYOUT, "Download the dataset's parquet file into the folder videomme."
        )
    samples = [sample for table in tables for sample in samples_in(table)]
    seen: set[str] = set()
    for sample in samples:
        if sample.id in seen:
            raise UsageError(
                f"{tables[0]}: question_id {sample.id!r} occurs twice", "2700 different ids", "Download it again."
            )
        seen.add(sample.id)
    return BenchData(samples, video_finder(data, work), FIELDS)


def samples_in(table: Path) -> list[Sample]:
    """The rows of one parquet file as samples, in its order."""
    samples = []
    for number, row in enumerate(read_parquet(table, COLUMNS), 1):
        try:
            samples.append(sample_of(in_our_columns(row)))
        except RowError as error:
            raise UsageError(
                f"{table}, row {number}: {error.what}", error.expected, "Download the table again."
            ) from error
    return samples


def in_our_columns(row: Mapping[str, Any]) -> dict[str, Any]:
    """A published row in the dataset format; the video goes by its `videoID`."""
    video = row["videoID"]
    if (
        not isinstance(video, str)
        or not video
        or "/" in video
        or "\\" in video
        or "\0" in video
        or video in (".", "..")
    ):
        raise RowError(f"videoID {video!r}", "a YouTube id")
    meta = {name: row[name] for name in ("video_id", "videoID", "url", *FIELDS) if row.get(name) is not None}
    return {
        "id": row["question_id"],
        "video": f"data/{video}.mp4",
        "question": row["question"],
        "options": list(row["options"] or []),
        "answer": row["answer"],
        "question_type": "multiple_choice",
        "meta": meta,
    }


def video_finder(data: Path, work: Path) -> Any:
    """A function from sample to video file: an unpacked one in `data`, else the zip's member."""
    archives = sorted(data.glob("videos_chunked_*.zip"))
    folders = [folder for folder in (data / "data", data / "videos") if folder.is_dir()]
    if not archives and not folders:
        raise MissingError(
            f"{data}: no videos_chunked_*.zip and no folder data/", LAYOUT, "Download the zips into the folder."
        )
    packed: dict[str, Member] = members(archives, "data")

    def find(sample: Sample) -> Path:
        stem = sample.meta["videoID"]
        for folder in folders:
            for suffix in SUFFIXES:
                if (folder / f"{stem}{suffix}").is_file():
                    return folder / f"{stem}{suffix}"
        for suffix in SUFFIXES:
            if f"{stem}{suffix}" in packed:
                return unpack(packed[f"{stem}{suffix}"], work)
        raise ItemError(f"no video {stem} in {len(archives)} zip files")

    return find
