"""The strict protocol: read what a person would read, never guess, drop nothing."""

from dataclasses import replace

from strive.stages.eval.benchmarks import rows_of
from strive.stages.eval.protocols.verdict import Verdict
from strive.stages.eval.published import Published
from strive.stages.tasks.grade import grade
from strive.stages.tasks.prompt import ANSWER, OPEN_ANSWER, Reply, find_answer


def read_strictly(row: Published, prediction: str, cut: bool = False) -> Verdict:
    """The verdict on a reply; `cut`: it reached its token limit. Raises `RowError` for a row that is not its bench's.

    TempCompass captioning is read from what the judge answered about the caption (`meta.judge_output`).
    """
    text, rule = prediction, ""
    if row.bench == "tempcompass" and row.question_type == "captioning":
        text, cut, rule = str(row.meta.get("judge_output") or ""), False, "the judge's answer"
    answer, status = find_answer(text, needs_tag=cut)
    verdict = marked(row, Reply(text, answer, False, status, cut))
    return replace(verdict, rule=", ".join(part for part in (rule, verdict.rule) if part))


def marked(row: Published, reply: Reply) -> Verdict:
    """The verdict on a reply that a prompt format took apart."""
    mark = grade(rows_of(row.bench).sample(row), reply)
    tagged = reply.answer is not None and (ANSWER.search(reply.raw) or OPEN_ANSWER.search(reply.raw))
    rule = ", ".join(part for part in ("<answer> tag" if tagged else "", mark.rule) if part)
    return Verdict(mark.score, mark.status, mark.parsed, rule)
