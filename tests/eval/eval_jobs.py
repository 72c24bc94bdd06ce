"""Evaluation jobs for tests, also for the child processes that tests kill."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from strive.cache.store import Store
from strive.configs.load import load
from strive.configs.schema import Config
from strive.stages.eval.benchmarks.data import from_dataset
from strive.stages.eval.stage import EvalJob

SETS = (
    "eval.frames=4",
    "eval.max_new_tokens=6",
    "eval.max_pixels=3136",
    "eval.min_pixels=784",
    "extract.min_frames=8",
    "extract.max_frames=8",
    "extract.short_side=48",
    "eval.batch_tokens=400",
)


def small_config(*sets: str) -> Config:
    return load(sets=(*SETS, *sets), env={}).config


def job_of(run: Path, tiny: Path, dataset: Path, store: Store, *sets: str, force: bool = False) -> EvalJob:
    return EvalJob(
        small_config(*sets), store, run, str(tiny), "dataset", from_dataset(dataset, dataset.parent), force=force
    )
