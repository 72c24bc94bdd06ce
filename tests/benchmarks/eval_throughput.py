"""Prints how much faster several questions about a video are answered together than one at a time.

    python tests/benchmarks/eval_throughput.py --videos 4 --questions 3 --frames 128 --json

Needs the `test` extra. A random Qwen2.5-VL of 31 M parameters answers greedily, in float32 on the CPU, through the
answerer of `strive eval`. Three ways take turns, the fastest of several runs counts: `shared` is how `strive eval`
asks; `alone` asks one question at a time, each with its own frames, vision tower and prefill; `frames_kept` asks one
question at a time too, but decodes and encodes each video once. All must give the same replies.
"""

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from eval_throughput_floor import Asked, matmul_rate, work_of
from train_step_model import build, frames_of
from train_step_shape import FRAME_SIDE

from strive.configs.load import load
from strive.configs.run_stages import EvalConfig
from strive.stages.bundle.images import encode
from strive.stages.eval.answering.answers import Answer, Ask
from strive.stages.eval.answering.gallery import Gallery
from strive.stages.eval.answering.local import LocalAnswerer
from strive.stages.eval.answering.shown import Screen
from strive.stages.frames.frameset import FrameSet
from strive.stages.tasks.sample import Sample
from strive.stages.vlm.load import load_policy
from strive.stages.vlm.policy import Policy
from strive.stages.vlm.questions import head_length

SUBJECTS = ("the red ball", "the dog", "the second person", "the car", "the text on the wall", "the kite", "the door")
BUSY = 0.7
"""Load before the start from which the figures are not worth much."""


@dataclass(frozen=True)
class Setting:
    """What is asked, of what, by which policy."""

    policy: Policy
    config: EvalConfig
    videos: dict[str, FrameSet]
    asks: list[Ask]

    def answerer(self, gallery: Gallery) -> LocalAnswerer:
        """As `strive eval` makes it."""
        samples = [ask.sample for ask in self.asks]
        return LocalAnswerer(self.policy, Screen(samples, lambda sample: self.videos[sample.video], self.config),
                             self.config, gallery)


def setting_of(options: argparse.Namespace, folder: str) -> Setting:
    """The policy, and videos of noise with questions of different length."""
    budget = FRAME_SIDE**2
    config = load(env={}, sets=[f"eval.frames={options.frames}", f"eval.max_new_tokens={options.tokens}",
                                f"eval.max_pixels={budget}", f"eval.min_pixels={budget}"]).config.eval
    policy = load_policy(folder, device="cpu", max_pixels=budget, min_pixels=budget)
    videos, asks = {}, []
    for number in range(options.videos):
        images = frames_of(options.frames, options.seed + number)
        name = f"{number}.mp4"
        videos[name] = FrameSet(np.arange(len(images)) * 1.0, np.arange(len(images)),
                                np.array([image.shape[:2] for image in images], np.int32),
                                [encode(image) for image in images])
        for k in range(options.questions):
            sample = Sample(f"{number}-{k}", name, question(k), None, "x", "open")
            asks.append(Ask(sample, lambda times, text=sample.question: text))
    return Setting(policy, config, videos, asks)


def question(number: int) -> str:
    """The text of a question: other words and another length for each."""
    subject = SUBJECTS[number % len(SUBJECTS)]
    return f"What does {subject} do{' before it leaves the picture' * (number % 3)}? Answer in a word."


def shared(setting: Setting) -> list[Answer]:
    """All questions as `strive eval` asks them."""
    return taken(setting.answerer(Gallery()).answers(setting.asks, {}))


def alone(setting: Setting) -> list[Answer]:
    """One question at a time, nothing kept."""
    return [own for ask in setting.asks for own in taken(setting.answerer(Gallery()).answers([ask], {}))]


def frames_kept(setting: Setting) -> list[Answer]:
    """One question at a time; a video is decoded and seen once."""
    answerer = setting.answerer(Gallery())
    return [own for ask in setting.asks for own in taken(answerer.answers([ask], {}))]


def taken(batches: Any) -> list[Answer]:
    """Every outcome, each of which must be an answer."""
    found = [one for batch in batches for one in batch]
    failed = [one for one in found if not isinstance(one, Answer)]
    if failed:
        raise SystemExit(f"not answered: {failed}")
    return found


WAYS: dict[str, Callable[[Setting], list[Answer]]] = {"shared": shared, "alone": alone, "frames_kept": frames_kept}


def measure(setting: Setting, repeats: int) -> dict[str, Any]:
    """Seconds of each way in turns, the least and the median, and whether all replies are the same."""
    took: dict[str, list[float]] = {name: [] for name in WAYS}
    replies: dict[str, list[dict[str, str]]] = {name: [] for name in WAYS}
    first: list[Answer] = []
    for turn in range(1 + repeats):
        for name, way in WAYS.items():
            start = time.perf_counter()
            found = way(setting)
            if turn:  # the first turn warms up
                took[name].append(time.perf_counter() - start)
            replies[name].append({one.sample.id: one.text for one in found})
            first = first or found
            say(f"turn {turn}, {name}: {time.perf_counter() - start:.2f} s")
    same = all(own == replies["shared"][0] for runs in replies.values() for own in runs)
    rows = {name: {"seconds": round(min(times), 4), "median_s": round(statistics.median(times), 4),
                   "questions_per_s": round(len(setting.asks) / min(times), 3)} for name, times in took.items()}
    return {**rows, "same_answers": same, **ratios(rows), **floor_of(setting, first, rows["shared"]["seconds"])}


def ratios(rows: dict[str, dict[str, float]]) -> dict[str, float]:
    """How many times faster questions are answered together."""
    least = rows["shared"]["seconds"]
    return {"ratio": round(rows["alone"]["seconds"] / least, 2),
            "ratio_frames_kept": round(rows["frames_kept"]["seconds"] / least, 2)}


def floor_of(setting: Setting, answers: Sequence[Answer], seconds: float) -> dict[str, Any]:
    """Tokens of each part, and the seconds that its products would take at the measured rate."""
    policy, views = setting.policy, []
    lengths = {one.sample.id: one.completion_tokens for one in answers}
    for name, frames in setting.videos.items():
        asks = [ask for ask in setting.asks if ask.sample.video == name]
        clip = np.stack(frames.images(range(len(frames))))
        prompts = [policy.encode_view([clip], frames.times, ask.text(())) for ask in asks]
        head, pixels = head_length(prompts), prompts[0].pixel_values
        assert pixels is not None
        views.append(Asked(head, len(pixels), [len(own) - head for own in prompts],
                           [lengths[ask.sample.id] for ask in asks]))
    rate = matmul_rate(policy, views[0].head)
    floor = {key: round(value, 4) for key, value in work_of(policy, views).seconds(rate).items()}
    return {"tokens": {"prompts": sum(one.prompt_tokens for one in answers), "heads": sum(view.head for view in views),
                       "tails": sum(sum(view.tails) for view in views), "replies": sum(lengths.values())},
            "floor": {**floor, "gflop_per_s": round(rate / 1e9, 1), "shared_over_floor":
                      round(seconds / floor["seconds"], 2)}}


def table(row: dict[str, Any]) -> str:
    """The figures in Markdown."""
    tokens, floor = row["tokens"], row["floor"]
    lines = ["| way | seconds | questions / s | times shared |", "|---|---|---|---|"]
    lines += [f"| {name} | {row[name]['seconds']:.2f} | {row[name]['questions_per_s']:.2f} | "
              f"{row[name]['seconds'] / row['shared']['seconds']:.2f} |" for name in WAYS]
    lines += [f"| floor | {floor['seconds']:.2f} | | {floor['seconds'] / row['shared']['seconds']:.2f} |", "",
              f"{row['videos']} videos, {row['questions']} questions each, {row['frames']} frames; prompt tokens read: "
              f"{tokens['prompts']:,} alone, {tokens['heads'] + tokens['tails']:,} shared; {tokens['replies']} replied",
              f"same answers: {row['same_answers']}; floor at {floor['gflop_per_s']} GFLOP/s: vision "
              f"{floor['vision_s']:.2f}, heads {floor['heads_s']:.2f}, tails {floor['tails_s']:.2f}, replies "
              f"{floor['replies_s']:.2f} s; load {row['load']}"]
    return "\n".join(lines)


def say(text: str) -> None:
    """Progress, beside the result."""
    sys.stderr.write(text + "\n")


def main() -> int:
    """Measure and print; 1 when the replies differ."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--videos", type=int, default=4)
    add("--questions", type=int, default=3, help="about each video")
    add("--frames", type=int, default=128, help="shown of each video, 8 tokens each")
    add("--tokens", type=int, default=8, help="of a reply at most")
    add("--threads", type=int, default=1)
    add("--repeats", type=int, default=3, help="timed turns")
    add("--seed", type=int, default=0)
    add("--model", choices=["benchmark", "micro"], default="benchmark", help="micro: only to see that all this runs")
    add("--json", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    load_before = os.getloadavg()[0]
    if load_before > BUSY:
        say(f"this machine is busy (load {load_before:.1f}): the figures will not be worth comparing")
    with tempfile.TemporaryDirectory() as folder:
        build(Path(folder), options.model)
        row = {"videos": options.videos, "questions": options.questions, "frames": options.frames,
               "load": round(load_before, 1), **measure(setting_of(options, folder), options.repeats)}
    sys.stdout.write((json.dumps(row) if options.json else table(row)) + "\n")
    return 0 if row["same_answers"] else 1


if __name__ == "__main__":
    raise SystemExit(main())
