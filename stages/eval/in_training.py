"""How training measures its policy on held-out questions, and what the scores of a run are comparable by."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from strive.cache.digest import digest_json
from strive.stages.eval.answering.footage import chosen_by, footage
from strive.stages.eval.stage import evaluator
from strive.stages.plan import Job

if TYPE_CHECKING:
    from strive.stages.vlm.policy import Policy


@dataclass(frozen=True)
class Measurement:
    """`evaluate` and `eval_digest` of a training job: the function that gives the figures of a policy after a step, and
    the digest of everything that they are measured on."""

    evaluate: Callable[["Policy", int], dict[str, Any]]
    digest: str


def measurement(job: Job) -> Measurement:
    """Get the held-out questions of `job` (samples and videos set) ready to be asked by its `eval` settings.

    Videos are decoded and, where `eval.sampler` needs it, questions are scored now; both are cached. Samples that can't
    be shown are reported with each evaluation, with the reason.
    """
    config, shown = job.config, footage(job)
    measure = evaluator(job.samples, shown, config)

    def evaluate(policy: "Policy", step: int) -> dict[str, Any]:
        adapter, sizes = policy.adapter, (policy.adapter.max_pixels, policy.adapter.min_pixels)
        adapter.max_pixels, adapter.min_pixels = config.eval.max_pixels, config.eval.min_pixels
        try:
            return measure(policy, step)
        finally:
            adapter.max_pixels, adapter.min_pixels = sizes

    asked = [[{**vars(sample), "meta": dict(sample.meta)}, shown.digest(sample)] for sample in job.samples]
    chosen = chosen_by(config, job.store)
    return Measurement(evaluate, digest_json([config.eval.result_keys(), asked, *([chosen] if chosen else [])]))
