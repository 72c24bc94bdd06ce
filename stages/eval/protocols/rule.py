"""One harness's way with one benchmark: how it asks, and how it reads the reply."""

from collections.abc import Callable
from dataclasses import dataclass

from strive.stages.eval.protocols.verdict import Verdict
from strive.stages.eval.published import Published


@dataclass(frozen=True)
class Rule:
    """`prompt(row, subtitles)`: the user's text that the harness puts after the video; `subtitles` are the captions of
    the shown frames, a line each, None when the benchmark is asked without subtitles. `read(row, text)`: its verdict
    on a text, which is the reply after the step that all comparison protocols share (`protocols.seen_text`).

    `prompt` is None where the harness does not ask this benchmark, though it has a rule for replies.
    """

    prompt: Callable[[Published, str | None], str] | None
    read: Callable[[Published, str], Verdict]
