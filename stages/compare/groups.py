"""Which recipes make the same groups of the base policy: those that differ only in what is done with rollouts later."""

from collections.abc import Iterable
from pathlib import Path

from strive.cache.digest import digest_json
from strive.configs.run_stages import TrainConfig
from strive.configs.schema import Config
from strive.stages.compare.layout import Layout
from strive.stages.compare.plan import Entry, changed

LATER = (
    "learning_rate", "warmup_steps", "weight_decay", "grad_clip", "optimizer", "loss", "inner_epochs", "zero_std",
    "resample_batches", "advantage_baseline", "advantage_scope", "advantage_scale", "advantage_mix",
    "advantage_min_std", "advantage_clip", "advantage_eps", "advantage_ddof", "kl_beta", "kl_estimator", "kl_in",
    "clip_low", "clip_high", "clip_dual", "sampled_cap", "group_rewards", "temporal_margin", "length_band",
    "contrast_rollouts", "anneal", "anneal_steps", "pass_rate", "pass_rate_rollouts",
)
"""Keys of train that no rollout of the base policy, nor its own reward, depends on."""
SECTIONS = ("extract", "score", "variants", "train")


def as_rolled_out(config: Config) -> Config:
    """The config with the defaults of everything that comes after the rollouts; seed 0."""
    return changed(config, "train", {**{name: TrainConfig.model_fields[name].get_default(call_default_factory=True)
                                        for name in LATER}, "seed": 0})


def folder_of(layout: Layout, config: Config) -> Path:
    """Where the groups of recipes lie that roll out like this one."""
    settings = {section: getattr(as_rolled_out(config), section).result_keys() for section in SECTIONS}
    return layout.out / "groups" / digest_json(settings)[7:23]


def distinct(entries: Iterable[Entry], layout: Layout) -> dict[Path, list[Entry]]:
    """Folder -> the recipes whose groups it holds."""
    found: dict[Path, list[Entry]] = {}
    for entry in entries:
        found.setdefault(folder_of(layout, entry.config), []).append(entry)
    return found
