"""What the policy's lessons are made of: views of videos as vision features, prompts and replies as tokens."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from strive.stages.demo.material import POOL_TIMES, Material
from strive.stages.demo.pictures import RESIZERS, WHOLE, Box, cut, encode_pairs, random_box
from strive.stages.demo.policy_model import VIEW_FRAMES, VIEW_SIDE
from strive.stages.demo.questions import Family
from strive.stages.demo.script import Asked
from strive.stages.demo.world import is_evidence_shown
from strive.stages.tasks.prompt import PROMPT_FORMATS
from strive.stages.tasks.sample import Question

GREY = 128


def prompt_text(wording: str, family: Family) -> str:
    """The user's text for a question, as the prompt format that the demo uses writes it."""
    question = Question(id="", video="", text=wording, options=None, question_type=family.question_type)
    return PROMPT_FORMATS["think_answer"].render(question)


@dataclass(frozen=True)
class Seen:
    """One view of one video as the language model gets it."""

    video: int
    times: NDArray[np.float64]  # [VIEW_FRAMES] s
    blank: bool  # grey all over
    features: Tensor  # float16 [visual tokens, width]

    def shows(self, asked: Asked) -> bool:
        """Whether the evidence for a question is in the frames of this view."""
        if self.blank:
            return False
        spans = [(showing.start_s, showing.end_s) for showing in asked.showings]
        return is_evidence_shown(spans, [float(time) for time in self.times])


def uniform_frames(pool: int, count: int) -> NDArray[np.int64]:
    """Midpoints of ``count`` equal bins of a pool, as the uniform view takes them."""
    return np.floor((np.arange(count) + 0.5) * pool / count).astype(np.int64)


def random_frames(rng: np.random.Generator, pool: int, count: int) -> NDArray[np.int64]:
    """One random frame of each of ``count`` equal bins."""
    edges = np.ceil(np.linspace(0, pool, count + 1))
    return np.array([int(rng.integers(low, high)) for low, high in zip(edges, edges[1:], strict=False)])


@torch.no_grad()
def see(
    visual: Any, material: Material, video: int, frames: NDArray[np.int64], box: Box, resizer: int, blank: bool = False
) -> Seen:
    """Encode one view with the (finished) vision tower."""
    pictures = np.stack([cut(material.frames[video, frame], box, resizer) for frame in frames])
    if blank:
        pictures[:] = GREY
    pairs = pictures.reshape(len(frames) // 2, 2, VIEW_SIDE, VIEW_SIDE, 3)
    features = encode_pairs(visual, pairs).half()
    return Seen(video, POOL_TIMES[frames], blank, features)


def many_views(visual: Any, material: Material, seed: int, per_video: int, loose: float = 0.0) -> list[Seen]:
    """Views for teaching: random frames, a third of them cropped, in all usual ways of resizing.

    ``loose``: share of views with any frames instead of one from each eighth of the video; a tenth of those are grey.
    """
    rng = np.random.default_rng(seed)
    views = []
    for video in range(len(material.scripts)):
        for _ in range(per_video):
            box = WHOLE if rng.random() < 0.7 else random_box(rng)
            frames = random_frames(rng, len(POOL_TIMES), VIEW_FRAMES)
            is_loose = loose > 0 and rng.random() < loose
            if is_loose:
                frames = np.sort(rng.choice(len(POOL_TIMES), VIEW_FRAMES, replace=False))
            blank = is_loose and rng.random() < 0.1
            views.append(see(visual, material, video, frames, box, int(rng.choice(RESIZERS)), blank))
    return views


def uniform_views(visual: Any, material: Material) -> list[Seen]:
    """The canonical view of every video, for checking."""
    frames = uniform_frames(len(POOL_TIMES), VIEW_FRAMES)
    return [see(visual, material, video, frames, WHOLE, RESIZERS[0]) for video in range(len(material.scripts))]


@dataclass(frozen=True)
class Sheet:
    """A batch of prompts, with replies when they are to be learned, padded on the right."""

    ids: Tensor  # int64 [B, L]
    positions: Tensor  # int64 [3, B, L]
    is_reply: Tensor  # bool [B, L]: the tokens to be predicted
    lengths: list[int]
    features: Tensor  # float32 [B, visual tokens, width]
    first_visual: int


def make_sheet(tokenizer: Any, views: list[Seen], texts: list[str], replies: list[str | None]) -> Sheet:
    """Lay out prompts as the chat template does, with temporal positions from the true frame times."""
    visual = views[0].features.shape[0]
    opening = tokenizer("<|im_start|>user\n<|vision_start|>").input_ids
    pad, video = tokenizer.convert_tokens_to_ids("<|endoftext|>"), tokenizer.convert_tokens_to_ids("<|video_pad|>")
    rows, answers = [], []
    for text, reply in zip(texts, replies, strict=True):
        closing = tokenizer(f"<|vision_end|>{text}<|im_end|>\n<|im_start|>assistant\n").input_ids
        answers.append(tokenizer(reply + "<|im_end|>").input_ids if reply is not None else [])
        rows.append([*opening, *[video] * visual, *closing, *answers[-1]])
    length = max(map(len, rows))
    ids = torch.tensor([row + [pad] * (length - len(row)) for row in rows])
    is_reply = torch.zeros_like(ids, dtype=torch.bool)
    for place, (row, answer) in enumerate(zip(rows, answers, strict=True)):
        is_reply[place, len(row) - len(answer) : len(row)] = True
    positions = torch.stack([row_positions(view.times, len(opening), visual, length) for view in views], 1)
    features = torch.stack([view.features for view in views]).float()
    return Sheet(ids, positions, is_reply, [len(row) for row in rows], features, len(opening))


def row_positions(times: NDArray[np.float64], start: int, visual: int, length: int) -> Tensor:
    """Multimodal positions int64 [3, length]: seconds (1 position each), row, column; then text."""
    pairs = len(times) // 2
    side = round((visual / pairs) ** 0.5)
    seconds = np.floor(times.reshape(pairs, 2).mean(1)).astype(np.int64)
    time = torch.from_numpy(seconds).repeat_interleave(side * side)
    row = torch.arange(side).repeat_interleave(side).repeat(pairs)
    column = torch.arange(side).repeat(side * pairs)
    picture = torch.stack([time, row, column]) + start
    before = torch.arange(start).expand(3, -1)
    after = torch.arange(length - start - visual).expand(3, -1) + int(picture.max()) + 1
    return torch.cat([before, picture, after], 1)


def embed(model: Any, sheet: Sheet) -> Tensor:
    """Token embeddings float32 [B, L, width] with the visual ones put in place."""
    embedded: Tensor = model.model.language_model.embed_tokens(sheet.ids).clone()
    visual = sheet.features.shape[1]
    embedded[:, sheet.first_visual : sheet.first_visual + visual] = sheet.features
    return embedded
