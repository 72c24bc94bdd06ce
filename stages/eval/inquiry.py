"""One protocol's way with one benchmark: the text that asks a question, and the verdict on the reply."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from strive.configs.errors import UsageError
from strive.configs.run_stages import EvalConfig
from strive.stages.eval.answering.answers import Ask
from strive.stages.eval.benchmarks.data import BenchData
from strive.stages.eval.controls import ORDER
from strive.stages.eval.protocols import judge, rule_of
from strive.stages.eval.protocols.strict import is_caption, marked, read_strictly
from strive.stages.eval.protocols.verdict import Verdict
from strive.stages.eval.published import Published, of_sample
from strive.stages.tasks.grade import grade
from strive.stages.tasks.prompt import PromptFormat, format_named
from strive.stages.tasks.sample import Sample


@dataclass(frozen=True)
class Marked:
    """A verdict, and whether the reply has the form that was asked for (None: the protocol asks for none)."""

    verdict: Verdict
    well_formed: bool | None


class Inquiry:
    """`eval.protocol` over a benchmark's rows. Raises `UsageError` where the protocol does not ask the benchmark."""

    def __init__(self, config: EvalConfig, data: BenchData) -> None:
        self.protocol, self.data = config.protocol, data
        self.format: PromptFormat = format_named(config.prompt_format, "eval.prompt_format")
        rule = None if self.protocol == "strict" else rule_of(self.protocol, data.bench)
        if self.protocol != "strict" and (rule is None or rule.prompt is None):
            what = "questions of a dataset file" if data.bench == "demo" else data.bench
            raise UsageError(f"eval.protocol={self.protocol} does not ask {what}",
                             "a harness that has this benchmark", "Choose another --protocol; strict asks every one.")
        self.prompt = rule.prompt if rule else None

    def ask(self, sample: Sample) -> Ask:
        """The question, its text still open for what is said at the shown times."""
        return Ask(sample, partial(self._text, sample))

    def row(self, sample: Sample) -> Published:
        """The question as published, or as it is asked where its options were put into another order."""
        return of_sample(sample) if ORDER in sample.meta else self.data.published.get(sample.id) or of_sample(sample)

    def mark(self, sample: Sample, text: str, finished: bool) -> Marked:
        """The verdict on a reply; `finished`: it was not cut off."""
        if self.protocol != "strict":
            return Marked(judge(self.protocol, self.row(sample), text), None)
        if is_caption(self.row(sample)):
            return Marked(read_strictly(self.row(sample), text, cut=not finished), None)
        reply = self.format.parse(text, truncated=not finished)
        if sample.id in self.data.published and ORDER not in sample.meta:
            return Marked(marked(self.row(sample), reply), reply.well_formed)
        found = grade(sample, reply)
        return Marked(Verdict(found.score, found.status, found.parsed, found.rule), reply.well_formed)

    def _text(self, sample: Sample, times: Sequence[float]) -> str:
        said = self.data.subtitles(sample, times) if self.data.subtitles else None
        if self.prompt:
            return self.prompt(self.row(sample), said)
        if is_caption(self.row(sample)):
            return self.row(sample).question
        text = self.format.render(sample.blind())
        return f"Subtitles of the shown frames:\n{said}\n\n{text}" if said else text
