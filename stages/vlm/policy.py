"""The policy: a loaded vision-language model that encodes views, samples replies and scores given ones."""

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from strive.stages.vlm import generate as rollout
from strive.stages.vlm import logprobs as scoring
from strive.stages.vlm.attention import use_shared_attention
from strive.stages.vlm.batch import collate
from strive.stages.vlm.forward import joined
from strive.stages.vlm.interface import Completion, Sampling, TokenLogprobs, ViewInputs, VisionFeatures
from strive.stages.vlm.prefix import Prefix, prefill
from strive.stages.vlm.questions import head_of
from strive.stages.vlm.recompute import recompute_layers
from strive.stages.vlm.sampling import row_seeds
from strive.stages.vlm.save import save_policy


class Policy:
    """A model, its processor and its family's adapter on one device; made by `load_policy`.

    `model` is what is trained (a peft model with LoRA), `core` the Hugging Face model inside it. `encoder_calls` counts
    the views that went through the vision tower. `suppressed_ids` int64: visual special tokens and rows of the
    vocabulary matrix without a token, which are never sampled. `autocast`: the dtype of matrix products where it is not
    the weights'.
    """

    def __init__(self, model: Any, processor: Any, adapter: Any, identity: str, freeze_vision: bool = True,
                 autocast: torch.dtype | None = None, attention: str = "sdpa") -> None:
        self.model, self.processor, self.adapter, self.identity = model, processor, adapter, identity
        self.core: Any = model.get_base_model() if hasattr(model, "peft_config") else model
        self.tokenizer: Any = processor.tokenizer
        self.freeze_vision, self.autocast = freeze_vision, autocast
        self.device: torch.device = self.core.lm_head.weight.device
        self.dtype: torch.dtype = self.core.lm_head.weight.dtype
        self.eos_ids = _end_ids(self.core, self.tokenizer)
        self.end_ids = torch.tensor(self.eos_ids, device=self.device)
        pad = self.tokenizer.pad_token_id
        self.pad_id: int = int(pad) if pad is not None else self.eos_ids[0]
        self.suppressed_ids = _suppressed(self.core.config, self.tokenizer, adapter.visual_tokens).to(self.device)
        self.encoder_calls = 0
        use_shared_attention(self.core.model.language_model, attention)

    def recompute(self) -> None:
        """Gradient checkpointing: layers hold only their inputs for backward, once for all."""
        recompute_layers(self.core.model.language_model.layers)

    def precision(self) -> AbstractContextManager[Any]:
        """Autocast where it was asked for."""
        if self.autocast is None:
            return nullcontext()
        return torch.autocast(self.device.type, self.autocast)

    def encode_view(self, clips: Sequence[np.ndarray], times: np.ndarray, text: str) -> ViewInputs:
        """Clips (uint8 [T, H, W, 3] RGB each) with presentation times (s, float64 [sum of T]) and the user's text."""
        view: ViewInputs = self.adapter.encode_view(clips, times, text)
        return view

    def encode_text(self, text: str) -> ViewInputs:
        """The same prompt without a video (a control)."""
        view: ViewInputs = self.adapter.encode_text(text)
        return view

    def encode_vision(self, views: Sequence[ViewInputs]) -> list[VisionFeatures | None]:
        """Features of each view (None: no video), all through the tower together; no gradient when it is frozen.

        What it returns can be handed to `prefill`, `generate` and `logprobs`, so that a step encodes each view once.
        """
        seen = [view for view in views if view.pixel_values is not None]
        if not seen:
            return [None] * len(views)
        self.encoder_calls += len(seen)
        with torch.set_grad_enabled(torch.is_grad_enabled() and not self.freeze_vision), self.precision():
            found = iter(self.adapter.encode_views(self.core, seen))
        return [next(found) if view.pixel_values is not None else None for view in views]

    def prefill(self, views: Sequence[ViewInputs],
                features: Sequence[VisionFeatures | None] | None = None) -> Prefix:
        """Read the prompts of these views, once each and together; with gradient when enabled."""
        found = self.encode_vision(views) if features is None else features
        batch = collate(views, self.pad_id, self.device)
        with self.precision():
            return prefill(self.core, self.adapter, batch, joined([own for own in found if own is not None]),
                           [len(view) for view in views])

    def generate(self, views: Sequence[ViewInputs], n: int, sampling: Sampling, generator: torch.Generator | None,
                 features: Sequence[VisionFeatures | None] | None = None) -> list[list[Completion]]:
        """`n` completions of each view: [view][n].

        Row (view i, completion j) draws from its own stream, seeded from `generator` in row order: it does not depend
        on the other rows, and one call for ten views draws what two calls for five would. All views are prefilled
        together, so split by prompt tokens what does not fit in memory.
        """
        if not views:
            return []
        with torch.no_grad():
            prefix = self.prefill(views, features)
        return self.complete(prefix, n, sampling, row_seeds(generator, len(views) * n))

    def complete(self, prefix: Prefix, n: int, sampling: Sampling, seeds: Sequence[int]) -> list[list[Completion]]:
        """`n` completions of each prompt of `prefix`: [prompt][n]; one seed a row. No gradient."""
        with self.precision():
            return rollout.generate(self, prefix, n, sampling, seeds)

    def read(self, questions: Sequence[Sequence[ViewInputs]],
             features: Sequence[VisionFeatures | None] | None = None) -> Prefix:
        """What the prompts about each view begin with, visual tokens included, read once a view. No gradient.

        questions[v]: prompts about one view; the first one's pixels, or features[v], are those of all.
        """
        with torch.no_grad():
            return self.prefill([head_of(own) for own in questions], features)

    def reply(self, prefix: Prefix, questions: Sequence[Sequence[ViewInputs]], sampling: Sampling,
              generator: torch.Generator | None) -> list[list[Completion]]:
        """One completion of each prompt, [view][question]. `prefix` is what `read` made of these questions or of more.

        A row draws from its own stream, as in `generate`. No gradient.
        """
        seeds = row_seeds(generator, sum(map(len, questions)))
        with self.precision():
            return rollout.reply(self, prefix, questions, sampling, seeds)

    def score(self, prefix: Prefix, owners: Sequence[int], completions: Sequence[Tensor],
              temperature: float = 1.0) -> TokenLogprobs:
        """Log-probs of completion r given prompt `owners[r]` of `prefix`, with gradient when enabled."""
        with self.precision():
            return scoring.score(self, prefix, owners, completions, temperature)

    def logprobs(self, views: Sequence[ViewInputs], completions: Sequence[Tensor], temperature: float = 1.0,
                 features: Sequence[VisionFeatures | None] | None = None, share_prefix: bool = True) -> TokenLogprobs:
        """Log-probs of completion r given `views[r]`, with gradient when enabled.

        Rows that pass the same `ViewInputs` object share its encoding and its prefill. `features[r]` belongs to
        `views[r]`. `share_prefix=False` repeats the view for each row: the reference of the tests.
        """
        index: dict[int, int] = {}
        rows = [index.setdefault(id(view), len(index)) for view in views]
        first = [rows.index(own) for own in range(len(index))]  # a row that shows each distinct view
        distinct = [views[row] for row in first]
        found = self.encode_vision(distinct) if features is None else [features[row] for row in first]
        if share_prefix:
            return self.score(self.prefill(distinct, found), rows, completions, temperature)
        with self.precision():
            return scoring.repeated(self, views, completions, temperature, [found[row] for row in rows])

    def save(self, folder: Path) -> None:
        """Write an ordinary `from_pretrained` folder with its processor (safetensors, LoRA merged), atomically."""
        save_policy(self.model, self.core, self.processor, folder)


def _end_ids(core: Any, tokenizer: Any) -> tuple[int, ...]:
    configured = getattr(core.generation_config, "eos_token_id", None)
    listed = configured if isinstance(configured, list) else [configured]
    return tuple(sorted({int(token) for token in [*listed, tokenizer.eos_token_id] if token is not None}))


def _suppressed(config: Any, tokenizer: Any, visual_tokens: Sequence[str]) -> Tensor:
    named = {tokenizer.convert_tokens_to_ids(token) for token in visual_tokens if token in tokenizer.get_vocab()}
    unused = range(len(tokenizer), config.get_text_config().vocab_size)
    return torch.tensor(sorted(named | set(unused)), dtype=torch.int64)
