"""Prints how long a training step takes and what memory it needs: TRL's `GRPOTrainer`, strive, and the floor of both.

    python tests/benchmarks/train_step.py --frames 16 64 256 --generations 8 --json

Needs the `test` and `bench` extras (`--no-trl`: `test` alone). Same random Qwen2.5-VL of 31 M parameters on both sides,
same frames as images, same number and length of completions, same trainable parameters, float32 on the CPU. Each
measurement is a process of its own. How to read the figures: docs/benchmarks-training.md.
"""

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import Any

from train_step_shape import Shape
from train_step_worker import TooLarge, build_model, run_worker

LONG_PROMPT = 2000
"""Prompt tokens from which two timed steps have to do, and TRL's micro-batch is tried out."""
BUSY = 0.7
"""One-minute load before the start from which threads of both sides wait for others, TRL's by far the most."""
TRL_MB_PER_TOKEN = {"benchmark": 1.1, "micro": 0.05}
"""What a token of TRL's micro-batch was measured to take, in MiB: settings far above the limit are not tried."""


@dataclass(frozen=True)
class Plan:
    """What was asked for."""

    frames: list[int]
    generations: list[int]
    vision: list[str]
    tokens: int
    threads: int
    steps: int
    seed: int
    size: str
    trl: bool
    microbatches: list[int]
    limit_mb: float
    profile: bool

    def shapes(self, folder: str) -> Iterator[Shape]:
        """One shape for each row, in the order asked for."""
        for vision, frames, generations in product(self.vision, self.frames, self.generations):
            shape = Shape(folder, frames, generations, self.tokens, self.steps, self.threads, vision, seed=self.seed,
                          profile=self.profile)
            yield replace(shape, steps=min(2, self.steps)) if shape.prompt_tokens > LONG_PROMPT else shape


def main() -> int:
    """Measure every row, then print them."""
    plan, as_json = arguments()
    with tempfile.TemporaryDirectory() as folder:
        busy = os.getloadavg()[0]
        if busy > BUSY:
            say(f"this machine is busy (load {busy:.1f}): the figures will not be worth comparing")
        build_model(Path(folder), plan.size)
        rows = [row_of(shape, plan) for shape in plan.shapes(folder)]
    if as_json:
        sys.stdout.write(json.dumps({"rows": rows}) + "\n")
    else:
        sys.stdout.write("\n".join(table(rows)) + "\n")
    return 0


def row_of(shape: Shape, plan: Plan) -> dict[str, Any]:
    """The three sides of one shape, one after another."""
    say(f"{shape.frames} frames, {shape.generations} completions, vision {shape.vision}: strive")
    ours = run_worker("ours", shape, plan.limit_mb)
    floor = run_worker("floor", shape, plan.limit_mb)
    floor["ours_over_floor"] = round(ours["step_s"] / floor["step_s"], 2)
    theirs = trl_side(shape, plan) if plan.trl else None
    return {
        "frames": shape.frames, "prompt_tokens": ours["prompt_tokens"], "generations": shape.generations,
        "ratio": round(theirs["step_s"] / ours["step_s"], 2) if theirs else None,
        "rss_ratio": round(ours["peak_rss_mb"] / theirs["peak_rss_mb"], 3) if theirs else None,
        "ours": ours, "trl": theirs, "floor": floor,
    }


def trl_side(shape: Shape, plan: Plan) -> dict[str, Any]:
    """TRL in the fastest of its settings that fit the memory limit, and what was tried."""
    tried: dict[str, Any] = {}
    asked = candidates(shape, plan)
    for micro in asked if len(asked) > 1 else []:
        say(f"  TRL, one step with micro-batches of {micro}")
        try:
            tried[str(micro)] = run_worker("trl", replace(shape, microbatch=micro, steps=0), plan.limit_mb)["step_s"]
        except TooLarge as error:
            tried[str(micro)] = str(error)
    fitting = [micro for micro in asked if not isinstance(tried.get(str(micro)), str)]
    for micro in sorted(fitting, key=lambda micro: tried.get(str(micro), 0.0)):
        say(f"  TRL, micro-batches of {micro}")
        try:
            return run_worker("trl", replace(shape, microbatch=micro), plan.limit_mb) | {"tried_s": tried}
        except TooLarge as error:
            tried[str(micro)] = str(error)
    raise SystemExit(f"TRL fits {plan.limit_mb:.0f} MiB in none of these settings: {tried}")


def candidates(shape: Shape, plan: Plan) -> list[int]:
    """Micro-batches to try, largest first: those asked for, or the two largest that are expected to fit."""
    divisors = [m for m in range(shape.generations, 0, -1) if shape.generations % m == 0]
    if plan.microbatches:
        return [m for m in divisors if m in plan.microbatches]
    each = (shape.prompt_tokens + shape.tokens) * TRL_MB_PER_TOKEN[plan.size]
    return ([m for m in divisors if m * each <= plan.limit_mb] or [1])[:2]


def table(rows: list[dict[str, Any]]) -> list[str]:
    """The rows in Markdown, their settings and parts below."""
    lines = ["| frames | prompt tokens | G | vision | TRL step | strive step | ratio | floor | strive / floor | "
             "peak RSS TRL / strive | ratio |", "|---" * 11 + "|"]
    for row in rows:
        ours, theirs, floor = row["ours"], row["trl"] or {}, row["floor"]
        lines.append(
            f"| {row['frames']} | {row['prompt_tokens']:,} | {row['generations']} | {ours['vision']} | "
            f"{number(theirs.get('step_s'), ' s')} | {number(ours['step_s'], ' s')} | {number(row['ratio'])} | "
            f"{number(floor['step_s'], ' s')} | {number(floor['ours_over_floor'])} | "
            f"{number(theirs.get('peak_rss_mb'))} / {number(ours['peak_rss_mb'])} MiB | {number(row['rss_ratio'])} |")
    for row in rows:
        lines += ["", f"{row['frames']} frames, G = {row['generations']}, vision {row['ours']['vision']}"]
        lines += [f"  {side}: {described(row[side])}" for side in ("ours", "trl", "floor") if row[side]]
        lines += [row["ours"]["profile"]] if "profile" in row["ours"] else []
    return lines


def described(side: dict[str, Any]) -> str:
    """Parts in seconds, then the setting."""
    parts = [f"{name.removesuffix('_s').replace('_', ' ')} {value:.2f} s" for name, value in side.items()
             if name.endswith("_s") and isinstance(value, float)]
    return "; ".join([", ".join(parts), *([side["setting"]] if "setting" in side else []), f"load {side['load']}"])


def number(value: float | None, unit: str = "") -> str:
    """Three figures, or a dash."""
    if value is None:
        return "-"
    return f"{value:,.0f}{unit}" if value >= 100 else f"{value:.2f}{unit}"


def say(text: str) -> None:
    """Progress, beside the result."""
    sys.stderr.write(text + "\n")


def arguments() -> tuple[Plan, bool]:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--frames", type=int, nargs="+", default=[16, 64, 256], help="frames in the prompt, 18 tokens each")
    add("--generations", type=int, nargs="+", default=[8], help="completions of the prompt")
    add("--rows", nargs="+", choices=["trainable", "frozen"], default=["trainable"],
        help="the vision tower: trained, or frozen with its features cached on our side")
    add("--tokens", type=int, default=64, help="tokens of every completion")
    add("--threads", type=int, default=2)
    add("--steps", type=int, default=3, help="timed steps (two at most for long prompts)")
    add("--seed", type=int, default=0)
    add("--model", choices=["benchmark", "micro"], default="benchmark", help="micro: only to see that all this runs")
    add("--no-trl", action="store_true", help="our side and the floor alone")
    add("--microbatch", type=int, nargs="+", default=[], help="TRL's settings to try (default: what fits)")
    add("--memory-gib", type=float, default=24.0, help="what TRL may use")
    add("--profile", action="store_true", help="also where our step's time goes, by operator")
    add("--json", action="store_true")
    o = parser.parse_args()
    plan = Plan(o.frames, o.generations, o.rows, o.tokens, o.threads, o.steps, o.seed, o.model, not o.no_trl,
                o.microbatch, o.memory_gib * 1024, o.profile)
    return plan, o.json


if __name__ == "__main__":
    raise SystemExit(main())
