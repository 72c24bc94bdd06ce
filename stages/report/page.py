"""Writes runs as one HTML page that needs nothing but itself: no network, no other file."""

import base64
import hashlib
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from typing import Any

from jinja2 import Environment, FunctionLoader, StrictUndefined
from markupsafe import Markup

from strive.cache.atomic import write_bytes
from strive.stages.report.canvas import clean
from strive.stages.report.configs_table import settings
from strive.stages.report.curves import Line, swatch
from strive.stages.report.evaluation.answers import read_answers
from strive.stages.report.evaluation.comparable import refuse_mixed_protocols
from strive.stages.report.evaluation.evals import benchmarks
from strive.stages.report.evaluation.pairing import compare
from strive.stages.report.evaluation.shown_frames import FramesOf
from strive.stages.report.examples import BundleOf, pick_examples
from strive.stages.report.failures import failures
from strive.stages.report.headline import read_headline
from strive.stages.report.identity import identity
from strive.stages.report.panels import draw_panels
from strive.stages.report.run_folder import RunFolder, read_runs


def write_report(
    runs: Sequence[Path], out: Path, *, summary: Mapping[str, Any] | None = None,
    bundle_of: BundleOf | None = None, frames_of: FramesOf | None = None,
) -> Path:
    """Write the page for these run folders to `out` and return it.

    `summary`: headline figures under the names that `strive demo` prints, with `title`, `text` and `facts`.
    `bundle_of(run, sample id)`: finds the bundle whose frames an example shows. `frames_of(run, video)`: finds the
    frames that an evaluation's answers were given on.
    Raises what `read_runs` raises, `UsageError` for evaluations that may not stand in one report (one benchmark by two
    protocols, or two runs asked differently), and `MissingError` when the page cannot be written.
    """
    return write_page(render(read_runs(runs), summary, bundle_of, frames_of), out)


def write_page(page: str, out: Path) -> Path:
    """Write a rendered page to `out` and return it; half a character, which a reply may end with, becomes "?"."""
    write_bytes(out, page.encode("utf-8", "replace"))
    return out


def render(folders: Sequence[RunFolder], summary: Mapping[str, Any] | None, bundle_of: BundleOf | None,
           frames_of: FramesOf | None = None) -> str:
    """The page as text; every value from a run is escaped by the template engine."""
    refuse_mixed_protocols(folders)
    trained, pair = [run for run in folders if run.metrics], compare(folders)
    answers = read_answers(folders, frames_of, [*pair["lost"], *pair["won"]] if pair else ())
    script = source("script.jinja") + (source("evaluation/answers_script.jinja") if answers else "")
    return environment().get_template("page.jinja").render(
        title=str((summary or {}).get("title") or title(folders)),
        made=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"), version=version("strive"),
        identities=[identity(run, number) for number, run in enumerate(folders)],
        headline=read_headline(summary) if summary else None,
        panels=draw_panels(trained), legend=run_legend(trained), steps=sum(len(run.metrics) for run in trained),
        benchmarks=benchmarks(folders), pair=pair, answers=answers,
        examples=[(run, pick_examples(run, bundle_of)) for run in trained],
        failures=failures(folders), settings=settings(folders), names=[run.name for run in folders],
        style=Markup(source("style.jinja") + source("evaluation/answers_style.jinja")), script=Markup(script),
        script_hash=digest(script),
    )


def title(folders: Sequence[RunFolder]) -> str:
    """The runs' names, the first two when there are many."""
    names = [run.name for run in folders]
    return ", ".join(names) if len(names) <= 3 else f"{', '.join(names[:2])} and {len(names) - 2} more runs"


def run_legend(runs: Sequence[RunFolder]) -> list[Markup]:
    """Colour and name of each run, when there are several."""
    return [swatch(Line(run.name, (), (), number % 8)) for number, run in enumerate(runs)] if len(runs) > 1 else []


def environment(load: Callable[[str], str] | None = None) -> Environment:
    """Autoescape everywhere; a name that the page does not know is an error, not an empty space.

    `load`: the text of a template by its name; this folder's when it is None.
    """
    made = Environment(loader=FunctionLoader(load or source), autoescape=True, undefined=StrictUndefined,
                       trim_blocks=True, lstrip_blocks=True)
    filters: dict[str, Callable[..., Any]] = {"percent": percent, "plain": clean, "pvalue": pvalue, "signed": signed}
    made.filters.update(filters)
    return made


def source(name: str) -> str:
    """A template of this folder."""
    return files("strive.stages.report").joinpath(name).read_text("utf-8")


def digest(script: str) -> str:
    """The hash that lets the page's own script run and no other."""
    return base64.b64encode(hashlib.sha256(script.encode("utf-8")).digest()).decode("ascii")


def percent(value: float | None, digits: int = 1) -> str:
    """A share as per cent; a dash for none."""
    return "–" if value is None else f"{100 * value:.{digits}f} %"


def signed(value: float) -> str:
    """A difference of shares in percentage points."""
    return f"{100 * value:+.1f}".replace("-", "−")


def pvalue(value: float) -> str:
    """A p-value as text."""
    return "p < 0.0001" if value < 1e-4 else f"p = {value:.2g}"
