"""Evaluation run folders in the format that `strive eval` writes, small, without a model."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

RECIPE = {
    "version": 2, "bench": "dataset", "model": "sha256:" + "a1" * 32, "eval.protocol": "strict", "eval.frames": 4,
    "eval.sampler": "uniform", "eval.control": "none", "eval.max_pixels": 3136, "eval.min_pixels": 784,
    "eval.prompt_format": "think_answer", "eval.temperature": 0.0, "eval.max_new_tokens": 32, "eval.seed": 0,
    "extract.fps": 1.0, "libraries": {"torch": "2.9"}, "dtype": "float32",
}


def prediction(number: int, score: float | None = 1.0, **more: Any) -> dict[str, Any]:
    """One line of predictions.jsonl: question `number` about video number // 2; the gold answer is B."""
    right = score == 1.0
    return {
        "id": f"q{number}", "bench": "demo", "question_type": "multiple_choice",
        "question": f"What is number {number}?",
        "options": ["a cup", "a lamp", "a dog"], "answer": "B",
        "meta": {"family": "count" if number % 2 else "place"}, "video": f"v{number // 2}.mp4",
        "prediction": f"<think>hm {number}</think><answer>{'B' if right else 'C'}</answer>",
        "parsed": "B" if right else "C", "status": "ok", "score": score, "rule": "letter in <answer>", "counted": True,
        "well_formed": True, "shown_video": f"v{number // 2}.mp4", "times": [0.0, 1.0, 2.0, 3.0], "control": "none",
        **more,
    }


def write_eval(folder: Path, rows: Sequence[dict[str, Any]], results: dict[str, Any] | None = None,
               **recipe: Any) -> Path:
    """A finished run of these rows; `recipe`: changes of `RECIPE`, "__" for a dot in a key, None to leave it out."""
    folder.mkdir(parents=True)
    (folder / "predictions.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    changes = {key.replace("__", "."): value for key, value in recipe.items()}
    made = {key: value for key, value in {**RECIPE, **changes}.items() if value is not None}
    scores = [row["score"] for row in rows if isinstance(row["score"], float)]
    cell = {"n": len(scores), "accuracy": sum(scores) / len(scores) if scores else None, "se": 0.1}
    found = {
        "bench": made.get("bench"), "control": "none", "model": "demo", "complete": True, **cell, "n_rows": len(rows),
        "protocol": made.get("eval.protocol"), "accuracy_answered": cell["accuracy"], "ci": [0.2, 0.8], "chance": 1 / 3,
        "groups": {"question_type": {"multiple_choice": cell}, "family": {"count": cell, "place": cell}},
        "headline": {}, "failed": [], **(results or {}),
    }
    (folder / "results.json").write_text(json.dumps({**found, "recipe": made}), "utf-8")
    (folder / "recipe.json").write_text(json.dumps(made), "utf-8")
    return folder
