"""Where each data stage lives: stages never import each other, they are reached by name through here."""

from collections.abc import Callable
from importlib import import_module
from typing import Any, cast

from strive.stages.plan import DataStage

STAGES = {
    "fetch": "strive.stages.fetch.stage:STAGE",
    "extract": "strive.stages.extract.stage:STAGE",
    "embed": "strive.stages.score.embed:STAGE",
    "score": "strive.stages.score.stage:STAGE",
    "variants": "strive.stages.variants.stage:STAGE",
}
RUNS = {
    "scorer": "strive.stages.score.identity:identity",
    "train": "strive.stages.train.stage:train",
    "probe": "strive.stages.train.probe:probe",
    "eval": "strive.stages.eval.stage:run_eval",
    "in_training": "strive.stages.eval.in_training:measurement",
    "agreement": "strive.stages.eval.agreement_run:run_agreement",
}
UNITS = {"fetch": "videos", "extract": "videos", "embed": "videos", "score": "questions", "variants": "samples"}
COMMANDS = ("extract", "score", "variants", "train", "eval")


def stage(name: str) -> DataStage:
    """The stage object of that name; KeyError for a name that is not in `STAGES`."""
    module, _, attribute = STAGES[name].partition(":")
    return cast(DataStage, getattr(import_module(module), attribute))


def chain(name: str) -> list[str]:
    """The stage and everything upstream of it, first things first."""
    order: list[str] = []
    for before in stage(name).upstream:
        order += [one for one in chain(before) if one not in order]
    return [*order, name]


def forced_with(name: str) -> tuple[str, ...]:
    """The stages that `--force` makes again: the named one; a video behind a URL is fetched again with its frames."""
    return ("fetch", name) if name == "extract" else (name,)


def run(name: str) -> Callable[..., Any]:
    """The function of that name that a stage offers to others: most carry out one job of training or evaluation."""
    module, _, attribute = RUNS[name].partition(":")
    return cast(Callable[..., Any], getattr(import_module(module), attribute))
