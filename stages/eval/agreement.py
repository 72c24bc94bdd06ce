"""Robustness of a policy: does it give the same answer to a question whichever view of the video it is shown?"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from typing import Any, Protocol

import torch

from strive.cache.store import Artefact
from strive.configs.errors import ItemError
from strive.configs.run_stages import EvalConfig
from strive.stages.bundle.reader import Bundle
from strive.stages.eval.figures.statistics import mean
from strive.stages.interrupt import StopFlag
from strive.stages.reporter import Reporter
from strive.stages.tasks.grade import grade
from strive.stages.tasks.prompt import format_named
from strive.stages.tasks.sample import Sample
from strive.stages.vlm.interface import Completion, Sampling, ViewInputs
from strive.stages.vlm.policy import Policy

BUNDLE_FILE = "bundle.h5"


class Kept(Protocol):
    """Where answers stay: `rows` those of before by sample id; `append` makes a row durable."""

    rows: dict[str, dict[str, Any]]

    def append(self, row: Mapping[str, Any]) -> None:
        """Keep one question's answers."""


@dataclass
class InMemory:
    """Keeps nothing beyond the call."""

    rows: dict[str, dict[str, Any]] = field(default_factory=dict)

    def append(self, row: Mapping[str, Any]) -> None:
        """Nothing to do."""


@dataclass
class Asked:
    """A question and how long its prompts are, one a variant; `views` is None when its answers are there."""

    sample: Sample
    tokens: list[int]
    views: list[ViewInputs] | None = None


def agreement(policy: Policy, bundles: Mapping[str, Artefact], config: EvalConfig, reporter: Reporter,
              kept: Kept | None = None, stop: StopFlag | None = None) -> dict[str, Any]:
    """Greedy answers on every trained variant of each question, and how far they agree.

    `agreement`: mean over questions of the share of pairs of variants with the same parsed answer; a reply that can't
    be read agrees with none. Questions with one variant have no pairs and do not count (None if all are such).
    `accuracy_by_variant`: mean score of variant k; `unread`: share of replies that can't be read; `families`: the same
    by `meta.family`. What can't be asked stands in `failed` as `{"id", "reason"}`.
    """
    found = kept or InMemory()
    asker = Asker(policy, bundles, config, found.rows)
    for batch in batched(asker.questions(), config.batch_tokens):
        for row in asker.answer(batch):
            found.append(row)
            found.rows[row["id"]] = row
            reporter.progress("agreement", len(found.rows), len(bundles), len(asker.failed), row["id"])
        if stop:
            stop.check()
    return figures([found.rows[name] for name in sorted(bundles) if name in found.rows], asker.failed)


def batched(questions: Iterable[Asked], budget: int) -> Iterator[list[Asked]]:
    """Whole questions whose prompts, padded to the longest, stay within `budget` tokens; at least one a batch.

    Answered questions take their place, so that a resumed run computes the same batches.
    """
    batch: list[Asked] = []
    for one in questions:
        tokens = [length for asked in (*batch, one) for length in asked.tokens]
        if batch and len(tokens) * max(tokens) > budget:
            yield batch
            batch = []
        batch.append(one)
    if batch:
        yield batch


class Asker:
    """Reads bundles, asks on each variant, grades."""

    def __init__(self, policy: Policy, bundles: Mapping[str, Artefact], config: EvalConfig,
                 rows: Mapping[str, Mapping[str, Any]]) -> None:
        self.policy, self.bundles, self.config, self.rows = policy, bundles, config, rows
        self.format = format_named(config.prompt_format, "eval.prompt_format")
        self.sampling = Sampling(config.max_new_tokens, 0.0)
        self.failed: list[dict[str, str]] = []

    def questions(self) -> Iterator[Asked]:
        """Every question by id; the answered ones without pixels."""
        for name in sorted(self.bundles):
            bundle = Bundle.open(self.bundles[name].read(BUNDLE_FILE))
            if name in self.rows:
                yield Asked(bundle.sample, list(self.rows[name]["prompt_tokens"]))
                continue
            try:
                views = self.views(bundle)
                yield Asked(bundle.sample, [len(view) for view in views], views)
            except ItemError as error:
                self.failed.append({"id": name, "reason": error.what})

    def views(self, bundle: Bundle) -> list[ViewInputs]:
        """The prompt on each variant that is trained on."""
        text = self.format.render(bundle.sample.blind())
        return [self.policy.encode_view(one.clips(), one.times, text) for one in bundle.variants if not one.contrast]

    def answer(self, batch: Sequence[Asked]) -> list[dict[str, Any]]:
        """A row for each question of the batch that had none; the others are answered again, to keep the batch."""
        if all(one.views is None for one in batch):
            return []
        shown = [(one, one.views if one.views is not None else self.again(one)) for one in batch]
        replies = iter(self.replies([view for _, views in shown for view in views]))
        rows = []
        for one, views in shown:
            own = [next(replies) for _ in views]
            said = [reply for reply in own if reply is not None]
            if len(said) < len(own):
                reason = f"out of memory with {max(one.tokens)} prompt tokens; lower eval.max_pixels"
                self.failed.append({"id": one.sample.id, "reason": reason})
            elif one.views is not None:
                rows.append(self.row(one, said))
        return rows

    def again(self, one: Asked) -> list[ViewInputs]:
        """The prompts of an answered question."""
        return self.views(Bundle.open(self.bundles[one.sample.id].read(BUNDLE_FILE)))

    def replies(self, views: Sequence[ViewInputs]) -> list[Completion | None]:
        """One greedy reply a view; halved when memory runs out, None for a view that does not fit alone.

        A question whose variants alone exceed the budget is answered in parts.
        """
        if not views:
            return []
        middle = len(views) // 2
        if middle and len(views) * max(map(len, views)) > self.config.batch_tokens:
            return [*self.replies(views[:middle]), *self.replies(views[middle:])]
        try:
            features = [self.policy.encode_vision([view])[0] for view in views]
            return [rows[0] for rows in self.policy.generate(views, 1, self.sampling, None, features)]
        except torch.OutOfMemoryError:
            torch.cuda.empty_cache()
        return [*self.replies(views[:middle]), *self.replies(views[middle:])] if middle else [None]

    def row(self, one: Asked, replies: Sequence[Completion]) -> dict[str, Any]:
        """A question's answers, one a variant, in their order."""
        marks = [grade(one.sample, self.format.parse(r.text, truncated=not r.finished)) for r in replies]
        return {
            "id": one.sample.id, "family": str(one.sample.meta.get("family", "")), "prompt_tokens": one.tokens,
            "predictions": [reply.text for reply in replies], "parsed": [mark.parsed for mark in marks],
            "scores": [mark.score for mark in marks],
        }


def agreeing(parsed: Sequence[str | None]) -> float | None:
    """Share of the pairs with the same parsed answer; None (not read) equals nothing. None with fewer than two."""
    return mean([float(a is not None and a == b) for a, b in combinations(parsed, 2)])


def figures(rows: Sequence[Mapping[str, Any]], failed: Sequence[Mapping[str, str]] = ()) -> dict[str, Any]:
    """The figures of `agreement` over the rows of the questions."""
    families = sorted({row["family"] for row in rows} - {""})
    return {**block(rows), "families": {name: block([row for row in rows if row["family"] == name])
                                        for name in families}, "failed": [dict(one) for one in failed]}


def block(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Counts and means of some questions' answers."""
    shares = [share for row in rows if (share := agreeing(row["parsed"])) is not None]
    variants = max((len(row["scores"]) for row in rows), default=0)
    by_variant = [mean([row["scores"][k] for row in rows if k < len(row["scores"])]) for k in range(variants)]
    unread = [float(one is None) for row in rows for one in row["parsed"]]
    return {"questions": len(shares), "variants": variants, "agreement": mean(shares),
            "accuracy_by_variant": by_variant, "unread": mean(unread)}
