"""A policy on this machine as the answerer: questions about one view on one prefill, in batches of a token budget."""

from collections.abc import Callable, Iterator, Mapping, Sequence

import torch

from strive.cache.digest import digest_json
from strive.configs.errors import ItemError
from strive.configs.run_stages import EvalConfig
from strive.stages.eval.answering.ahead import Ahead, has_spare_core
from strive.stages.eval.answering.answers import Answer, Ask, Unanswered
from strive.stages.eval.answering.batches import Entry, Group, by_budget, halves
from strive.stages.eval.answering.gallery import Gallery, Seen, hung
from strive.stages.eval.answering.shown import Place, Screen
from strive.stages.vlm.interface import Completion, Sampling, VisionFeatures
from strive.stages.vlm.policy import Policy
from strive.stages.vlm.prefix import Prefix
from strive.stages.vlm.questions import head_length

Outcome = Answer | Unanswered
MODEL_ERRORS = (ArithmeticError, LookupError, RuntimeError, TypeError, ValueError)
"""What a model raises about an input that it cannot take; an item's failure, unlike our own errors."""
REASON_CHARACTERS = 300


class LocalAnswerer:
    """Encodes and generates. Greedy answers do not depend on where a run was interrupted."""

    def __init__(self, policy: Policy, screen: Screen, config: EvalConfig, gallery: Gallery) -> None:
        self.policy, self.screen, self.config, self.gallery = policy, screen, config, gallery
        self.gallery.open(policy)
        self.sampling = Sampling(config.max_new_tokens, config.temperature)
        self.ahead = Ahead(self.hang, has_spare_core(policy.device))
        self.closing = closing_tokens(policy)
        self.read: tuple[Group, Prefix] | None = None

    def answers(self, asks: Sequence[Ask], noted: Mapping[str, int]) -> Iterator[Sequence[Outcome]]:
        """See `Answerer`: one batch of outcomes after the other; questions about one place stand together."""
        lost: list[Outcome] = []
        for batch in by_budget(self.groups(asks, noted, lost), self.config.batch_tokens):
            for outcomes in self.answer(batch):
                yield [*lost, *outcomes]
                lost.clear()
        if lost:
            yield lost

    def groups(self, asks: Sequence[Ask], noted: Mapping[str, int], lost: list[Outcome]) -> Iterator[Group]:
        """Every askable sample by place, places by first appearance; the answered ones by their noted length."""
        together: dict[Place, list[Ask]] = {}
        for ask in asks:
            together.setdefault(self.place(ask), []).append(ask)
        owed = {place: [ask for ask in own if ask.sample.id not in noted] for place, own in together.items()}
        if self.config.control != "text_only":
            self.ahead.expect({place: own[0] for place, own in owed.items()
                               if own and not self.gallery.holds(place)})
        for own in together.values():
            entries = [entry for ask in own if (entry := self.entry(ask, noted, lost)) is not None]
            if entries:
                yield Group(entries)

    def place(self, ask: Ask) -> Place:
        """What tells apart what is shown; without a video every question stands alone."""
        return ("", ask.sample.id) if self.config.control == "text_only" else self.screen.place(ask.sample)

    def entry(self, ask: Ask, noted: Mapping[str, int], lost: list[Outcome]) -> Entry | None:
        """A sample's place in its batch; None when it cannot be asked, which `lost` is told."""
        try:
            if ask.sample.id in noted:
                return Entry(ask, noted[ask.sample.id], self.words(ask))
            return self.encoded(ask)
        except ItemError as error:
            lost.append(Unanswered(ask.sample, error.what))
        except MODEL_ERRORS as error:
            lost.append(Unanswered(ask.sample, model_error(error)))
        return None

    def encoded(self, ask: Ask) -> Entry:
        """The sample's prompt as the model reads it."""
        if self.config.control == "text_only":
            view = self.policy.encode_text(ask.text(()))
            return Entry(ask, len(view), 0, view)
        place = self.screen.place(ask.sample)
        seen, view = self.gallery.see(self.policy, place, ask, lambda: self.ahead.take(place, ask))
        return Entry(ask, len(view), self.words(ask), view, seen)

    def hang(self, place: Place, ask: Ask) -> Seen:
        """What is shown at a place, ready for the vision tower."""
        return hung(self.policy, place, self.screen.show(ask.sample))

    def words(self, ask: Ask) -> int:
        """About how many tokens of a prompt follow what it shows, told without any frame."""
        ids = self.policy.tokenizer(ask.text(()), add_special_tokens=False)["input_ids"]
        return len(ids) + self.closing

    def answer(self, batch: Sequence[Group]) -> Iterator[list[Outcome]]:
        """Outcomes for the samples of a batch that had none; the others are generated again, to keep the batch."""
        owed = {entry.sample.id for group in batch for entry in group.entries if entry.view is not None}
        if not owed:
            return
        groups = [whole for group in batch if (whole := self.whole(group)).entries]
        parts = groups[0].parts(self.config.batch_tokens) if len(groups) == 1 else []
        for together, of in [([part], groups[0]) for part in parts] if len(parts) > 1 else [(groups, None)]:
            entries = [entry for group in together for entry in group.entries]
            if any(entry.sample.id in owed for entry in entries):
                with self.ahead.working():
                    replies = self.generate(together, of)
                yield [outcome(entry, replies[entry.sample.id]) for entry in entries if entry.sample.id in owed]
        self.read = None

    def whole(self, group: Group) -> Group:
        """The group with every prompt; without those whose frames are gone since, which costs nothing but noise."""
        return Group([entry for given in group.entries if (entry := self.again(given)) is not None])

    def again(self, entry: Entry) -> Entry | None:
        """The sample with its prompt, also when it is answered; None when its frames are gone since."""
        if entry.view is not None:
            return entry
        try:
            return self.encoded(entry.ask)
        except ItemError:
            return None

    def generate(self, groups: list[Group], of: Group | None = None) -> dict[str, Completion | Unanswered]:
        """One completion a sample. What fails, or does not fit in memory, is halved down to the sample that does.

        `of`: the group that `groups` is a part of; what all its prompts begin with is read once for its parts.
        """
        try:
            return self.replies(groups, of)
        except torch.OutOfMemoryError:
            failure: Callable[[Entry], Unanswered] = out_of_memory
        except MODEL_ERRORS as error:
            if isinstance(error, torch.AcceleratorError):
                raise  # the device takes no further work from this process: no question's fault
            failure = failing(model_error(error))
        if torch.cuda.is_available():  # here nothing of the failed batch is referred to any more
            torch.cuda.empty_cache()
        if len(groups) == 1 and len(groups[0].entries) == 1:
            entry = groups[0].entries[0]
            return {entry.sample.id: failure(entry)}
        left, right = halves(groups)
        return {**self.generate(left, of), **self.generate(right, of)}

    def replies(self, groups: Sequence[Group], of: Group | None) -> dict[str, Completion | Unanswered]:
        """One completion a sample, all together."""
        entries = [entry for group in groups for entry in group.entries]
        found = self.policy.reply(self.prefix(groups, of), [group.prompts() for group in groups], self.sampling,
                                  self.generator(entries))
        flat = [reply for own in found for reply in own]
        return {entry.sample.id: reply for entry, reply in zip(entries, flat, strict=True)}

    def prefix(self, groups: Sequence[Group], of: Group | None) -> Prefix:
        """What the prompts of each group begin with; that of a group in parts is kept for its next part."""
        if of is None:
            return self.policy.read([group.prompts() for group in groups], self.features(groups))
        if self.read is None or self.read[0] is not of:
            self.read = (of, self.policy.read([of.prompts()], self.features([of])))
        return self.read[1]

    def features(self, groups: Sequence[Group]) -> list[VisionFeatures | None]:
        """What the vision tower makes of each group's frames."""
        seen = [group.entries[0].seen for group in groups]
        shown = [own for own in seen if own is not None]
        return self.gallery.features(self.policy, shown) if shown else [None] * len(groups)

    def generator(self, entries: Sequence[Entry]) -> torch.Generator | None:
        """None when greedy; else a stream that belongs to these samples."""
        if self.config.temperature == 0:
            return None
        name = digest_json([self.config.seed, [entry.sample.id for entry in entries]])
        return torch.Generator().manual_seed(int(name.removeprefix("sha256:")[:15], 16))


def closing_tokens(policy: Policy) -> int:
    """Tokens of the chat after the user's text."""
    prompts = [policy.encode_text(text) for text in ("a", "b")]
    return len(prompts[0]) - head_length(prompts)


def model_error(error: Exception) -> str:
    """What a model raised, as a reason."""
    return f"model error: {type(error).__name__}: {' '.join(str(error).split())[:REASON_CHARACTERS]}"


def failing(reason: str) -> Callable[[Entry], Unanswered]:
    """Makes a sample's failure with this reason."""
    return lambda entry: Unanswered(entry.sample, reason)


def out_of_memory(entry: Entry) -> Unanswered:
    """The failure of a sample that does not fit in memory by itself."""
    reason = f"out of memory with {entry.tokens} prompt tokens; lower eval.frames or eval.max_pixels"
    return Unanswered(entry.sample, reason, too_large=True)


def outcome(entry: Entry, reply: Completion | Unanswered) -> Outcome:
    """The reply as an answer."""
    if isinstance(reply, Unanswered):
        return reply
    seen = entry.seen
    return Answer(entry.sample, reply.text, reply.finished, entry.tokens, len(reply.ids), seen.video if seen else None,
                  tuple(float(t) for t in seen.times) if seen else ())
