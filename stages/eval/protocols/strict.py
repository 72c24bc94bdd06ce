"""The strict protocol: read what a person would read, never guess, drop nothing."""

from dataclasses import replace

from strive.stages.eval.benchmarks import rows_of
from strive.stages.eval.protocols.verdict import Verdict
from strive.stages.eval.published import Published
from strive.stages.tasks.grade import grade
from strive.stages.tasks.prompt import ANSWER, OPEN_ANSWER, Reply, find_answer
from strive.stages.tasks.sample import Sample


def read_strictly(row: Published, prediction: str, cut: bool = False) -> Verdict:
    """The verdict on a reply; `cut`: it reached its token limit. Raises `RowError` for a row that is not its bench's.

    TempCompass captioning is read from what the judge answered about the caption (`meta.judge_output`, which may be
    empty); without a judge there is nothing to score.
    """
    text, rule = prediction, ""
    if is_caption(row):
        if row.meta.get("judge_output") is None:
            return Verdict(None, "unscorable", None, "no judge's answer", counted=False)
        text, cut, rule = str(row.meta["judge_output"]), False, "the judge's answer"
    answer, status = find_answer(text, needs_tag=cut)
    verdict = marked(row, Reply(text, answer, False, status, cut))
    return replace(verdict, rule=", ".join(part for part in (rule, verdict.rule) if part)) if rule else verdict


def is_caption(row: Published) -> bool:
    """Whether the reply is a caption, which only a judge can compare with the video."""
    return row.bench == "tempcompass" and row.question_type == "captioning"


def marked(row: Published, reply: Reply) -> Verdict:
    """The verdict on a reply that a prompt format took apart; without a published answer it is read, not scored."""
    mark = grade(asked(row), reply)
    if row.answer is None and not (is_caption(row) and row.meta.get("mc_answer")):
        status = "unscorable" if mark.status == "ok" else mark.status
        return Verdict(None, status, mark.parsed, mark.rule, counted=False)
    tagged = reply.answer is not None and (ANSWER.search(reply.raw) or OPEN_ANSWER.search(reply.raw))
    rule = ", ".join(part for part in ("<answer> tag" if tagged else "", mark.rule) if part)
    return Verdict(mark.score, mark.status, mark.parsed, rule)


def asked(row: Published) -> Sample:
    """The row's question; a benchmark's free answers are read by the rule that needs no judge (`tasks.open_rule`)."""
    sample = rows_of(row.bench).sample(row)
    if sample.question_type != "open" or row.bench == "demo":
        return sample
    return replace(sample, meta={**sample.meta, "metric": "open_rule"})
