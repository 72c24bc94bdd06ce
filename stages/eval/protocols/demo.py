"""Dataset files and the built-in world: asked and read strictly, or as Video-R1 does."""

from strive.stages.eval.protocols.reading.video_r1 import Kind, video_r1_prompt, video_r1_verdict
from strive.stages.eval.protocols.rule import Rule
from strive.stages.eval.protocols.verdict import UNSCORABLE, Verdict
from strive.stages.eval.published import Published

KINDS: dict[str, Kind] = {"multiple_choice": "multiple choice", "numerical": "numerical", "open": "free-form"}
GRADED = ("mra", "relative")  # metrics that give part of a point: Video-R1's regression


def kind_of(row: Published) -> Kind | None:
    """Video-R1's problem type, None for question types that it does not have."""
    kind = KINDS.get(row.question_type)
    return "regression" if kind == "numerical" and row.meta.get("metric") in GRADED else kind


def ask_video_r1(row: Published, subtitles: str | None) -> str:
    """Video-R1's text; a question type that it does not have is asked for as text."""
    return video_r1_prompt(kind_of(row) or "free-form", row.question, row.options)


def by_video_r1(row: Published, text: str) -> Verdict:
    """Video-R1's reward: 0 for every open answer."""
    kind = kind_of(row)
    return UNSCORABLE if kind is None or row.answer is None else video_r1_verdict(kind, row.answer, text)


RULES: dict[str, Rule] = {"video-r1": Rule(ask_video_r1, by_video_r1)}
