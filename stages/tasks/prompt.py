"""How a question is put to the policy and how its reply is taken apart: template and parser are one object."""

import re
from dataclasses import dataclass
from typing import Literal, Protocol

from strive.configs.errors import UsageError
from strive.configs.load import nearest
from strive.stages.tasks.sample import Question

HINTS = {
    "multiple_choice": "Answer with the letter of the correct option.",
    "multi_answer": "Answer with the letters of all correct options, separated by commas.",
    "yes_no": "Answer with yes or no.",
    "numerical": "Answer with a number.",
    "open": "Answer with a word or a short phrase.",
    "interval": "Answer with the start and end in seconds, as [start, end].",
    "box": "Answer with the box in pixels, as [x1, y1, x2, y2].",
    "id_interval": 'Answer with the id and the start and end in seconds, as {"id": number, "time": [start, end]}.',
    "progress": "Answer with a percentage from 0 to 100.",
}
THINK_FIRST = "First think inside <think> </think>, then answer inside <answer> </answer>."

ReplyStatus = Literal["ok", "unparsed", "truncated", "empty"]


@dataclass(frozen=True)
class Reply:
    """A completion taken apart.

    `answer` is the text that answers (the tag's content, or the reply without its thought), None unless `status` is
    "ok". "unparsed": only a thought. "truncated": cut, or a thought that never closes, before an answer. "empty":
    nothing was written. `cut` says that the completion reached its token limit.
    """

    raw: str
    answer: str | None
    well_formed: bool
    status: ReplyStatus
    cut: bool = False


class PromptFormat(Protocol):
    """Renders a question and parses the reply to it."""

    @property
    def name(self) -> str:
        """Its name in `PROMPT_FORMATS`."""

    def render(self, question: Question) -> str:
        """The user's text: no chat template, no video token, no answer."""

    def parse(self, reply: str, truncated: bool) -> Reply:
        """The reply taken apart; `truncated`: generation stopped at the token limit, not at an end token."""


@dataclass(frozen=True)
class ThinkAnswer:
    """`<think>…</think><answer>…</answer>`, the format of Video-R1 and STRIVE."""

    name: str = "think_answer"

    def render(self, question: Question) -> str:
        """Question, options, hint and the two tags that are asked for."""
        return f"{stem(question)}\n{HINTS[question.question_type]} {THINK_FIRST}"

    def parse(self, reply: str, truncated: bool) -> Reply:
        """Well formed: exactly one thought and one answer, in this order, and nothing else."""
        answer, status = find_answer(reply, needs_tag=truncated)
        well_formed = WELL_FORMED.fullmatch(clean(reply)) is not None
        return Reply(reply, answer, well_formed, status, truncated)


@dataclass(frozen=True)
class Direct:
    """The answer alone, as base models are usually measured."""

    name: str = "direct"

    def render(self, question: Question) -> str:
        """Question, options and hint."""
        return f"{stem(question)}\n{HINTS[question.question_type]}"

    def parse(self, reply: str, truncated: bool) -> Reply:
        """Well formed: an answer, no tags, no thought, not cut."""
        answer, status = find_answer(reply, needs_tag=False)
        well_formed = status == "ok" and not truncated and not TAG.search(reply)
        return Reply(reply, answer, well_formed, status, truncated)


PROMPT_FORMATS: dict[str, PromptFormat] = {"think_answer": ThinkAnswer(), "direct": Direct()}


def format_named(name: str, setting: str = "train.prompt_format") -> PromptFormat:
    """The format of that name, or the user's own for `module:object`; `setting` is the config key that names it.

    Raises UsageError for a name that there is not (naming the nearest) or an object that is no prompt format.
    """
    if name in PROMPT_FORMATS:
        return PROMPT_FORMATS[name]
    if ":" in name:
        from strive.stages.tasks.own_format import load_format  # it needs Reply

        return load_format(name, setting)
    raise UsageError(f"{setting} = {name!r}: no such format", f"one of {', '.join(PROMPT_FORMATS)}, or module:object",
                     nearest(name, PROMPT_FORMATS))


THOUGHTS = "think(?:ing)?|thought|analysis|reasoning|reflection"
TAG = re.compile(rf"</?(?:{THOUGHTS}|answer)>", re.IGNORECASE)
WELL_FORMED = re.compile(
    r"\s*<think>(?:(?!</?(?:think|answer)>).)*</think>\s*<answer>(?=\s*[^<\s])(?:(?!</?(?:think|answer)>).)+</answer>\s*",
    re.DOTALL,
)
ANSWER = re.compile(r"<answer>((?:(?!<answer>).)*?)</answer>", re.IGNORECASE | re.DOTALL)
OPEN_ANSWER = re.compile(r"<answer>((?:(?!</?answer>).)*)(?=<answer>|\Z)", re.IGNORECASE | re.DOTALL)
THOUGHT = re.compile(rf"<({THOUGHTS})>.*?</\1>", re.IGNORECASE | re.DOTALL)
THOUGHT_END = re.compile(rf".*</(?:{THOUGHTS})>", re.IGNORECASE | re.DOTALL)
THOUGHT_START = re.compile(rf"<(?:{THOUGHTS})>", re.IGNORECASE)
END = re.compile(r"<\|(?:im_end|endoftext|eot_id|end|end_of_text)\|>|</s>|<eos>|<end_of_turn>")
SPECIAL = re.compile(r"<\|[^<>|]{1,40}\|>|</?s>|<(?:eos|bos|pad|unk|end_of_turn)>|\[/?INST\]")


OTHER_TAGS = re.compile(  # how other models write the two ends of a thought
    r"◁(/?)think▷|\[(/?)THINK\]|<(/?)seed:think>|<\|(?:begin|(end))_of_thought\|>", re.IGNORECASE
)
LOOSE_TAG = re.compile(r"(?:<|&lt;)\s*(/?)\s*(think|answer)\s*(?:>|&gt;)", re.IGNORECASE)
MARKED = re.compile(r"[<\[◁]|&lt;")
CUT_TOKEN = re.compile(r"<[/|][A-Za-z_|]{0,20}\Z")


def letter_of(index: int) -> str:
    """0 → "A", 25 → "Z"."""
    return chr(ord("A") + index)


def stem(question: Question) -> str:
    """The question and, on a line each, its lettered options."""
    lines = [question.text]
    lines += [f"{letter_of(i)}. {option}" for i, option in enumerate(question.options or ())]
    return "\n".join(lines)


def clean(reply: str) -> str:
    """The reply up to its end token, without other special tokens that a tokenizer left in it."""
    if not MARKED.search(reply):
        return reply
    if "◁" in reply or "[" in reply or "<|" in reply or ":think>" in reply.lower():
        reply = OTHER_TAGS.sub(lambda m: "</think>" if any(m.groups()) else "<think>", reply)
    reply = LOOSE_TAG.sub(r"<\1\2>", reply)
    spoken = next((part for part in END.split(reply) if part.strip()), "")
    return CUT_TOKEN.sub("", SPECIAL.sub("", spoken))


def find_answer(reply: str, needs_tag: bool) -> tuple[str | None, ReplyStatus]:
    """The answering text, by what a person would read.

    The last closed, non-empty `<answer>` wherever it stands (trained models close a tag inside a thought that they
    never close); else an `<answer>` that never closes, to the end; else what follows the thought. A thought that
    never closes is no answer. `needs_tag`: the reply was cut, so text without a tag is an unfinished thought.
    """
    text = clean(reply)
    if "<" not in text and text.strip():
        return (None, "truncated") if needs_tag else (text.strip(), "ok")
    if not TAG.sub("", text).strip():
        return None, "truncated" if needs_tag and text.strip() else "empty"
    tagged = [inner for inner in (without_thought(m) for m in ANSWER.findall(text)) if inner]
    if tagged:
        return tagged[-1], "ok"
    unclosed = [inner for inner in (without_thought(m) for m in OPEN_ANSWER.findall(text)) if inner]
    if unclosed:
        return unclosed[-1], "ok"
    if needs_tag:
        return None, "truncated"
    rest = without_thought(text)
    if THOUGHT_START.search(rest):
        return None, "truncated"
    return (rest, "ok") if rest else (None, "unparsed")


def without_thought(text: str) -> str:
    """The text after its thoughts, with stray answer tags removed, stripped."""
    if "<" not in text:
        return text.strip()
    rest = THOUGHT_END.sub("", THOUGHT.sub("", text))
    return re.sub(r"</?answer>", "", rest, flags=re.IGNORECASE).strip()
