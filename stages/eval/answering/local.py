"""A policy on this machine as the answerer: frames, prompts and replies in batches of a token budget."""

from collections.abc import Iterator, Mapping, Sequence

import torch

from strive.cache.digest import digest_json
from strive.configs.errors import ItemError
from strive.configs.run_stages import EvalConfig
from strive.stages.eval.answering.answers import Answer, Ask, Unanswered
from strive.stages.eval.answering.batches import Entry, by_budget
from strive.stages.eval.answering.gallery import Gallery, Seen
from strive.stages.eval.answering.shown import Screen
from strive.stages.vlm.interface import Completion, Sampling, VisionFeatures
from strive.stages.vlm.policy import Policy

Outcome = Answer | Unanswered


class LocalAnswerer:
    """Encodes and generates. Greedy answers do not depend on where a run was interrupted."""

    def __init__(self, policy: Policy, screen: Screen, config: EvalConfig, gallery: Gallery) -> None:
        self.policy, self.screen, self.config, self.gallery = policy, screen, config, gallery
        self.gallery.open(policy)
        self.sampling = Sampling(config.max_new_tokens, config.temperature)

    def answers(self, asks: Sequence[Ask], noted: Mapping[str, int]) -> Iterator[Sequence[Outcome]]:
        """See `Answerer`: one batch of outcomes after the other."""
        lost: list[Outcome] = []
        for batch in by_budget(self.entries(asks, noted, lost), self.config.batch_tokens):
            yield [*lost, *self.answer(batch)]
            lost.clear()
        if lost:
            yield lost

    def entries(self, asks: Sequence[Ask], noted: Mapping[str, int], lost: list[Outcome]) -> Iterator[Entry]:
        """Every askable sample in order; the answered ones by the prompt length that was noted."""
        for ask in asks:
            if ask.sample.id in noted:
                yield Entry(ask, noted[ask.sample.id])
                continue
            try:
                yield self.encoded(ask)
            except ItemError as error:
                lost.append(Unanswered(ask.sample, error.what))

    def encoded(self, ask: Ask) -> Entry:
        """The sample's prompt as the model reads it."""
        if self.config.control == "text_only":
            view = self.policy.encode_text(ask.text(()))
            return Entry(ask, len(view), view)
        place = self.screen.place(ask.sample)
        seen, view = self.gallery.see(self.policy, place, ask, lambda: self.screen.show(ask.sample))
        return Entry(ask, len(view), view, seen)

    def answer(self, batch: list[Entry]) -> list[Outcome]:
        """Outcomes for the samples of a batch that had none; the others are generated again, to keep the batch."""
        owed = {entry.sample.id for entry in batch if entry.view is not None}
        if not owed:
            return []
        whole = [entry if entry.view is not None else self.again(entry) for entry in batch]
        present = [entry for entry in whole if entry is not None]
        replies = self.generate(present)
        return [outcome(entry, replies[entry.sample.id]) for entry in present if entry.sample.id in owed]

    def again(self, entry: Entry) -> Entry | None:
        """An answered sample's prompt; None when its frames are gone since, which costs nothing but float noise."""
        try:
            return self.encoded(entry.ask)
        except ItemError:
            return None

    def generate(self, batch: list[Entry]) -> dict[str, Completion | Unanswered]:
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

    def halved(self, batch: list[Entry]) -> dict[str, Completion | Unanswered]:
        """Both halves by themselves; a single sample fails with the reason."""
        if len(batch) == 1:
            reason = f"out of memory with {batch[0].tokens} prompt tokens; lower eval.frames or eval.max_pixels"
            return {batch[0].sample.id: Unanswered(batch[0].sample, reason, too_large=True)}
        middle = len(batch) // 2
        return {**self.generate(batch[:middle]), **self.generate(batch[middle:])}

    def generator(self, batch: list[Entry]) -> torch.Generator | None:
        """None when greedy; else a stream that belongs to this batch."""
        if self.config.temperature == 0:
            return None
        name = digest_json([self.config.seed, [entry.sample.id for entry in batch]])
        return torch.Generator().manual_seed(int(name.removeprefix("sha256:")[:15], 16))


def outcome(entry: Entry, reply: Completion | Unanswered) -> Outcome:
    """The reply as an answer."""
    if isinstance(reply, Unanswered):
        return reply
    seen = entry.seen
    return Answer(entry.sample, reply.text, reply.finished, entry.tokens, len(reply.ids), seen.video if seen else None,
                  tuple(float(t) for t in seen.times) if seen else ())
