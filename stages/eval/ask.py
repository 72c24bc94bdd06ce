"""One question about one video, outside any benchmark: extract, show frames, answer, say what was seen."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from strive.cache.store import Store
from strive.configs.data_stages import VariantsConfig
from strive.configs.errors import ItemError, UsageError
from strive.configs.run_stages import EvalConfig
from strive.configs.schema import Config
from strive.stages.eval.answering.choosing import frame_choice
from strive.stages.eval.answering.footage import Footage, footage
from strive.stages.plan import Job, VideoRef
from strive.stages.reporter import Reporter
from strive.stages.tasks.prompt import format_named
from strive.stages.tasks.sample import QUESTION_TYPES, Sample
from strive.stages.tasks.verifiers import verifier_of


@dataclass(frozen=True)
class Answer:
    """`parsed`: what was read out of `reply`, None unless `status` is "ok"; `frames`: index, source_index, time (s)."""

    reply: str
    parsed: str | None
    status: str
    frames: list[dict[str, Any]]
    times: str
    prompt_tokens: int
    completion_tokens: int
    finished: bool


def ask(
    video: Path,
    question: str,
    options: Sequence[str],
    kind: str,
    model: str,
    config: Config,
    store: Store,
    reporter: Reporter,
    workers: int = 1,
) -> Answer:
    """Answer `question` as the eval keys say, `eval.control` excepted: there is nothing to compare it with.

    Raises `ItemError` when the video gives no frames, `UsageError` for an unknown type or sampler, or a control.
    """
    check_settings(config.eval, config.variants)
    sample = question_of(video, question, options, kind)
    job = Job(
        config,
        store,
        samples=[sample],
        videos=[VideoRef(sample.video, video.absolute())],
        reporter=reporter,
        workers=workers,
    )
    there = footage(job)
    if sample.id in there.reasons:
        raise ItemError(f"{video}: {there.reasons[sample.id]}", "a video that decodes",
                        "Try another file, or see `strive doctor`.")
    return answer_from(sample, there, model, config)


def check_settings(settings: EvalConfig, variants: VariantsConfig | None = None) -> None:
    """`UsageError` for what cannot be done, before any work."""
    frame_choice(settings, variants)
    if settings.control != "none":
        raise UsageError(
            f"ask: eval.control is {settings.control}", "none: an answer to the question", "See strive eval --control."
        )


def question_of(video: Path, question: str, options: Sequence[str], kind: str) -> Sample:
    """The question as a sample without a gold answer."""
    kind = kind or ("multiple_choice" if options else "open")
    if kind not in QUESTION_TYPES:
        raise UsageError(f"question type {kind!r}", f"one of {', '.join(QUESTION_TYPES)}", "Check --type.")
    if kind in ("multiple_choice", "multi_answer") and len(options) < 2:
        raise UsageError(f"{len(options)} options for a {kind} question", "two or more", "Give --option once for each.")
    if not question.strip():
        raise UsageError("the question is empty", "a question", "Write it after the video, in quotes.")
    return Sample(
        "ask", video.name, question, tuple(options) or None, "", kind, {"metric": "exact"} if kind == "open" else {}
    )


def answer_from(sample: Sample, there: Footage, model: str, config: Config) -> Answer:
    """Show the frames to the policy and read its reply."""
    from strive.stages.vlm.interface import Sampling
    from strive.stages.vlm.load import load_policy

    settings = config.eval
    frames = there.frames_of(sample)
    indices = frame_choice(settings, config.variants).indices(sample.blind(), len(frames), there.scores_of)
    form = format_named(settings.prompt_format, "eval.prompt_format")
    policy = load_policy(
        model,
        device=settings.device,
        dtype=settings.dtype,
        max_pixels=settings.max_pixels,
        min_pixels=settings.min_pixels,
        time_text=settings.time_text,
        frame_pairing=settings.frame_pairing,
    )
    import numpy as np
    import torch

    drawn = torch.Generator().manual_seed(settings.seed) if settings.temperature else None
    sampling = Sampling(settings.max_new_tokens, settings.temperature)
    clip = np.stack(frames.images(indices))
    view = policy.encode_view([clip], frames.times[indices], form.render(sample.blind()))
    completion = policy.generate([view], 1, sampling, drawn)[0][0]
    reply = form.parse(completion.text, truncated=not completion.finished)
    reading = verifier_of(sample).read(sample, reply.answer) if reply.answer is not None else None
    status = reading.status if reading else reply.status
    seen = [
        {"index": int(i), "source_index": int(frames.source_index[i]), "time": float(frames.times[i])} for i in indices
    ]
    return Answer(
        completion.text,
        reading.value if reading else None,
        status,
        seen,
        str(frames.meta.get("times", "")),
        len(view),
        len(completion.ids),
        completion.finished,
    )
