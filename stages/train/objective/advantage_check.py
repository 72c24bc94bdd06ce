"""Combinations of advantage settings that mean nothing, or the same as simpler ones, are refused before training."""

from strive.configs.errors import UsageError
from strive.stages.train.objective.scales import AdvantageConfig

MIXED = {"joint_mean_row_std": "joint", "row_mean_joint_std": "per_variant"}
"""Scopes that name a std other than their baseline's, and what they are without it."""


def check_advantages(config: AdvantageConfig, variants: int, each: int) -> None:
    """`UsageError` for settings that don't go together; `variants` V of a question, `each` G rollouts on one."""
    scope = config.advantage_scope
    _check_group(config, variants, each)
    if scope == "hierarchical" and config.advantage_baseline == "leave_one_out":
        raise UsageError("train.advantage_baseline = leave_one_out with train.advantage_scope = hierarchical",
                         "a baseline of single rewards: the part between variants compares their means",
                         "Set train.advantage_baseline=mean or another train.advantage_scope.")
    if scope in MIXED and config.advantage_scale != "group":
        raise UsageError(f"train.advantage_scope = {scope} with train.advantage_scale = {config.advantage_scale}",
                         "train.advantage_scale = group: the scope says which std of the group divides",
                         f"Set train.advantage_scale=group, or train.advantage_scope={MIXED[scope]}, the same without "
                         "that std.")
    if config.advantage_scale == "none" and config.advantage_min_std > 0:
        raise UsageError(f"train.advantage_min_std = {config.advantage_min_std:g} with train.advantage_scale = none",
                         "a std to hold up: nothing is divided",
                         "Set train.advantage_min_std=0 or train.advantage_scale=group.")


def _check_group(config: AdvantageConfig, variants: int, each: int) -> None:
    scope = config.advantage_scope
    if each < 2 and scope != "joint":
        raise UsageError(f"train.advantage_scope = {scope} with one rollout for each of {variants} variants",
                         "at least two rollouts per variant: one has no mean or std of its own",
                         f"Set train.rollouts={2 * variants} or train.advantage_scope=joint.")
    if variants < 2 and scope == "hierarchical" and config.advantage_mix < 1:
        raise UsageError("train.advantage_scope = hierarchical with one variant",
                         "at least two variants: the means of variants are compared",
                         "Set variants.count=4 or train.advantage_scope=joint.")
