"""Writes a comparison as one HTML page that needs nothing but itself: no network, no other file."""

from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from typing import Any

from markupsafe import Markup, escape

from strive.cache.atomic import write_bytes
from strive.stages.compare.figures import reading, wording
from strive.stages.compare.page import panels
from strive.stages.compare.page.forest import forests
from strive.stages.compare.page.rows import settings_rows
from strive.stages.report import page as report

ZERO_NOTE = "share of groups without signal per step, moving average; mean over seeds"
VARIANCE_NOTE = "of a group's rewards, within + between = all of it; moving average, mean over seeds"


def write_page(summary: Mapping[str, Any], out: Path) -> Path:
    """Write the page of what `summarise` returned to `out` and return it. Raises `MissingError` when it cannot."""
    write_bytes(out, render(summary).encode("utf-8"))
    return out


def render(summary: Mapping[str, Any]) -> str:
    """The page as text; names, settings and reasons are escaped by the template engine."""
    script = report.source("script.jinja")
    made = report.environment(source)
    made.filters["breakable"] = breakable
    made.globals.update(words=wording, view_names=reading.VIEW_NAMES)
    return made.get_template("page.jinja").render(
        title=title(summary), made=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"), version=version("strive"),
        it=summary, arms=summary["arms"], views=reading.views_of(summary), families=families(summary),
        shown=reading.shown(summary), limits=reading.limits(summary), forests=forests(summary),
        legend=panels.legend(summary), learning=panels.learning(summary), training=training(summary),
        settings=settings_rows(summary), style=Markup(report.source("style.jinja") + source("style.jinja")),
        script=Markup(script), script_hash=report.digest(script),
    )


def title(summary: Mapping[str, Any]) -> str:
    """How many recipes are set against the baseline."""
    others = [arm["name"] for arm in summary["arms"] if arm["name"] != summary["baseline"]]
    told = ", ".join(others) if len(others) <= 3 else f"{len(others)} recipes"
    return f"{told} against {summary['baseline']}" if others else str(summary["baseline"])


def training(summary: Mapping[str, Any]) -> list[list[panels.Panel]]:
    """Zero-variance share and reward variance over the steps: an overview, then each recipe's seeds."""
    found = [panels.training(summary, panels.SHARES, "Zero-variance share", ZERO_NOTE),
             panels.training(summary, panels.PARTS, "Reward variance", VARIANCE_NOTE)]
    return [one for one in found if one]


def breakable(name: str) -> Markup:
    """A recipe's name that may be broken after its colons, commas and equals signs."""
    found = escape(name)
    for mark in (":", ",", "="):
        found = found.replace(mark, mark + Markup("<wbr>"))
    return found


def families(summary: Mapping[str, Any]) -> dict[str, dict[str, int]]:
    """View -> family -> questions, those views that have any."""
    found: dict[str, dict[str, int]] = {}
    for view in reading.views_of(summary):
        for row in summary["results"].values():
            for name, one in row["views"].get(view, {}).get("families", {}).items():
                found.setdefault(view, {})[name] = one["questions"]
    return found


def source(name: str) -> str:
    """A template of this folder."""
    return files("strive.stages.compare.page").joinpath(name).read_text("utf-8")
