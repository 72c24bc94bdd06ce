"""What the training tests share: synthetic bundles in a real cache, tiny random models, a reward that varies, a job."""

import hashlib
import os
from pathlib import Path
from typing import Any

import numpy as np

from strive.cache import fault
from strive.cache.ledger import read_jsonl
from strive.cache.store import Artefact, Store
from strive.configs.errors import StriveError
from strive.configs.load import load
from strive.configs.schema import Config
from strive.stages.bundle.images import encode
from strive.stages.bundle.writer import write_bundle
from strive.stages.frames.frameset import FrameSet
from strive.stages.frames.scores import Scores, zscore
from strive.stages.reporter import Silent
from strive.stages.tasks.prompt import Reply
from strive.stages.tasks.sample import Sample
from strive.stages.train.job import TrainJob
from strive.stages.train.reward.rewards import REWARDS
from strive.stages.train.stage import train
from strive.stages.views.build import build_views

TILES = np.array([[x, y, x + 0.6, y + 0.6] for y in (0, 0.4) for x in (0, 0.4)])
SMALL = {
    "variants.frames": 4, "train.steps": 4, "train.prompts_per_step": 2, "train.rollouts": 8, "train.max_new_tokens": 6,
    "train.max_pixels": 3136, "train.min_pixels": 784, "train.learning_rate": 1e-3, "train.checkpoint_every": 2,
    "train.threads": 1, "train.rewards": {"busy": 1.0}, "train.vision_cache": "off",
}


def busy(sample: Sample, reply: Reply) -> float:
    """A reward that random models vary in: the share of different characters, in [0, 1]."""
    return len(set(reply.raw)) / max(len(reply.raw), 1)


def late(sample: Sample, reply: Reply) -> float:
    """The same for everything in the first step of four questions with eight rollouts, `busy` after it."""
    late.calls += 1  # type: ignore[attr-defined]
    return 0.5 if late.calls <= 32 // int(os.environ.get("WORLD_SIZE", "1")) else busy(sample, reply)  # type: ignore[attr-defined]


late.calls = 0  # type: ignore[attr-defined]
REWARDS["busy"], REWARDS["late"] = busy, late


def small_config(**changes: Any) -> Config:
    """A config of seconds; keys with a double underscore for the dot."""
    return load(env={}, flags={**SMALL, **{key.replace("__", "."): value for key, value in changes.items()}}).config


def make_bundle(store: Store, number: int, config: Config, size: tuple[int, int] = (40, 56)) -> tuple[str, Artefact]:
    """A bundle of a random 12-frame video; the same number gives the same bytes."""
    rng = np.random.default_rng(number)
    sample = Sample(f"q{number}", f"v{number}.mp4", "What colour is the object?", None, "red", "open")
    blocks = [np.kron(rng.integers(0, 255, (5, 7, 3)), np.ones((8, 8, 1)))[: size[0], : size[1]] for _ in range(12)]
    times = np.cumsum(rng.uniform(0.3, 1.5, 12))
    frames = FrameSet(times, np.arange(12), np.tile(np.int32(size), (12, 1)),
                      [encode(block.astype(np.uint8)) for block in blocks], {"codec": "jpeg"})
    raw = rng.normal(size=12).astype(np.float32)
    scores = Scores(raw, zscore(raw), times, TILES, rng.normal(size=(12, 4)).astype(np.float32), {})
    key = hashlib.sha256(f"{number}{config.variants}".encode()).hexdigest()
    data = write_bundle(sample, frames, scores, build_views(sample.blind(), scores, frames.sizes, config.variants),
                        config.variants, key)
    return sample.id, store.publish("variants", key, {"bundle.h5": data}, {"inputs": [], "config": {}, "version": 1})


class Notes(Silent):
    """A reporter that remembers what it was told."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def plan(self, lines: list[str]) -> None:
        self.lines += lines

    def info(self, text: str) -> None:
        self.lines.append(text)

    def warn(self, text: str) -> None:
        self.lines.append(text)


def make_job(folder: Path, model: Path | str, *, run: str = "run", bundles: int = 5, **changes: Any) -> TrainJob:
    """A job over `bundles` synthetic bundles, everything below `folder`; other keywords change the config."""
    names = ("evaluate", "eval_digest", "max_time_s", "force", "reporter", "ranks", "data")
    own = {key: changes.pop(key) for key in names if key in changes}
    config = small_config(**changes)
    store = Store(folder / "cache")
    made = [make_bundle(store, number, config) for number in range(bundles)]
    return TrainJob(config, folder / run, made, str(model), own.pop("reporter", Silent()), **own)


OF_THE_PROCESS = {"rollout_s", "update_s", "step_s", "peak_rss_bytes", "encoder_calls"}
SCRIPT = """
import sys
sys.path[:0] = {paths!r}
from pathlib import Path
from training_world import make_job
from strive.configs.errors import StriveError
from strive.stages.train.stage import train
try:
    train(make_job(Path({folder!r}), {model!r}, run={run!r}, **{changes!r}))
except StriveError as error:
    print(error, file=sys.stderr)
    sys.exit(error.code)
"""


def in_child(job: TrainJob, fault_at: str = "") -> int:
    """Train in a forked child (torch is loaded already); returns its process id. It exits with the error's code."""
    child = os.fork()
    if child:
        return child
    code = 1
    try:
        if fault_at:
            os.environ["STRIVE_FAULT"], fault._points = fault_at, 0
        train(job)
        code = 0
    except StriveError as error:
        code = error.code
    finally:
        os._exit(code)


def exit_code(child: int) -> int:
    """The child's exit code, or minus the signal that ended it."""
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def content(run: Path) -> dict[str, Any]:
    """All that must be equal: bytes of checkpoints and policy, rows of the ledgers but for what a process spent."""
    found: dict[str, Any] = {
        str(p.relative_to(run)): p.read_bytes() for folder in ("checkpoints", "policy", "best")
        for p in sorted((run / folder).rglob("*")) if p.is_file()}
    found["metrics"] = [{name: value for name, value in row.items() if name not in OF_THE_PROCESS}
                        for row in read_jsonl(run / "metrics.jsonl")]
    found["rollouts"] = read_jsonl(run / "rollouts.jsonl")
    return found


def assert_same(left: Path, right: Path) -> None:
    one, two = content(left), content(right)
    assert one.keys() == two.keys()
    for name in one:
        assert one[name] == two[name], name
