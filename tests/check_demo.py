"""Holds the demo's printed figures against what the demo promises: `python tests/check_demo.py demo.json`."""

import json
import sys
from pathlib import Path

GAIN, LEAK = 0.10, 0.07


def complaints(demo: dict[str, float]) -> list[str]:
    """Every promise that the figures break."""
    wrong = []
    for name in ("accuracy", "accuracy_answered"):
        gain = demo[f"trained_{name}"] - demo[f"base_{name}"]
        if gain < GAIN:
            wrong.append(f"{name} gained {gain:.3f}, promised {GAIN}")
    for name in ("text_only_accuracy", "blank_accuracy", "swapped_accuracy"):
        if demo[name] > demo["chance"] + LEAK:
            wrong.append(f"{name} is {demo[name]:.3f}, chance is {demo['chance']:.3f}")
    if demo["n_eval"] < 200:
        wrong.append(f"only {demo['n_eval']} questions")
    return wrong


if __name__ == "__main__":
    found = complaints(json.loads(Path(sys.argv[1]).read_text()))
    sys.exit("\n".join(found) if found else 0)
