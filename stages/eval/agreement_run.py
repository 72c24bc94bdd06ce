"""`run_agreement(job)`: the agreement of one policy over bundles, durable question by question.

RUN/recipe.json       what the figures depend on; a resume must agree with it
RUN/answers.jsonl     a row a question: what was said and read on each variant
RUN/agreement.json    the figures and their recipe, written when every question has its answers or a reason
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from strive.cache.digest import digest_json
from strive.cache.key import library_series
from strive.cache.lock import hold
from strive.cache.store import Artefact
from strive.configs.errors import UsageError
from strive.configs.schema import Config
from strive.stages.eval.run_folder import EvalFolder
from strive.stages.interrupt import stop_flag
from strive.stages.reporter import Reporter, Silent
from strive.stages.tasks.plugins import plugin_identity
from strive.stages.vlm.resolve import model_identity

VERSION = 1
SETTINGS = ("dtype", "frame_pairing", "max_new_tokens", "max_pixels", "min_pixels", "prompt_format", "protocol",
            "time_text")
OURS = ("recipe.json", "answers.jsonl", "agreement.json", "config.yaml")


@dataclass
class AgreementJob:
    """`bundles` by sample id, made with the variants to compare. `model`: Hugging Face id, folder, run folder, demo."""

    config: Config
    run: Path
    model: str
    bundles: Mapping[str, Artefact]
    reporter: Reporter = field(default_factory=Silent)
    sources: Mapping[str, str] = field(default_factory=dict)
    force: bool = False


class AgreementFolder(EvalFolder):
    """One run folder; also keeps the answers while they come."""

    def __init__(self, root: Path, keys: Mapping[str, str]) -> None:
        super().__init__(root)
        self.recipe, self.predictions, self.results, self.config = (root / name for name in OURS)
        self.keys = keys
        self.rows: dict[str, dict[str, Any]] = {}

    def clear(self) -> None:
        """Forget the run: its own files, nothing else."""
        for name in OURS[1:] + OURS[:1]:
            (self.root / name).unlink(missing_ok=True)

    def append(self, row: Mapping[str, Any]) -> None:
        """Make one question's answers durable."""
        super().append({"key": self.keys[str(row["id"])], **row})


def run_agreement(job: AgreementJob) -> dict[str, Any]:
    """The figures (see `agreement`), `recipe` beside them. The same call goes on where it was stopped.

    Raises `UsageError` for no bundles, and for a folder that was begun with other settings, weights or bundles.
    """
    if not job.bundles:
        raise UsageError("agreement: no bundles", "at least one question", "Check the data.")
    recipe = recipe_of(job)
    folder = AgreementFolder(job.run, {name: one.digest for name, one in job.bundles.items()})
    with hold(folder.lock, on_wait=job.reporter.info):
        if job.force:
            folder.clear()
        folder.open(recipe, job.config, job.sources)
        folder.rows = folder.answered(folder.keys)
        found = measure(job, folder) if len(folder.rows) < len(job.bundles) else answered(folder)
        results = {**found, "model": job.model, "recipe": folder.read_recipe()}
        folder.finish(results)
    return results


def recipe_of(job: AgreementJob) -> dict[str, Any]:
    """What the figures depend on, as plain JSON."""
    settings = job.config.eval.result_keys()
    own = plugin_identity([settings["prompt_format"]], "eval.prompt_format")
    return {
        "version": VERSION, "model": model_identity(job.model), **{f"eval.{name}": settings[name] for name in SETTINGS},
        "bundles": digest_json(sorted((name, one.digest) for name, one in job.bundles.items())),
        "libraries": library_series("torch", "transformers"), **({"own_code": own} if own else {}),
    }


def answered(folder: AgreementFolder) -> dict[str, Any]:
    """The figures of a run whose questions all have their answers."""
    from strive.stages.eval.agreement import figures

    return figures([folder.rows[name] for name in sorted(folder.rows)])


def measure(job: AgreementJob, folder: AgreementFolder) -> dict[str, Any]:
    """Load the policy and ask what has no answers yet."""
    from strive.stages.eval.agreement import agreement
    from strive.stages.vlm.load import choose_device, choose_dtype, load_policy

    config = job.config.eval
    folder.settle_dtype(str(choose_dtype(config.dtype, choose_device(config.device))).removeprefix("torch."))
    policy = load_policy(job.model, device=config.device, dtype=config.dtype, max_pixels=config.max_pixels,
                         min_pixels=config.min_pixels, time_text=config.time_text, frame_pairing=config.frame_pairing)
    with stop_flag() as stop:
        return agreement(policy, job.bundles, config, job.reporter, folder, stop)
