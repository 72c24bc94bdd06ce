"""Puts a run together: the policy, its engine, the questions it will draw, and everything that a step needs."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

from strive.cache.store import Artefact
from strive.stages.tasks.prompt import PromptFormat, format_named
from strive.stages.train.engine.interface import Reference
from strive.stages.train.engine.optimizer import Optimizer
from strive.stages.train.engine.prefix_engine import PrefixEngine
from strive.stages.train.job import TrainJob
from strive.stages.train.loop import Loop
from strive.stages.train.questions import pass_rate
from strive.stages.train.questions.examples import Examples
from strive.stages.train.questions.order import Mixture, Source
from strive.stages.train.questions.prompt_plan import cannot_be_too_long, too_long
from strive.stages.train.questions.sources import check_shares, narrowed
from strive.stages.train.reward.group_rewards import load_group_rewards
from strive.stages.train.reward.rewards import load_rewards
from strive.stages.train.run_folder import RunFolder
from strive.stages.train.signals import Stop
from strive.stages.train.snapshot import State
from strive.stages.train.stage import check_count
from strive.stages.train.stepping import Stepper
from strive.stages.train.vision.plan import open_cache
from strive.stages.vlm.load import load_policy

if TYPE_CHECKING:
    from strive.stages.vlm.policy import Policy


def load(job: TrainJob, trainable: bool) -> "Policy":
    """The policy to train, or with `trainable=False` the same weights frozen."""
    config = job.config.train
    policy = load_policy(job.model, device=config.device, dtype=config.dtype, max_pixels=config.max_pixels,
                         min_pixels=config.min_pixels, trainable=trainable, freeze_vision=config.freeze_vision,
                         lora_rank=config.lora_rank if trainable else 0, seed=config.seed, attention=config.attention,
                         time_text=config.time_text, frame_pairing=config.frame_pairing)
    if trainable and config.gradient_checkpointing:
        policy.recompute()
    return policy


def assemble(job: TrainJob, run: RunFolder, bundles: Mapping[str, Artefact], policy: "Policy",
             stop: Stop) -> tuple[Loop, dict[str, str]]:
    """The loop with everything in it but the questions to draw (`choose_questions`), and the samples left out."""
    config, prompt = job.config.train, format_named(job.config.train.prompt_format)
    skipped = left_out(job, bundles, policy, prompt)
    optimizer = Optimizer(policy.model.named_parameters(), config)
    engine = PrefixEngine(policy, optimizer, config, reference_of(job, policy) if config.kl_beta > 0 else None,
                          job.ranks)
    vision = open_cache(policy, bundles, config, job.run, job.reporter)
    stepper = Stepper(config, run, Mixture(sources_of(job, set(bundles) - set(skipped)), config.seed,
                                           config.prompts_per_step),
                      policy, engine, Examples(policy, bundles, prompt, config, vision=vision), prompt,
                      load_rewards(config.rewards, config.reward_timeout_s), load_group_rewards(config), job.reporter,
                      State(), job.ranks)
    return Loop(config, run, policy, optimizer, stepper, job.reporter, stop, job.evaluate), skipped


def left_out(job: TrainJob, bundles: Mapping[str, Artefact], policy: "Policy", prompt: PromptFormat) -> dict[str, str]:
    """Sample id -> reason for prompts that are too long, said in the plan; what is left must fill a step."""
    limit = job.config.train.max_prompt_tokens
    within = cannot_be_too_long(policy, job.config.variants, limit)
    skipped = {} if within else too_long(policy, bundles, prompt, limit)
    if skipped:
        job.reporter.plan([f"train: {len(skipped)} of {len(bundles)} samples are left out (prompts longer than "
                           f"train.max_prompt_tokens = {limit})"])
    check_count(len(bundles) - len(skipped), job.config.train.prompts_per_step)
    return skipped


def choose_questions(loop: Loop, job: TrainJob, ids: set[str]) -> dict[str, str]:
    """Draw from `ids`, or with `train.pass_rate` from those of them that the initial policy answers now and then.

    Measured before the first step, under the initial policy. Returns sample id -> reason of what could not be measured.
    """
    config, stepper = job.config.train, loop.stepper
    reasons: dict[str, str] = {}
    if config.pass_rate is not None:
        rates = pass_rate.measure(
            stepper.engine, stepper.examples, ids, config, loop.run,
            lambda row: stepper.rewards.score(row.example.sample, stepper.prompt.parse(
                row.completion.text, truncated=not row.completion.finished)),
            job.reporter, loop.stop, job.ranks)
        reasons = pass_rate.left_out(loop.run)
        for text in stepper.rewards.take_warnings():
            job.reporter.warn(f"pass rate: {text}")
        job.reporter.info(f"train: {pass_rate.summary(rates, config.pass_rate)}")
        ids = set(pass_rate.check_kept(rates, config.pass_rate, config.prompts_per_step))
    sources = sources_of(job, ids)
    check_shares(sources, config.prompts_per_step)
    stepper.mixture = Mixture(sources, config.seed, config.prompts_per_step)
    return reasons


def sources_of(job: TrainJob, ids: set[str]) -> list[Source]:
    """The job's files with those of their questions that are among `ids`."""
    return narrowed(job.data, ids) if job.data else [Source("", sorted(ids))]


def reference_of(job: TrainJob, policy: "Policy") -> Reference:
    """The initial policy: this one with its adapter off, or a frozen second copy; loaded only when kl_beta > 0."""
    frozen = None if job.config.train.lora_rank > 0 else load(job, trainable=False)

    @contextmanager
    def reference() -> Iterator["Policy"]:
        if frozen is not None:
            yield frozen
            return
        with policy.model.disable_adapter():
            yield policy

    return reference
