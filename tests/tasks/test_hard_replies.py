"""Hard replies: what a person reads when letters are denied, weighed, restated, in another language, or not there.

`tests/data/replies/hard.jsonl` holds a row a reply: `{"options", "reply", "read"}`, `read` being a letter or a status.
"""

import json
from pathlib import Path

import pytest

from strive.stages.tasks.grade import grade
from strive.stages.tasks.prompt import PROMPT_FORMATS
from strive.stages.tasks.sample import Sample

ROWS = (Path(__file__).parents[1] / "data" / "replies" / "hard.jsonl").read_text("utf-8").splitlines()


@pytest.mark.parametrize("row", ROWS)
def test_a_hard_reply_is_read_as_a_person_would(row: str) -> None:
    case = json.loads(row)
    sample = Sample("1", "v.mp4", "Which?", tuple(case["options"]), "A", "multiple_choice")
    mark = grade(sample, PROMPT_FORMATS["direct"].parse(case["reply"], truncated=False))
    assert (mark.parsed or mark.status) == case["read"]
