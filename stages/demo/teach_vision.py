"""First lesson: the vision tower learns from dense labels what is where, token by token."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from strive.stages.demo.material import POOL_TIMES, Material, box_of, shown_at
from strive.stages.demo.pictures import RESIZERS, WHOLE, Box, cut, encode_pairs, random_box
from strive.stages.demo.policy_model import MERGE, PATCH, VIEW_SIDE
from strive.stages.demo.questions import FAMILIES

CLASSES = [(name, value) for name, family in FAMILIES.items() for value in family.choices]
CELLS = VIEW_SIDE // (PATCH * MERGE)  # visual tokens along a side
NOTHING, UNCLEAR = len(CLASSES), -100
Log = Callable[[str], None]


def teach_vision(
    visual: Any, material: Material, seed: int, steps: int, log: Log, focus: str = "", batch: int = 96
) -> float:
    """Train the tower with two throw-away heads (one for each frame of a pair); gives the last batches' accuracy.

    ``focus`` names a family to be shown in half of the pictures: the one that is hardest to see.
    """
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    heads = nn.Linear(visual.config.out_hidden_size, 2 * (len(CLASSES) + 1))
    weights = [*visual.parameters(), *heads.parameters()]
    optimizer = torch.optim.AdamW(weights, lr=2e-3, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 2e-3, steps, pct_start=0.1)
    accuracy = 0.0
    for step in range(steps):
        pairs, labels = _batch(material, rng, batch, focus)
        loss, right = _loss(visual, heads, pairs, labels)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(weights, 1.0)
        optimizer.step()
        schedule.step()
        accuracy = right if step == 0 else 0.97 * accuracy + 0.03 * right
        if step % 50 == 49:
            log(f"vision step {step + 1}: loss {loss.item():.3f}, tokens that show something right {accuracy:.3f}")
    return accuracy


def _loss(visual: Any, heads: nn.Linear, pairs: NDArray[np.uint8], labels: NDArray[np.int64]) -> tuple[Tensor, float]:
    features = encode_pairs(visual, pairs)  # [B * tokens, width]
    logits = heads(features).view(-1, 2, len(CLASSES) + 1)
    targets = torch.from_numpy(labels).permute(0, 2, 1).reshape(-1, 2)  # [B * tokens, 2 frames]
    loss = nn.functional.cross_entropy(logits.flatten(0, 1), targets.flatten(), ignore_index=UNCLEAR)
    something = (targets != NOTHING) & (targets != UNCLEAR)
    right = (logits.argmax(-1) == targets)[something].float().mean().item()
    return loss, right


def _batch(
    material: Material, rng: np.random.Generator, size: int, focus: str
) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    pairs = np.empty((size, 2, VIEW_SIDE, VIEW_SIDE, 3), np.uint8)
    labels = np.empty((size, 2, CELLS * CELLS), np.int64)
    for row in range(size):
        video = int(rng.integers(len(material.scripts)))
        kind = focus if focus and rng.random() < 0.5 else ""
        box = WHOLE if rng.random() < 0.5 else random_box(rng)
        resizer = int(rng.choice(RESIZERS))
        for place, frame in enumerate(_pair(material, rng, video, kind)):
            pairs[row, place] = cut(material.frames[video, frame], box, resizer)
            labels[row, place] = token_labels(material, video, frame, box)
    return pairs, labels


def _pair(material: Material, rng: np.random.Generator, video: int, kind: str) -> list[int]:
    """Two frames in order, most of them with something to see; of that kind, if the video has it."""
    shown = [[one.kind for one in shown_at(material.scripts[video], float(time))] for time in POOL_TIMES]
    busy = [place for place, kinds in enumerate(shown) if kind in kinds]
    busy = busy or [place for place, kinds in enumerate(shown) if kinds]
    chosen = [int(rng.choice(busy)) if rng.random() < 0.6 else int(rng.integers(len(POOL_TIMES))) for _ in range(2)]
    return sorted(chosen)


def token_labels(material: Material, video: int, frame: int, box: Box) -> NDArray[np.int64]:
    """Class of each visual token of one frame seen through a box: int64 [CELLS * CELLS]."""
    labels = np.full((CELLS, CELLS), NOTHING, np.int64)
    edges = np.arange(CELLS + 1) / CELLS
    for showing in shown_at(material.scripts[video], float(POOL_TIMES[frame])):
        x0, y0, x1, y1 = _through(box_of(showing, float(POOL_TIMES[frame])), box)
        wide = np.clip(np.minimum(edges[1:], x1) - np.maximum(edges[:-1], x0), 0, None)
        high = np.clip(np.minimum(edges[1:], y1) - np.maximum(edges[:-1], y0), 0, None)
        covered = np.outer(high, wide)
        in_view = covered.sum() / max((x1 - x0) * (y1 - y0), 1e-9)
        touched = covered > 0.35 * CELLS**-2
        label = CLASSES.index((showing.kind, showing.value)) if in_view > 0.85 else UNCLEAR
        labels[touched] = label
        labels[(covered > 0) & ~touched] = UNCLEAR
    return labels.reshape(-1)


def _through(inner: Box, window: Box) -> Box:
    """A box in the coordinates of a window of the same picture."""
    left, top, width, height = window[0], window[1], window[2] - window[0], window[3] - window[1]
    return ((inner[0] - left) / width, (inner[1] - top) / height, (inner[2] - left) / width, (inner[3] - top) / height)
