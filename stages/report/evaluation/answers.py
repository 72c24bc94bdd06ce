"""Every answer of the page's evaluations as data for its browser, the wrong ones first where not all have room."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from strive.stages.report.evaluation import rows
from strive.stages.report.evaluation.comparable import protocol_of
from strive.stages.report.evaluation.evals import groups_of
from strive.stages.report.evaluation.shown_frames import FramesOf, Pictures
from strive.stages.report.run_folder import RunFolder
from strive.stages.report.values import number

MOST_TEXT = 8_000_000
LONGEST_REPLY = 20_000
Key = tuple[str, str]
"""A question: benchmark and id."""


@dataclass(frozen=True)
class Answers:
    """`data`: JSON that may stand in a script element. asked: questions with an answer; listed: those in `data`;
    pictured: those of them with frames. left_out: kind of the worst answer → questions without room."""

    data: Markup
    runs: Sequence[str]
    asked: int
    listed: int
    pictured: int
    left_out: Mapping[str, int]


@dataclass(frozen=True)
class Asked:
    """One question and its row in each run, by the run's place."""

    key: Key
    rows: Mapping[int, rows.Row]

    @property
    def rank(self) -> int:
        """The place of its worst answer in `KINDS`."""
        return min(rows.KINDS.index(rows.kind(row)) for row in self.rows.values())

    @property
    def kind(self) -> str:
        """What became of its worst answer."""
        return rows.KINDS[self.rank]


def read_answers(runs: Sequence[RunFolder], frames_of: FramesOf | None, first: Sequence[str] = ()) -> Answers | None:
    """The answers of the evaluations among the runs, None where there are none.

    `first`: ids that come before all others where there is no room for everything (those that two runs answer
    differently).
    """
    measured = [run for run in runs if run.is_eval and run.predictions]
    asked = questions(measured)
    if not asked:
        return None
    pictures, ahead = Pictures(frames_of), set(first)
    ranked = sorted(asked, key=lambda key: (key[1] not in ahead, asked[key].rank))
    told = with_room({key: asked[key] for key in ranked}, measured)
    for key in told:
        for place, row in asked[key].rows.items():
            told[key]["answers"][str(place)] |= pictures.of(measured[place].path, row)
    listed = [told[key] for key in asked if key in told]
    pictured = sum(any("frames" in one for one in row["answers"].values()) for row in listed)
    names = [run.name for run in measured]
    data = {"runs": names, "kinds": rows.KINDS[::-1], "rows": listed, "pictures": pictures.kept}
    left_out = Counter(asked[key].kind for key in asked if key not in told)
    return Answers(in_script(data), names, len(asked), len(listed), pictured, left_out)


def with_room(ranked: Mapping[Key, "Asked"], runs: Sequence[RunFolder]) -> dict[Key, dict[str, Any]]:
    """The entries of as many questions as the page has room for, in the order given.

    Where there are too many, wrong answers get three quarters of the room at least, right ones what is left by then.
    """
    entries = {key: entry(one, runs) for key, one in ranked.items()}
    sizes = {key: len(in_script(one).encode("utf-8", "replace")) for key, one in entries.items()}
    wrong = [key for key, one in ranked.items() if one.kind != rows.KINDS[-1]]
    right = [key for key, one in ranked.items() if one.kind == rows.KINDS[-1]]
    total = sum(sizes[key] for key in right)
    taken, room = set(), MOST_TEXT
    for keys, kept_free in ((wrong, min(total, MOST_TEXT // 4)), (right, 0)):
        for key in keys:
            if room - sizes[key] < kept_free:
                break
            room -= sizes[key]
            taken.add(key)
    return {key: one for key, one in entries.items() if key in taken}


def questions(runs: Sequence[RunFolder]) -> dict[Key, Asked]:
    """Each question once with the rows of all runs that answered it, in the order of the first run that did."""
    found: dict[Key, dict[int, rows.Row]] = {}
    for place, run in enumerate(runs):
        for row in run.predictions:
            key = (run.bench, str(row.get("id")))
            found.setdefault(key, {}).setdefault(place, row)
    return {key: Asked(key, own) for key, own in found.items()}


def entry(asked: Asked, runs: Sequence[RunFolder]) -> dict[str, Any]:
    """One question as the browser reads it; an answer tells of question and options where it was asked otherwise."""
    first = min(asked.rows)
    fields = list(dict.fromkeys(name for place in asked.rows for name in groups_of(runs[place].results)))
    common = rows.question(asked.rows[first])
    answers = {}
    for place, row in asked.rows.items():
        own = rows.question(row) if place != first else common
        answers[str(place)] = {**({} if own == common else own), **answer(row, protocol_of(runs[place]))}
    found = {name: list(values) for name, values in rows.places(asked.rows[first], fields).items()}
    bench = {"benchmark": [asked.key[0]]} if len({run.bench for run in runs}) > 1 else {}
    return {"id": asked.key[1], "video": rows.video(asked.rows[first]), **common, "places": {**bench, **found},
            "answers": answers}


def answer(row: rows.Row, protocol: str) -> dict[str, Any]:
    """What was said, what was read from it by which rule (the protocol's name where it names none), what it scored."""
    said, read = str(row.get("prediction") or ""), row.get("parsed")
    found: dict[str, Any] = {
        "kind": rows.kind(row), "score": number(row.get("score")), "read": None if read is None else str(read),
        "rule": str(row.get("rule") or protocol), "said": said[:LONGEST_REPLY],
    }
    if len(said) > LONGEST_REPLY:
        found["cut"] = len(said) - LONGEST_REPLY
    if row.get("counted") is False:
        found["uncounted"] = True
    return found


def in_script(data: Any) -> Markup:
    """JSON in which no character can end or begin markup: <, > and & stand as \\u escapes."""
    text = json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    for mark in "<>&":
        text = text.replace(mark, f"\\u{ord(mark):04x}")
    return Markup(text)
