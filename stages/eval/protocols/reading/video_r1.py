"""Video-R1's way with every benchmark: its question, its think-and-answer request, and its reward as the verdict."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np

from strive.stages.eval.protocols.reading.answer_tag import first_answer
from strive.stages.eval.protocols.verdict import Verdict

Kind = Literal["multiple choice", "numerical", "regression", "OCR", "free-form"]

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
THINK = (
    "{question}\n"
    "Please think about this question as if you were a human pondering deeply. "
    "Engage in an internal dialogue using expressions such as 'let me think', 'wait', 'Hmm', 'oh, I see', "
    "'let's break it down', etc, or other natural language thought expressions "
    "It's encouraged to include self-reflection or verification in the reasoning process. "
    "Provide your detailed reasoning between the <think> and </think> tags, and then give your final answer "
    "between the <answer> and </answer> tags."
)
NUMBER = " Please provide the numerical value (e.g., 42 or 3.14) within the <answer> </answer> tags."
REQUESTS: dict[Kind, str] = {
    "multiple choice": " Please provide only the single option letter (e.g., A, B, C, D, etc.) within the "
                       "<answer> </answer> tags.",
    "numerical": NUMBER,
    "regression": NUMBER,
    "OCR": " Please transcribe text from the image/video clearly and provide your text answer within the "
           "<answer> </answer> tags.",
    "free-form": " Please provide your text answer within the <answer> </answer> tags.",
}
LIMITS = np.float32(1) - (0.5 + 0.05 * np.arange(10)).astype(np.float32)  # [10], rounded as torch.arange rounds
EPSILON = np.float32(1e-8)


def video_r1_prompt(kind: Kind, question: str, options: Sequence[str] | Mapping[str, str] | None) -> str:
    """The user's text. Options are appended to a choice only, and nothing separates them from the question."""
    if kind == "multiple choice":
        question += "Options:\n" + "".join(option + "\n" for option in lettered(options))
    return THINK.format(question=question) + REQUESTS[kind]


def lettered(options: Sequence[str] | Mapping[str, str] | None) -> list[str]:
    """The options as "A. text": as they are when each has its letter, else lettered by key or by place."""
    if isinstance(options, Mapping):
        return [f"{letter}. {text}" for letter, text in options.items()]
    listed = [str(option) for option in options or ()]
    if all(option.startswith((f"{letter}.", f"{letter})", f"{letter}:", f"({letter})"))
           for letter, option in zip(LETTERS, listed, strict=False)):
        return listed
    return [f"{letter}. {text}" for letter, text in zip(LETTERS, listed, strict=False)]


def video_r1_verdict(kind: Kind, gold: Any, text: str) -> Verdict:
    """Video-R1's reward for a reply; `gold`: what stands in the `<answer>` of its `solution`."""
    if not text.strip():
        return Verdict(0.0, "empty", None, "nothing to read")
    return JUDGES[kind](str(gold).strip(), first_answer(text))


def same_string(gold: str, answer: str) -> Verdict:
    """Nothing but the letter itself is right: neither "B." nor "b"."""
    return Verdict(float(answer.strip() == gold), "ok", answer.strip(), "the whole answer must be the letter")


def same_number(gold: str, answer: str) -> Verdict:
    """Equal to two decimals, provided that both or neither hold a point or a comma."""
    value, target = number(answer), number(gold)
    if value is None or target is None:
        return not_a_number(answer)
    alike = separated(answer) == separated(gold)
    right = alike and round(value, 2) == round(target, 2)
    rule = "equal to two decimals" if alike else "a point or comma in one only"
    return Verdict(float(right), "ok", answer.strip(), rule)


def separated(text: str) -> bool:
    """True if a point or a comma stands anywhere."""
    return "." in text or "," in text


def number(text: str) -> float | None:
    """What `float` makes of the text without its commas."""
    try:
        return float(text.replace(",", ""))
    except ValueError:
        return None


def not_a_number(answer: str) -> Verdict:
    """A number with a unit or a word is none."""
    return Verdict(0.0, "unparsed", None, "not a bare number")


def mean_relative_accuracy(gold: str, answer: str) -> Verdict:
    """MRA in float32: (1/10) Σ_θ 1[|p − g| / (|g| + 1e-8) < 1 − θ], θ = .50, .55, …, .95."""
    value, target = number(answer), number(gold)
    if value is None or target is None:
        return not_a_number(answer)
    return Verdict(float32_mra(value, target), "ok", answer.strip(), "MRA, strictly below each threshold, in float32")


def float32_mra(value: float, target: float) -> float:
    """The mean as the harness logs it, itself a float32."""
    with np.errstate(all="ignore"):
        p, g = np.float32(value), np.float32(target)
        error = np.abs(p - g) / (np.abs(g) + EPSILON)
    return float(np.float32(np.count_nonzero(error < LIMITS)) / np.float32(10))


def never_right(gold: str, answer: str) -> Verdict:
    """Kinds that Video-R1's evaluation asks but gives no reward."""
    return Verdict(0.0, "ok", answer.strip(), "Video-R1 gives this kind 0 whatever the answer")


JUDGES = {
    "multiple choice": same_string,
    "numerical": same_number,
    "regression": mean_relative_accuracy,
    "OCR": never_right,
    "free-form": never_right,
}
