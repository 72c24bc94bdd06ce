"""TempCompass captioning: what a judge answered when it was asked the multiple-choice question about the caption."""

from strive.stages.eval.protocols.verdict import Verdict

NO_ANSWER = ("", "invalid_request_error")
LABELS = ("A.", "B.", "C.", "D.")
RULE = "the judge's option"


def read_judge(judged: str, gold: str) -> Verdict:
    """1 if the judge named the gold option and no other; −1, as the harnesses log it, if the judge gave no answer."""
    if judged in NO_ANSWER:
        return Verdict(-1.0, "empty", None, "the judge gave no answer: −1")
    answer = answer_line(judged)
    one = sum(answer.count(label) for label in LABELS) == 1
    named = answer.split(". ")[0]
    right = one and named == gold.split(". ")[0]
    return Verdict(float(right), "ok" if one else "unparsed", named if one else None, RULE)


def answer_line(judged: str) -> str:
    """The last line that holds "Answer", without its label; the whole text where there is none."""
    lines = [line.strip() for line in judged.split("\n") if "Answer" in line]
    return lines[-1].replace("Answer:", "").strip() if lines else judged
