"""A question as a server of the OpenAI kind is asked it: frames as images, then the text; and its reply as a text."""

import base64
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from strive.configs.run_stages import EvalConfig
from strive.stages.bundle.images import encode
from strive.stages.bundle.opencv import import_cv2
from strive.stages.eval.answering.answers import Ask
from strive.stages.eval.answering.shown import Shown
from strive.stages.vlm.chat import time_sentence

JPEG_QUALITY = 95


def images_of(shown: Shown, max_pixels: int) -> list[str]:
    """Each frame as a data URL, JPEG, no larger than `max_pixels` (height x width, its proportions kept)."""
    frames = [frame for clip in shown.clips for frame in clip]
    encoded = (encode(within_pixels(frame, max_pixels), "jpeg", JPEG_QUALITY) for frame in frames)
    return [f"data:image/jpeg;base64,{base64.b64encode(one).decode()}" for one in encoded]


def within_pixels(frame: np.ndarray, most: int) -> np.ndarray:
    """A uint8 RGB frame [H, W, 3] of at most `most` pixels, its proportions kept to a pixel."""
    height, width = frame.shape[:2]
    if height * width <= most:
        return frame
    scale = (most / (height * width)) ** 0.5
    size = max(1, int(width * scale)), max(1, int(height * scale))
    cv2 = import_cv2()
    return np.asarray(cv2.resize(np.ascontiguousarray(frame), size, interpolation=cv2.INTER_AREA))


def request_of(ask: Ask, shown: Shown, images: Sequence[str], model: str, config: EvalConfig) -> dict[str, Any]:
    """The body of a chat completion: images first, so that a server can share their prefill among questions."""
    told = time_sentence(shown.times) if config.time_text == "seconds" and len(shown.times) else ""
    content: list[dict[str, Any]] = [{"type": "image_url", "image_url": {"url": url}} for url in images]
    content.append({"type": "text", "text": told + ask.text(shown.seconds)})
    return {"model": model, "messages": [{"role": "user", "content": content}], "max_tokens": config.max_new_tokens,
            "temperature": config.temperature, "seed": config.seed}


def reply_of(message: Mapping[str, Any]) -> str:
    """What was written; a thought that the server took out of the text is put back where it stood."""
    text = str(message.get("content") or "")
    thought = message.get("reasoning_content") or message.get("reasoning")
    return f"<think>{thought}</think>{text}" if thought else text
