"""Every published layout goes through the whole evaluation: read, decoded, asked, answered, scored, graded again."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from eval_jobs import small_config

from strive.cache.ledger import read_jsonl
from strive.cache.store import Store
from strive.configs.errors import UsageError
from strive.stages.eval.benchmarks import BENCHMARKS, benchmark
from strive.stages.eval.grading.grade_file import grade_file
from strive.stages.eval.grading.grader import Grader
from strive.stages.eval.stage import EvalJob, run_eval

LAYOUTS = Path(__file__).parents[1] / "data" / "layouts"
COUNTS = {"videomme": 6, "videomme_w_subtitle": 6, "tempcompass": 12, "tempcompass_video_r1": 12, "videommmu": 16,
          "mmvu": 4, "vsibench": 5, "vsibench_debiased": 4, "vsibench_pruned": 1, "perceptiontest": 4,
          "perceptiontest_test": 4}
SHORT = ("eval.max_new_tokens=2", "eval.frames=2")


def job(bench: str, run: Path, tiny: Path, store: Store, *sets: str) -> EvalJob:
    folder = LAYOUTS / bench.split("_", 1)[0]
    data = benchmark(bench)(folder, store.root / "unpacked")
    return EvalJob(small_config(*SHORT, *sets), store, run, str(tiny), bench, data)


def graded_again(run: Path, protocol: str) -> dict[str, Any]:
    grader = grade_file(run / "predictions.jsonl", Grader(protocol))
    (found,) = grader.figures().values()
    return found


@pytest.mark.parametrize("bench", COUNTS)
def test_a_published_layout_is_answered_and_scored(
    bench: str, tmp_path: Path, tiny: Path, shared_store: Store
) -> None:
    outcome = run_eval(job(bench, tmp_path, tiny, shared_store))
    found = outcome.results
    rows = read_jsonl(tmp_path / "predictions.jsonl")
    assert (outcome.done, outcome.failed) == (COUNTS[bench], []) and found["n_rows"] == len(rows) == COUNTS[bench]
    assert all(row["times"] and row["prediction"] is not None and row["gold"] is not None for row in rows)
    assert found["protocol"] == "strict" and found["complete"] and (found["headline"] or bench.endswith("video_r1"))
    again = graded_again(tmp_path, "strict")
    if bench != "perceptiontest_test":
        assert again["accuracy"] == found["accuracy"] and again["n"] == found["n"]


@pytest.mark.parametrize("protocol", ["official", "lmms-eval", "vlmevalkit", "video-r1"])
@pytest.mark.parametrize("bench", ["videomme", "tempcompass", "videommmu", "mmvu", "vsibench", "perceptiontest"])
def test_a_harness_asks_with_its_own_words_or_not_at_all(
    bench: str, protocol: str, tmp_path: Path, tiny: Path, shared_store: Store
) -> None:
    made = job(bench, tmp_path, tiny, shared_store, f"eval.protocol={protocol}")
    from strive.stages.eval.protocols import rule_of

    rule = rule_of(protocol, bench)
    if rule is None or rule.prompt is None:
        with pytest.raises(UsageError, match=f"protocol={protocol} does not ask {bench}"):
            run_eval(made)
        return
    found = run_eval(made).results
    assert found["protocol"] == protocol and found["format_rate"] is None
    assert graded_again(tmp_path, protocol)["accuracy"] == found["accuracy"]


def test_the_captions_of_shown_frames_stand_in_the_prompt(tmp_path: Path, tiny: Path, shared_store: Store) -> None:
    plain = run_eval(job("videomme", tmp_path / "plain", tiny, shared_store))
    told = run_eval(job("videomme_w_subtitle", tmp_path / "told", tiny, shared_store))
    assert plain.results["recipe"]["bench"] != told.results["recipe"]["bench"]
    tokens = [{row["id"]: row["prompt_tokens"] for row in read_jsonl(tmp_path / name / "predictions.jsonl")}
              for name in ("plain", "told")]
    longer = [name for name in tokens[0] if tokens[1][name] > tokens[0][name]]
    assert longer and all(tokens[1][name] == tokens[0][name] for name in tokens[0] if name.startswith("001"))


def test_nothing_of_a_cut_video_is_shown_after_its_cut(tmp_path: Path, tiny: Path, shared_store: Store) -> None:
    made = job("perceptiontest", tmp_path, tiny, shared_store)
    samples = [replace(s, meta={**s.meta, "cut_frame": 3}) for s in made.data.samples]
    made.data = replace(made.data, samples=samples)
    run_eval(made)
    assert all(max(row["times"]) < 0.5 for row in read_jsonl(tmp_path / "predictions.jsonl"))


def test_the_test_splits_answers_are_written_to_be_handed_in(tmp_path: Path, tiny: Path, shared_store: Store) -> None:
    outcome = run_eval(job("perceptiontest_test", tmp_path, tiny, shared_store))
    assert outcome.results["accuracy"] is None and outcome.files["submission"] == tmp_path / "submission.json"
    handed = json.loads((tmp_path / "submission.json").read_text())
    read = [row for row in read_jsonl(tmp_path / "predictions.jsonl") if row["parsed"]]
    assert sum(map(len, handed.values())) == len(read)


def test_every_registered_benchmark_has_its_row_here_or_a_test_of_its_own() -> None:
    assert set(BENCHMARKS) - set(COUNTS) == {"demo", "mvbench", "video_r1"}
