"""The protocols by name: `strict`, and the harnesses whose numbers are published.

A comparison protocol's rules stand with their benchmark: `protocols/<bench>.py` holds `RULES`, one line a harness.
"""

from collections.abc import Mapping
from functools import cache
from importlib import import_module
from typing import cast

from strive.configs.errors import UsageError
from strive.configs.load import nearest
from strive.stages.eval.protocols.reading.answer_tag import first_answer
from strive.stages.eval.protocols.rule import Rule
from strive.stages.eval.protocols.verdict import UNSCORABLE, Verdict
from strive.stages.eval.published import Published
from strive.stages.tasks.sample_rows import RowError

COMPARISONS = ("official", "lmms-eval", "vlmevalkit", "video-r1")
PROTOCOLS = ("strict", *COMPARISONS)
RULED = ("videomme", "tempcompass", "videommmu", "mmvu", "vsibench", "perceptiontest", "mvbench", "demo")

__all__ = [
    "COMPARISONS", "PROTOCOLS", "UNSCORABLE", "Rule", "Verdict", "check_protocol", "judge", "rule_of", "seen_text",
]


def check_protocol(protocol: str) -> None:
    """`UsageError` for a name that there is not."""
    if protocol not in PROTOCOLS:
        expected = f"one of {', '.join(PROTOCOLS)}"
        raise UsageError(f"unknown protocol {protocol!r}", expected, nearest(protocol, PROTOCOLS))


@cache
def rule_of(protocol: str, bench: str) -> Rule | None:
    """A comparison protocol's rule for a benchmark; None where the harness has none. `UsageError` for unknown names."""
    check_protocol(protocol)
    if bench not in RULED:
        raise UsageError(f"unknown benchmark {bench!r}", f"one of {', '.join(RULED)}", nearest(bench, RULED))
    rules = cast(dict[str, Rule], import_module(f"strive.stages.eval.protocols.{bench}").RULES)
    return rules.get(protocol)


def seen_text(prediction: str) -> str:
    """What every comparison protocol reads: the first `<answer>`'s content if it isn't empty, else the whole reply."""
    return first_answer(prediction)


def judge(protocol: str, row: Published, prediction: str, raw: bool = False, cut: bool = False) -> Verdict:
    """The verdict of a protocol on one reply; `raw`: comparison protocols read the whole reply, tags and all; `cut`: it
    is known that the reply reached its token limit, which the strict protocol minds. Raises `RowError` for a row that
    is not its benchmark's."""
    if row.options is not None and not isinstance(row.options, list | tuple | Mapping):
        raise RowError(f"options is {row.options!r}"[:200], "a list, an object by letter, or null")
    if protocol == "strict":
        from strive.stages.eval.protocols.strict import read_strictly

        return read_strictly(row, prediction, cut)
    rule = rule_of(protocol, row.bench)
    if rule is None or (row.answer is None and row.meta.get("mc_answer") is None):  # the gold of a caption stands there
        return UNSCORABLE
    return rule.read(row, prediction if raw else seen_text(prediction))
