"""A question as its benchmark publishes it: what the harnesses' own prompts and rules are written for.

The columns are those of the rows that `strive grade` reads. `Sample` is the same question in the words of this project.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from strive.stages.tasks.sample import Sample

COLUMNS = ("id", "bench", "question_type", "question", "options", "answer", "meta")


@dataclass(frozen=True)
class Published:
    """One question.

    bench: videomme, tempcompass, videommmu, mmvu, vsibench, perceptiontest, mvbench, demo (the dataset format itself).
    question_type, options (list, dict, or None) and answer as published: PerceptionTest answers "0".."2", TempCompass
    the whole option line with the options inside `question`, MMVU options a dict A-E, Video-MMMU an unlettered list,
    VSI-Bench `question_type` the task. meta: the benchmark's other columns.
    """

    id: str
    bench: str
    question_type: str
    question: str
    options: Any
    answer: Any
    meta: Mapping[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """The columns of a `strive grade` row but the prediction, as plain JSON values."""
        return {**{name: getattr(self, name) for name in COLUMNS}, "meta": dict(self.meta)}

    @staticmethod
    def from_json(row: Mapping[str, Any]) -> "Published":
        """The inverse of `to_json`; rows from users are checked before (`grading.rows`)."""
        return Published(str(row["id"]), str(row["bench"]), str(row.get("question_type") or ""), str(row["question"]),
                         row.get("options"), row.get("answer"), dict(row.get("meta") or {}))


def of_sample(sample: Sample) -> Published:
    """A question of a dataset file, which is published as it is."""
    row = sample.to_json()
    return Published.from_json({**row, "bench": "demo"})
