"""Video-MME in its published layout, without or with subtitles.

DATA/videomme/test-00000-of-00001.parquet        2700 rows: video_id, duration, domain, sub_category, url, videoID,
                                                 question_id, task_type, question, options ["A. …"], answer
DATA/videos_chunked_01.zip … _20.zip             members data/<videoID>.mp4
DATA/data/<videoID>.mp4 or DATA/videos/…         the same, already unpacked
DATA/subtitle.zip or DATA/subtitle/              members subtitle/<videoID>.srt, of 744 of the 900 videos
"""

import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

from strive.configs.errors import ItemError, MissingError
from strive.stages.eval.benchmarks.assemble import Row, assemble
from strive.stages.eval.benchmarks.data import BenchData, need_folder
from strive.stages.eval.benchmarks.subtitles import MAX_BYTES, Caption, on_screen, read_srt
from strive.stages.eval.benchmarks.tables import read_parquet
from strive.stages.eval.benchmarks.videos import plain_name
from strive.stages.eval.benchmarks.zips import Member, members, unpack
from strive.stages.eval.figures.tally import Tally
from strive.stages.eval.published import Published
from strive.stages.tasks.sample import Sample
from strive.stages.tasks.sample_rows import sample_of

COLUMNS = ("video_id", "duration", "domain", "sub_category", "videoID", "question_id", "task_type", "question",
           "options", "answer")
FIELDS = ("duration", "domain", "sub_category", "task_type")
DURATIONS = ("short", "medium", "long")
LAYOUT = "videomme/test-*.parquet and videos_chunked_*.zip, as published in lmms-lab/Video-MME"
SUFFIXES = (".mp4", ".MP4", ".mkv")
PUBLISHED_ROWS = 2700


def read(data: Path, work: Path) -> BenchData:
    """The questions; videos are unpacked into `work` when they are asked for.

    Raises `MissingError` without the table or without any videos, `UsageError` for rows that are not Video-MME's.
    """
    need_folder(data, LAYOUT)
    tables = sorted(data.glob("videomme/test-*.parquet")) or sorted(data.glob("test-*.parquet"))
    if not tables:
        raise MissingError(f"{data}: no test-*.parquet", LAYOUT,
                           "Download the dataset's parquet file into the folder videomme.")
    rows = (row for table in tables for row in rows_in(table))
    return assemble(rows, sample, video_finder(data, work), "videomme", FIELDS)


def read_with_subtitles(data: Path, work: Path) -> BenchData:
    """The same with the captions of the shown frames. Raises `MissingError` too without subtitle.zip."""
    return replace(read(data, work), subtitles=subtitle_reader(data))


def rows_in(table: Path) -> Iterator[Row]:
    """The rows of one table."""
    for number, columns in enumerate(read_parquet(table, COLUMNS), 1):
        yield f"{table}, row {number}", partial(published, columns)


def published(columns: Mapping[str, Any]) -> Published:
    """A row as it is published. Raises `RowError` for a videoID that is no name."""
    plain_name(columns["videoID"], "videoID")
    meta = {name: columns[name] for name in ("video_id", "videoID", "url", *FIELDS) if columns.get(name) is not None}
    return Published(str(columns["question_id"]), "videomme", "", str(columns["question"]),
                     list(columns["options"] or []), columns["answer"], meta)


def sample(row: Published) -> Sample:
    """A multiple-choice question. Raises `RowError`."""
    return sample_of({"id": row.id, "video": video(row), "question": row.question, "options": list(row.options or []),
                      "answer": row.answer, "question_type": "multiple_choice", "meta": dict(row.meta)})


def video(row: Published) -> str:
    """data/videoID.mp4; without one the question id up to its "-", which numbers the video."""
    name = row.meta.get("videoID")
    return f"data/{name}.mp4" if name is not None else row.id.rpartition("-")[0] or row.id


def categories(row: Published) -> Mapping[str, str | tuple[str, ...]]:
    """Duration, domain, sub-category and task type, those that the row has."""
    return {name: row.meta[name] for name in FIELDS if isinstance(row.meta.get(name), str)}


def headline(tally: Tally, protocol: str) -> dict[str, Any]:
    """Accuracy over all and by duration; `answered`: over replies that could be read, the official denominator."""
    means, whole = tally.means("duration"), tally.whole
    rows = whole.n + whole.n_left_out
    note = f"{rows} of {PUBLISHED_ROWS} questions" if rows != PUBLISHED_ROWS else ""
    return {"overall": whole.mean, **{name: means.get(name) for name in DURATIONS},
            "answered": whole.read_total / whole.n_read if whole.n_read else None, **({"note": note} if note else {})}


def video_finder(data: Path, work: Path) -> Callable[[Sample], Path]:
    """A function from sample to video file: an unpacked one in `data`, else the zip's member."""
    archives = sorted(data.glob("videos_chunked_*.zip"))
    folders = [folder for folder in (data / "data", data / "videos") if folder.is_dir()]
    if not archives and not folders:
        raise MissingError(f"{data}: no videos_chunked_*.zip and no folder data/", LAYOUT,
                           "Download the zips into the folder.")
    packed = members(archives, "data")

    def find(sample: Sample) -> Path:
        stem = sample.meta["videoID"]
        for suffix in SUFFIXES:
            for folder in folders:
                if (folder / f"{stem}{suffix}").is_file():
                    return folder / f"{stem}{suffix}"
            if f"{stem}{suffix}" in packed:
                return unpack(packed[f"{stem}{suffix}"], work)
        raise ItemError(f"no video {stem} in {len(archives)} zip files")

    return find


def subtitle_reader(data: Path) -> Callable[[Sample, Sequence[float]], str]:
    """A function from sample and times (s) to the captions on screen then; "" for videos without subtitles."""
    folder, archive = data / "subtitle", data / "subtitle.zip"
    if not folder.is_dir() and not archive.is_file():
        raise MissingError(f"{data}: no subtitle.zip and no folder subtitle/", "the published subtitles",
                           "Download subtitle.zip, or evaluate videomme, which asks without them.")
    packed = members([archive], "subtitle") if archive.is_file() else {}

    @lru_cache(maxsize=64)
    def captions(name: str) -> list[Caption]:
        if (folder / name).is_file():
            return read_srt((folder / name).read_bytes())
        return read_srt(packed_bytes(packed[name])) if name in packed else []

    return lambda sample, times: on_screen(captions(f"{sample.meta['videoID']}.srt"), times)


def packed_bytes(member: Member) -> bytes:
    """A subtitle file in a zip; `ItemError` when it is damaged or no subtitle's size."""
    if member.size_bytes > MAX_BYTES:
        raise ItemError(f"{member.name}: {member.size_bytes} bytes of subtitles, more than {MAX_BYTES}")
    try:
        with zipfile.ZipFile(member.archive) as opened, opened.open(member.name) as source:
            return source.read(MAX_BYTES)
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, KeyError, RuntimeError, NotImplementedError) as error:
        raise ItemError(f"{member.name}: damaged in {member.archive.name} ({error})") from error
