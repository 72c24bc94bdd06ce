"""Checks one dataset row and makes a sample of it: columns, types, options, answer in range."""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from strive.configs.urls import is_url, shown_url
from strive.stages.tasks.numbers import read_number
from strive.stages.tasks.prompt import letter_of
from strive.stages.tasks.sample import QUESTION_TYPES, Sample
from strive.stages.tasks.spans import read_box, read_id_interval, read_interval
from strive.stages.tasks.verifiers import BY_TYPE

COLUMNS = ("id", "video", "question", "answer", "question_type")
KNOWN = {*COLUMNS, "options", "meta"}
MAX_OPTIONS = 26
LETTERED = re.compile(
    r"^\s*(?:\(([A-Za-z])\)|([A-Za-z])[.):])\s+(?=\S)|^\s*\(([A-Za-z])\)(?=\S)|^\s*([A-Z])[.):](?=\S)"
)


class RowError(Exception):
    """What is wrong with a row, in the three parts of a `UsageError`; the reader adds the file and row number."""

    def __init__(self, what: str, expected: str, do: str = "Mend or remove the row.") -> None:
        super().__init__(what)
        self.what, self.expected, self.do = what, expected, do


def sample_of(row: Mapping[str, Any]) -> Sample:
    """The checked sample of one row in the dataset format. Raises `RowError`."""
    missing = [name for name in COLUMNS if row.get(name) is None]
    if missing:
        raise RowError(f"no {' and no '.join(repr(name) for name in missing)}", f"the columns {', '.join(COLUMNS)}")
    unknown = sorted(row.keys() - KNOWN)
    if unknown:
        raise RowError(
            f"unknown column {unknown[0]!r}", f"the columns {', '.join(sorted(KNOWN))}", "Move other fields into meta."
        )
    kind = text_of(row, "question_type")
    if kind not in QUESTION_TYPES:
        raise RowError(f"question_type {kind!r}", f"one of {', '.join(QUESTION_TYPES)}")
    meta = row.get("meta") or {}
    if not isinstance(meta, Mapping):
        raise RowError(f"meta is a {type(meta).__name__}", "an object")
    metric = meta.get("metric")
    if metric is not None and metric not in BY_TYPE[kind]:
        raise RowError(f"meta.metric {metric!r} for {kind}", f"one of {', '.join(BY_TYPE[kind])}")
    options = options_of(row.get("options"), kind)
    answer = checked_answer(answer_text(row["answer"]), kind, options)
    video = text_of(row, "video")
    return Sample(id_of(row), shown_url(video), text_of(row, "question"), options, answer, kind, dict(meta),
                  url=video if is_url(video) else "")


def id_of(row: Mapping[str, Any]) -> str:
    """The id as text; numbers are accepted."""
    value = row["id"]
    if isinstance(value, bool) or not isinstance(value, str | int) or not str(value).strip():
        raise RowError(f"id {value!r}", "a text or a whole number")
    return str(value)


def text_of(row: Mapping[str, Any], name: str) -> str:
    """A column that must be non-empty text."""
    value = row[name]
    if not isinstance(value, str) or not value.strip():
        raise RowError(f"{name} is {value!r}"[:200], "a non-empty text")
    return value


def answer_text(value: Any) -> str:
    """Answers may be written as text, number, list or object; they are kept as text."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, str):
        return value.strip()
    return json.dumps(value) if isinstance(value, list | dict) else str(value)


def options_of(value: Any, kind: str) -> tuple[str, ...] | None:
    """Option texts without their letters; None where the question has none."""
    if value is None or value == [] or value == {}:
        if kind in ("multiple_choice", "multi_answer"):
            raise RowError(f"no options for a {kind} question", "a list of two or more texts")
        return None
    if not isinstance(value, list) or not all(isinstance(v, str | int | float) and str(v).strip() for v in value):
        raise RowError("options are not a list of texts", 'a list such as ["red", "blue"]')
    if not 2 <= len(value) <= MAX_OPTIONS:
        raise RowError(f"{len(value)} options", f"2 to {MAX_OPTIONS}")
    return without_letters([str(v) for v in value])


def without_letters(options: Sequence[str]) -> tuple[str, ...]:
    """Options without a leading "A." or "(A)", if every one of them leads with its own letter; else as they are."""
    stripped = []
    for i, option in enumerate(options):
        lead = LETTERED.match(option)
        if lead is None or next(g for g in lead.groups() if g).upper() != letter_of(i):
            return tuple(option.strip() for option in options)
        stripped.append(option[lead.end() :].strip())
    return tuple(stripped)


def checked_answer(answer: str, kind: str, options: Sequence[str] | None) -> str:
    """The answer in canonical form, or a `RowError` when it cannot be an answer to this kind of question."""
    if not answer:
        raise RowError("the answer is empty", "an answer")
    if kind == "multiple_choice":
        return letters_in_range(answer, options or ())[0]
    if kind == "multi_answer":
        return ",".join(letters_in_range(answer, options or (), many=True))
    if kind == "yes_no":
        if answer.lower() not in ("yes", "no"):
            raise RowError(f"answer {answer!r} to a yes_no question", "yes or no")
        return answer.lower()
    if kind in ("numerical", "progress"):
        if read_number(answer).value is None:
            raise RowError(f"answer {answer!r} to a {kind} question", "one number")
        return answer
    return checked_span(answer, kind)


def checked_span(answer: str, kind: str) -> str:
    """Interval, box and id answers in canonical JSON; other texts as they are."""
    readers = {
        "interval": (read_interval, "[start, end]"),
        "box": (read_box, "[x1, y1, x2, y2]"),
        "id_interval": (read_id_interval, '{"id": 3, "time": [start, end]}'),
    }
    if kind not in readers:
        return answer
    reader, form = readers[kind]
    value = reader(answer).value
    if value is None:
        raise RowError(f"answer {answer!r} to a {kind} question", form)
    return value


def letters_in_range(answer: str, options: Sequence[str], many: bool = False) -> list[str]:
    """The answer's letters, each naming one of the options; an option's exact text is accepted for its letter."""
    if not many and len(answer) == 1 and "A" <= answer < letter_of(len(options)):
        return [answer]
    texts = [option.strip().lower() for option in options]
    bare = answer.strip().strip("().").upper()
    parts = [p.strip(" ().[]'\"").upper() for p in answer.split(",")] if many else [bare]
    if many and len(parts) == 1 and len(parts[0]) > 1 and parts[0].isalpha() and answer.isupper():
        parts = list(parts[0])
    known = {letter_of(i) for i in range(len(options))}
    if all(part in known for part in parts):
        return sorted(set(parts))
    if texts.count(answer.strip().lower()) == 1:
        return [letter_of(texts.index(answer.strip().lower()))]
    lead = LETTERED.match(answer)
    if lead is not None and not many:
        letter = next(g for g in lead.groups() if g).upper()
        if letter in known and answer[lead.end() :].strip().lower() == texts[ord(letter) - ord("A")]:
            return [letter]
    raise RowError(
        f"answer {answer!r} among {len(options)} options", f"{'letters' if many else 'a letter'} from A to {max(known)}"
    )
