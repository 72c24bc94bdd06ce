"""The strict protocol: read what a person would read, never guess, drop nothing."""

from strive.stages.eval.benchmarks import rows_of
from strive.stages.eval.protocols.verdict import Verdict
from strive.stages.eval.published import Published
from strive.stages.tasks.grade import grade
from strive.stages.tasks.prompt import Reply, find_answer


def read_strictly(row: Published, prediction: str, cut: bool = False) -> Verdict:
    """The verdict on a reply; `cut`: it reached its token limit. Raises `RowError` for a row of another kind."""
    answer, status = find_answer(prediction, needs_tag=cut)
    return marked(row, Reply(prediction, answer, False, status, cut))


def marked(row: Published, reply: Reply) -> Verdict:
    """The verdict on a reply that a prompt format took apart."""
    mark = grade(rows_of(row.bench).sample(row), reply)
    return Verdict(mark.score, mark.status, mark.parsed)
