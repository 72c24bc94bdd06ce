"""Asks a policy every question and grades what it says; an answer is durable before it counts."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch

from strive.cache.digest import digest_json
from strive.configs.errors import ItemError
from strive.configs.run_stages import EvalConfig
from strive.stages.eval.answering.batches import Entry, by_budget
from strive.stages.eval.answering.choosing import FrameChoice, ScoresOf
from strive.stages.eval.answering.gallery import Gallery, Seen
from strive.stages.eval.answering.shown import FramesOf, Screen
from strive.stages.eval.figures.metrics import summarise
from strive.stages.eval.run_folder import EvalFolder
from strive.stages.interrupt import StopFlag
from strive.stages.reporter import Reporter, Silent
from strive.stages.tasks.grade import grade
from strive.stages.tasks.prompt import format_named
from strive.stages.tasks.sample import Sample
from strive.stages.vlm.interface import Completion, Sampling, VisionFeatures
from strive.stages.vlm.policy import Policy


@dataclass
class Evaluation:
    """Answers by sample id, failures as `{"id", "reason"}`, how many were asked now; `results` are the figures."""

    rows: dict[str, dict[str, Any]] = field(default_factory=dict)
    failed: list[dict[str, str]] = field(default_factory=list)
    asked: int = 0
    too_large: int = 0
    results: dict[str, Any] = field(default_factory=dict)


def evaluate(
    policy: Policy,
    samples: Sequence[Sample],
    frames_of: FramesOf,
    config: EvalConfig,
    out: EvalFolder | None = None,
    *,
    keys: Mapping[str, str] | None = None,
    unavailable: Mapping[str, str] | None = None,
    fields: Sequence[str] = (),
    reporter: Reporter | None = None,
    stop: StopFlag | None = None,
    choice: FrameChoice | None = None,
    scores_of: ScoresOf | None = None,
    gallery: Gallery | None = None,
    unscored: Collection[str] = (),
) -> Evaluation:
    """Ask what has no answer yet in `out` and summarise everything.

    `frames_of` raises `ItemError` when a video's frames can't be had; `unavailable` names such samples beforehand (id →
    reason). They are reported apart, never asked without frames (the control text_only needs none). `keys`: identity
    of each sample's answer (`recipe.sample_key`), needed with `out`; without `out` nothing is written. Greedy answers
    do not depend on where a run was interrupted. `choice`: which frames, by `scores_of` where it goes by scores;
    uniform ones without it. `gallery`: what stays in memory for the next call with these samples. `unscored`: those of
    `unavailable` whose video has frames, but no scores.
    """
    told, keys = reporter or Silent(), keys or {}
    done = Evaluation(rows=out.answered(keys) if out else {})
    barred = {} if config.control == "text_only" else dict(unavailable or {})
    askable = [sample for sample in samples if sample.id not in barred]
    done.failed = [{"id": sample.id, "reason": barred[sample.id]} for sample in samples if sample.id in barred]
    done.rows = {sample.id: done.rows[sample.id] for sample in askable if sample.id in done.rows}
    screen = Screen(askable, frames_of, config, choice, scores_of)
    asker = Asker(policy, askable, screen, config, done, keys, gallery or Gallery())
    for batch in by_budget(asker.entries(), config.batch_tokens):
        for row in asker.answer(batch):
            if out:
                out.append(row)
            done.rows[row["id"]] = row
            done.asked += 1
            told.progress("eval", len(done.rows), len(samples), len(done.failed), row["id"])
        if stop:
            stop.check()
    without_scores = len(barred.keys() & set(unscored))
    done.results = summarise(samples, done.rows, done.failed, fields, done.too_large, without_scores)
    return done


class Asker:
    """Encodes, generates and grades."""

    def __init__(
        self,
        policy: Policy,
        samples: Sequence[Sample],
        screen: Screen,
        config: EvalConfig,
        done: Evaluation,
        keys: Mapping[str, str],
        gallery: Gallery,
    ) -> None:
        self.policy, self.samples, self.config, self.done, self.keys = policy, samples, config, done, keys
        self.screen, self.gallery = screen, gallery
        self.gallery.open(policy)
        self.format = format_named(config.prompt_format, "eval.prompt_format")
        self.sampling = Sampling(config.max_new_tokens, config.temperature)

    def entries(self) -> Iterator[Entry]:
        """Every askable sample in order; the answered ones by the prompt length that was noted."""
        for sample in self.samples:
            if sample.id in self.done.rows:
                yield Entry(sample, int(self.done.rows[sample.id]["prompt_tokens"]))
                continue
            try:
                yield self.encoded(sample)
            except ItemError as error:
                self.done.failed.append({"id": sample.id, "reason": error.what})

    def encoded(self, sample: Sample) -> Entry:
        """The sample's prompt as the model reads it."""
        text = self.format.render(sample.blind())
        if self.config.control == "text_only":
            view = self.policy.encode_text(text)
            return Entry(sample, len(view), view)
        place = self.screen.place(sample)
        seen, view = self.gallery.see(self.policy, place, sample.id, text, lambda: self.screen.show(sample))
        return Entry(sample, len(view), view, seen)

    def answer(self, batch: list[Entry]) -> list[dict[str, Any]]:
        """Rows for the samples of a batch that had none; the others are generated again, to keep the batch the same."""
        owed = {entry.sample.id for entry in batch if entry.view is not None}
        if not owed:
            return []
        whole = [entry if entry.view is not None else self.again(entry) for entry in batch]
        present = [entry for entry in whole if entry is not None]
        completions = self.generate(present)
        return [
            self.row(entry, completions[entry.sample.id])
            for entry in present
            if entry.sample.id in owed and entry.sample.id in completions
        ]

    def again(self, entry: Entry) -> Entry | None:
        """An answered sample's prompt; None when its frames are gone since, which costs nothing but float noise."""
        try:
            return self.encoded(entry.sample)
        except ItemError:
            return None

    def generate(self, batch: list[Entry]) -> dict[str, Completion]:
        """One completion a sample; a batch that does not fit in memory is halved, a sample that does not fit fails."""
        views = [entry.view for entry in batch if entry.view is not None]
        try:
            found = self.policy.generate(views, 1, self.sampling, self.generator(batch), self.features(batch))
        except torch.OutOfMemoryError:
            torch.cuda.empty_cache()
            return self.halved(batch)
        return {entry.sample.id: rows[0] for entry, rows in zip(batch, found, strict=True)}

    def features(self, batch: list[Entry]) -> list[VisionFeatures | None]:
        """What the vision tower makes of each entry's frames; questions about one video share it."""
        seen: list[Seen] = [entry.seen for entry in batch if entry.seen is not None]
        return self.gallery.features(self.policy, seen) if seen else [None] * len(batch)

    def halved(self, batch: list[Entry]) -> dict[str, Completion]:
        """Both halves by themselves; a single sample is recorded as failed."""
        if len(batch) == 1:
            reason = f"out of memory with {batch[0].tokens} prompt tokens; lower eval.frames or eval.max_pixels"
            self.done.failed.append({"id": batch[0].sample.id, "reason": reason})
            self.done.too_large += 1
            return {}
        middle = len(batch) // 2
        return {**self.generate(batch[:middle]), **self.generate(batch[middle:])}

    def generator(self, batch: list[Entry]) -> torch.Generator | None:
        """None when greedy; else a stream that belongs to this batch."""
        if self.config.temperature == 0:
            return None
        name = digest_json([self.config.seed, [entry.sample.id for entry in batch]])
        return torch.Generator().manual_seed(int(name.removeprefix("sha256:")[:15], 16))

    def row(self, entry: Entry, completion: Completion) -> dict[str, Any]:
        """One line of predictions.jsonl."""
        sample, seen = entry.sample, entry.seen
        reply = self.format.parse(completion.text, truncated=not completion.finished)
        mark = grade(sample, reply)
        return {
            "id": sample.id,
            "key": self.keys.get(sample.id, ""),
            "video": sample.video,
            "question": sample.question,
            "options": list(sample.options) if sample.options else None,
            "question_type": sample.question_type,
            "answer": sample.answer,
            "prediction": completion.text,
            "parsed": mark.parsed,
            "status": mark.status,
            "score": mark.score,
            "well_formed": reply.well_formed,
            "control": self.config.control,
            "shown_video": seen.video if seen else None,
            "times": [float(t) for t in seen.times] if seen else [],
            "prompt_tokens": entry.tokens,
            "completion_tokens": len(completion.ids),
            "finished": completion.finished,
        }
