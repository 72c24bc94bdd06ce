"""A made-up comparison with the shape of a real one: six arms, five seeds, two views, five families."""

import random
from typing import Any

from strive.stages.compare.results import Arm, Comparison, RunResult

FAMILIES = ("colour", "count", "first", "last", "order")
ARMS = {
    "grpo": (1, 8, {}, 0.66, 0.70, 0.42),
    "strive": (4, 2, {"variants.count": 4, "variants.sampler": "gumbel", "train.generations": 2}, 0.69, 0.77, 0.24),
    "strive:score.model=random": (4, 2, {"variants.count": 4, "score.model": "random"}, 0.67, 0.72, 0.27),
    "temporal": (4, 2, {"variants.count": 4, "variants.operators": ["phase"]}, 0.69, 0.76, 0.26),
    "per_variant": (4, 2, {"variants.count": 4, "train.advantage_scope": "per_variant"}, 0.62, 0.68, 0.25),
    "t_grpo": (1, 8, {"train.group_rewards": {"temporal": 0.3}}, 0.665, 0.70, 0.40),
}
STEPS, BUDGET = 150, 9600


def comparison(seeds: int = 5, questions: int = 200, salt: int = 0) -> Comparison:
    """Every run finished, everything measured."""
    draw = random.Random(11 + salt)
    ids = [f"q{i:03d}" for i in range(questions)]
    arms = [
        Arm(name, settings, STEPS, BUDGET, BUDGET * 2 // 3 if name == "t_grpo" else BUDGET, v, g)
        for name, (v, g, settings, *_) in ARMS.items()
    ]
    base_scores = {view: answers(draw, ids, share) for view, share in (("uniform", 0.54), ("importance", 0.61))}
    return Comparison(
        arms=arms, seeds=list(range(seeds)), baseline="grpo", budget=BUDGET,
        runs=[run(draw, name, seed, ids) for name in ARMS for seed in range(seeds)],
        base={view: results(scores) for view, scores in base_scores.items()}, base_scores=base_scores,
        families={q: FAMILIES[i % len(FAMILIES)] for i, q in enumerate(ids)},
        groups={name: {q: [int(draw.random() < share) for _ in range(5)] for q in ids}
                for name, share in (("grpo", 0.38), ("strive", 0.27), ("per_variant", 0.27))},
        timing={"workers": 2, "seconds": 8111.0},
    )


def run(draw: random.Random, name: str, seed: int, ids: list[str]) -> RunResult:
    """One run whose figures lie around its arm's."""
    variants, _, _, uniform, importance, zero = ARMS[name]
    scores = {"uniform": answers(draw, ids, uniform + draw.gauss(0, 0.012)),
              "importance": answers(draw, ids, importance + draw.gauss(0, 0.012))}
    evals = {view: results(found) for view, found in scores.items()}
    agreement = {"questions": 100, "variants": 4, "agreement": 0.7 + 0.1 * (variants > 1) + draw.gauss(0, 0.01)}
    return RunResult(name, seed, metrics(draw, uniform, zero, variants), evals, scores, agreement,
                     250 + draw.random() * 40)


def answers(draw: random.Random, ids: list[str], share: float) -> dict[str, float]:
    """Right with this probability."""
    return {q: float(draw.random() < share) for q in ids}


def results(scores: dict[str, float]) -> dict[str, Any]:
    """What results.json holds of them."""
    mean = sum(scores.values()) / len(scores)
    return {"accuracy": mean, "n": len(scores), "ci": [mean - 0.07, mean + 0.07], "chance": 0.21, "format_rate": 0.97}


def metrics(draw: random.Random, end: float, zero: float, variants: int) -> list[dict[str, Any]]:
    """150 steps, evaluated on every 25th."""
    rows = []
    for step in range(1, STEPS + 1):
        done = 1 - 0.97 ** step
        row: dict[str, Any] = {
            "step": step, "frac_zero_std": min(1.0, max(0.0, zero + 0.12 * done + draw.gauss(0, 0.1))),
            "frac_zero_std_per_variant": min(1.0, zero + 0.2 * (variants > 1)),
            "reward_mean": 0.45 + 0.25 * done + draw.gauss(0, 0.03),
            "reward_var_within": 0.12 - 0.03 * done, "reward_var_between": 0.05 * (variants > 1) + draw.random() * 0.01,
            "adv_var_within": 0.5, "adv_var_between": 0.3 * (variants > 1), "visual_tokens": 8 * 512 * variants,
            "step_s": 1.2 + 0.5 * draw.random(),
        }
        if step % 25 == 0 and step < STEPS:
            row["eval_accuracy"] = 0.54 + (end - 0.54) * done + draw.gauss(0, 0.01)
        rows.append(row)
    return rows
