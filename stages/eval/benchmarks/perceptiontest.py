"""PerceptionTest (multiple choice), in the layouts of lmms-lab and of DeepMind.

DATA/mc_question_val/validation-*.parquet    video_name, question, question_id, options (no letters), answer_id
                                             "0".."2", area, reasoning, tag
DATA/videos_chunked_*.zip                    members videos/<video_name>.mp4
DATA/mc_question_valid.json                  {video: {"mc_question": [{id, question, options, answer_id, …}]}}
DATA/mc_question/test-*.parquet              the test split: no answers
cut_frame_mapping_valid.json                 {video: frame}: the video is to be cut there before it is asked about
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from strive.configs.errors import MissingError, UsageError
from strive.stages.eval.benchmarks.assemble import Row, assemble, list_column, text_column
from strive.stages.eval.benchmarks.data import BenchData, need_folder
from strive.stages.eval.benchmarks.json_tables import read_json, with_columns
from strive.stages.eval.benchmarks.perception_areas import areas_of
from strive.stages.eval.benchmarks.tables import read_parquet
from strive.stages.eval.benchmarks.videos import plain_name, video_finder
from strive.stages.eval.figures.tally import Tally
from strive.stages.eval.published import Published
from strive.stages.tasks.prompt import letter_of
from strive.stages.tasks.sample import Sample
from strive.stages.tasks.sample_rows import RowError, sample_of

ASKED = ("video_name", "question", "question_id", "options")
COLUMNS = (*ASKED, "answer_id", "area", "reasoning", "tag")
LAYOUT = "mc_question_val/validation-*.parquet (or mc_question_valid.json) and videos_chunked_*.zip (or videos/)"
CUTS = "cut_frame_mapping_valid.json"


def read(data: Path, work: Path) -> BenchData:
    """The validation questions; videos that are published with a cut are shown up to it."""
    need_folder(data, LAYOUT)
    root = next((one for one in (data, data / "PerceptionTest_Val", data / "deepmind")
                 if tables_in(one, "validation-*.parquet") or (one / "mc_question_valid.json").is_file()), data)
    tables = tables_in(root, "validation-*.parquet")
    whole = root / "mc_question_valid.json"
    if not tables and not whole.is_file():
        raise MissingError(f"{data}: no validation-*.parquet and no mc_question_valid.json", LAYOUT,
                           "Download the questions into the folder.")
    cuts = cuts_in(data)
    rows = parquet_rows(tables, COLUMNS, cuts) if tables else deepmind_rows(whole, cuts)
    return assemble(rows, sample, finder(data, root, work), "perceptiontest", ("area", "reasoning", "tag"))


def read_test(data: Path, work: Path) -> BenchData:
    """The test questions, whose answers are not published: replies are read and written to be submitted."""
    need_folder(data, LAYOUT)
    root = next((one for one in (data, data / "PerceptionTest") if tables_in(one, "test-*.parquet")), data)
    tables = tables_in(root, "test-*.parquet")
    if not tables:
        raise MissingError(f"{data}: no test-*.parquet", "mc_question/test-*.parquet of lmms-lab/PerceptionTest",
                           "Download the questions into the folder.")
    found = assemble(parquet_rows(tables, ASKED, cuts_in(data)), sample, finder(data, root, work), "perceptiontest")
    return replace(found, submission=submission)


def tables_in(folder: Path, pattern: str) -> list[Path]:
    """The parquet files of a folder, or of its folder for the questions."""
    return sorted([*folder.glob(f"mc_question*/{pattern}"), *folder.glob(pattern)])


def finder(data: Path, root: Path, work: Path) -> Any:
    """Videos beside the questions, or in the folder that was given."""
    base = root if (root / "videos").is_dir() or list(root.glob("videos_chunked_*.zip")) else data
    archives = sorted(base.glob("videos_chunked_*.zip")) or sorted(data.glob("*/videos_chunked_*.zip"))
    return video_finder(base, work, archives, ("videos",), LAYOUT)


def cuts_in(data: Path) -> dict[str, int]:
    """Video → source frame number to cut at, {} where no mapping lies in the folder or one below it."""
    found = [data / CUTS, *sorted(data.glob(f"*/{CUTS}")), data.parent / "deepmind" / CUTS]
    path = next((one for one in found if one.is_file()), None)
    if path is None:
        return {}
    value = read_json(path)
    if not isinstance(value, dict) or not all(type(frame) is int and frame > 0 for frame in value.values()):
        raise UsageError(f"{path}: not a table of frame numbers", "{video: frame}", "Download it again.")
    return value


def parquet_rows(tables: Iterable[Path], columns: tuple[str, ...], cuts: Mapping[str, int]) -> Iterator[Row]:
    """The rows of lmms-lab's tables."""
    for table in tables:
        for number, found in enumerate(read_parquet(table, columns), 1):
            yield f"{table}, row {number}", partial(published, found, cuts)


def deepmind_rows(path: Path, cuts: Mapping[str, int]) -> Iterator[Row]:
    """The questions of DeepMind's file, video by video."""
    value = read_json(path)
    for name, one in value.items() if isinstance(value, dict) else [("", None)]:
        listed = one.get("mc_question") if isinstance(one, dict) else None
        if not isinstance(listed, list):
            raise UsageError(f"{path}: no list of questions {name}", '{video: {"mc_question": [...]}}',
                             "Download it again.")
        for number, found in enumerate(listed, 1):
            place = f"{path}, {name}, question {number}"
            row = with_columns(found, ("id", "question", "options", "answer_id"), place)
            yield place, partial(published, {**row, "video_name": name, "question_id": str(row["id"])}, cuts)


def published(columns: Mapping[str, Any], cuts: Mapping[str, int] = {}) -> Published:
    """A row as it is published; the id is that of the question within its video. Raises `RowError`."""
    name = plain_name(columns["video_name"], "video_name")
    meta: dict[str, Any] = {"video_name": name, "question_id": str(columns["question_id"])}
    meta |= {key: columns[key] for key in ("area", "reasoning") if columns.get(key) is not None}
    if columns.get("tag") is not None:
        meta["tag"] = [str(tag) for tag in columns["tag"]]
    if name in cuts:
        meta["cut_frame"] = cuts[name]
    answer = columns.get("answer_id")
    return Published(f"{name}/{columns['question_id']}", "perceptiontest", "multiple_choice",
                     text_column(columns, "question"), list_column(columns, "options"),
                     None if answer is None else str(answer), meta)


def sample(row: Published) -> Sample:
    """Multiple choice; the answer is a place among the options. Without an answer (the test split) it is empty.

    Raises `RowError`.
    """
    options = list(row.options or [])
    columns = {"id": row.id, "video": video(row), "question": row.question, "options": options,
               "question_type": "multiple_choice", "meta": dict(row.meta)}
    if row.answer is None:
        asked = sample_of({**columns, "answer": "A"})
        return Sample(asked.id, asked.video, asked.question, asked.options, "", asked.question_type, asked.meta)
    text = str(row.answer).strip()
    if not text.isdecimal() or int(text) >= len(options):
        raise RowError(f"answer_id {row.answer!r} for {len(options)} options", "a place among the options, from 0")
    return sample_of({**columns, "answer": letter_of(int(text))})


def video(row: Published) -> str:
    """videos/<video_name>.mp4, or the row's id where the row does not tell."""
    name = row.meta.get("video_name")
    return f"videos/{name}.mp4" if name else row.id


def categories(row: Published) -> Mapping[str, str | tuple[str, ...]]:
    """Area and reasoning as published, the areas that the tags belong to, and the tags themselves."""
    found: dict[str, str | tuple[str, ...]] = {
        name: row.meta[name] for name in ("area", "reasoning") if isinstance(row.meta.get(name), str)}
    tags = row.meta.get("tag")
    if isinstance(tags, list) and tags:
        found |= {"area_by_tags": areas_of(map(str, tags)), "tag": tuple(map(str, tags))}
    return found


def headline(tally: Tally, protocol: str) -> dict[str, Any]:
    """Top-1 over all questions, and by area as DeepMind counts it: by the questions' tags."""
    field = "area_by_tags" if "area_by_tags" in tally.tables else "area"
    found = {"top1": tally.whole.mean, **{f"area_{name}": value for name, value in tally.means(field).items()}}
    return {**found, **({} if field == "area_by_tags" else {"note": "areas by the column area: no row tells its tags"})}


def submission(rows: Iterable[Mapping[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    """What is handed in for the test split: {video: [{id, answer_id, answer}]} of predictions.jsonl's rows.

    A reply that could not be read is left out: no answer is made up.
    """
    found: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        if not row.get("parsed"):
            continue
        place = "ABC".find(str(row["parsed"]))
        if not 0 <= place < len(row["options"]):
            continue
        found.setdefault(str(row["meta"]["video_name"]), []).append(
            {"id": number(row["meta"]["question_id"]), "answer_id": place, "answer": str(row["options"][place])})
    return found


def number(name: str) -> int | str:
    """A question's id as the submission writes it: a whole number, where it is one."""
    return int(name) if name.isdecimal() else name
