"""No operator changes an answer of the built-in world under the guard, read off real bundles; without it some do."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[1] / "benchmarks" / "label_preservation.py"
CHANGING = {("direction", "flip"), ("direction", "reverse"), ("direction", "shuffle"), ("order", "reverse"),
            ("order", "shuffle"), ("colour", "grayscale"), ("detail", "grayscale")}


@pytest.fixture(scope="module")
def rows() -> dict[tuple[str, str], dict]:
    """The command's rows for ten videos: every family is asked about in six of them."""
    done = subprocess.run([sys.executable, str(SCRIPT), "--videos", "10", "--json"], capture_output=True, text=True,
                          timeout=300)
    assert done.returncode == 0, done.stderr
    return {(row["family"], row["operator"]): row for row in json.loads(done.stdout)}


def test_every_question_is_read_right_where_nothing_was_done_to_the_video(rows: dict) -> None:
    assert len(rows) == 14 and all(row["readable"] == row["questions"] == 6 for row in rows.values())


def test_the_guard_keeps_every_answer_as_it_was(rows: dict) -> None:
    assert {row["changed_guarded"] for row in rows.values()} == {0.0}


def test_without_the_guard_answers_change_where_they_can_and_nowhere_else(rows: dict) -> None:
    assert {pair for pair, row in rows.items() if row["changed_unguarded"] > 0} == CHANGING
    assert all(rows[pair]["changed_unguarded"] == 1.0 for pair in CHANGING if pair[1] in ("reverse", "grayscale"))


def test_the_guard_vetoes_what_changes_answers_and_lets_the_rest_through(rows: dict) -> None:
    assert {pair for pair, row in rows.items() if row["vetoed"] == 1.0} == CHANGING
    assert all(row["vetoed"] == 0.0 for pair, row in rows.items() if pair not in CHANGING)
