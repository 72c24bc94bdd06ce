"""What a frozen vision tower makes of each view, computed once ever and kept in the cache beside the bundles.

An artefact of the stage "vision" holds the features of all variants of one question, as the tower gave them when it saw
them together: `<k>.tokens`, `<k>.level<i>` (deepstack) and `<k>.grid` in one safetensors file, dtypes untouched. The
key names the bundle's content and all that `vision_identity.py` finds to decide the features, so other weights, sizes
or libraries never meet them. Losing the cache only costs time: a damaged entry is made again, and a disk that fills up
ends the keeping, not the training.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from safetensors import SafetensorError
from safetensors.torch import load, save

from strive.cache import disk
from strive.cache.key import make_key
from strive.cache.runs import RUNS
from strive.cache.store import Artefact, Store
from strive.configs.errors import MissingError, UsageError, VerificationError
from strive.stages.reporter import Reporter
from strive.stages.train.vision.identity import Identity
from strive.stages.vlm.interface import ViewInputs, VisionFeatures

if TYPE_CHECKING:
    from torch import Tensor

    from strive.stages.vlm.policy import Policy

STAGE = "vision"
VERSION = 1
"""Raised with every change of an adapter that changes features."""
FILE = "features.safetensors"
RESERVE_BYTES = 2 << 30
"""Free space left to checkpoints and to others."""


@dataclass(frozen=True, eq=False)
class Kept:
    """The features of one view, and the `grid_thw` int64 [visuals, 3] that came with its pixels (None: none did)."""

    features: VisionFeatures
    grid: "Tensor | None"


class VisionCache:
    """Features by bundle, for one frozen tower; `UsageError` for a tower that is trained.

    Reads check the bytes against their digest before the first use in a process. Two runs may compute the same entry at
    once: the first one published counts, neither is ever seen half-written.
    """

    def __init__(self, store: Store, policy: "Policy", identity: Identity, reporter: Reporter,
                 reserve_bytes: int = RESERVE_BYTES) -> None:
        refuse_trained(policy)
        self.store, self.policy, self.identity, self.reporter = store, policy, identity, reporter
        self.reserve_bytes = reserve_bytes
        self.keeps = True

    def key(self, bundle: Artefact) -> str:
        """The key of a bundle's features."""
        return make_key(STAGE, VERSION, self.identity.config, self._inputs(bundle))

    def load(self, bundle: Artefact) -> list[Kept] | None:
        """The features of a bundle's variants, in order; None when there are none or (with a warning) damaged ones."""
        refuse_trained(self.policy)
        found = self.store.find(STAGE, self.key(bundle))
        if found is None:
            return None
        try:
            return unpacked(load(found.read(FILE)))
        except (VerificationError, SafetensorError, OSError) as error:
            self.reporter.warn(f"kept vision features are damaged and made again ({error})")
            return None

    def keep(self, bundle: Artefact, kept: Sequence[Kept], seconds: float) -> None:
        """Keep the features of a bundle's variants; what the disk refuses ends the keeping with one warning."""
        if not self.keeps:
            return
        root = self.store.root
        try:
            data = save(packed(kept))
            if disk.free_bytes(root) < len(data) + self.reserve_bytes:
                raise disk.no_space(root, len(data) + self.reserve_bytes)
            self.store.publish(STAGE, self.key(bundle), {FILE: data}, self._provenance(bundle, kept, seconds))
        except (MissingError, OSError) as error:
            self._give_up(error)

    def missing(self, bundles: Mapping[str, Artefact]) -> list[str]:
        """The ids whose features are not there yet."""
        return [name for name, bundle in bundles.items() if self.store.find(STAGE, self.key(bundle)) is None]

    def record_run(self, folder: Path, bundles: Mapping[str, Artefact]) -> None:
        """Note that the run in `folder` reads the features of these bundles: gc keeps them while the folder exists."""
        place = os.path.abspath(folder)
        keys = sorted(self.key(bundle) for bundle in bundles.values())
        try:
            self.store.remember(f"{RUNS}/{place}#{STAGE}", {"folder": place, "keys": keys})
        except (MissingError, OSError) as error:
            self._give_up(error)

    def _give_up(self, error: Exception) -> None:
        self.keeps = False
        self.reporter.warn(f"vision features are no longer kept, training goes on and makes them anew ({error})")

    def _inputs(self, bundle: Artefact) -> dict[str, Any]:
        return {**self.identity.inputs, "bundle": bundle.digest}

    def _provenance(self, bundle: Artefact, kept: Sequence[Kept], seconds: float) -> dict[str, Any]:
        tokens = [len(view.features.tokens) for view in kept]
        return {"inputs": self._inputs(bundle), "config": self.identity.config, "version": VERSION, "seconds": seconds,
                "meta": {"visual_tokens": tokens, "levels": len(kept[0].features.deepstack)}}


def refuse_trained(policy: "Policy") -> None:
    """`UsageError` when the tower's weights can change: kept features would be another tower's."""
    tower = policy.adapter.tower(policy.core)
    if not policy.freeze_vision or any(weight.requires_grad for weight in tower.parameters()):
        raise UsageError("kept vision features with a vision tower that is trained", "a frozen tower",
                         "Set train.freeze_vision=true or train.vision_cache=off.")


def packed(kept: Sequence[Kept]) -> dict[str, "Tensor"]:
    """Flat names and contiguous tensors, as safetensors wants them."""
    found: dict[str, Tensor] = {}
    for place, view in enumerate(kept):
        found[f"{place}.tokens"] = view.features.tokens
        found.update({f"{place}.level{i}": level for i, level in enumerate(view.features.deepstack)})
        if view.grid is not None:
            found[f"{place}.grid"] = view.grid
    return {name: tensor.detach().cpu().contiguous() for name, tensor in found.items()}


def unpacked(tensors: Mapping[str, "Tensor"]) -> list[Kept]:
    """The inverse of `packed`."""
    views = sum(name.endswith(".tokens") for name in tensors)
    levels = sum(name.startswith("0.level") for name in tensors)
    try:
        return [Kept(VisionFeatures(tensors[f"{k}.tokens"], tuple(tensors[f"{k}.level{i}"] for i in range(levels))),
                     tensors.get(f"{k}.grid")) for k in range(views)]
    except KeyError as error:
        raise VerificationError(f"kept vision features without {error}", "a tensor for each view and level",
                                "Run `strive cache verify --deep`.") from error


def check_fit(kept: Sequence[Kept], views: Sequence[ViewInputs], place: str) -> None:
    """`VerificationError` unless every view has a row of features for each visual token, on each level, on its grid."""
    found, wanted = [len(one.features.tokens) for one in kept], [view.visual_tokens for view in views]
    levels = all(level.shape == one.features.tokens.shape for one in kept for level in one.features.deepstack)
    if found != wanted or not levels or not all(map(same_grid, kept, views)):
        raise VerificationError(f"{place}: kept vision features for {found} visual tokens, the prompts have {wanted}",
                                "features that were made of these very views",
                                "Train with --set train.vision_cache=off, and please report it.")


def same_grid(one: Kept, view: ViewInputs) -> bool:
    """Whether the features were made on the patches that the prompt tells of."""
    if one.grid is None or view.grid_thw is None:
        return one.grid is view.grid_thw
    return one.grid.tolist() == view.grid_thw.tolist()
