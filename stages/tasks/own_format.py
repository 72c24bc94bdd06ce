"""A prompt format of the user's own, `module:object`: every call is checked, because its code is not ours."""

import inspect
from dataclasses import dataclass
from typing import Any

from strive.configs.errors import UsageError
from strive.stages.tasks.plugins import OwnCodeError, load_plugin, run_own
from strive.stages.tasks.prompt import Reply
from strive.stages.tasks.sample import Question

STATUSES = ("ok", "unparsed", "truncated", "empty")


@dataclass(frozen=True)
class OwnFormat:
    """The user's object with `render(question) -> str` and `parse(text, truncated) -> Reply`.

    Raises UsageError when one of them raises or returns something else: a prompt or an answer is never made up.
    """

    name: str
    own: Any

    def render(self, question: Question) -> str:
        """The user's text for a question."""
        text = self._call("render", question)
        if not isinstance(text, str) or not text.strip():
            raise self._wrong("render", text, "the prompt as a str that is not empty")
        return text

    def parse(self, reply: str, truncated: bool) -> Reply:
        """The reply taken apart by the user's code."""
        found = self._call("parse", reply, truncated)
        if not isinstance(found, Reply):
            raise self._wrong("parse", found, "a Reply (strive.stages.tasks.prompt)")
        if found.status not in STATUSES or not isinstance(found.answer, str if found.status == "ok" else type(None)):
            raise self._wrong("parse", found, "an answer when the status is ok, else None and unparsed, truncated or "
                                              "empty")
        return found

    def example(self, answer: str) -> str | None:
        """A reply as the prompt asks for, giving this answer, where the object has an `example(answer)`; else None."""
        if getattr(self.own, "example", None) is None:
            return None
        text = self._call("example", answer)
        if not isinstance(text, str) or answer not in text:
            raise self._wrong("example", text, f"a str that contains {answer!r}")
        return text

    def _call(self, method: str, *arguments: Any) -> Any:
        try:
            return run_own(getattr(self.own, method), *arguments)
        except OwnCodeError as error:
            raise UsageError(f"prompt format {self.name}: {method} raised {error.reason} for {arguments[0]!r:.200}",
                             "a prompt for every question, a Reply for every text", "Mend it.") from error

    def _wrong(self, method: str, value: Any, expected: str) -> UsageError:
        return UsageError(f"prompt format {self.name}: {method} returned {value!r:.200} ({type(value).__name__})",
                          expected, "Mend it.")


def load_format(name: str, setting: str) -> OwnFormat:
    """Import `module:object`; `UsageError` when it lacks `render` or `parse` or they take other arguments."""
    own = load_plugin(name, setting).value
    expected = "an object with render(question) -> str and parse(text, truncated) -> Reply"
    if inspect.isclass(own):
        raise UsageError(f"{setting}: {name} is a class", expected, f"Name an instance: FORMAT = {own.__name__}()")
    for method, count in (("render", 1), ("parse", 2)):
        function = getattr(own, method, None)
        if not callable(function):
            raise UsageError(f"{setting}: {name} has no method {method}", expected, "See docs/rewards.md.")
        try:
            inspect.signature(function).bind(*[None] * count)
        except TypeError as error:
            raise UsageError(f"{setting}: {name}: {method}{inspect.signature(function)}: {error}", expected,
                             "See docs/rewards.md.") from error
    return OwnFormat(name, own)
