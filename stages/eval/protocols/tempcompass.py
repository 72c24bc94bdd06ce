"""TempCompass as its authors, lmms-eval, VLMEvalKit and Video-R1 ask it and read the replies, judges switched off."""

from collections.abc import Callable

from strive.stages.eval.benchmarks.tempcompass import CAPTIONING, CHOICE, MATCHING, YES_NO, task_of
from strive.stages.eval.protocols.reading.judge_letter import read_judge
from strive.stages.eval.protocols.reading.lmms_text import scored_text
from strive.stages.eval.protocols.reading.option_lines import read_caption, read_choice, read_yes_no
from strive.stages.eval.protocols.reading.video_r1 import LETTERS, lettered, video_r1_prompt, video_r1_verdict
from strive.stages.eval.protocols.rule import Rule
from strive.stages.eval.protocols.verdict import UNSCORABLE, Verdict
from strive.stages.eval.published import Published

REQUESTS = {
    CHOICE: "\nPlease directly give the best option:",
    YES_NO: "\nPlease answer yes or no:",
    MATCHING: "\nPlease directly give the best option:",
    CAPTIONING: "",
}


def ask(row: Published, subtitles: str | None) -> str:
    """The question, its options inside, and the task's request."""
    return row.question + REQUESTS.get(task_of(row), "")


def read(row: Published, text: str) -> Verdict:
    """The rule of the row's task on a text as the harness has prepared it."""
    task, gold = task_of(row), row.answer
    if task == CAPTIONING:
        return read_judged(row)
    if not isinstance(gold, str):
        return UNSCORABLE
    if task == CHOICE:
        return read_choice(text, gold)
    if task == YES_NO:
        return read_yes_no(text, gold)
    return read_caption(text, row.question, gold) if task == MATCHING else UNSCORABLE


def read_judged(row: Published) -> Verdict:
    """Captioning is scored by its judge's text alone; there is nothing to score without one."""
    judged, gold = row.meta.get("judge_output"), row.meta.get("mc_answer", row.answer)
    return read_judge(judged, gold) if isinstance(judged, str) and isinstance(gold, str) else UNSCORABLE


def prepared(prepare: Callable[[str], str]) -> Callable[[Published, str], Verdict]:
    """The tasks' rules on a text that a harness prepares."""
    return lambda row, text: read(row, prepare(text))


def official_text(text: str) -> str:
    """Without the end token of LLaMA models, stripped."""
    return text.replace("</s>", "").strip()


def read_as_written(row: Published, text: str) -> Verdict:
    """VLMEvalKit strips nothing; an empty reply comes back from its table as no text at all and stops it: here 0."""
    if text == "" and task_of(row) != CAPTIONING:
        return Verdict(0.0, "empty", None, "VLMEvalKit fails on an empty reply; counted 0")
    return read(row, text)


def as_choice(row: Published) -> tuple[str, list[str], str] | None:
    """The row as one of Video-R1's 7540 choices: question, lettered options, gold letter.

    Caption matching is lettered in its own order and captioning asked by its multiple-choice question. None for yes/no
    as published: how Video-R1 letters it is in its file only.
    """
    if isinstance(row.options, list) and row.options:
        return with_letters(row.question, [str(option) for option in row.options], row.answer)
    captioning = task_of(row) == CAPTIONING
    question = row.meta.get("mc_question") if captioning else row.question
    if task_of(row) == YES_NO or not isinstance(question, str):
        return None
    stem, *lines = question.split("\n")
    return with_letters(stem, lines, row.meta.get("mc_answer", row.answer) if captioning else row.answer)


def with_letters(stem: str, options: list[str], gold: object) -> tuple[str, list[str], str] | None:
    """The gold letter of an option line or of a letter; None if the gold answer is neither."""
    letters = dict(zip(options, LETTERS, strict=False))
    letter = letters.get(str(gold)) or (gold if gold in letters.values() else None)
    return (stem, lettered(options), str(letter)) if letter else None


def ask_video_r1(row: Published, subtitles: str | None) -> str:
    """Video-R1's text for the row as a choice; one that cannot be lettered is asked for as text, and has no score."""
    choice = as_choice(row)
    if choice is None:
        return video_r1_prompt("free-form", row.question, None)
    return video_r1_prompt("multiple choice", choice[0], choice[1])


def by_video_r1(row: Published, text: str) -> Verdict:
    """Video-R1's reward for the row as a choice. A reply that a judge read is a caption, which it never asks for."""
    choice = None if isinstance(row.meta.get("judge_output"), str) else as_choice(row)
    return video_r1_verdict("multiple choice", choice[2], text) if choice else UNSCORABLE


RULES: dict[str, Rule] = {
    "official": Rule(ask, prepared(official_text)),
    "lmms-eval": Rule(ask, prepared(scored_text)),
    "vlmevalkit": Rule(ask, read_as_written),
    "video-r1": Rule(ask_video_r1, by_video_r1),
}
