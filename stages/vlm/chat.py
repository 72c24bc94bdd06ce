"""The prompt as text: the processor's own chat template, with every visual written out where the template shows it."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from strive.configs.errors import ItemError, UsageError


class Chat:
    """Renders a user's turn for one processor; a question can't bring control tokens of its own."""

    def __init__(self, processor: Any) -> None:
        self.processor = processor
        self.control_tokens = tuple(str(entry) for entry in processor.tokenizer.added_tokens_decoder.values()
                                    if entry.special)

    def render(self, text: str, kind: str, marker: str, visuals: Sequence[str]) -> str:
        """The chat up to the reply, with `visuals` before `text`.

        `kind` "video" or "image" is what the template is told of each visual, `marker` what it writes for one.
        """
        clash = next((token for token in self.control_tokens if token in text), None)
        if clash:
            raise ItemError(f"question contains the model's control token {clash}",
                            "it would be read as part of the chat's frame.", "Reword the question.")
        content = [{"type": kind} for _ in visuals] + [{"type": "text", "text": text}]
        rendered = self.processor.apply_chat_template(
            [{"role": "user", "content": content}], tokenize=False, add_generation_prompt=True,
        )
        parts = rendered.split(marker)
        if len(parts) != len(visuals) + 1:
            raise UsageError(f"the chat template shows {len(parts) - 1} {kind}s for {len(visuals)}",
                             f"one placeholder for each {kind}.", "Use the model's own processor files.")
        return "".join(part + visual for part, visual in zip(parts, [*visuals, ""], strict=True))


def time_sentence(times: np.ndarray) -> str:
    """Frame times (s) as a line before a video: for families that are told nothing of time."""
    return f"The frames of this video are located at {', '.join(f'{second:.1f}s' for second in times.tolist())}.\n"
