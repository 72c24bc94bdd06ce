"""Makes the demo world on disk: short videos with questions whose answers are known exactly.

    folder/
      train.jsonl  eval.jsonl     one question a row, dataset format
      world.json                  its seed and version
      videos/train_00000.mp4 ...  32 s, 4 frames/s, 112 x 112

The evidence for a question is on screen for 2.5 to 4.5 of 32 seconds, so a view that shows other frames has nothing to
answer from. ``meta.evidence`` holds those times; it is for measuring only and never enters a prompt.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from strive.cache.atomic import write_bytes, write_json
from strive.configs.errors import UsageError
from strive.stages.demo.mp4 import write_mp4
from strive.stages.demo.scene import SIDE, draw_frame, scenery
from strive.stages.demo.script import DURATION_S, VIDEO_FPS, Asked, Script, write_script

WORLD_VERSION = 1  # raise it when any pixel or any row changes


@dataclass(frozen=True)
class WorldFiles:
    """Where a demo world lies."""

    train: Path  # dataset, JSON Lines
    evaluation: Path
    videos: Path  # folder that the rows' ``video`` is relative to


def write_world(folder: Path, seed: int, train_videos: int, eval_videos: int) -> WorldFiles:
    """Write both splits; finished videos of an interrupted call are kept, so calling again completes it.

    Raises UsageError when the folder holds a world of another seed or version.
    """
    files = WorldFiles(folder / "train.jsonl", folder / "eval.jsonl", folder / "videos")
    files.videos.mkdir(parents=True, exist_ok=True)
    _claim(folder / "world.json", {"seed": seed, "version": WORLD_VERSION})
    for split, dataset, count in (("train", files.train, train_videos), ("eval", files.evaluation, eval_videos)):
        rows: list[dict[str, Any]] = []
        for index in range(count):
            script = write_script(seed, split, index)
            path = files.videos / video_name(script)
            if not path.exists():
                write_mp4(path, film(script), VIDEO_FPS, SIDE)
            rows.extend(rows_of(script))
        write_bytes(dataset, "".join(json.dumps(row) + "\n" for row in rows).encode())
    return files


def _claim(marker: Path, identity: dict[str, int]) -> None:
    """Note whose folder this is: videos are kept by name, so two worlds must not share one."""
    if not marker.exists():
        write_json(marker, identity)
    elif (found := json.loads(marker.read_text(encoding="utf-8"))) != identity:
        raise UsageError(
            f"{marker.parent}: holds the demo world {found}",
            f"an empty folder, or the world {identity}",
            "Choose another folder, or remove this one.",
        )


def film(script: Script) -> Iterator[NDArray[np.uint8]]:
    """The video's pictures in order: uint8 RGB [SIDE, SIDE, 3], one every 1 / VIDEO_FPS s."""
    background = scenery(script)
    for number in range(round(DURATION_S * VIDEO_FPS)):
        yield draw_frame(script, background, number / VIDEO_FPS)


def video_name(script: Script) -> str:
    """File name of a video; says nothing about what is in it."""
    return f"{script.split}_{script.index:05d}.mp4"


def rows_of(script: Script) -> list[dict[str, Any]]:
    """The video's questions as dataset rows."""
    return [_row(script, number, asked) for number, asked in enumerate(script.asked)]


def _row(script: Script, number: int, asked: Asked) -> dict[str, Any]:
    return {
        "id": f"{script.split}-{script.index:05d}-{number}",
        "video": video_name(script),
        "question": asked.wording,
        "options": None,
        "answer": asked.answer,
        "question_type": asked.family.question_type,
        "meta": {
            "family": asked.family.name,
            "choices": list(asked.family.choices),
            "evidence": [[showing.start_s, showing.end_s] for showing in asked.showings],
            "metric": "numeric" if asked.family.question_type == "numerical" else "exact",
        },
    }


def is_evidence_shown(evidence: Sequence[Sequence[float]], shown_times: Sequence[float]) -> bool:
    """True when every span [start_s, end_s] of the evidence holds at least one of the shown frame times (s)."""
    slack = 0.5 / VIDEO_FPS  # a picture stays on screen until the next one
    return all(any(start - slack <= time <= end + slack for time in shown_times) for start, end in evidence)
