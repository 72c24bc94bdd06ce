"""`strive demo`: the built-in world through every stage, the policy measured before and after, controls beside it.

OUT/world/      videos, train.jsonl, eval.jsonl
OUT/run/        the training run; OUT/run/policy is the trained policy
OUT/eval/ARM/   base, trained, text_only, blank, swapped
OUT/report.html
OUT/demo.json   the figures, written last
"""

import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from strive.cache.ledger import read_jsonl
from strive.cache.lock import hold
from strive.cache.runs import record_run
from strive.cache.store import Artefact, Store
from strive.configs.errors import StoppedError
from strive.configs.schema import Config
from strive.stages import registry
from strive.stages.demo.figures import ARMS, figures
from strive.stages.demo.record import STARTED, Record, identity
from strive.stages.demo.world import WorldFiles, write_world
from strive.stages.plan import Job, VideoRef
from strive.stages.reporter import Reporter
from strive.stages.runner import run_chain
from strive.stages.tasks.dataset import read_dataset

POLICY_FILE = "run/policy/model.safetensors"


@dataclass(frozen=True)
class DemoJob:
    """One demo; `sources` says where each config value came from."""

    out: Path
    config: Config
    store: Store
    reporter: Reporter
    workers: int = 1
    force: bool = False
    sources: Mapping[str, str] = field(default_factory=dict)


def plan_lines(job: DemoJob) -> list[str]:
    """What a demo will do, before it does."""
    config, sizes, train = job.config, job.config.demo, job.config.train
    return [
        f"world     {sizes.train_videos} + {sizes.eval_videos} videos written as MP4 into {job.out / 'world'}",
        f"bundles   {config.variants.count} variants × {config.variants.frames} frames for each training question",
        f"train     {train.steps} steps × {train.prompts_per_step} questions × {train.rollouts} rollouts",
        f"eval      {', '.join(ARMS)}: {config.eval.frames} frames, greedy",
        f"report    {job.out / 'report.html'}",
    ]


def run_demo(job: DemoJob) -> tuple[dict[str, Any], bool]:
    """The demo's figures, and whether they were already there.

    One demo at a time works in a folder; another one waits and finds it done.
    """
    job.out.mkdir(parents=True, exist_ok=True)
    record = Record(job.out)
    with hold(job.out / ".lock", on_wait=job.reporter.info):
        settings = identity(job.config, job.config.model)
        if job.force:
            clear(job.out)
        record.begin(settings)
        done = record.finished()
        if done is not None:
            return done, True
        found = carry_out(job)
        record.finish(found, ["report.html", POLICY_FILE, *(f"eval/{arm}/results.json" for arm in ARMS)])
    return found, False


def clear(out: Path) -> None:
    """Forget a demo. A folder that no demo was begun in is left as it is: it is somebody's own."""
    if not (out / STARTED).is_file():
        return
    for name in ("demo.json", "started.json", "report.html"):
        (out / name).unlink(missing_ok=True)
    for name in ("run", "eval", "world"):
        shutil.rmtree(out / name, ignore_errors=True)


def carry_out(job: DemoJob) -> dict[str, Any]:
    """World, bundles, training, evaluations and the page; each step goes on where it was stopped."""
    sizes = job.config.demo
    job.reporter.info("demo: writing the world")
    world = write_world(job.out / "world", sizes.seed, sizes.train_videos, sizes.eval_videos)
    bundles = make_bundles(job, world)
    measure(job, world, "base", job.config.model)
    train_policy(job, bundles)
    for arm in ARMS[1:]:
        measure(job, world, arm, str(job.out / "run"))
    samples = read_dataset(world.evaluation)
    results, shown = read_arms(job.out / "eval")
    found = figures(samples, results, shown)
    write_page(job, found, bundles)
    return found


def make_bundles(job: DemoJob, world: WorldFiles) -> dict[str, Artefact]:
    """Bundles of all training questions by sample id; a question without one stops the demo: the world is ours."""
    samples = read_dataset(world.train)
    videos = [VideoRef(name, world.videos / name) for name in dict.fromkeys(sample.video for sample in samples)]
    data = Job(
        job.config,
        job.store,
        samples=samples,
        videos_dir=world.videos,
        videos=videos,
        reporter=job.reporter,
        workers=job.workers,
    )
    failed = run_chain("variants", data)["variants"].failed
    if failed:
        raise StoppedError(
            f"demo: {failed[0]['id']}: {failed[0]['reason']}",
            "bundles for every question of the built-in world",
            "Run `strive doctor`; the decoder of this machine may be at fault.",
        )
    bundles = {name: one for name, one in data.results["variants"].items() if isinstance(one, Artefact)}
    record_run(job.store, job.out / "run", bundles.values())
    return bundles


def train_policy(job: DemoJob, bundles: Mapping[str, Artefact]) -> None:
    """Train into OUT/run."""
    from strive.stages.train.job import TrainJob

    registry.run("train")(
        TrainJob(
            config=job.config,
            run=job.out / "run",
            bundles=list(bundles.items()),
            model=job.config.model,
            reporter=job.reporter,
            sources=job.sources,
        )
    )


def measure(job: DemoJob, world: WorldFiles, arm: str, model: str) -> None:
    """Evaluate one arm into OUT/eval/ARM."""
    from strive.stages.eval.benchmarks import benchmark
    from strive.stages.eval.stage import EvalJob

    control = "none" if arm in ("base", "trained") else arm
    config = job.config.model_copy(update={"eval": job.config.eval.model_copy(update={"control": control})})
    data = benchmark("demo")(world.evaluation.parent, job.out / "work")
    registry.run("eval")(
        EvalJob(
            config=config,
            store=job.store,
            run=job.out / "eval" / arm,
            model=model,
            bench="demo",
            data=data,
            reporter=job.reporter,
            workers=job.workers,
            sources=job.sources,
        )
    )


def read_arms(folder: Path) -> tuple[dict[str, Any], dict[str, list[float]]]:
    """Each arm's results with its scores by sample id, and the frame times that the base policy was shown."""
    from strive.stages.demo.record import read

    results: dict[str, Any] = {}
    shown: dict[str, list[float]] = {}
    for arm in ARMS:
        rows = read_jsonl(folder / arm / "predictions.jsonl")
        results[arm] = {
            **(read(folder / arm / "results.json") or {}),
            "scores": {row["id"]: row["score"] for row in rows},
        }
        if arm == "base":
            shown = {row["id"]: row["times"] for row in rows}
    return results, shown


def write_page(job: DemoJob, found: dict[str, Any], bundles: Mapping[str, Artefact]) -> None:
    """OUT/report.html: headline first, then curves, rollouts with their frames, evaluations, config."""
    from strive.stages.bundle import Bundle
    from strive.stages.report.evaluation.shown_frames import RunFrames
    from strive.stages.report.page import write_report

    def bundle_of(run: Path, sample_id: str) -> Bundle | None:
        return Bundle.open(bundles[sample_id].file("bundle.h5")) if sample_id in bundles else None

    config = job.config
    text = (
        f"The shipped policy was trained for {config.train.steps} steps on questions about {config.demo.train_videos} "
        f"procedural videos, {config.train.rollouts} rollouts a question over {config.variants.count} variants, and "
        f"measured on {found['n_eval']} held-out questions about other videos. Without sight of the right video (text "
        "only, blank, swapped frames) it should stay at chance. The shipped policy was made to see and then taught to "
        "guess in a share of its replies, so that rewards have a habit to break: the gain shows that the pipeline "
        "works, not how much a real model would gain."
    )
    write_report(
        [job.out / "run", *(job.out / "eval" / arm for arm in ARMS)],
        job.out / "report.html",
        summary={"title": "strive demo", "text": text, **found},
        bundle_of=bundle_of,
        frames_of=RunFrames(job.store),
    )
