"""`strive train --check` finds what is wrong with a reward or a prompt before anything is spent."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from strive.configs.load import load
from strive.stages.tasks.grade import grade
from strive.stages.tasks.prompt import PROMPT_FORMATS
from strive.stages.tasks.sample import QUESTION_TYPES, Sample
from strive.stages.train.reward.check import Findings, check
from strive.stages.train.reward.fixtures import FIXTURES, LONG, OTHER_SHAPE, RIGHT, WRONG, trials, wrong_answer

REWARDS = '''
import time
from strive.stages.train.reward.own_reward import batch_reward

def short(sample, reply): return 1 / (1 + len(reply.raw))
def on_right(sample, reply): return float(reply.answer == sample.answer)
def big(sample, reply): return 5.0 * on_right(sample, reply)
def same(sample, reply): return 0.5
def slow(sample, reply): time.sleep(0.012); return on_right(sample, reply)
def text(sample, reply): return "1"
def brittle(sample, reply): return float(reply.answer.strip() == sample.answer)
def own_column(sample, reply): return sample.meta["level"] / 10 * on_right(sample, reply)
def sleeps(sample, reply): time.sleep(1e6)

@batch_reward
def all_at_once(samples, replies): return [on_right(s, r) for s, r in zip(samples, replies)]
@batch_reward
def one_for_all(samples, replies): return [1.0]
'''


def strive(folder: Path, code: int, *arguments: str) -> dict[str, Any]:
    """`strive train --check` with --json in `folder`, by the installed script: the folder is not on its path."""
    script = Path(sys.executable).parent / "strive"
    done = subprocess.run([str(script), "train", "--check", "--json", *arguments], cwd=folder, capture_output=True,
                          text=True, timeout=120)
    assert done.returncode == code, done.stdout + done.stderr
    (line,) = done.stdout.splitlines()
    found: dict[str, Any] = json.loads(line)
    assert found["command"] == "train"
    return found


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "my_rewards.py").write_text(REWARDS)
    return tmp_path


def tried(flags: dict[str, Any]) -> Findings:
    return check(load(env={}, flags=flags).config)


def rewards(*names: str) -> tuple[str, str]:
    return "-s", "train.rewards={" + ", ".join(f"{name}: 1.0" for name in names) + "}"


def test_every_question_type_has_a_fixture_whose_right_answer_scores_and_whose_wrong_one_does_not() -> None:
    assert {sample.question_type for sample in FIXTURES} == set(QUESTION_TYPES)
    for form in PROMPT_FORMATS.values():
        for sample in FIXTURES:
            by_name = {trial.what: trial.reply for trial in trials(form, sample)}
            assert by_name[RIGHT].well_formed and grade(sample, by_name[RIGHT]).score == 1.0
            assert by_name[WRONG].well_formed and grade(sample, by_name[WRONG]).score < 0.5
            assert not by_name[OTHER_SHAPE].well_formed and grade(sample, by_name[OTHER_SHAPE]).score == 1.0
            assert len(by_name[LONG].raw.split()) > 1000


@pytest.mark.parametrize(("answer", "kind", "options", "meta"), [
    ("A", "multiple_choice", ("x",), {}), ("Z", "multiple_choice", tuple("x" * 26), {}),
    ("A,B", "multi_answer", ("x", "y"), {}), ("B", "multi_answer", ("x", "y"), {}), ("no", "yes_no", None, {}),
    ("5", "numerical", None, {"metric": "mra"}), ("-5", "numerical", None, {}),
    ("0", "numerical", None, {"metric": "relative"}), ("45%", "numerical", None, {}), ("xylophone", "open", None, {}),
    ("[0, 0.5]", "interval", None, {}), ("100", "progress", None, {}),
])
def test_a_wrong_answer_is_worth_less_than_the_right_one(
    answer: str, kind: str, options: tuple[str, ...] | None, meta: dict[str, Any]
) -> None:
    sample = Sample("q", "v", "?", options, answer, kind, meta)
    parse = PROMPT_FORMATS["direct"].parse
    assert grade(sample, parse(wrong_answer(sample), False)).score < grade(sample, parse(answer, False)).score == 1.0


def test_the_defaults_are_fine_and_nothing_is_made(folder: Path) -> None:
    found = strive(folder, 0)
    assert found["status"] == "ok" and found["problems"] == found["warnings"] == []
    assert {row["question_type"] for row in found["replies"]} == set(QUESTION_TYPES)
    right = {row["question_type"]: row for row in found["replies"] if row["reply"] == "right"}
    assert all(row["rewards"] == {"accuracy": 1.0, "format": 1.0} and row["total"] == 1.0 for row in right.values())
    assert [one["flags"] for one in found["rewards"]] == [[], ["same value for right and wrong answers"]]
    assert {path.name for path in folder.iterdir()} == {"my_rewards.py"}


def test_functions_of_the_current_folder_are_tried_and_what_is_odd_is_said(folder: Path) -> None:
    names = [f"my_rewards:{name}" for name in ("short", "on_right", "big", "same", "slow", "all_at_once")]
    found = strive(folder, 0, *rewards(*names))
    flags = {one["name"].partition(":")[2]: one["flags"] for one in found["rewards"]}
    assert flags["on_right"] == flags["all_at_once"] == [] and flags["big"] == ["5 is outside [0, 1]"]
    assert flags["same"] == ["same value for every reply: it cannot teach"]
    (slow,) = flags["slow"]
    assert slow.endswith(" ms a call") and 12 <= int(slow.split()[0]) < 200
    assert all(one["file"] == str(folder / "my_rewards.py") and one["ms_per_call"] > 0 for one in found["rewards"])
    assert len(found["warnings"]) == 3


def test_a_whole_reward_that_is_blind_to_the_answer_is_told(folder: Path) -> None:
    found = strive(folder, 0, *rewards("format"))
    assert any("cannot teach box, id_interval" in text for text in found["warnings"])


@pytest.mark.parametrize(("name", "message"), [
    ("my_rewards:text", "returned '1' (str)"), ("my_rewards:one_for_all", "returned 1 values for 63 replies"),
    ("my_rewards:brittle", "raised AttributeError"), ("my_rewards:missing", "no 'missing' in"),
    ("my_reward:short", "no module my_reward"), ("acuracy", "no reward named 'acuracy'"),
    ("my_rewards:own_column", "raised KeyError: 'level'"), ("my_rewards:sleeps", "took longer than"),
])
def test_a_reward_that_cannot_be_used_is_a_problem_in_three_parts(
    name: str, message: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    monkeypatch.delitem(sys.modules, "my_rewards", raising=False)
    (problem,) = tried({"train.rewards": {"accuracy": 1.0, name: 1.0}, "train.reward_timeout_s": 0.3}).problems
    assert message in problem.what and problem.expected and problem.do


def test_a_problem_is_exit_code_2(folder: Path) -> None:
    found = strive(folder, 2, *rewards("accuracy", "my_rewards:text", "my_rewards:brittle"))
    assert found["status"] == "failed" and "returned '1' (str)" in found["error"]["what"]
    assert found["problems"][0] == found["error"] and "AttributeError" in found["problems"][1]["what"]


def test_with_data_the_users_own_questions_are_tried_and_no_video_is_needed(folder: Path) -> None:
    rows = [{"id": f"q{n}", "video": "gone.mp4", "question": f"How many {n}?", "options": None, "answer": str(n),
             "question_type": "numerical", "meta": {"level": n}} for n in range(3, 6)]
    rows[2] |= {"question_type": "multiple_choice", "options": ["red", "blue"], "answer": "A"}
    (folder / "data.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    found = strive(folder, 0, *rewards("my_rewards:own_column"), "--data", "data.jsonl", "--model", "none-is-loaded")
    assert {row["id"] for row in found["replies"]} == {"q3", "q5"}
    assert [row["total"] for row in found["replies"] if row["reply"] == "right"] == [0.3, 0.5]
    (folder / "more.jsonl").write_text(json.dumps(rows[0] | {"question_type": "open", "id": "q5"}) + "\n")
    both = strive(folder, 0, *rewards("my_rewards:own_column"), "--data", "data.jsonl", "--data", "more.jsonl=2")
    assert len(both["replies"]) == len(found["replies"]) * 3 // 2
    assert "gone.jsonl" in strive(folder, 5, "--data", "gone.jsonl")["error"]["what"]


FORMAT = '''
from strive.stages.tasks.prompt import Reply, stem
class Form:
    def render(self, question): return stem(question) + " Answer between hashes."
    def parse(self, text, truncated):
        parts = text.split("#")
        answer = parts[1].strip() if len(parts) == 3 and parts[1].strip() else None
        return Reply(text, answer, answer is not None, "ok" if answer else "unparsed", truncated)
class Guided(Form):
    def example(self, answer): return f"It is #{answer}#"
class Leaky(Guided):
    def render(self, question):
        known = {"Which animal walks past?": "a quagga"}
        return stem(question) + known.get(question.text, "")
class Forgetful(Guided):
    def render(self, question): return question.text
class Comma(Guided):
    def parse(self, text, truncated): return super().parse(text.replace(",", "#"), truncated)
class Deaf(Guided):
    def parse(self, text, truncated): return Reply(text, None, False, "unparsed", truncated)
form, guided, leaky, forgetful, comma, deaf = Form(), Guided(), Leaky(), Forgetful(), Comma(), Deaf()
'''


@pytest.mark.parametrize(("name", "code", "told"), [
    ("guided", 0, ""), ("form", 0, "could not be guessed"), ("forgetful", 0, "lacks the question or an option"),
    ("comma", 0, "does not give back answers to box, id_interval, interval, multi_answer"),
    ("leaky", 2, "has its answer in it"), ("deaf", 2, "does not give back 'B'"), ("none", 2, "no 'none' in"),
])
@pytest.mark.parametrize("key", ["train.prompt_format", "eval.prompt_format"])
def test_a_prompt_format_is_tried_too(
    name: str, code: int, told: str, key: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "my_format.py").write_text(FORMAT)
    monkeypatch.chdir(folder)
    monkeypatch.delitem(sys.modules, "my_format", raising=False)
    found = tried({key: f"my_format:{name}"})
    told_of = [*found.warnings, *(problem.what for problem in found.problems)]
    assert bool(found.problems) == (code == 2) and len(told_of) >= bool(told)
    assert all(told in text for text in told_of) if told else told_of == []


def test_an_answer_of_the_users_own_data_that_is_not_read_back_is_a_problem(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "my_format.py").write_text(FORMAT)
    monkeypatch.chdir(folder)
    monkeypatch.delitem(sys.modules, "my_format", raising=False)
    config = load(env={}, flags={"train.prompt_format": "my_format:comma"}).config
    (problem,) = check(config, FIXTURES[:1] + (Sample("q", "v", "When?", None, "[1, 2]", "interval"),)).problems
    assert "'[1, 2]'" in problem.what


def test_the_examples_of_the_documentation_can_be_used(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = (Path(__file__).parents[2] / "docs" / "rewards.md").read_text("utf-8")
    near, judged, shortest, boxed = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    (folder / "shown_rewards.py").write_text(near + judged.replace("...", "return [0.5] * len(replies)"))
    (folder / "shown_groups.py").write_text(shortest)
    (folder / "shown_formats.py").write_text(boxed)
    monkeypatch.chdir(folder)
    found = tried({"train.prompt_format": "shown_formats:BOXED",
                   "train.rewards": {"accuracy": 0.9, "shown_rewards:near": 0.1, "shown_rewards:judged": 0.1},
                   "train.group_rewards": {"shown_groups:shortest": 0.1}})
    assert found.problems == [] and len(found.rewards) == 3 and len(found.group_rewards) == 1 and found.totals[0] > 0.9


def test_people_get_a_table(folder: Path) -> None:
    done = subprocess.run([sys.executable, "-m", "strive.cli", "train", "--check"], cwd=folder, capture_output=True,
                          text=True, timeout=120)
    assert done.returncode == 0 and "right, other shape         1       0    0.9" in done.stdout


def test_without_check_data_and_run_are_still_asked_for(folder: Path) -> None:
    command = [sys.executable, "-m", "strive.cli", "train", "--model", "demo"]
    for more, missing in (((), "--data"), (("--data", "x.jsonl"), "--run")):
        done = subprocess.run([*command, *more], cwd=folder, capture_output=True, text=True, timeout=120)
        assert done.returncode == 2 and f"no {missing}" in done.stderr


def test_the_check_needs_no_heavy_library(folder: Path) -> None:
    script = ("import sys; from strive.configs.load import load; from strive.stages.train.reward.check import check; "
              "assert len(check(load(env={}).config).trials) == 63; "
              "sys.exit(str({'torch', 'transformers', 'cv2'} & set(sys.modules) or ''))")
    done = subprocess.run([sys.executable, "-c", script], cwd=folder, capture_output=True, text=True, timeout=120)
    assert done.stderr.strip() == ""


GROUPS = '''
import time

def shortest(group):
    least = min(one.tokens for one in group.trained)
    return [float(one.tokens == least) for one in group.trained]
def same(group): return [0.5] * len(group.trained)
def big(group): return [7.0 * place for place, _ in enumerate(group.trained)]
def slow(group): time.sleep(0.012); return shortest(group)
def of_one(group): return [1.0]
def brittle(group): return [1 / one.scored.accuracy for one in group.trained]
def missing(group): return [float("nan")] + [0.0] * (len(group.trained) - 1)
def sleeps(group): time.sleep(1e6)
'''


def test_group_rewards_are_tried_on_made_up_groups(folder: Path) -> None:
    found = strive(folder, 0, "--recipe", "t_grpo")
    assert [one["name"] for one in found["group_rewards"]] == ["temporal", "length_band"] and not found["warnings"]
    by_name = {one["group"]: one["rewards"] for one in found["groups"] if one["question_type"] == "yes_no"}
    assert by_name == {"better than contrast": {"temporal": [1, 1, 0, 0], "length_band": [1, 0, 0, 0]},
                       "contrast better": {"temporal": [0, 0, 0, 0], "length_band": [0, 0, 0, 0]},
                       "all wrong": {"temporal": [0, 0, 0, 0], "length_band": [0, 0, 0, 0]}}


@pytest.mark.parametrize(("name", "code", "told"), [
    ("shortest", 0, ""), ("same", 0, "it cannot teach"), ("big", 0, "7 is outside [0, 1]"), ("slow", 0, "ms a call"),
    ("of_one", 2, "returned 1 values for 4 trained members"), ("brittle", 2, "ZeroDivisionError"),
    ("missing", 2, "no number for a member of a group (multiple_choice, better than contrast)"),
    ("sleeps", 2, "took longer than train.reward_timeout_s"), ("nowhere", 2, "no 'nowhere' in"),
])
def test_what_is_wrong_with_an_own_group_reward_is_told(
    name: str, code: int, told: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "my_groups.py").write_text(GROUPS)
    monkeypatch.chdir(folder)
    monkeypatch.delitem(sys.modules, "my_groups", raising=False)
    found = tried({"train.group_rewards": {f"my_groups:{name}": 1.0}, "train.reward_timeout_s": 0.2})
    told_of = [*found.warnings, *(problem.what for problem in found.problems)]
    assert bool(found.problems) == (code == 2) and len(told_of) == bool(told)
    assert all(told in text for text in told_of)


def test_a_length_band_that_no_reply_reaches_is_told() -> None:
    found = tried({"train.group_rewards": {"length_band": 0.2}, "train.max_new_tokens": 64})
    assert found.warnings == ["group reward length_band: same value for all members of each group: it cannot teach"]


def test_temporal_without_contrast_views_is_a_problem() -> None:
    (problem,) = tried({"train.group_rewards": {"temporal": 0.3}}).problems
    assert "temporal with variants.contrast = []" in problem.what
