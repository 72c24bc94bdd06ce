"""compare.json holds every figure with its interval, is the same for the same results, and bears what is missing."""

import json
import random
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy import stats

from strive.cache.atomic import json_bytes
from strive.stages.compare.figures.summary import summarise
from strive.stages.compare.results import Comparison

from .made_comparison import ARMS, BUDGET, STEPS, comparison


@pytest.fixture(scope="module")
def whole() -> Comparison:
    return comparison()


@pytest.fixture(scope="module")
def summary(whole: Comparison) -> dict[str, Any]:
    return summarise(whole)


def accuracies(found: Comparison, arm: str, view: str) -> list[float]:
    return [run.evals[view]["accuracy"] for run in sorted(found.runs, key=lambda r: r.seed) if run.arm == arm]


def test_accuracy_and_difference_are_scipys(whole: Comparison, summary: dict[str, Any]) -> None:
    for view in ("uniform", "importance"):
        ours, theirs = accuracies(whole, "strive", view), accuracies(whole, "grpo", view)
        found, test = summary["results"]["strive"]["views"][view], stats.ttest_rel(ours, theirs)
        assert found["accuracy"]["values"] == pytest.approx(ours) and found["accuracy"]["n"] == 5
        assert found["accuracy"]["mean"] == pytest.approx(np.mean(ours))
        assert found["difference"]["p"] == pytest.approx(test.pvalue)
        assert found["difference"]["ci"] == pytest.approx(list(test.confidence_interval(0.95)))
        assert found["difference"]["values"] == pytest.approx([a - b for a, b in zip(ours, theirs, strict=True)])
    assert "difference" not in summary["results"]["grpo"]["views"]["uniform"], "the baseline differs from nothing"


def test_it_is_strict_json_with_the_agreed_names(summary: dict[str, Any]) -> None:
    assert json.loads(json_bytes(summary)) == summary
    assert summary["format"] == "strive.compare/1" and summary["budget"] == {"generated_rollouts": BUDGET}
    assert [arm["name"] for arm in summary["arms"]] == list(ARMS)
    assert set(summary["results"]["strive"]) == {
        "views", "area", "zero_std", "zero_std_per_variant", "reward_var_within", "reward_var_between",
        "visual_tokens_per_step", "agreement"}
    assert set(summary["results"]["strive"]["views"]["uniform"]) == {"accuracy", "difference", "gain", "families"}


def test_floats_have_twelve_digits(summary: dict[str, Any]) -> None:
    def floats(value: Any) -> list[float]:
        if isinstance(value, dict):
            return [one for part in value.values() for one in floats(part)]
        if isinstance(value, list):
            return [one for part in value for one in floats(part)]
        return [value] if isinstance(value, float) else []

    assert all(one == float(f"{one:.12g}") for one in floats(summary))


def test_only_timing_knows_about_time(whole: Comparison, summary: dict[str, Any]) -> None:
    draw = random.Random(9)
    runs = [replace(run, seconds=run.seconds * 3, metrics=[{**row, "step_s": draw.random()} for row in run.metrics])
            for run in whole.runs]
    draw.shuffle(runs)
    again = summarise(replace(whole, runs=runs, timing={"seconds": 1.0}))
    assert {**again, "timing": 0} == {**summary, "timing": 0} and again["timing"] != summary["timing"]
    assert summary["timing"]["arms"]["grpo"]["seconds"]["n"] == 5 and summary["timing"]["workers"] == 2


def test_order_of_questions_and_families_changes_no_byte(whole: Comparison, summary: dict[str, Any]) -> None:
    def turned(found: dict[str, Any]) -> dict[str, Any]:
        return dict(reversed(found.items()))

    runs = [replace(run, scores={view: turned(s) for view, s in turned(run.scores).items()}) for run in whole.runs]
    groups = {arm: turned(rows) for arm, rows in turned(whole.groups).items()}
    again = summarise(replace(whole, runs=runs, groups=groups, families=turned(whole.families)))
    assert json_bytes(again) == json_bytes(summary)


def test_missing_seeds_are_left_out_on_both_sides(whole: Comparison) -> None:
    failed = [{"arm": "strive", "seed": 3, "reason": "stopped: loss is not finite"},
              {"arm": "grpo", "seed": 1, "reason": "killed"}]
    gone = {(one["arm"], one["seed"]) for one in failed}
    found = summarise(replace(whole, runs=[r for r in whole.runs if (r.arm, r.seed) not in gone], failed=failed))
    view = found["results"]["strive"]["views"]["uniform"]
    assert view["accuracy"]["n"] == 4 and view["accuracy"]["values"][3] is None
    assert view["difference"]["n"] == 3 and [v is None for v in view["difference"]["values"]] == [0, 1, 0, 1, 0]
    ours, theirs = accuracies(whole, "strive", "uniform"), accuracies(whole, "grpo", "uniform")
    kept = [0, 2, 4]
    assert view["difference"]["p"] == pytest.approx(
        stats.ttest_rel([ours[i] for i in kept], [theirs[i] for i in kept]).pvalue)
    assert [one["arm"] for one in found["failed"]] == ["grpo", "strive"]
    assert found["curves"]["strive"]["accuracy"]["values"][3] == [None] * 7


def test_an_arm_without_a_finished_run_stays_in_the_table(whole: Comparison) -> None:
    found = summarise(replace(whole, runs=[run for run in whole.runs if run.arm != "temporal"]))
    view = found["results"]["temporal"]["views"]["uniform"]
    assert view["accuracy"]["mean"] is None and view["difference"]["p"] is None
    assert found["curves"]["temporal"]["step"] == []
    json_bytes(found)


def test_nothing_at_all_is_still_a_summary(whole: Comparison) -> None:
    found = summarise(replace(whole, runs=[], base={}, base_scores={}, groups={}))
    assert found["results"]["strive"]["views"] == {} and found["comparisons"] == 0
    json_bytes(found)


def test_one_seed_shows_means_without_intervals() -> None:
    found = summarise(comparison(seeds=1))
    view = found["results"]["strive"]["views"]["uniform"]
    assert view["accuracy"]["mean"] is not None and view["accuracy"]["ci"] is None
    assert view["difference"]["p"] is None and view["difference"]["note"]
    assert view["difference"]["over_questions"]["ci"] is not None, "the randomness of questions is still there"


def test_a_view_that_was_not_evaluated_is_left_out(whole: Comparison) -> None:
    runs = [replace(run, evals={"uniform": run.evals["uniform"]}, scores={"uniform": run.scores["uniform"]})
            for run in whole.runs]
    found = summarise(replace(whole, runs=runs, base={"uniform": whole.base["uniform"]}))
    assert set(found["results"]["strive"]["views"]) == {"uniform"}


def test_data_without_families_has_no_family_table(whole: Comparison) -> None:
    found = summarise(replace(whole, families=dict.fromkeys(whole.families, "")))
    assert found["results"]["strive"]["views"]["uniform"]["families"] == {}


def test_families_add_up_to_the_whole(summary: dict[str, Any]) -> None:
    view = summary["results"]["strive"]["views"]["importance"]
    whole = sum(one["questions"] * one["mean"] for one in view["families"].values()) / 200
    assert whole == pytest.approx(view["accuracy"]["mean"]) and len(view["families"]) == 5
    assert all("difference" in one for one in view["families"].values())


def test_area_goes_from_the_base_policy_to_the_final_one(whole: Comparison, summary: dict[str, Any]) -> None:
    run = next(run for run in whole.runs if (run.arm, run.seed) == ("strive", 2))
    points = {0: whole.base["uniform"]["accuracy"]}
    points |= {row["step"]: row["eval_accuracy"] for row in run.metrics if "eval_accuracy" in row}
    points[STEPS] = run.evals["uniform"]["accuracy"]
    x = sorted(points)
    expected = np.trapezoid([points[s] for s in x], [s / STEPS for s in x])
    assert summary["results"]["strive"]["area"]["values"][2] == pytest.approx(expected)
    assert summary["curves"]["strive"]["rollouts"] == [0, 1600, 3200, 4800, 6400, 8000, 9600]
    assert summary["curves"]["strive"]["accuracy"]["low"][0] is None, "all seeds share the base policy"


def test_a_curve_that_does_not_reach_the_end_has_no_area(whole: Comparison) -> None:
    runs = [replace(run, evals={}, scores={}) for run in whole.runs]
    assert summarise(replace(whole, runs=runs))["results"]["strive"]["area"]["mean"] is None


def test_training_figures_are_means_over_steps(whole: Comparison, summary: dict[str, Any]) -> None:
    run = next(run for run in whole.runs if (run.arm, run.seed) == ("strive", 0))
    expected = np.mean([row["frac_zero_std"] for row in run.metrics])
    assert summary["results"]["strive"]["zero_std"]["values"][0] == pytest.approx(expected)
    assert summary["results"]["strive"]["visual_tokens_per_step"]["mean"] == 16384
    assert summary["train"]["strive"]["frac_zero_std"]["values"][0][5] == pytest.approx(run.metrics[5]["frac_zero_std"])


def test_a_step_that_was_written_twice_counts_once(whole: Comparison, summary: dict[str, Any]) -> None:
    runs = [replace(run, metrics=[*run.metrics[:5], *run.metrics]) for run in whole.runs]
    assert json_bytes(summarise(replace(whole, runs=runs))) == json_bytes(summary)


def test_a_figure_that_is_not_finite_is_a_gap(whole: Comparison) -> None:
    runs = [replace(run, metrics=[{**run.metrics[0], "frac_zero_std": None}, {**run.metrics[1],
                    "frac_zero_std": float("nan")}, {**run.metrics[2], "frac_zero_std": 0.25}]) for run in whole.runs]
    assert summarise(replace(whole, runs=runs))["results"]["strive"]["zero_std"]["mean"] == 0.25


def test_groups_are_paired_by_question_and_round(whole: Comparison, summary: dict[str, Any]) -> None:
    found = summary["groups"]["strive"]
    gaps = [a - b for q in whole.groups["grpo"]
            for a, b in zip(whole.groups["strive"][q], whole.groups["grpo"][q], strict=True)]
    assert found["n"] == 1000 and found["questions"] == 200
    assert found["difference"]["mean"] == pytest.approx(np.mean(gaps)) and found["difference"]["ci"][1] < 0
    assert found["zero_std"]["mean"] == pytest.approx(np.mean(list(whole.groups["strive"].values())))
    assert "difference" not in summary["groups"]["grpo"]


def test_groups_that_only_one_arm_has_are_not_compared(whole: Comparison) -> None:
    groups = {"grpo": {"a": [1, 0], "b": [1]}, "strive": {"a": [0], "c": [1, 1]}}
    found = summarise(replace(whole, groups=groups))["groups"]["strive"]
    assert found["difference"]["n"] == 1 and found["difference"]["mean"] == -1.0 and found["difference"]["ci"] is None


def test_identical_arms_differ_by_nothing_and_are_not_tested(whole: Comparison) -> None:
    twins = [replace(run, arm="strive") for run in whole.runs if run.arm == "grpo"]
    found = summarise(replace(whole, runs=[run for run in whole.runs if run.arm != "strive"] + twins))
    difference = found["results"]["strive"]["views"]["uniform"]["difference"]
    told = tuple(difference[name] for name in ("mean", "p", "holm", "note"))
    assert told == (0.0, None, None, "identical")
    assert found["comparisons"] == 8


def test_every_difference_to_the_baseline_is_adjusted_together(summary: dict[str, Any]) -> None:
    found = [view["difference"] for arm in summary["results"].values() for view in arm["views"].values()
             if "difference" in view]
    assert summary["comparisons"] == len(found) == 10
    least = min(found, key=lambda one: one["p"])
    assert least["holm"] == pytest.approx(min(1.0, 10 * least["p"]))


def test_other_pairs_are_there_once(whole: Comparison, summary: dict[str, Any]) -> None:
    pairs = {(one["arm"], one["other"]): one for one in summary["pairs"]["uniform"]}
    assert len(pairs) == 10 and all("grpo" not in names for names in pairs)
    ours, theirs = accuracies(whole, "strive:score.model=random", "uniform"), accuracies(whole, "strive", "uniform")
    assert pairs["strive:score.model=random", "strive"]["p"] == pytest.approx(stats.ttest_rel(ours, theirs).pvalue)


def test_interval_over_questions_is_that_of_question_means(whole: Comparison, summary: dict[str, Any]) -> None:
    runs = {(run.arm, run.seed): run.scores["uniform"] for run in whole.runs}
    gaps = [np.mean([runs["strive", s][q] - runs["grpo", s][q] for s in range(5)]) for q in whole.families]
    found = summary["results"]["strive"]["views"]["uniform"]["difference"]
    expected = stats.t.interval(0.95, 199, loc=np.mean(gaps), scale=stats.sem(gaps))
    assert found["over_questions"]["ci"] == pytest.approx(list(expected)) and found["over_questions"]["n"] == 200
    assert found["over_questions"]["videos"] == 200, "a question whose video is not known stands for itself"
    assert found["over_questions"]["mean"] == pytest.approx(found["mean"])


def test_questions_about_one_video_are_one_cluster(whole: Comparison, summary: dict[str, Any]) -> None:
    videos = {question: f"v{i // 4}" for i, question in enumerate(whole.families)}
    found = summarise(replace(whole, videos=videos))
    over = found["results"]["strive"]["views"]["uniform"]["difference"]["over_questions"]
    assert over["videos"] == 50 and over["n"] == 200
    runs = {(run.arm, run.seed): run.scores["uniform"] for run in whole.runs}
    gaps = {q: np.mean([runs["strive", s][q] - runs["grpo", s][q] for s in range(5)]) for q in whole.families}
    means = [np.mean([gaps[q] for q in videos if videos[q] == f"v{i}"]) for i in range(50)]
    expected = stats.t.interval(0.95, 49, loc=np.mean(means), scale=stats.sem(means))
    assert over["ci"] == pytest.approx(list(expected)), "videos of equal size: the t interval of their means"
    assert found["groups"]["strive"]["difference"]["videos"] == 50
    assert found["groups"]["strive"]["difference"]["mean"] == summary["groups"]["strive"]["difference"]["mean"]


def test_groups_without_signal_are_all_right_or_all_wrong(whole: Comparison) -> None:
    few = replace(whole, groups={"grpo": {"a": [1, 0], "b": [1, 1]}},
                  group_accuracy={"grpo": {"a": [1.0, 0.5], "b": [0.0, 1.0]}})
    found = summarise(few)["groups"]["grpo"]
    assert (found["accuracy"], found["all_right"], found["all_wrong"]) == (0.625, 0.5, 0.25)
    assert "all_right" not in summarise(whole)["groups"]["grpo"]
