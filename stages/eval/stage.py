"""The evaluation stage: frames through the extract stage, questions through the policy, figures into the run folder."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from strive.cache.atomic import write_json
from strive.cache.lock import hold
from strive.cache.runs import record_run
from strive.cache.store import Store
from strive.configs.errors import InterruptedRun, ItemError, UsageError
from strive.configs.run_stages import EvalConfig
from strive.configs.schema import Config
from strive.stages.eval.answering.choosing import frame_choice
from strive.stages.eval.answering.footage import Footage, chosen_by, footage_of
from strive.stages.eval.answering.shown import Screen
from strive.stages.eval.benchmarks.data import BenchData
from strive.stages.eval.controls import with_controls
from strive.stages.eval.figures.metrics import summarise
from strive.stages.eval.inquiry import Inquiry
from strive.stages.eval.recipe import recipe_of, sample_key
from strive.stages.eval.run_folder import EvalFolder
from strive.stages.interrupt import stop_flag
from strive.stages.plan import Job
from strive.stages.reporter import Reporter, Silent
from strive.stages.tasks.sample import Sample
from strive.stages.vlm.resolve import model_identity

if TYPE_CHECKING:
    from strive.stages.eval.answering.answers import Answerer
    from strive.stages.eval.answering.gallery import Gallery
    from strive.stages.vlm.policy import Policy


@dataclass
class EvalJob:
    """One evaluation. `model`: Hugging Face id, folder, run folder, demo; `sources`: where config values came from."""

    config: Config
    store: Store
    run: Path
    model: str
    bench: str
    data: BenchData
    reporter: Reporter = field(default_factory=Silent)
    workers: int = 1
    sources: Mapping[str, str] = field(default_factory=dict)
    force: bool = False


@dataclass(frozen=True)
class EvalOutcome:
    """`done` answers now, `cached` found in the run folder, failures as `{"id", "reason"}`; `results` as written.

    files: further ones that were written, by name (a submission).
    """

    done: int
    cached: int
    failed: list[dict[str, str]]
    results: dict[str, Any]
    files: dict[str, Path] = field(default_factory=dict)


def run_eval(job: EvalJob) -> EvalOutcome:
    """Answer what has no answer yet and write `results.json`, `complete` when nothing is owed.

    The same command goes on where it was stopped; a changed recipe (or dtype, on another machine) in the same run
    folder is a `UsageError` that names the keys. Samples whose video gave no frames are reported apart with the reason.
    """
    frame_choice(job.config.eval, job.config.variants)  # refuses what cannot be done before any work
    job.data = with_controls(job.data, job.config.eval)
    if not job.data.samples:
        raise UsageError(f"{job.bench}: no questions", "at least one", "Check --data and --limit.")
    started = time.monotonic()
    Inquiry(job.config.eval, job.data)
    identity = f"endpoint:{job.model}" if job.config.eval.endpoint else model_identity(job.model)
    recipe = recipe_of(job.config, job.bench, identity, chosen_by(job.config, job.store))
    folder = EvalFolder(job.run)
    with hold(folder.lock, on_wait=job.reporter.info):
        if job.force:
            folder.clear()
        folder.open(recipe, job.config, job.sources)
        folder.reopen(sample.id for sample in job.data.samples)
        blind = job.config.eval.control == "text_only"
        extraction = Job(job.config, job.store, reporter=job.reporter, workers=job.workers)
        footage = Footage({}, {}) if blind else footage_of(job.data, extraction)
        used = [*footage.artefacts.values(), *footage.scores.values()]
        record_run(job.store, job.run, used, footage.artefacts)
        there = [sample for sample in job.data.samples if sample.id not in footage.reasons]
        keys = {sample.id: sample_key(sample, recipe, footage.digest(sample)) for sample in there}
        cached = len(folder.answered(keys))
        try:
            figures, failed = measure(job, folder, footage, keys)
        except InterruptedRun:
            leave_partial(job, folder, footage, keys)
            raise
        finally:
            remember(job, folder, keys, cached, footage.reasons, time.monotonic() - started)
        results = headed(job, folder, figures, complete=True)
        folder.finish(results)
        files = hand_in(job, folder, keys)
    return EvalOutcome(results["n_rows"] - cached, cached, failed, results, files)


def hand_in(job: EvalJob, folder: EvalFolder, keys: Mapping[str, str]) -> dict[str, Path]:
    """RUN/submission.json for questions whose answers are not published; says how many replies could not be read."""
    if job.data.submission is None:
        return {}
    rows = folder.answered(keys)
    path = job.run / "submission.json"
    handed = job.data.submission([rows[sample.id] for sample in job.data.samples if sample.id in rows])
    write_json(path, handed)
    missing = len(job.data.samples) - sum(map(len, handed.values()))
    if missing:
        job.reporter.warn(f"{path}: {missing} of {len(job.data.samples)} questions have no readable answer and are "
                          "left out; a scorer may refuse an incomplete file")
    return {"submission": path}


def measure(
    job: EvalJob, folder: EvalFolder, footage: Footage, keys: Mapping[str, str]
) -> tuple[dict[str, Any], list[dict[str, str]]]:
    """Figures and failures; the policy is loaded only when a question has no answer yet."""
    rows = folder.answered(keys)
    if len(rows) < len(keys):
        return ask(job, folder, footage, keys)
    return present(job, footage, rows)


def present(
    job: EvalJob, footage: Footage, rows: Mapping[str, Mapping[str, Any]]
) -> tuple[dict[str, Any], list[dict[str, str]]]:
    """Figures over the answers there are, and the samples that can get none."""
    samples = job.data.samples
    failed = [{"id": s.id, "reason": footage.reasons[s.id]} for s in samples if s.id in footage.reasons]
    figures = summarise(job.data, rows, failed, job.config.eval.protocol, unscored=len(footage.unscored))
    return figures, failed


def headed(job: EvalJob, folder: EvalFolder, figures: Mapping[str, Any], complete: bool) -> dict[str, Any]:
    """The content of results.json."""
    head = {"bench": job.bench, "control": control_of(job.config.eval), "model": job.model, "complete": complete}
    return {**head, **figures, "recipe": folder.read_recipe()}


def control_of(config: EvalConfig) -> str:
    """What is done to the question, in one word or a few: "none", "blank", "shuffle_frames" …"""
    found: list[str] = [config.control] if config.control != "none" else []
    found += [name for name in ("shuffle_frames", "options_shuffled") if getattr(config, name)]
    return " + ".join(found) or "none"


def leave_partial(job: EvalJob, folder: EvalFolder, footage: Footage, keys: Mapping[str, str]) -> None:
    """Write the figures of a stopped run as what they are; none without an answer."""
    if rows := folder.answered(keys):
        folder.finish(headed(job, folder, present(job, footage, rows)[0], complete=False))


def remember(
    job: EvalJob, folder: EvalFolder, keys: Mapping[str, str], cached: int, reasons: Mapping[str, str], seconds: float
) -> None:
    """Leave the summary that `strive status` shows, also when the run was stopped."""
    answered = len(folder.answered(keys))
    failed = [{"id": name, "reason": reason} for name, reason in reasons.items()]
    size = folder.predictions.stat().st_size if folder.predictions.exists() else 0
    record = {"total": len(job.data.samples), "done": answered - cached, "cached": cached, "failed": failed}
    more = {"stage": "eval", "seconds": round(seconds, 3), "finished": time.time(), "bytes": size, "keys": {}}
    job.store.remember("last-run/eval", {**record, **more})


def ask(
    job: EvalJob, folder: EvalFolder, footage: Footage, keys: Mapping[str, str]
) -> tuple[dict[str, Any], list[dict[str, str]]]:
    """Ask the questions that have no answer."""
    from strive.stages.eval.evaluate import evaluate

    config = job.config.eval
    with stop_flag() as stop:
        done = evaluate(
            answerer_of(job, folder, footage),
            job.data,
            Inquiry(config, job.data),
            folder,
            control=config.control,
            keys=keys,
            unavailable=footage.reasons,
            unscored=footage.unscored,
            reporter=job.reporter,
            stop=stop,
        )
    return done.results, done.failed


def answerer_of(job: EvalJob, folder: EvalFolder, footage: Footage) -> "Answerer":
    """The server of `eval.endpoint`, or the policy, loaded now."""
    config = job.config.eval
    screen = screen_of(job.data.samples, footage, job.config)
    if config.endpoint:
        from strive.stages.eval.answering.endpoint import EndpointAnswerer

        return EndpointAnswerer(job.model, screen, config)
    from strive.stages.eval.answering.gallery import Gallery
    from strive.stages.eval.answering.local import LocalAnswerer
    from strive.stages.vlm.load import choose_device, choose_dtype, load_policy

    folder.settle_dtype(str(choose_dtype(config.dtype, choose_device(config.device))).removeprefix("torch."))
    policy = load_policy(
        job.model, device=config.device, dtype=config.dtype, max_pixels=config.max_pixels, min_pixels=config.min_pixels,
        time_text=config.time_text, frame_pairing=config.frame_pairing,
    )
    return LocalAnswerer(policy, screen, config, Gallery())


def screen_of(samples: Sequence[Sample], footage: Footage, config: Config) -> Screen:
    """What is shown for the samples that can be shown."""
    there = [sample for sample in samples if sample.id not in footage.reasons]
    return Screen(there, footage.frames_of, config.eval, frame_choice(config.eval, config.variants), footage.scores_of)


def evaluator(samples: Sequence[Sample], footage: Footage, config: Config) -> Callable[["Policy", int], dict[str, Any]]:
    """The function that training calls to measure its policy: figures only, nothing is written.

    The frames are those of `eval.sampler`. What the policy sees of them stays in memory between calls.
    """
    held: list[Gallery] = []
    data = BenchData(list(samples), unasked)

    def figures(policy: "Policy", step: int) -> dict[str, Any]:
        from strive.stages.eval.answering.gallery import Gallery
        from strive.stages.eval.answering.local import LocalAnswerer
        from strive.stages.eval.evaluate import evaluate

        if not held:
            held.append(Gallery())
        answerer = LocalAnswerer(policy, screen_of(samples, footage, config), config.eval, held[0])
        return evaluate(answerer, data, Inquiry(config.eval, data), control=config.eval.control,
                        unavailable=footage.reasons, unscored=footage.unscored).results

    return figures


def unasked(sample: Sample) -> Path:
    """No video is looked for: the footage is there already."""
    raise ItemError(f"{sample.video}: not looked for")
