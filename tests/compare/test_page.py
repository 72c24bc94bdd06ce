"""The page of a comparison is one file that needs nothing else, shows every figure, and bears what is missing."""

import base64
import hashlib
import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from strive.stages.compare.figures import reading, wording
from strive.stages.compare.figures.summary import summarise
from strive.stages.compare.page.forest import forests
from strive.stages.compare.page.page import render, write_page
from strive.stages.compare.results import Comparison

from .made_comparison import ARMS, comparison

HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(2)>'\"&{{ 7*7 }}"


class Tags(HTMLParser):
    """Every tag with its attributes, the scripts, and the text outside style and script."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text, self.scripts, self._inside = "", "", ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._inside = tag

    def handle_endtag(self, tag: str) -> None:
        self._inside = ""

    def handle_data(self, data: str) -> None:
        if self._inside == "script":
            self.scripts += data
        elif self._inside != "style":
            self.text += data


@pytest.fixture(scope="module")
def whole() -> Comparison:
    return comparison()


@pytest.fixture(scope="module")
def summary(whole: Comparison) -> dict[str, Any]:
    return summarise(whole)


@pytest.fixture(scope="module")
def page(summary: dict[str, Any]) -> Tags:
    return Tags(render(summary))


def words_of(page: Tags) -> str:
    return re.sub(r"\s+", " ", page.text)


def test_page_needs_nothing_but_itself(summary: dict[str, Any], tmp_path: Path) -> None:
    text = write_page(summary, tmp_path / "page.html").read_text("utf-8")
    page = Tags(text)
    for tag, attributes in page.tags:
        assert tag not in ("link", "iframe", "object", "embed", "base", "form", "img")
        for name in ("src", "href", "data", "action", "srcset"):
            value = attributes.get(name)
            assert value is None or value.startswith("#"), (tag, name, value)
    assert not re.search(r"url\(|@import|https?:", text)


def test_links_of_the_page_lead_somewhere(page: Tags) -> None:
    targets = {attributes["id"] for _, attributes in page.tags if "id" in attributes}
    links = {attributes["href"] for tag, attributes in page.tags if tag == "a"}
    assert links and all(link is not None and link[1:] in targets for link in links)


def test_only_the_pages_own_script_may_run(page: Tags) -> None:
    policy = next(a["content"] for tag, a in page.tags if tag == "meta" and a.get("http-equiv"))
    digest = base64.b64encode(hashlib.sha256(page.scripts.encode()).digest()).decode()
    assert policy is not None and f"script-src 'sha256-{digest}'" in policy and "default-src 'none'" in policy


def test_names_settings_and_reasons_are_shown_as_text(whole: Comparison) -> None:
    arms = [replace(arm, name=HOSTILE, settings={HOSTILE: HOSTILE}) if arm.name == "temporal" else arm
            for arm in whole.arms]
    runs = [replace(run, arm=HOSTILE) if run.arm == "temporal" else run for run in whole.runs]
    families = {question: HOSTILE if name == "first" else name for question, name in whole.families.items()}
    failed = [{"arm": HOSTILE, "seed": 1, "reason": HOSTILE}]
    page = Tags(render(summarise(replace(whole, arms=arms, runs=runs, families=families, failed=failed))))
    assert [tag for tag, _ in page.tags].count("script") == 1 and "img" not in {tag for tag, _ in page.tags}
    assert not any(name.startswith("on") for _, attributes in page.tags for name in attributes)
    assert page.text.count("alert(1)") >= 10 and "{{ 7*7 }}" in page.text.replace("\u200b", "")


def test_every_recipe_has_its_figures_in_the_table(summary: dict[str, Any], page: Tags) -> None:
    text = words_of(page)
    for name in ARMS:
        views = summary["results"][name]["views"]
        assert wording.share(views["uniform"]["accuracy"]) in text and name in text
        if name != "grpo":
            assert wording.difference(views["importance"]["difference"]) in text
            assert f"Holm {wording.probability(views['uniform']['difference']['holm'])}" in text
    assert "base policy" in text and "chance 21.0 %" in text and "6,400" in text and "4 × 2" in text


def test_all_parts_are_there(page: Tags) -> None:
    text = words_of(page)
    for expected in ("Held-out accuracy", "Differences to grpo", "What it shows, and what it does not",
                     "Learning curves", "Zero-variance share", "Reward variance", "Groups of the base policy",
                     "Families of questions",
                     "Other pairs of recipes", "variants.sampler", "40 questions", "visual tokens a step", "agreement"):
        assert expected in text, expected
    charts = [a["aria-label"] for _, a in page.tags if "data-lines" in a]
    assert len(charts) == 3 * (1 + len(ARMS)), "an overview and a picture a recipe, for each of three figures"


def test_learning_curve_starts_at_the_base_policy_and_has_a_band(summary: dict[str, Any], page: Tags) -> None:
    lines = next(a["data-lines"] for _, a in page.tags if a.get("aria-label") == "Held-out accuracy")
    found = json.loads(lines or "")
    assert [name for name, _, _ in found] == list(ARMS)
    base = summary["base"]["uniform"]["accuracy"]
    assert all(points[0][0] == 0 and points[0][1] == pytest.approx(base, abs=1e-3) for _, _, points in found)
    assert [tag for tag, _ in page.tags].count("polygon") == 6 + 6


def test_places_of_the_forest_are_the_figures(summary: dict[str, Any]) -> None:
    plot = forests(summary)[0]
    (left, label), (right, other) = plot.ticks[0], plot.ticks[-1]
    assert (left, right) == (0.0, 100.0)
    low, high = (float(text.replace("−", "-")) for text in (label, other))
    row = summary["results"]["strive"]["views"]["uniform"]["difference"]
    bar = plot.bars["strive"]
    assert bar.mean is not None and low + bar.mean / 100 * (high - low) == pytest.approx(100 * row["mean"], abs=0.06)
    assert bar.over_seeds is not None
    assert low + sum(bar.over_seeds) / 100 * (high - low) == pytest.approx(100 * row["ci"][1], abs=0.06)
    assert low + plot.zero / 100 * (high - low) == pytest.approx(0, abs=0.06)
    assert all(0 <= place <= 100 for one in forests(summary) for b in one.bars.values() for place in b.seeds)


def test_colour_of_a_difference_follows_its_interval(summary: dict[str, Any]) -> None:
    for plot, view in zip(forests(summary), ("uniform", "importance"), strict=True):
        for name, bar in plot.bars.items():
            low, high = summary["results"][name]["views"][view]["difference"]["ci"]
            assert bar.sign == ("above" if low > 0 else "below" if high < 0 else "open")


def test_sentences_name_what_is_told_from_zero_and_how_many_were_tested(summary: dict[str, Any]) -> None:
    told = reading.shown(summary)
    above = told[0].split("Above 0: ")[1].split(". With 0 inside")[0] if "Above 0" in told[0] else ""
    for name, found in reading.differences(summary, "uniform").items():
        assert (f"{name} {wording.points(found['mean'])}" in above) == (found["ci"][0] > 0), name
    assert any(one.startswith("10 differences") and "0.5 p-values" in one for one in told)
    assert any("1,000 pairs" in one for one in told)
    assert any("same 200 questions" in one for one in reading.limits(summary))


def test_failed_runs_are_named_and_pairs_counted(whole: Comparison) -> None:
    runs = [run for run in whole.runs if (run.arm, run.seed) != ("strive", 2)]
    failed = [{"arm": "strive", "seed": 2, "reason": "stopped: the loss is not finite"},
              {"arm": "groups of temporal", "seed": -1, "reason": "killed"}]
    found = summarise(replace(whole, runs=runs, failed=failed))
    text = words_of(Tags(render(found)))
    assert "the loss is not finite" in text and "4 of 5 seeds" in text and "Failed runs (2)" in text
    assert "groups of temporal – killed" in text or "groups of temporal–killed" in text
    assert any("1 run did not finish" in one for one in reading.limits(found))


def test_identical_recipes_are_called_identical(whole: Comparison) -> None:
    twins = [replace(run, arm="strive") for run in whole.runs if run.arm == "grpo"]
    found = summarise(replace(whole, runs=[run for run in whole.runs if run.arm != "strive"] + twins))
    assert "0.0 (identical)" in words_of(Tags(render(found)))
    assert any("strive 0.0 (identical)" in one for one in reading.shown(found))


@pytest.mark.parametrize("lack", ["seeds", "runs", "base", "importance", "families", "groups", "metrics", "arms"])
def test_page_bears_what_is_missing(whole: Comparison, lack: str) -> None:
    less = {
        "seeds": lambda: comparison(seeds=1),
        "runs": lambda: replace(whole, runs=[]),
        "base": lambda: replace(whole, base={}, base_scores={}),
        "importance": lambda: replace(whole, base={"uniform": whole.base["uniform"]}, runs=[
            replace(run, evals={"uniform": run.evals["uniform"]}) for run in whole.runs]),
        "families": lambda: replace(whole, families={}),
        "groups": lambda: replace(whole, groups={}),
        "metrics": lambda: replace(whole, runs=[replace(run, metrics=[], agreement=None) for run in whole.runs]),
        "arms": lambda: replace(whole, arms=whole.arms[:1], runs=whole.runs[:5], groups={}),
    }[lack]()
    text = words_of(Tags(render(summarise(less))))
    assert "grpo" in text and "nan" not in text.lower().split() and "None" not in text.replace("None.", "")
    assert "imp" not in text.split("What it shows")[0] if lack == "importance" else True


def test_one_seed_says_that_it_shows_nothing_about_another() -> None:
    assert reading.limits(summarise(comparison(seeds=1)))[0].startswith("One seed: nothing here says")


def test_a_limit_that_rounds_to_zero_shows_on_which_side_it_lies() -> None:
    assert wording.difference({"mean": 0.02, "ci": [0.0003, 0.0397]}) == "+2.00 [+0.03, +3.97]"
    assert wording.difference({"mean": 0.02, "ci": [-0.01, 0.05]}) == "+2.0 [−1.0, +5.0]"


def test_numbers_as_they_are_read() -> None:
    assert wording.share({"mean": 0.664, "ci": [0.645, 0.683]}) == "66.4 ± 1.9 %"
    assert wording.share({"mean": 0.664, "ci": None}) == "66.4 %" and wording.share(None) == "–"
    assert wording.amount({"mean": 4096.0, "ci": None}) == "4,096" and wording.amount({"mean": 0.0, "ci": None}) == "0"
    assert wording.amount({"mean": 0.055, "ci": [0.0547, 0.0553]}) == "0.0550 ± 0.0003"
    assert wording.amount({"mean": 12.3, "ci": [12.297, 12.303]}) == "12.300 ± 0.003"
    assert [wording.probability(p) for p in (0.0, 0.00052, 0.0412, 0.31, None)] == [
        "< 0.0001", "0.0005", "0.041", "0.31", "–"]
    assert [wording.points(v) for v in (-0.0004, 0.013, -0.0131)] == ["0.0", "+1.3", "−1.3"]
    assert [wording.duration(s) for s in (4.21, 272.0, 5000.0, None)] == ["4.2 s", "4 min 32 s", "1 h 23 min", "–"]


def test_one_seed_shows_differences_without_p() -> None:
    page = words_of(Tags(render(summarise(comparison(seeds=1)))))
    assert "(n = 1)" in page and "Holm" not in page and "p –" not in page
