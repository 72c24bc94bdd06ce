"""Questions ready for the policy: bundles read, variants decoded and encoded once, kept within a memory bound.

A frozen vision tower sees a question's variants once as well, together and apart from other questions, so that what it
makes of them does not depend on the batch they are drawn in. Its features replace the pixels in memory, and with a
`VisionCache` on disk: what is there is not decoded and not encoded again, in this run or another.
"""

import time
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from strive.cache.store import Artefact
from strive.configs.errors import ItemError
from strive.configs.run_stages import TrainConfig
from strive.stages.bundle.reader import Bundle
from strive.stages.tasks.prompt import PromptFormat
from strive.stages.train.engine.rollout import Example, Shown
from strive.stages.train.job import BUNDLE_FILE
from strive.stages.train.vision.cache import Kept, VisionCache, check_fit
from strive.stages.train.vision.unseen_view import pool_sizes, unseen_view

if TYPE_CHECKING:
    from torch import Tensor

    from strive.stages.vlm.interface import ViewInputs, VisionFeatures
    from strive.stages.vlm.policy import Policy

CACHE_BYTES = 1 << 30
"""Views kept in memory; the least recently used go first."""


class Examples:
    """Examples by sample id, each read from its bundle at most once as long as it fits the cache.

    `vision`: where a frozen tower's features are kept between runs; None: in memory alone.
    """

    def __init__(self, policy: "Policy", bundles: Mapping[str, Artefact], prompt: PromptFormat, config: TrainConfig,
                 cache_bytes: int = CACHE_BYTES, vision: VisionCache | None = None) -> None:
        self.policy, self.bundles, self.prompt, self.config = policy, bundles, prompt, config
        self.cache_bytes, self.vision = cache_bytes, vision
        self._held: OrderedDict[str, Example] = OrderedDict()
        self._bytes = 0

    def get(self, sample_id: str) -> Example:
        """The example; `ItemError` when a prompt is too long or a view cannot be encoded, `VerificationError` for a
        damaged bundle."""
        if sample_id in self._held:
            self._held.move_to_end(sample_id)
            return self._held[sample_id]
        artefact = self.bundles[sample_id]
        example = self._recalled(artefact) or self._encode(artefact)
        self._keep(sample_id, example)
        return example

    def _recalled(self, artefact: Artefact) -> Example | None:
        """The example from kept features, without a decoded pixel; None when they are not there."""
        kept = None if self.vision is None else self.vision.load(artefact)
        if kept is None:
            return None
        path = artefact.file(BUNDLE_FILE)
        bundle, sizes = Bundle.open(path), pool_sizes(path)
        text = self.prompt.render(bundle.sample.blind())
        views = [unseen_view(self.policy.adapter, variant, sizes, text) for variant in bundle.variants]
        self._check_length(views)
        check_fit(kept, views, bundle.sample.id)
        return shown(bundle, views, [one.features for one in kept])

    def _encode(self, artefact: Artefact) -> Example:
        bundle = Bundle.open(artefact.read(BUNDLE_FILE))
        text = self.prompt.render(bundle.sample.blind())
        views = [self.policy.encode_view(v.clips(), v.times, text) for v in bundle.variants]
        self._check_length(views)
        if not self.policy.freeze_vision:
            return shown(bundle, views, [None] * len(views))
        began = time.perf_counter()
        features = [held(one) for one in self.policy.encode_vision(views)]
        if self.vision is not None:
            kept = [Kept(one, view.grid_thw) for one, view in zip(features, views, strict=True) if one is not None]
            self.vision.keep(artefact, kept, time.perf_counter() - began)
        return shown(bundle, [replace(view, pixel_values=None) for view in views], features)

    def _check_length(self, views: Sequence["ViewInputs"]) -> None:
        longest = max(len(view) for view in views)
        if longest > self.config.max_prompt_tokens:
            raise ItemError(f"prompt of {longest} tokens, more than train.max_prompt_tokens = "
                            f"{self.config.max_prompt_tokens}")

    def _keep(self, sample_id: str, example: Example) -> None:
        self._held[sample_id] = example
        self._bytes += size_bytes(example)
        while self._bytes > self.cache_bytes and len(self._held) > 1:
            _, gone = self._held.popitem(last=False)
            self._bytes -= size_bytes(gone)


def shown(bundle: Bundle, views: Sequence["ViewInputs"], features: Sequence["VisionFeatures | None"]) -> Example:
    """The example of a bundle's variants."""
    made = tuple(map(Shown, views, features, (v.times for v in bundle.variants)))
    return Example(bundle.sample, made[: bundle.n_trained], made[bundle.n_trained :])


def held(features: "VisionFeatures | None") -> "VisionFeatures | None":
    """The features in main memory."""
    if features is None:
        return None
    return replace(features, tokens=features.tokens.cpu(), deepstack=tuple(level.cpu() for level in features.deepstack))


def size_bytes(example: Example) -> int:
    """Bytes of an example's tensors."""
    tensors: list[Tensor | None] = []
    for view in (*example.views, *example.contrast):
        inputs = view.inputs
        tensors += [inputs.input_ids, inputs.position_ids, inputs.mm_token_type_ids, inputs.pixel_values]
        if view.features is not None:
            tensors += [view.features.tokens, *view.features.deepstack]
    return sum(t.numel() * t.element_size() for t in tensors if t is not None)
