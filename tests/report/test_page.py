"""The report is one file that needs nothing else, shows what the runs hold, and runs no code of theirs."""

import base64
import hashlib
import json
import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import pytest

from strive.configs.errors import MissingError, UsageError, VerificationError
from strive.stages.bundle.reader import Bundle
from strive.stages.report.page import write_report

from .conftest import metrics_row, rollout_row, write_lines

HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(2)>'\"&{{ 7*7 }}"
SUMMARY = {
    "title": "demo", "text": "It was trained. It was measured.", "base_accuracy": 0.54, "trained_accuracy": 0.665,
    "base_accuracy_answered": 0.57, "trained_accuracy_answered": 0.68, "base_format_rate": 0.94,
    "trained_format_rate": 0.985,
    "text_only_accuracy": 0.22, "blank_accuracy": 0.24, "swapped_accuracy": 0.21, "chance": 0.213, "ceiling": 0.78,
    "visible_share": 0.72, "n_eval": 240, "facts": {"wall clock": "4 min"},
}


Make = Callable[..., Bundle]


class Tags(HTMLParser):
    """Every tag with its attributes, and the text outside style and script."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.scripts: list[str] = []
        self._inside = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._inside = tag

    def handle_endtag(self, tag: str) -> None:
        self._inside = ""

    def handle_data(self, data: str) -> None:
        if self._inside == "script":
            self.scripts.append(data)
        elif self._inside != "style":
            self.text += data


def read(page: Path) -> Tags:
    tags = Tags()
    tags.feed(page.read_text("utf-8"))
    return tags


def test_page_needs_nothing_but_itself(train_run: Path, tmp_path: Path, make_bundle: Make) -> None:
    bundle = make_bundle()
    page = read(write_report([train_run], tmp_path / "r.html", summary=SUMMARY, bundle_of=lambda run, sample: bundle))
    for tag, attributes in page.tags:
        assert tag not in ("link", "iframe", "object", "embed", "base", "form")
        for name in ("src", "href", "data", "action", "srcset"):
            value = attributes.get(name)
            assert value is None or value.startswith(("#", "data:image/jpeg;base64,")), (tag, name, value)
    assert not re.search(r"url\(|@import|https?:", (tmp_path / "r.html").read_text("utf-8"))


def test_only_the_pages_own_script_may_run(train_run: Path, tmp_path: Path) -> None:
    page = read(write_report([train_run], tmp_path / "r.html"))
    policy = next(a["content"] for tag, a in page.tags if tag == "meta" and a.get("http-equiv"))
    digest = base64.b64encode(hashlib.sha256("".join(page.scripts).encode()).digest()).decode()
    assert policy is not None and f"script-src 'sha256-{digest}'" in policy and "default-src 'none'" in policy


def test_text_of_runs_is_shown_as_text(tmp_path: Path, make_bundle: Make) -> None:
    run = tmp_path / "<b>run&"
    run.mkdir()
    write_lines(run / "metrics.jsonl", [metrics_row(1)])
    write_lines(run / "rollouts.jsonl", [rollout_row(1, "best", reply=HOSTILE, id=HOSTILE, rewards={HOSTILE: 1.0})])
    (run / "config.yaml").write_text("model: " + json.dumps(HOSTILE) + "  # " + HOSTILE + "\n", "utf-8")
    (run / "results.json").write_text(json.dumps({"failed": [{"id": HOSTILE, "reason": HOSTILE}]}), "utf-8")
    bundle = make_bundle(question=HOSTILE, answer=HOSTILE, sample_id=HOSTILE, options=(HOSTILE, "b"))
    summary = {**SUMMARY, "title": HOSTILE, "text": HOSTILE, "facts": {HOSTILE: HOSTILE}}
    page = read(write_report([run], tmp_path / "r.html", summary=summary, bundle_of=lambda run, sample: bundle))
    assert [tag for tag, _ in page.tags].count("script") == 1
    assert not any(name.startswith("on") for _, attributes in page.tags for name in attributes)
    assert all("onerror" not in (a.get("src") or "") and a.get("src", "data:") != "x" for _, a in page.tags)
    assert "{{ 7*7 }}" in page.text and "49" not in page.text.split("alert(2)")[1][:20]
    assert page.text.count("alert(1)") >= 8


def test_result_is_shown_beside_controls_and_chance(train_run: Path, tmp_path: Path) -> None:
    text = read(write_report([train_run], tmp_path / "r.html", summary=SUMMARY)).text
    for expected in ("54.0 %", "66.5 %", "22.0 %", "24.0 %", "21.0 %", "chance 21.3 %", "ceiling 78.0 %",
                     "+12.5 points", "It was trained. It was measured.", "240", "72 %", "4 min"):
        assert expected in text, expected
    labels = ("Base policy", "Trained policy", "No video", "Every frame grey", "another video")
    order = [text.index(label) for label in labels]
    assert order == sorted(order)


def test_rollouts_show_frames_of_their_own_variant(train_run: Path, tmp_path: Path, make_bundle: Make) -> None:
    bundle = make_bundle()
    page = read(write_report([train_run], tmp_path / "r.html", bundle_of=lambda run, sample: bundle))
    pictures = [a for tag, a in page.tags if tag == "img"]
    assert len(pictures) == 16
    assert "best: reward 1" in page.text and "worst: reward 0.1" in page.text
    assert "5 of 8 rollouts shared the best reward" in page.text
    assert "it rolls</think><answer>B" in page.text


def test_without_a_bundle_the_rollout_is_shown_and_the_lack_named(train_run: Path, tmp_path: Path) -> None:
    def gone(run: Path, sample: str) -> Bundle | None:
        raise VerificationError("bundle.h5: damaged")

    text = read(write_report([train_run], tmp_path / "r.html", bundle_of=gone)).text
    assert "frames not shown: bundle.h5: damaged" in text and "it rolls" in text


def test_settings_show_where_they_came_from(train_run: Path, tmp_path: Path) -> None:
    text = re.sub(r"\s+", " ", read(write_report([train_run], tmp_path / "r.html")).text)
    assert "4 settings were chosen" in text
    assert re.search(r"variants\.count ?4 ?recipe strive", text)
    assert "{accuracy: 0.9, format: 0.1}" in text
    assert "4 variants × 2 generations" in text and "12 bundles, 01234567" in text


def test_several_runs_share_each_picture(train_run: Path, tmp_path: Path) -> None:
    other = tmp_path / "second"
    other.mkdir()
    write_lines(other / "metrics.jsonl", [metrics_row(s, kl=None) for s in range(1, 9)])
    page = read(write_report([train_run, other], tmp_path / "r.html"))
    charts = {a["aria-label"]: json.loads(a["data-lines"] or "") for _, a in page.tags if "data-lines" in a}
    assert [name for name, _, _ in charts["Accuracy"]] == ["first-run · accuracy", "second · accuracy"]
    assert len(charts["KL"]) == 1, "a run without a metric has no line"
    assert len(charts["Groups without signal"]) == 4


def test_held_out_accuracy_joins_only_the_steps_at_which_it_was_measured(tmp_path: Path) -> None:
    run = tmp_path / "run"
    run.mkdir()
    rows = [metrics_row(s, **({"eval_accuracy": s / 20} if s % 5 == 0 else {})) for s in range(1, 21)]
    write_lines(run / "metrics.jsonl", rows)
    page = read(write_report([run], tmp_path / "r.html"))
    lines = next(a["data-lines"] for _, a in page.tags if a.get("aria-label") == "Held-out accuracy")
    assert [x for x, _ in json.loads(lines or "")[0][2]] == [5, 10, 15, 20]


def test_a_torn_last_line_and_repeated_steps_are_no_obstacle(train_run: Path, tmp_path: Path) -> None:
    with open(train_run / "metrics.jsonl", "a", encoding="utf-8") as file:
        file.write(json.dumps(metrics_row(30, accuracy=0.99)) + "\n" + '{"step": 31, "los')
    page = read(write_report([train_run], tmp_path / "r.html"))
    lines = next(a["data-lines"] for _, a in page.tags if a.get("aria-label") == "Accuracy")
    assert len(json.loads(lines or "")[0][2]) == 30


def test_what_is_not_a_run_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(MissingError, match="nowhere"):
        write_report([tmp_path / "nowhere"], tmp_path / "r.html")
    with pytest.raises(UsageError, match="not a run folder"):
        write_report([tmp_path], tmp_path / "r.html")
    (tmp_path / "results.json").write_text("{", "utf-8")
    with pytest.raises(VerificationError, match=re.escape("results.json")):
        write_report([tmp_path], tmp_path / "r.html")
    assert not (tmp_path / "r.html").exists()


def test_ten_thousand_steps_stay_a_small_page(tmp_path: Path) -> None:
    run = tmp_path / "long"
    run.mkdir()
    write_lines(run / "metrics.jsonl", [metrics_row(s) for s in range(1, 10001)])
    assert write_report([run], tmp_path / "r.html").stat().st_size < 1_500_000


RESULTS = {
    "bench": "demo", "control": "blank", "model": "run", "n": 240, "n_answered": 230, "n_unparsed": 7, "n_ambiguous": 0,
    "n_truncated": 3, "n_empty": 0, "n_undecodable": 2, "accuracy": 0.25, "accuracy_answered": 0.26,
    "format_rate": 0.97, "ci": [0.2, 0.31], "chance": 0.22, "families": {"colour": {"n": 80, "accuracy": 0.125}},
    "failed": [{"id": "q7", "reason": "videos/a.mp4: 90 frames announced, 11 decodable"}],
}


def test_evaluations_are_listed_with_interval_control_families_and_failures(train_run: Path, tmp_path: Path) -> None:
    evaluation = tmp_path / "eval-blank"
    evaluation.mkdir()
    (evaluation / "results.json").write_text(json.dumps(RESULTS), "utf-8")
    page = read(write_report([train_run, evaluation], tmp_path / "r.html"))
    text = re.sub(r"\s+", " ", page.text)
    assert "7 unparsed, 3 truncated, 2 undecodable" in text
    assert "25.0 %" in text and "26.0 %" in text and "12.5 %" in text
    assert "11 decodable" in text and "1 item could not be done" in text
    assert any(a.get("title") == "20.0 % to 31.0 %" for _, a in page.tags)


def test_an_evaluation_that_is_not_finished_yet_is_no_obstacle(tmp_path: Path) -> None:
    run = tmp_path / "half"
    run.mkdir()
    write_lines(run / "predictions.jsonl", [{"id": "q1", "score": 1.0}])
    assert "half" in read(write_report([run], tmp_path / "r.html")).text


def test_runs_with_different_settings_show_each_value_with_its_runs(train_run: Path, tmp_path: Path) -> None:
    other = tmp_path / "second"
    other.mkdir()
    write_lines(other / "metrics.jsonl", [metrics_row(1)])
    first = (train_run / "config.yaml").read_text("utf-8")
    (other / "config.yaml").write_text(first.replace("count: 4  # recipe strive", "count: 1  # recipe grpo"), "utf-8")
    text = re.sub(r"\s+", " ", read(write_report([train_run, other], tmp_path / "r.html")).text)
    assert re.search(r"variants\.count ?4 first-run ?recipe strive ?1 second ?recipe grpo", text)


def test_families_are_shown_from_base_to_trained(train_run: Path, tmp_path: Path) -> None:
    order = {"chance": 0.5, "base": 0.55, "trained": 0.7, "text_only": 0.5, "blank": 0.45, "swapped": 0.52}
    visible = {"base_accuracy_when_visible": 0.61, "trained_accuracy_when_visible": 0.83}
    summary = {**SUMMARY, **visible, "families": {"order": order}}
    text = read(write_report([train_run], tmp_path / "r.html", summary=summary)).text
    for expected in ("order", "55.0 %", "70.0 %", "50.0 %", "61.0 %", "83.0 %"):
        assert expected in text


def test_kl_that_was_never_measured_is_not_drawn_as_zero(tmp_path: Path) -> None:
    run = tmp_path / "run"
    run.mkdir()
    write_lines(run / "metrics.jsonl", [metrics_row(s, kl=0.0) for s in range(1, 9)])
    assert not [a for _, a in read(write_report([run], tmp_path / "r.html")).tags if a.get("aria-label") == "KL"]


def test_frames_of_another_bundle_than_the_rollout_saw_are_never_shown(tmp_path: Path, make_bundle: Make) -> None:
    run, bundle = tmp_path / "run", make_bundle()
    run.mkdir()
    write_lines(run / "metrics.jsonl", [metrics_row(1)])
    seen = [float(t) for t in bundle.variant(1).times]
    for times, pictures in ((seen, 8), ([*seen[:-1], seen[-1] + 1], 0), (seen[:-1], 0)):
        write_lines(run / "rollouts.jsonl", [rollout_row(1, "best", times=times)])
        page = read(write_report([run], tmp_path / "r.html", bundle_of=lambda run, sample: bundle))
        assert len([tag for tag, _ in page.tags if tag == "img"]) == pictures
        assert ("made with other settings" in page.text) == (pictures == 0)


ODD = ("x", None, [], {}, [1], {"a": 1}, float("inf"), float("nan"), -1, 10**30, True)


@pytest.mark.parametrize("odd", ODD, ids=repr)
def test_values_of_the_wrong_kind_never_break_the_page(tmp_path: Path, make_bundle: Make, odd: object) -> None:
    run, bundle = tmp_path / "run", make_bundle()
    run.mkdir()
    rows = [{**metrics_row(s), name: odd} for s, name in enumerate(metrics_row(1), start=1)]
    write_lines(run / "metrics.jsonl", [*rows, metrics_row(99)])
    broken = [{**rollout_row(s, "best"), name: odd} for s, name in enumerate(rollout_row(1, "best"), start=1)]
    write_lines(run / "rollouts.jsonl", broken)
    (run / "run.json").write_text(json.dumps({"samples": odd, "data": odd}), "utf-8")
    (run / "config.yaml").write_text(f"variants: {json.dumps(odd)}\ntrain:\n  rollouts: {json.dumps(odd)}\n", "utf-8")
    for name in RESULTS:
        (tmp_path / f"eval-{name}").mkdir()
        (tmp_path / f"eval-{name}" / "results.json").write_text(json.dumps({**RESULTS, name: odd}), "utf-8")
    summary = {**SUMMARY, "families": {"a": odd}, "chance": odd, "trained_accuracy": odd}
    runs = [run, *(tmp_path / f"eval-{name}" for name in RESULTS)]
    page = read(write_report(runs, tmp_path / "r.html", summary=summary, bundle_of=lambda r, s: bundle))
    assert all(f"eval-{name}" in page.text for name in RESULTS)
