"""The two ledgers of a run: a row of figures a step, and the best and worst rollout of each group to look at."""

import math
import resource
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from strive.stages.train.engine.rollout import Row
from strive.stages.train.objective.advantages import Advantages
from strive.stages.train.records import Collected
from strive.stages.train.reward.rewards import Scored

if TYPE_CHECKING:
    from strive.stages.train.engine.interface import Update


@dataclass(frozen=True)
class Spent:
    """What a step cost; seconds, and views that went through the vision tower."""

    rollout_s: float
    update_s: float
    step_s: float
    encoder_calls: int


def metrics_row(step: int, found: Collected, advantages: Advantages, update: "Update", spent: Spent) -> dict[str, Any]:
    """One line of metrics.jsonl; `step` counts from 1. Figures that are not finite are null."""
    records, prompts = found.records, found.prompts
    finite = np.array([r.reward for r in records if math.isfinite(r.reward)])
    tokens = sum(r.tokens for r in records)
    contrast = [value for one in prompts for value in one.contrast]
    charged = sum(r.kl for r in records) / max(tokens, 1)
    row = {
        "step": step,
        "loss": update.loss,
        "reward_mean": mean(finite),
        "reward_std": float(finite.std()) if len(finite) else math.nan,
        "accuracy": mean([r.accuracy for r in records]),
        "format_rate": mean([float(r.well_formed) for r in records]),
        **advantages.stats,
        **{f"reward_{name}": mean([r.parts[name] for r in records]) for name in records[0].parts},
        "kl": charged if update.kl is None and charged else update.kl,
        "entropy": sum(r.entropy * r.tokens for r in records) / max(tokens, 1),
        "clip_frac": update.clip_frac,
        "grad_norm": update.grad_norm,
        "lr": update.lr,
        "skipped": 0 if update.applied else 1,
        "logprob_gap_mean": update.gap_mean,
        "logprob_gap_max": update.gap_max,
        "suppressed_mass": sum(r.cut_mass * r.tokens for r in records) / max(tokens, 1),
        "rows_updated": update.rows,
        "groups": len(prompts),
        "rollouts": len(records),
        "rollouts_generated": len(records) + len(contrast),
        **({"accuracy_contrast": mean(contrast)} if contrast else {}),
        "completion_len_mean": tokens / len(records),
        "completion_tokens": tokens,
        "truncated_rate": mean([float(not r.finished) for r in records]),
        "prompt_tokens": sum(one.tokens for one in prompts),
        "visual_tokens": sum(one.visual_tokens for one in prompts),
        "encoder_calls": spent.encoder_calls,
        "rollout_s": spent.rollout_s,
        "update_s": spent.update_s,
        "step_s": spent.step_s,
        **memory(),
    }
    return {name: plain(value) for name, value in row.items()}


def memory() -> dict[str, int]:
    """Peak bytes of this process, and of its GPU where there is one."""
    unit = 1 if sys.platform == "darwin" else 1024
    peaks = {"peak_rss_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit}
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        peaks["peak_gpu_bytes"] = int(torch.cuda.max_memory_allocated())
    return peaks


def notable_rollouts(step: int, rows: Sequence[Row], scored: Sequence[Scored],
                     advantages: Sequence[float] | np.ndarray) -> Iterator[dict[str, Any]]:
    """Lines of rollouts.jsonl: each group's rollout with the highest reward and, if lower, that with the lowest."""
    groups: dict[tuple[int, str], list[int]] = {}
    for place, row in enumerate(rows):
        groups.setdefault(row.group, []).append(place)
    for places in groups.values():
        ranked = sorted((p for p in places if math.isfinite(scored[p].total)), key=lambda p: scored[p].total)
        if not ranked:
            continue
        best, worst = ranked[-1], ranked[0]
        top = sum(scored[p].total == scored[best].total for p in ranked)
        about = {"group_size": len(places), "group_top": top}
        yield described(step, "best", rows[best], scored[best], float(advantages[best]), about)
        if scored[worst].total < scored[best].total:
            yield described(step, "worst", rows[worst], scored[worst], float(advantages[worst]), about)


def described(step: int, rank: str, row: Row, scored: Scored, advantage: float,
              about: Mapping[str, int]) -> dict[str, Any]:
    """One rollout with all that says where it came from: ids, times shown, reply, reward parts, advantage."""
    sample = row.example.sample
    return {
        "step": step, "rank": rank, "id": sample.id, "variant": row.variant_id, "gen": row.gen_id,
        "question": sample.question, "gold": sample.answer,
        "times": [round(float(t), 3) for t in row.view.times],
        "reply": row.completion.text, "finished": row.completion.finished, "tokens": len(row.completion.ids),
        "reward": plain(scored.total), "rewards": {name: plain(value) for name, value in scored.parts.items()},
        "advantage": advantage, **about,
    }


def mean(values: Sequence[float] | np.ndarray) -> float:
    """The mean of the finite values, NaN when there is none."""
    finite = [v for v in values if math.isfinite(v)]
    return float(np.mean(finite)) if finite else math.nan


def plain(value: Any) -> Any:
    """A value that JSON can hold: figures that are not finite become null."""
    return None if isinstance(value, float) and not math.isfinite(value) else value
