"""MMVU (validation) in its published layouts: expert questions, 625 multiple choice and 375 open.

DATA/validation.json                     yale-nlp/MMVU: id, video (an address), question_type, metadata, question,
                                         choices {"A": …, "E": …}, answer
DATA/data/validation-*.parquet           lmms-lab/MMVU: the same with video_path
DATA/videos/<Subject>/<n>.mp4
"""

from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

from strive.configs.errors import MissingError, UsageError
from strive.stages.eval.benchmarks.assemble import Row, assemble, text_column
from strive.stages.eval.benchmarks.data import BenchData, need_folder
from strive.stages.eval.benchmarks.json_tables import read_json, with_columns
from strive.stages.eval.benchmarks.mmvu_disciplines import DISCIPLINES
from strive.stages.eval.benchmarks.tables import read_parquet
from strive.stages.eval.benchmarks.videos import SUFFIXES, plain_name, video_finder
from strive.stages.eval.figures.tally import Tally
from strive.stages.eval.published import Published
from strive.stages.tasks.sample import Sample
from strive.stages.tasks.sample_rows import RowError, sample_of

COLUMNS = ("id", "video", "question_type", "question", "choices", "answer")
LAYOUT = "validation.json (or data/validation-*.parquet) and videos/<Subject>/<n>.mp4"
CHOICE, OPEN = "multiple-choice", "open-ended"


def read(data: Path, work: Path) -> BenchData:
    """The validation questions. Raises `MissingError` without the table or without any video."""
    need_folder(data, LAYOUT)
    tables = sorted([*data.glob("data/validation-*.parquet"), *data.glob("validation-*.parquet"),
                     *data.glob("*/data/validation-*.parquet")])
    whole = data / "validation.json"
    if not whole.is_file() and not tables:
        raise MissingError(f"{data}: no validation.json and no validation-*.parquet", LAYOUT,
                           "Download the questions into the folder.")
    rows = json_rows(whole) if whole.is_file() else parquet_rows(tables[0])
    near = (data, data.parent)
    root = next((one for one in near if (one / "videos").is_dir() or list(one.glob("videos*.zip"))), data)
    subjects = sorted(f"videos/{one.name}" for one in (root / "videos").glob("*") if one.is_dir())
    find = video_finder(root, work, sorted(root.glob("videos*.zip")), subjects or known_folders(), LAYOUT)
    return assemble(rows, sample, find, "mmvu", ("question_type", "discipline", "subject"))


def known_folders() -> list[str]:
    """The folders of all subjects, as they lie in a zip."""
    return [f"videos/{subject.replace(' ', '_')}" for subject in DISCIPLINES]


def json_rows(path: Path) -> Iterator[Row]:
    """The rows of yale-nlp's file."""
    value = read_json(path)
    if not isinstance(value, list):
        raise UsageError(f"{path}: not a list of questions", f"objects with {', '.join(COLUMNS)}", "Download it again.")
    for number, found in enumerate(value, 1):
        place = f"{path}, row {number}"
        yield place, partial(published, with_columns(found, COLUMNS, place))


def parquet_rows(table: Path) -> Iterator[Row]:
    """The rows of lmms-lab's table."""
    for number, found in enumerate(read_parquet(table, COLUMNS), 1):
        yield f"{table}, row {number}", partial(published, found)


def published(columns: Mapping[str, Any]) -> Published:
    """A row as it is published. Raises `RowError` for a video that lies elsewhere than in videos/<Subject>/."""
    told = columns.get("metadata")
    told = told if isinstance(told, dict) else {}
    path = PurePosixPath(str(columns.get("video_path") or columns["video"]))
    subject, name = (plain_name(part, "video") for part in path.parts[-2:]) if len(path.parts) > 1 else ("", "")
    if not name.endswith(SUFFIXES):
        raise RowError(f"video {columns['video']!r}"[:200], "an address that ends in videos/<Subject>/<n>.mp4")
    meta = {"video": f"videos/{subject}/{name}", "subject": told.get("subject") or subject.replace("_", " ")}
    meta |= {key: told[key] for key in ("textbook", "rationale", "knowledge") if told.get(key) is not None}
    choices = columns["choices"] or {}
    if not isinstance(choices, dict):
        raise RowError(f"choices is {choices!r}"[:200], '{"A": …, "E": …}')
    return Published(text_column(columns, "id"), "mmvu", text_column(columns, "question_type"),
                     text_column(columns, "question"), dict(choices), text_column(columns, "answer"), meta)


def sample(row: Published) -> Sample:
    """Multiple choice with its five options, or an open answer read without a judge. Raises `RowError`."""
    options = options_of(row.options)
    is_open = row.question_type == OPEN or not options
    meta = {**row.meta, **({"metric": "open_rule"} if is_open else {})}
    return sample_of({"id": row.id, "video": video(row), "question": row.question, "answer": row.answer,
                      "options": None if is_open else options,
                      "question_type": "open" if is_open else "multiple_choice", "meta": meta})


def options_of(choices: Any) -> list[str]:
    """The texts of {"A": …, "E": …} in the order of their letters, [] where they are empty."""
    if isinstance(choices, list):
        return [str(one) for one in choices if str(one).strip()]
    found = dict(choices or {})
    return [str(found[letter]) for letter in sorted(found) if found[letter] is not None and str(found[letter]).strip()]


def video(row: Published) -> str:
    """videos/<Subject>/<n>.mp4, or the row's id where the row does not tell."""
    return str(row.meta.get("video") or row.id)


def categories(row: Published) -> Mapping[str, str | tuple[str, ...]]:
    """Question type, subject, and the discipline of the subject."""
    kind = row.question_type if row.question_type in (CHOICE, OPEN) else (CHOICE if options_of(row.options) else OPEN)
    found = {"question_type": kind}
    told = row.meta.get("metadata")
    subject = row.meta.get("subject") or (told.get("subject") if isinstance(told, dict) else None)
    if isinstance(subject, str):
        found["subject"] = subject
        if name := DISCIPLINES.get(subject.replace("_", " ")):
            found["discipline"] = name
    return found


def headline(tally: Tally, protocol: str) -> dict[str, Any]:
    """Accuracy of the multiple-choice questions first: without a judge, that of the open ones is a lower bound.

    `multiple_choice` is what others report as "MMVU (mc)" (625 questions), `all` as "MMVU val" (1000); they differ by
    ten points and more.
    """
    kinds, cells = tally.means("question_type"), tally.tables.get("question_type", {})
    found: dict[str, Any] = {"multiple_choice": kinds.get(CHOICE), "open_rule": kinds.get(OPEN)}
    found |= {"all": tally.whole.mean}
    found |= {f"discipline_{name}": value for name, value in tally.means("discipline").items()}
    sizes = [f"{cells[kind].n} {kind}" for kind in (CHOICE, OPEN) if kind in cells]
    return {**found, "note": f"judge: none; {', '.join(sizes)} questions"}
