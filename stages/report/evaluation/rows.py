"""What one row of predictions.jsonl says in words for people: question, options, gold answer, categories, verdict."""

from collections.abc import Mapping, Sequence
from typing import Any

from strive.configs.errors import StriveError
from strive.stages.eval.benchmarks import rows_of
from strive.stages.eval.published import Published
from strive.stages.report.values import mapping, number
from strive.stages.tasks.sample import Sample
from strive.stages.tasks.sample_rows import RowError

KINDS = ("wrong", "unparsed", "ambiguous", "truncated", "empty", "unscorable", "partly right", "right")
"""What becomes of an answer, worst first: a status of its own, else by its score."""
ODD = (StriveError, RowError, LookupError, TypeError, ValueError, AttributeError)
"""What reading a row that no benchmark of ours wrote may raise."""
LETTERED = ("multiple_choice", "multi_answer")
Row = Mapping[str, Any]


def kind(row: Row) -> str:
    """One of `KINDS`."""
    status, score = row.get("status", "ok"), number(row.get("score"))
    if status != "ok":
        return status if status in KINDS else "unparsed"
    if score is None:
        return "unscorable"
    return "right" if score >= 1 else "wrong" if score <= 0 else "partly right"


def question(row: Row) -> dict[str, Any]:
    """`question`, `options` (texts) with the letters of the right ones in `right`, and `gold` as text."""
    try:
        sample = rows_of(str(row["bench"])).sample(Published.from_json(row))
    except ODD:
        return as_published(row)
    found: dict[str, Any] = {"question": sample.question, "gold": sample.answer}
    if sample.options:
        found |= {"options": list(sample.options), "right": letters(sample)}
    return found


def letters(sample: Sample) -> str:
    """The letters of the right options."""
    return sample.answer.replace(",", "").replace(" ", "") if sample.question_type in LETTERED else ""


def as_published(row: Row) -> dict[str, Any]:
    """The same of a row that cannot be put into our words: its columns as they are."""
    options = row.get("options")
    found = {"question": plain(row.get("question")), "gold": plain(row.get("answer"))}
    if isinstance(options, Mapping):
        return found | {"options": [f"{key}: {plain(value)}" for key, value in options.items()], "right": ""}
    return found | ({"options": [plain(one) for one in options], "right": ""} if isinstance(options, list) else {})


def places(row: Row, fields: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """The row's values of the categories that the results were counted by."""
    try:
        known: dict[str, Any] = dict(rows_of(str(row["bench"])).categories(Published.from_json(row)))
    except ODD:
        known = {}
    found: dict[str, tuple[str, ...]] = {}
    for name in fields:
        value = known.get(name, row.get(name) if name == "question_type" else mapping(row.get("meta")).get(name))
        if isinstance(value, str):
            found[name] = (value,)
        elif isinstance(value, tuple | list) and value:
            found[name] = tuple(map(str, value))
    return found


def video(row: Row) -> str:
    """The video that the question is about; its id where the row does not tell."""
    return str(row.get("video") or row.get("id"))


def plain(value: Any) -> str:
    """A published value as text."""
    return "" if value is None else str(value)
