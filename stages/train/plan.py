"""What a run will do, in lines that people read before it starts; nothing heavy is imported for a run that is done."""

from strive.configs.schema import Config
from strive.stages.train import checkpoint
from strive.stages.train.engine.split import chance
from strive.stages.train.job import TrainJob
from strive.stages.train.run_folder import RunFolder


def plan_lines(job: TrainJob, usable: int) -> list[str]:
    """Steps, where they begin, and what one of them holds; `usable` questions have or will have a bundle.

    Then what a step takes, from the model's config alone: tokens, memory, arithmetic, and a warning where the device
    has less memory.
    """
    config, run = job.config.train, RunFolder(job.run)
    results = None if job.force else run.finished()
    if results is not None and results["step"] >= config.steps:
        return [f"train     nothing to do: {job.run} has all {results['step']} steps"]
    from strive.stages.train.estimate.estimate import estimate_lines

    there = [] if job.force else checkpoint.found(run.checkpoints)
    begin = there[0].step if there else 0
    variants = job.config.variants.count
    weights = f"LoRA of rank {config.lora_rank}" if config.lora_rank else "all weights"
    vision = "vision frozen" if config.freeze_vision or config.lora_rank else "vision trained"
    beside = (f" + {config.contrast_rollouts} on contrast views" if config.contrast_rollouts else "") + (
        f", annealed to the first variant over {config.anneal_steps} steps" if config.anneal != "none" else "")
    epochs = f"; {config.steps * config.prompts_per_step / usable:.1f} epochs" if usable else ""
    return [
        f"train     {config.steps - begin:>6} steps{f' from step {begin}' if begin else ''}  model {job.model}",
        f"          each {config.prompts_per_step} of {usable} questions x {variants} variants x "
        f"{config.rollouts // variants} rollouts{beside}, at most {config.max_new_tokens} new tokens{epochs}",
        f"          {config.advantage_scope} advantages, {config.loss} loss, learning rate {config.learning_rate:g}, "
        f"{weights}, {vision}; a checkpoint every {config.checkpoint_every} steps",
        *(f"          warning: {text}" for text in pointless(job.config)),
        *estimate_lines(job.config, job.model),
    ]


def pointless(config: Config) -> list[str]:
    """Settings that are allowed and do not do what they are there for, each in words."""
    variants, train = config.variants, config.train
    found = []
    if variants.uses("tiers") and variants.tier_pixels != train.max_pixels:
        found.append(f"variants.tier_pixels = {variants.tier_pixels}, train.max_pixels = {train.max_pixels}: "
                     "tiers will not have the tokens of a plain view")
    if train.anneal != "none" and train.anneal_steps > train.steps:
        left = chance(train, train.steps - 1)
        found.append(f"train.anneal_steps = {train.anneal_steps}, train.steps = {train.steps}: in the last step a "
                     f"variant beyond the first is still rolled out with a chance of {left:.2f}")
    if "length_band" in train.group_rewards and train.length_band[0] > train.max_new_tokens:
        found.append(f"train.length_band begins at {train.length_band[0]} tokens, train.max_new_tokens = "
                     f"{train.max_new_tokens}: no reply gets the reward")
    return found
