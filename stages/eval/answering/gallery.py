"""What a policy sees of the videos it is measured on, made once for all questions and kept for the next time.

Questions about one video share its decoded, resized and encoded frames. An evaluator that is called again and again
during training shows the same frames each time: what a frozen vision tower makes of them does not change either.
"""

import weakref
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from torch import Tensor

from strive.stages.eval.answering.answers import Ask
from strive.stages.eval.answering.shown import Place, Shown
from strive.stages.vlm.clips import ShownClip
from strive.stages.vlm.interface import ViewInputs, VisionFeatures
from strive.stages.vlm.policy import Policy

CACHE_BYTES = 1 << 30
"""Views kept in main memory; the least recently used go first."""


@dataclass(eq=False)
class Seen:
    """The frames at one place for one policy: everything about them but the question.

    times: where they stand in the video, in the order shown. pixels: the tower's input, until a frozen tower has seen
    it. features: what it made of them, in main memory. prompts: by sample id, without pixels.
    """

    place: Place
    video: str | None
    times: np.ndarray  # [T] float64, seconds
    layouts: list[ShownClip]
    pixels: Tensor | None
    features: VisionFeatures | None = None
    prompts: dict[str, ViewInputs] = field(default_factory=dict)

    def size_bytes(self) -> int:
        """Bytes of its tensors."""
        kept = [self.pixels]
        kept += [self.features.tokens, *self.features.deepstack] if self.features is not None else []
        for view in self.prompts.values():
            kept += [view.input_ids, view.position_ids, view.mm_token_type_ids]
        return sum(tensor.numel() * tensor.element_size() for tensor in kept if tensor is not None)


class Gallery:
    """Views by place, as one policy sees them; another policy, or one set up otherwise, starts afresh.

    For one set of samples and one prompt format. The weights of a frozen tower must not be exchanged in place.
    """

    def __init__(self, limit: int = CACHE_BYTES) -> None:
        self.limit = limit
        self._held: OrderedDict[Place, Seen] = OrderedDict()
        self._sizes: dict[Place, int] = {}
        self._total = 0
        self._owner: tuple[object, ...] = ()

    def open(self, policy: Policy) -> None:
        """Get ready for a policy."""
        adapter = policy.adapter
        settings = (adapter.max_pixels, adapter.min_pixels, adapter.time_text, adapter.frame_pairing, is_frozen(policy))
        owner = (weakref.ref(policy), *settings)
        if owner != self._owner:
            self._held.clear()
            self._sizes.clear()
            self._total = 0
        self._owner = owner

    def holds(self, place: Place) -> bool:
        """Whether nothing must be made to see what is shown there."""
        return place in self._held

    def see(self, policy: Policy, place: Place, ask: Ask, make: Callable[[], Seen]) -> tuple[Seen, ViewInputs]:
        """The frames at a place, which `make` makes where they are not held, and the prompt (without pixels) that asks
        about them."""
        seen, name = self._held.get(place), ask.sample.id
        if seen is None:
            seen = self._held[place] = make()
        self._held.move_to_end(place)
        if name not in seen.prompts:
            seen.prompts[name] = policy.adapter.encode_unseen(seen.layouts, ask.text(seen.times.tolist()))
        self._weigh(place, seen)
        return seen, seen.prompts[name]

    def features(self, policy: Policy, seen: Sequence[Seen]) -> list[VisionFeatures | None]:
        """What the tower makes of each: one view at a time, so that it does not depend on the batch; kept if frozen."""
        made: dict[int, VisionFeatures | None] = {}
        for one in seen:
            if id(one) not in made:
                made[id(one)] = on_device(one.features, policy) if one.features is not None else self._look(policy, one)
        return [made[id(one)] for one in seen]

    def _look(self, policy: Policy, seen: Seen) -> VisionFeatures | None:
        prompt = next(iter(seen.prompts.values()))
        found = policy.encode_vision([replace(prompt, pixel_values=seen.pixels)])[0]
        if found is not None and is_frozen(policy):
            seen.features = replace(found, tokens=found.tokens.cpu(), deepstack=tuple(x.cpu() for x in found.deepstack))
            seen.pixels = None
            if self._held.get(seen.place) is seen:
                self._weigh(seen.place, seen)
        return found

    def _weigh(self, place: Place, seen: Seen) -> None:
        size = seen.size_bytes()
        self._total += size - self._sizes.get(place, 0)
        self._sizes[place] = size
        while len(self._held) > 1 and self._total > self.limit:
            gone, _ = self._held.popitem(last=False)
            self._total -= self._sizes.pop(gone)


def hung(policy: Policy, place: Place, shown: Shown) -> Seen:
    """Frames resized and cut into patches, with the layout from which any question's prompt is made."""
    layouts, pixels, _ = policy.adapter.encode_frames(shown.clips, shown.times)
    return Seen(place, shown.video, np.asarray(shown.seconds), layouts, pixels)


def is_frozen(policy: Policy) -> bool:
    """Whether the vision tower's weights stay as they are."""
    tower = policy.adapter.tower(policy.core)
    return policy.freeze_vision and not any(weight.requires_grad for weight in tower.parameters())


def on_device(features: VisionFeatures, policy: Policy) -> VisionFeatures:
    """The features where the policy computes."""

    def moved(tensor: Tensor) -> Tensor:
        return tensor.to(policy.device)

    return VisionFeatures(moved(features.tokens), tuple(map(moved, features.deepstack)))
