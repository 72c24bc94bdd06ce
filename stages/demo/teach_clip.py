"""The demo's scorer: an open_clip CLIP for which a question is near to the frames that show what it asks about.

It learns which thing a question is about and whether a frame, or a part of one, shows it; answers are not in its texts.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import torch
from numpy.typing import NDArray
from safetensors.torch import save
from tokenizers import processors
from torch import Tensor, nn
from transformers import Qwen2Tokenizer

from strive.cache.atomic import write_bytes, write_json
from strive.stages.demo.material import POOL_TIMES, Material, box_of, shown_at
from strive.stages.demo.pictures import RESIZERS, WHOLE, Box, cut, random_box
from strive.stages.demo.policy_model import MEAN, STD
from strive.stages.demo.questions import FAMILIES

SIDE = 48
CONTEXT = 77
NAMES = tuple(FAMILIES)
IN_VIEW, OUT_OF_VIEW = 0.7, 0.2  # share of a thing's box inside a part of the picture; between them: not taught
Log = Callable[[str], None]


def clip_config(vocabulary: int) -> dict[str, Any]:
    """The content of ``open_clip_config.json``."""
    return {
        "model_cfg": {
            "embed_dim": 64,
            "init_logit_bias": -5.0,
            "vision_cfg": {
                "image_size": SIDE,
                "patch_size": 8,
                "width": 64,
                "head_width": 16,
                "layers": 3,
                "mlp_ratio": 2.0,
            },
            "text_cfg": {
                "context_length": CONTEXT,
                "vocab_size": vocabulary,
                "hf_tokenizer_name": "tokenizer",
                "tokenizer_kwargs": {"clean": "whitespace"},
                "width": 64,
                "heads": 4,
                "layers": 2,
            },
        },
        "preprocess_cfg": {
            "mean": list(MEAN),
            "std": list(STD),
            "interpolation": "bicubic",
            "resize_mode": "squash",
        },
    }


def clip_tokenizer(tokenizer: Qwen2Tokenizer) -> Qwen2Tokenizer:
    """The same vocabulary with an end mark that has the largest id, where CLIP's text tower reads its result."""
    tokenizer.add_special_tokens({"eos_token": "<|endofquestion|>"})
    end = len(tokenizer) - 1
    tokenizer.backend_tokenizer.post_processor = processors.TemplateProcessing(
        single="$A <|endofquestion|>", special_tokens=[("<|endofquestion|>", end)]
    )
    return tokenizer


def tokens_of(tokenizer: Any, texts: list[str]) -> Tensor:
    """Token ids int64 [texts, CONTEXT], as open_clip's own wrapper makes them."""
    ids: Tensor = tokenizer(
        texts, return_tensors="pt", max_length=CONTEXT, padding="max_length", truncation=True
    ).input_ids
    return ids


def new_clip(config: dict[str, Any], seed: int) -> Any:
    """An untrained model of that configuration."""
    torch.manual_seed(seed)
    parts = config["model_cfg"]
    return open_clip.CLIP(
        embed_dim=parts["embed_dim"],
        vision_cfg=parts["vision_cfg"],
        text_cfg=parts["text_cfg"],
        init_logit_bias=parts["init_logit_bias"],
    )


def teach_clip(model: Any, tokenizer: Any, material: Material, seed: int, steps: int, log: Log,
               batch: int = 160) -> None:  # fmt: skip
    """Train with a sigmoid loss on (frame or part of a frame, question) pairs."""
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 2e-3, steps, pct_start=0.1)
    for step in range(steps):
        pictures, shows = _batch(material, rng, batch)
        wordings = tokens_of(tokenizer, [str(rng.choice(FAMILIES[name].wordings)) for name in NAMES])
        loss = _loss(model, pictures, wordings, shows)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        if step % 50 == 49:
            log(f"clip step {step + 1}: loss {loss.item():.4f}")


def _loss(model: Any, pictures: Tensor, wordings: Tensor, shows: Tensor) -> Tensor:
    image = model.encode_image(pictures, normalize=True)
    text = model.encode_text(wordings, normalize=True)
    logits = model.logit_scale.exp().clamp(max=50) * image @ text.T + model.logit_bias  # [B, families]
    known = shows >= 0
    losses = nn.functional.binary_cross_entropy_with_logits(logits, shows.clamp(min=0), reduction="none")
    return losses[known].mean()


def _batch(material: Material, rng: np.random.Generator, size: int) -> tuple[Tensor, Tensor]:
    pictures = np.empty((size, SIDE, SIDE, 3), np.uint8)
    shows = np.empty((size, len(NAMES)), np.float32)
    for row in range(size):
        video = int(rng.integers(len(material.scripts)))
        frame = _frame(material, rng, video)
        box = WHOLE if rng.random() < 0.4 else random_box(rng, smallest=0.55)
        pictures[row] = cut(material.frames[video, frame], box, int(rng.choice(RESIZERS)), SIDE)
        shows[row] = shown_in(material, video, frame, box)
    return as_pixels(pictures), torch.from_numpy(shows)


def as_pixels(pictures: NDArray[np.uint8]) -> Tensor:
    """Normalised float32 [B, 3, SIDE, SIDE] of uint8 RGB [B, SIDE, SIDE, 3]."""
    scaled = torch.from_numpy(pictures).float().div(255).sub(torch.tensor(MEAN)).div(torch.tensor(STD))
    return scaled.permute(0, 3, 1, 2).contiguous()


def _frame(material: Material, rng: np.random.Generator, video: int) -> int:
    busy = [place for place, time in enumerate(POOL_TIMES) if shown_at(material.scripts[video], float(time))]
    return int(rng.choice(busy)) if rng.random() < 0.6 else int(rng.integers(len(POOL_TIMES)))


def shown_in(material: Material, video: int, frame: int, box: Box) -> NDArray[np.float32]:
    """For each family 1 (its thing is inside the box), 0 (it is not) or -1 (cut by the edge): float32 [families]."""
    shows = np.zeros(len(NAMES), np.float32)
    time = float(POOL_TIMES[frame])
    for showing in shown_at(material.scripts[video], time):
        x0, y0, x1, y1 = box_of(showing, time)
        inside = max(0.0, min(x1, box[2]) - max(x0, box[0])) * max(0.0, min(y1, box[3]) - max(y0, box[1]))
        share = inside / ((x1 - x0) * (y1 - y0))
        shows[NAMES.index(showing.kind)] = 1 if share > IN_VIEW else 0 if share < OUT_OF_VIEW else -1
    return shows


def save_clip(model: Any, tokenizer: Qwen2Tokenizer, config: dict[str, Any], folder: Path) -> None:
    """Write the folder that ``local-dir:`` names load: config, half-precision weights, tokenizer."""
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / "open_clip_config.json", config)
    weights = {name: tensor.half().contiguous() for name, tensor in model.state_dict().items()}
    write_bytes(folder / "open_clip_model.safetensors", save(weights))
    tokenizer.chat_template = None  # it is no chat model
    tokenizer.save_pretrained(folder)
