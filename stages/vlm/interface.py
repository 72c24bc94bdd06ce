"""What goes into a policy (an encoded view, sampling settings) and what comes out (completions, token log-probs)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor


@dataclass(frozen=True, eq=False)
class ViewInputs:
    """One prompt as the model reads it, on the CPU. Compared by identity: rows that pass the same object share work.

    input_ids          int64 [L]          prompt tokens; visual placeholders already repeated
    position_ids       int64 [P, L]       P = 3 (temporal, height, width) for mRoPE models, 1 otherwise
    next_position      position of the first completion token, on all P axes
    pixel_values       float32 [patches, dim], or [frames, 3, H, W] in families of fixed size; None without video
    grid_thw           int64 [visuals, 3] patches in time, height, width of each clip (or image), or None
    mm_token_type_ids  int64 [L]          0 text, 1 image, 2 video
    visual_tokens      number of placeholders in `input_ids`
    extra              what was done to the frames: per clip `frames`, `repeated`, `size` [H, W], `patch_times` (s);
                       `frame_pairing`, `time_text`
    """

    input_ids: Tensor
    position_ids: Tensor
    next_position: int
    pixel_values: Tensor | None
    grid_thw: Tensor | None
    mm_token_type_ids: Tensor
    visual_tokens: int
    extra: Mapping[str, Any] = field(default_factory=dict)

    def __len__(self) -> int:
        return int(self.input_ids.shape[0])


@dataclass(frozen=True, eq=False)
class VisionFeatures:
    """All that the vision tower hands on for one view: `tokens` [N, D] and one [N, D] per deepstack level."""

    tokens: Tensor
    deepstack: tuple[Tensor, ...] = ()


@dataclass(frozen=True)
class Sampling:
    """How completions are drawn.

    temperature 0 is greedy. top_p in (0, 1]. top_k 0: all tokens. min_new_tokens: no end token before. stop: texts that
    end a completion and stay in it.
    """

    max_new_tokens: int
    temperature: float = 1.0
    top_p: float = 1.0
    top_k: int = 0
    min_new_tokens: int = 0
    stop: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Completion:
    """One sampled reply, on the CPU.

    ids       int64 [C], the end token included when `finished`
    logprobs  float32 [C] of softmax(logits / temperature) before top-p, top-k and suppression (greedy: temperature 1)
    finished  False when `max_new_tokens` cut it off
    text      without special tokens
    entropy   mean over its tokens of the entropy (nats) of the distributions that `logprobs` are of
    log_kept  float32 [C]   log of the mass that suppression, top-k and top-p left to draw each token from: what it was
                            drawn with is logprobs - log_kept; None: all of it
    """

    ids: Tensor
    logprobs: Tensor
    finished: bool
    text: str
    entropy: float = 0.0
    log_kept: Tensor | None = None


@dataclass(frozen=True, eq=False)
class TokenLogprobs:
    """Log-probs of given completions, right-padded: logprobs float32 [R, C], mask bool [R, C].

    `mask` is True on every given token, so up to and including the end token; elsewhere the values are 0.
    """

    logprobs: Tensor
    mask: Tensor
