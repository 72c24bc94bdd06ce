"""Video-MMMU in its published layouts: three tracks of 300 questions, and the clips that show the question only.

DATA/<Track>/test-*.parquet              id, question, options (without letters), answer, question_type; or
DATA/perception_video.json …             GitHub: {track: {"0": {the same}}}, the tracks that are there
DATA/Art.zip … Science.zip               members <Category>/<id>.mp4
DATA/question_only_videos.zip            members question_only/<id>_image.mp4

The image of an Adaptation question is the video's last frame (`meta.last_frame`): a view without it can't be answered.
"""

from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from strive.configs.errors import MissingError, UsageError
from strive.stages.eval.benchmarks.assemble import Row, assemble
from strive.stages.eval.benchmarks.data import BenchData, need_folder
from strive.stages.eval.benchmarks.json_tables import read_json, with_columns
from strive.stages.eval.benchmarks.tables import read_parquet
from strive.stages.eval.benchmarks.videommmu_golds import open_gold
from strive.stages.eval.benchmarks.videommmu_subjects import DISCIPLINES, category_of, subject_of
from strive.stages.eval.benchmarks.videos import plain_name, video_finder
from strive.stages.eval.figures.tally import Tally
from strive.stages.eval.published import Published
from strive.stages.tasks.sample import Sample
from strive.stages.tasks.sample_rows import RowError, sample_of

TRACKS = ("Perception", "Comprehension", "Adaptation")
QUESTION_ONLY = "Adaptation (question only)"
COLUMNS = ("id", "question", "options", "answer")
LAYOUT = "Perception/, Comprehension/, Adaptation/ with test-*.parquet, and Art.zip … Science.zip"
CLIPS = "question_only"
PUBLISHED_ROWS = 900


def read(data: Path, work: Path) -> BenchData:
    """The questions of all tracks; Adaptation's again on the question-only clips where those are there.

    Raises `MissingError` for a table or a category's videos that are missing as a whole.
    """
    need_folder(data, LAYOUT)
    root = data if any(data.glob("*.zip")) or not any(data.parent.glob("question_only*.zip")) else data.parent
    archives = [path for name in (*DISCIPLINES, "question_only_videos") if (path := root / f"{name}.zip").is_file()]
    rows = list(all_rows(data, has_category(root, CLIPS, "question_only_videos.zip")))
    find = video_finder(root, work, archives, (*DISCIPLINES, CLIPS), LAYOUT)
    found = assemble(rows, sample, find, "videommmu", ("track", "discipline", "subject", "question_type"))
    needed = {one.video.partition("/")[0] for one in found.samples} - {CLIPS}
    missing = sorted(name for name in needed if not has_category(root, name, f"{name}.zip"))
    if missing:
        raise MissingError(f"{root}: no {', '.join(f'{name}.zip' for name in missing)}", LAYOUT,
                           "Download the zips into the folder.")
    return found


def has_category(root: Path, folder: str, archive: str) -> bool:
    """Whether a category's videos are there, unpacked or packed."""
    return (root / folder).is_dir() or (root / archive).is_file()


def all_rows(data: Path, clips: bool) -> Iterator[Row]:
    """The rows of every track, then Adaptation's as question-only ones."""
    again: list[Row] = []
    for track, place, columns in track_rows(data):
        yield place, partial(published, columns, track)
        if clips and track == "Adaptation":
            again.append((f"{place} (question only)", partial(published, columns, QUESTION_ONLY)))
    yield from again


def track_rows(data: Path) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    """(track, place, columns) from the parquet tables, else from GitHub's JSON files."""
    tables = {track: sorted(data.glob(f"{track}/test-*.parquet")) for track in TRACKS}
    files = {track: sorted(data.glob(f"{track.lower()}*.json")) for track in TRACKS}
    if any(tables.values()):
        missing = [track for track in TRACKS if not tables[track]]
        if missing:
            raise MissingError(f"{data}: no test-*.parquet in {', '.join(missing)}", LAYOUT,
                               "Download the tables into the folder.")
        for track, found in tables.items():
            for table in found:
                for number, columns in enumerate(read_parquet(table, COLUMNS), 1):
                    yield track, f"{table}, row {number}", columns
        return
    if not any(files.values()):
        raise MissingError(f"{data}: no test-*.parquet and no *_video.json", LAYOUT, "Download the tables.")
    for track, found in files.items():
        for path in found:
            yield from json_rows(path, track)


def json_rows(path: Path, track: str) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    """The rows of {track: {"0": {…}}}."""
    value = read_json(path)
    rows = value.get(track) if isinstance(value, dict) else None
    if not isinstance(rows, dict):
        raise UsageError(f"{path}: no object {track!r}", f'{{"{track}": {{"0": {{…}}}}}}', "Download it again.")
    for number, columns in rows.items():
        place = f"{path}, row {number}"
        yield track, place, with_columns(columns, COLUMNS, place)


def published(columns: Mapping[str, Any], track: str) -> Published:
    """A row as it is published; its id gets the track in front, since tracks share ids. Raises `RowError`."""
    name = plain_name(columns["id"], "id")
    if category_of(subject_of(name)) is None:
        raise RowError(f"id {name!r}", "validation_<Subject>_<number> with one of the 30 subjects")
    meta = {"track": track, "video_id": name, "subject": subject_of(name)}
    if columns.get("link_selected") is not None:
        meta["link_selected"] = columns["link_selected"]
    return Published(f"{track}/{name}", "videommmu", str(columns.get("question_type") or ""),
                     str(columns["question"]), list(columns["options"] or []), columns["answer"], meta)


def sample(row: Published) -> Sample:
    """Multiple choice where there are options, else a number or a free answer. Raises `RowError`."""
    options = [str(option) for option in row.options or []]
    kind, answer, meta = "multiple_choice", row.answer, dict(row.meta)
    if not options:
        kind, answer = open_gold(str(row.answer if row.answer is not None else ""))
        meta |= {"metric": "open_rule"} if kind == "open" else {}
    if track_of(row).startswith("Adaptation"):
        meta["last_frame"] = True
    return sample_of({"id": row.id, "video": video(row), "question": row.question, "options": options or None,
                      "answer": answer, "question_type": kind, "meta": meta})


def track_of(row: Published) -> str:
    """The track told by `meta` or by the id's start, "" where nothing tells."""
    told = str(row.meta.get("track") or row.id.rpartition("/")[0])
    return told if told in (*TRACKS, QUESTION_ONLY) else ""


def video(row: Published) -> str:
    """<Category>/<id>.mp4, or question_only/<id>_image.mp4; the row's id where its subject is unknown."""
    name = str(row.meta.get("video_id") or row.id.rpartition("/")[2])
    folder = category_of(subject_of(name))
    if folder is None:
        return row.id
    return f"{CLIPS}/{name}_image.mp4" if track_of(row) == QUESTION_ONLY else f"{folder}/{name}.mp4"


def categories(row: Published) -> Mapping[str, str | tuple[str, ...]]:
    """Track, discipline, subject, question type; question-only rows count in their track alone."""
    track = track_of(row)
    if track == QUESTION_ONLY:
        return {"track": track}
    subject = subject_of(str(row.meta.get("video_id") or row.id.rpartition("/")[2]))
    folder = category_of(subject)
    found = {"track": track, "discipline": DISCIPLINES[folder] if folder else "", "subject": subject if folder else "",
             "question_type": "multiple-choice" if row.options else "open"}
    return {name: value for name, value in found.items() if value}


def aside(row: Published) -> bool:
    """True for a question asked on its own clip: it tells what the video adds, and is none of the 900."""
    return track_of(row) == QUESTION_ONLY


def headline(tally: Tally, protocol: str) -> dict[str, Any]:
    """Overall is over all rows but the question-only ones, which count in their track alone (`aside`).

    delta_knowledge = (adaptation − question only) / (1 − question only), None where either is missing.
    """
    means, whole = tally.means("track"), tally.whole
    before, after = means.get(QUESTION_ONLY), means.get("Adaptation")
    gain = (after - before) / (1 - before) if before is not None and after is not None and before < 1 else None
    found = {"overall": whole.mean, **{track.lower(): means.get(track) for track in TRACKS},
             "adaptation_question_only": before, "delta_knowledge": gain}
    found |= {f"discipline_{name}": value for name, value in tally.means("discipline").items()}
    rows = whole.n + whole.n_left_out
    return {**found, **({"note": f"{rows} of {PUBLISHED_ROWS} questions"} if rows != PUBLISHED_ROWS else {})}
