"""How long prompts are, from the bundles' sizes and times alone: what is too long is listed before the first step."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from strive.cache.store import Artefact
from strive.configs.data_stages import VariantsConfig
from strive.stages.bundle import hdf5
from strive.stages.bundle.reader import Bundle, Variant
from strive.stages.tasks.prompt import PromptFormat
from strive.stages.train.job import BUNDLE_FILE
from strive.stages.train.vision.unseen_view import layouts

if TYPE_CHECKING:
    from strive.stages.vlm.policy import Policy


TOKENS_PER_FRAME = 16
"""Room for what a family writes beside a frame's placeholders, such as its time."""
TEXT_TOKENS = 2048
"""Room for a question; a longer one is found when it is encoded."""


def cannot_be_too_long(policy: "Policy", variants: VariantsConfig, limit: int) -> bool:
    """True when twice the frames of a variant at the largest size, with room for text, stay within `limit`.

    Never said of resolution tiers: how large their frames are depends on the stored ones.
    """
    if variants.uses("tiers"):
        return False
    frames = round(variants.frames * max(1.0, variants.frame_factor))
    return 2 * frames * (policy.adapter.frame_tokens + TOKENS_PER_FRAME) + TEXT_TOKENS <= limit


def too_long(policy: "Policy", bundles: Mapping[str, Artefact], prompt: PromptFormat, limit: int) -> dict[str, str]:
    """Sample id -> reason for every sample with a view whose prompt has more than `limit` tokens."""
    lengths = {name: longest_prompt(policy, artefact.path / BUNDLE_FILE, prompt) for name, artefact in bundles.items()}
    return {name: f"prompt of {length} tokens, more than train.max_prompt_tokens = {limit}"
            for name, length in lengths.items() if length > limit}


def longest_prompt(policy: "Policy", path: Path, prompt: PromptFormat) -> int:
    """Tokens of the longest prompt over a bundle's variants; no pixel is decoded."""
    bundle = Bundle.open(path)
    with hdf5.open_read(path) as file:
        sizes = hdf5.read(hdf5.group_at(file, "pool"), "size", "int32", (None, 2))
    text = len(policy.encode_text(prompt.render(bundle.sample.blind())))
    return text + max(visual_length(policy, variant, sizes) for variant in bundle.variants)


def visual_length(policy: "Policy", variant: Variant, sizes: np.ndarray) -> int:
    """Tokens that a variant's clips add to a prompt; `sizes` int32 [U, 2] of the pool."""
    adapter = policy.adapter
    shown = "".join(written for clip in layouts(adapter, variant, sizes) for written in adapter.visuals(clip))
    placeholder = adapter.token_of[adapter.kind]
    words = policy.tokenizer(shown.replace(placeholder, ""), add_special_tokens=False)["input_ids"]
    return shown.count(placeholder) + len(words)
