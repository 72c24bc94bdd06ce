"""Questions of every type with replies whose worth is known, for trying rewards and prompt formats without a model."""

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial

from strive.stages.tasks.own_format import OwnFormat
from strive.stages.tasks.prompt import PromptFormat, Reply, letter_of
from strive.stages.tasks.sample import Sample
from strive.stages.tasks.verifiers import as_float, gold_number, letter_set

RIGHT, OTHER_SHAPE, WRONG, EMPTY, CUT, LONG, UNICODE = (
    "right", "right, other shape", "wrong", "empty", "cut short", "1000 words", "unicode")


def _fixture(kind: str, question: str, answer: str, options: tuple[str, ...] | None = None) -> Sample:
    return Sample(f"fixture-{kind}", "fixture.mp4", question, options, answer, kind)


FIXTURES = (
    _fixture("multiple_choice", "Which animal walks past?", "B", ("a cat", "a dog", "a horse")),
    _fixture("multi_answer", "Which animals walk past?", "A,C", ("a cat", "a dog", "a horse")),
    _fixture("yes_no", "Does a dog walk past?", "yes"),
    _fixture("numerical", "What number is on the sign?", "7391"),
    _fixture("open", "Which animal walks past?", "a quagga"),
    _fixture("interval", "When does the dog walk past?", "[2.0, 5.5]"),
    _fixture("box", "Where is the dog?", "[10, 20, 110, 220]"),
    _fixture("id_interval", "Which dog walks past, and when?", '{"id": 3, "time": [2.0, 5.5]}'),
    _fixture("progress", "How far is the walk?", "40"),
)
TEMPLATES = (
    "<think>It is seen at once.</think><answer>@</answer>", "@", "<answer>@</answer>", "It is seen at once.\n@",
    "\\boxed{@}", "Answer: @", '{"answer": "@"}',
)
"""Shapes in which models reply; @ stands for the answer. What a format asks for is found by trying them."""


@dataclass(frozen=True)
class Trial:
    """A reply to a sample, parsed; `what` is one of the names above."""

    sample: Sample
    what: str
    reply: Reply


def kind_of(sample: Sample) -> tuple[str, str]:
    """What decides how an answer is judged: question type and metric."""
    return sample.question_type, str(sample.meta.get("metric"))


def one_of_each(samples: Iterable[Sample]) -> list[Sample]:
    """The first sample of each kind."""
    found: dict[tuple[str, str], Sample] = {}
    for sample in samples:
        found.setdefault(kind_of(sample), sample)
    return list(found.values())


def trials(form: PromptFormat, sample: Sample) -> list[Trial]:
    """The replies to try, without those that the format has no shape for."""
    shape = conforming(form, sample.answer)
    wrong = wrong_answer(sample)
    replies = {
        RIGHT: form.parse(shape(sample.answer), False) if shape else bare(sample.answer),
        OTHER_SHAPE: misshapen(form, sample.answer),
        WRONG: form.parse(shape(wrong), False) if shape else bare(wrong),
        EMPTY: form.parse("", False),
        CUT: form.parse("<think>First I look at", True),
        LONG: form.parse("on and on " * 334, False),
        UNICODE: form.parse("<think>猫 é ‮ \U0001f408 \x00 �</think><answer>é猫\U0001f408</answer>", False),
    }
    return [Trial(sample, what, reply) for what, reply in replies.items() if reply is not None]


def shapes(form: PromptFormat, answer: str) -> list[Callable[[str], str]]:
    """The ways to reply that may be well formed: the format's own example where it has one, else `TEMPLATES`."""
    if isinstance(form, OwnFormat) and form.example(answer) is not None:
        return [lambda text: str(form.example(text))]
    return [partial(shape.replace, "@") for shape in TEMPLATES]


def conforming(form: PromptFormat, answer: str) -> Callable[[str], str] | None:
    """The way to reply that the format calls well formed and reads the answer back from; None when there is none."""
    for shape in shapes(form, answer):
        reply = form.parse(shape(answer), False)
        if reply.well_formed and gives(reply, answer):
            return shape
    return None


def misshapen(form: PromptFormat, answer: str) -> Reply | None:
    """A reply that gives the answer in a shape that was not asked for."""
    replies = [form.parse(shape.replace("@", answer), False) for shape in TEMPLATES]
    return next((reply for reply in replies if not reply.well_formed and gives(reply, answer)), None)


def gives(reply: Reply, answer: str) -> bool:
    """True when the reply was read as this answer."""
    return reply.answer is not None and reply.answer.strip() == answer.strip()


def bare(answer: str) -> Reply:
    """A well-formed reply of a format whose shape is not known."""
    return Reply(answer, answer, well_formed=True, status="ok")


def wrong_answer(sample: Sample) -> str:
    """An answer of the question's kind that scores below the right one."""
    return WRONG_ANSWERS[sample.question_type](sample)


def _other_letter(sample: Sample) -> str:
    return letter_of((ord(sample.answer.strip().upper()) - ord("A") + 1) % max(len(sample.options or ()), 2))


def _other_letters(sample: Sample) -> str:
    right = letter_set(sample.answer)
    return ",".join(letter_of(i) for i in range(len(sample.options or ())) if letter_of(i) not in right) or min(right)


def _far_number(sample: Sample) -> str:
    return f"{3 * abs(as_float(gold_number(sample.answer))) + 10:g}"


def _later(sample: Sample) -> str:
    start, end = json.loads(sample.answer)
    return json.dumps([end + 100, end + 100 + max(end - start, 1)])


def _elsewhere(sample: Sample) -> str:
    x1, y1, x2, y2 = json.loads(sample.answer)
    return json.dumps([x2 + 1, y2 + 1, 2 * x2 - x1 + 2, 2 * y2 - y1 + 2])


def _another_one(sample: Sample) -> str:
    answer = json.loads(sample.answer)
    return json.dumps({"id": answer["id"] + 1, "time": [answer["time"][1] + 100, answer["time"][1] + 101]})


WRONG_ANSWERS: dict[str, Callable[[Sample], str]] = {
    "multiple_choice": _other_letter,
    "multi_answer": _other_letters,
    "yes_no": lambda sample: "no" if sample.answer.strip().lower() == "yes" else "yes",
    "numerical": _far_number,
    "open": lambda sample: "xylophone" if "xylophone" not in sample.answer.lower() else "umbrella",
    "interval": _later,
    "box": _elsewhere,
    "id_interval": _another_one,
    "progress": lambda sample: "100" if as_float(gold_number(sample.answer)) < 50 else "0",
}
