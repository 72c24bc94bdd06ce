"""What cannot get better by going on, and what is said when it stops."""

import math
from collections.abc import Mapping

from strive.configs.errors import StoppedError
from strive.configs.run_stages import TrainConfig
from strive.stages.train.snapshot import State

BAD_STEPS = 3
"""Non-finite steps in a row after which the run stops."""
ENOUGH_ROLLOUTS = 100
"""Rollouts before the share of unscorable ones is judged; sooner when none has a reward."""


def judge(state: State, gap: float, config: TrainConfig, last_good: str,
          failures: Mapping[str, Mapping[str, int]]) -> None:
    """Raise `StoppedError` (4) when the run is past saving; its ledgers already hold the step.

    gap: mean |log-prob in training - when sampled| of the step, NaN when nothing was computed. failures: unscorable
    rollouts by reward and kind.
    """
    if state.bad_steps >= BAD_STEPS:
        raise StoppedError(f"step {state.step}: loss or gradients were not finite {BAD_STEPS} times in a row",
                           "finite numbers", f"{last_good} Lower train.learning_rate or train.grad_clip.")
    share = state.bad_rewards / max(state.rollouts, 1)
    judged = state.rollouts >= ENOUGH_ROLLOUTS or state.bad_rewards == state.rollouts
    if judged and share > config.max_bad_rewards:
        kinds = "; ".join(f"{name}: {', '.join(f'{n} x {kind}' for kind, n in kinds.items())}"
                          for name, kinds in failures.items())
        raise StoppedError(f"step {state.step}: {state.bad_rewards} of {state.rollouts} rollouts have no reward"
                           f"{f' ({kinds})' if kinds else ''}",
                           f"at most train.max_bad_rewards = {config.max_bad_rewards:g} of them",
                           f"{last_good} Mend the reward named in the warnings.")
    if math.isfinite(gap) and gap > config.max_gap:
        raise StoppedError(f"step {state.step}: log-probs in rollout and training differ by {gap:.2f} nats a token",
                           f"at most train.max_gap = {config.max_gap:g}",
                           "They should be equal up to rounding: please report it, or raise train.max_gap.")


def no_variance(batches: int, groups: int, step: int) -> StoppedError:
    """`zero_std: resample` has drawn all that it may."""
    return StoppedError(f"step {step}: {batches} batches tried, 0 of {groups} groups had two different rewards",
                        "a group to learn from within train.resample_batches",
                        "Is the reward constant? Look at rollouts.jsonl; raise train.temperature or train.rollouts, "
                        "mend the reward, or choose easier or harder questions (train.pass_rate).")
