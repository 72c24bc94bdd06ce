"""Hard but realistic replies to seven benchmarks' questions, with what a person reads in each.

`data/questions.json`: made-up questions in the published forms, by key. `data/replies.jsonl`, a row a reply:
`{"question": key, "reply", "read"}`. `read` is what a person, who doesn't know the gold answer, takes the answer to be:
a letter, yes or no, a number (in the unit asked for), or why there is none (unparsed, ambiguous, truncated, empty);
for free answers right or wrong. The verdicts were written down first (a handful were mended at a second look), then the
readers were changed until they agreed, by principle and not row by row: this set shows that nothing gets worse, it is
not a held-out measure. A few rows are still read otherwise; they stay, as a person's verdict.
"""

import json
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest

from strive.stages.eval.protocols.strict import read_strictly
from strive.stages.eval.published import Published

DATA = Path(__file__).parent / "data"
QUESTIONS = {key: Published.from_json(row) for key, row in json.loads((DATA / "questions.json").read_text()).items()}
ROWS: dict[str, list[dict[str, str]]] = defaultdict(list)
for line in (DATA / "replies.jsonl").read_text("utf-8").splitlines():
    ROWS[QUESTIONS[json.loads(line)["question"]].bench].append(json.loads(line))
STATUSES = ("unparsed", "ambiguous", "truncated", "empty")
BENCHES = ("mmvu", "mvbench", "perceptiontest", "tempcompass", "videomme", "videommmu", "vsibench")


def test_every_benchmark_has_its_replies() -> None:
    assert sorted(ROWS) == list(BENCHES) and min(len(rows) for rows in ROWS.values()) >= 80
    assert sum(len(rows) for rows in ROWS.values()) >= 2000


@pytest.mark.parametrize("bench", BENCHES)
def test_strict_reads_what_a_person_reads_in_at_least_97_of_100_replies(bench: str) -> None:
    apart = [(row, found) for row in ROWS[bench] if not agrees(row["read"], found := reading(row))]
    assert len(apart) <= 0.03 * len(ROWS[bench]), apart


@pytest.mark.parametrize("bench", BENCHES)
def test_nothing_is_read_that_a_person_does_not_read(bench: str) -> None:
    """No wrong answer counts as right whatever the gold answer is: a reading is the person's, or there is none."""
    wrong = [(row, found) for row in ROWS[bench] if reads_more(row["read"], found := reading(row))]
    assert not wrong


def reading(row: dict[str, str]) -> str:
    """The value read, or the status where there is none; for free answers right, wrong or the status."""
    question = QUESTIONS[row["question"]]
    verdict = read_strictly(question, row["reply"])
    if question.question_type in ("open", "open-ended") and verdict.parsed is not None:
        return "right" if verdict.score == 1.0 else "wrong"
    return verdict.parsed or verdict.status


def agrees(person: str, found: str) -> bool:
    """The same value, or no answer in both (a status of its own only where a person cannot but see it)."""
    if person in STATUSES:
        return found in (*STATUSES, "wrong") and (person not in ("truncated", "empty") or found == person)
    return same(person, found)


def reads_more(person: str, found: str) -> bool:
    """A value that a person does not read in the reply."""
    return found not in (*STATUSES, "wrong") and not same(person, found)


def same(person: str, found: str) -> bool:
    """Equal text, or equal numbers to six digits."""
    value, other = number(person), number(found)
    return person == found or (value is not None and other is not None and abs(value - other) <= 1e-6 * abs(value))


def number(text: str) -> Any:
    """The value of a canonical number, None for other texts."""
    try:
        return float(text.rstrip("%"))
    except ValueError:
        return None
