"""Published columns out of an lmms-eval row that lost its document: from its metrics, the prompt and the target."""

from collections.abc import Callable, Mapping
from typing import Any

from strive.stages.eval.benchmarks.mmvu import CHOICE, OPEN
from strive.stages.eval.grading.asked_prompts import letter, taken_apart


def videomme_columns(told: Mapping[str, Any], prompt: str, target: Any) -> dict[str, Any]:
    """The metric names domain and task type otherwise; options as published, lettered."""
    question, options = taken_apart(prompt)
    names = {"question_id": "question_id", "duration": "duration", "domain": "category", "sub_category": "sub_category",
             "task_type": "task_category", "answer": "answer", "videoID": "videoID"}
    found = {ours: told[theirs] for ours, theirs in names.items() if told.get(theirs) is not None}
    return {"answer": target, **found, "question": question or None,
            "options": [f"{letter(i)}. {one}" for i, one in enumerate(options)] or None}


def tempcompass_columns(told: Mapping[str, Any], prompt: str, target: Any) -> dict[str, Any]:
    """The metric repeats the question; a caption's judge is asked what only the document tells."""
    found = {**told, "answer": told.get("gt-answer", target)}
    return {**found, "judge_output": told.get("chatgpt-answer") or ""} if "chatgpt-answer" in told else found


def videommmu_columns(told: Mapping[str, Any], prompt: str, target: Any) -> dict[str, Any]:
    """Question and options stand in the prompt only."""
    question, options = taken_apart(prompt)
    is_open = told.get("question_type") == "open"
    return {"answer": target, **told, "question": question or None, "options": [] if is_open else options}


def mmvu_columns(told: Mapping[str, Any], prompt: str, target: Any) -> dict[str, Any]:
    """Choices stand in the prompt only; without them the question is an open one."""
    question, options = taken_apart(prompt)
    return {"answer": target, **told, "id": told.get("question_id"), "question": question or None,
            "choices": {letter(i): one for i, one in enumerate(options)}, "question_type": CHOICE if options else OPEN}


def vsibench_columns(told: Mapping[str, Any], prompt: str, target: Any) -> dict[str, Any]:
    """The metric is the document itself."""
    return dict(told)


def perceptiontest_columns(told: Mapping[str, Any], prompt: str, target: Any) -> dict[str, Any]:
    """The metric repeats all but the options."""
    return {"answer_id": target, **told, "options": taken_apart(prompt)[1] or None}


def mvbench_columns(told: Mapping[str, Any], prompt: str, target: Any) -> dict[str, Any]:
    """The gold letter stands in the metric, the rest in the prompt."""
    question, options = taken_apart(prompt)
    return {"question": question or None, "candidates": options or None, "answer": told.get("gt_answer") or target}


COLUMNS_OF: dict[str, Callable[[Mapping[str, Any], str, Any], dict[str, Any]]] = {
    "videomme": videomme_columns, "tempcompass": tempcompass_columns, "videommmu": videommmu_columns,
    "mmvu": mmvu_columns, "vsibench": vsibench_columns, "perceptiontest": perceptiontest_columns,
    "mvbench": mvbench_columns,
}
