"""Recipe arguments as they are typed, and the plan that comes of them."""

from pathlib import Path

import pytest

from strive.configs.errors import UsageError
from strive.stages.compare.plan import flat, make_plan, plan_lines, read_seeds
from strive.stages.compare.recipes import Layers, read_recipe, read_recipes, split_changes

SMALL = Layers("demo", sets=("train.steps=6", "train.prompts_per_step=4"))


def plan_of(*recipes: str, seeds: str = "2", layers: Layers = SMALL, **more: object):  # type: ignore[no-untyped-def]
    return make_plan(read_recipes(recipes), layers, read_seeds(seeds), **more)  # type: ignore[arg-type]


def test_a_comma_inside_brackets_does_not_split_changes() -> None:
    assert split_changes("a=[1, 2],b={x: [1, 2], y: 3},c=4") == ["a=[1, 2]", "b={x: [1, 2], y: 3}", "c=4"]


def test_a_recipe_with_changes_has_them_on_top_of_set() -> None:
    text = "strive:variants.operators=[canonical, draw],train.learning_rate=3e-5"
    plan = plan_of("grpo", text, layers=Layers("demo", sets=("train.learning_rate=1e-5",)))
    by_name = {entry.arm.name: entry for entry in plan.entries}
    assert by_name["grpo"].config.train.learning_rate == 1e-5
    assert by_name[text].config.train.learning_rate == 3e-5
    assert by_name[text].arm.settings == {
        "train.learning_rate": 3e-5, "variants.count": 4, "variants.operators": ["canonical", "draw"]
    }


def test_a_file_is_called_by_its_stem_and_lies_over_the_preset(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text("variants: {count: 2}\n")
    asked = read_recipe(f"{tmp_path / 'mine.yaml'}:train.temperature=0.9")
    assert asked.name == "mine:train.temperature=0.9"
    plan = make_plan([asked], SMALL, [0, 1])
    config = plan.entries[0].config
    assert (config.variants.count, config.train.temperature, config.train.max_new_tokens) == (2, 0.9, 32)


@pytest.mark.parametrize(
    ("recipes", "said", "advice"),
    [
        (("grop",), "no recipe of that name", "grpo"),
        (("grpo", "grpo"), "two recipes are called grpo", "different names"),
        (("strive:train.lerning_rate=1",), "unknown key train.lerning_rate", "learning_rate"),
        (("strive:train.loss",), "is no change", "KEY=VALUE"),
        (("strive:train.seed=4",), "set by the comparison", "--seeds"),
        (("grpo", "strive:train.steps=9"), "train.steps is set by the comparison", "--set train.steps=N"),
        (("strive:variants.operators=[canonical,draw",), "a bracket is not closed", "Close it"),
        (("grpo", "strive:eval.frames=4"), "eval.frames: 8 -> 4", "--set"),
        (("grpo", "strive:extract.fps=2"), "extract.fps: 1.0 -> 2.0", "--set"),
        (("grpo", "strive:model=other"), "model: demo -> other", "--set"),
        (("grpo", "strive:train.prompts_per_step=1000"), "the whole budget is 192", "train.steps"),
        (("grpo", "strive:train.rollouts=abc"), "recipe strive:train.rollouts=abc", ""),
    ],
)
def test_what_cannot_be_compared_is_refused_with_a_way_out(recipes: tuple[str, ...], said: str, advice: str) -> None:
    with pytest.raises(UsageError) as caught:
        plan_of(*recipes)
    assert said in caught.value.what and advice in caught.value.do and caught.value.expected


def test_two_files_of_one_name_are_refused(tmp_path: Path) -> None:
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "mine.yaml").write_text("variants: {count: 2}\n")
    with pytest.raises(UsageError, match="two recipes are called mine"):
        read_recipes([str(tmp_path / "a" / "mine.yaml"), str(tmp_path / "b" / "mine.yaml")])


def test_generated_rollouts_are_held_equal_and_trained_ones_are_counted_apart() -> None:
    plan = plan_of("grpo", "strive", "t_grpo", "strive:train.rollouts=16")
    arms = {entry.arm.name: entry.arm for entry in plan.entries}
    assert plan.budget == 6 * 4 * 8
    assert {name: (arm.steps, arm.generated, arm.trained) for name, arm in arms.items()} == {
        "grpo": (6, 192, 192), "strive": (6, 192, 192), "t_grpo": (4, 192, 128),
        "strive:train.rollouts=16": (3, 192, 192),
    }
    assert (arms["strive"].variants, arms["strive"].generations) == (4, 2)
    assert all(entry.config.train.steps == entry.arm.steps for entry in plan.entries)


def test_steps_that_do_not_fill_the_budget_are_the_most_that_fit_and_warned_about() -> None:
    plan = plan_of("grpo", "t_grpo", layers=Layers("demo", sets=("train.steps=5", "train.prompts_per_step=2")))
    arm = plan.entries[1].arm
    assert plan.budget == 80 and (arm.steps, arm.generated) == (3, 72)
    assert any("t_grpo generates 72 rollouts, 90.0% of the budget" in text for text in plan.warnings)


def test_the_baseline_is_grpo_unless_another_is_named() -> None:
    assert plan_of("strive", "grpo").baseline == "grpo"
    assert plan_of("strive", "rloo").baseline == "strive"
    assert plan_of("strive", "grpo", baseline="strive").baseline == "strive"
    with pytest.raises(UsageError, match="--baseline rloo"):
        plan_of("strive", "grpo", baseline="rloo")


def test_evaluations_are_spread_over_the_steps_and_shown_as_the_arm_was_trained() -> None:
    plan = plan_of("grpo", "strive:train.frame_pairing=repeat", points=4)
    pairings = [entry.config.eval.frame_pairing for entry in plan.entries]
    assert pairings == ["video", "repeat"]
    assert {entry.config.train.eval_every for entry in plan.entries} == {2}
    assert {entry.config.eval.sampler for entry in plan.entries} == {"uniform"}


def test_evaluations_choose_frames_by_the_real_scores_whatever_an_arm_trains_on() -> None:
    plan = plan_of("strive_random", "strive")
    assert plan.base.config.score.scorer == "random"
    assert plan.reference.score.scorer == "clip"
    assert plan.reference.variants.count == 4


@pytest.mark.parametrize(("text", "seeds"), [("3", [0, 1, 2]), ("3:6", [3, 4, 5]), ("1", [0])])
def test_seeds_are_a_number_or_a_range(text: str, seeds: list[int]) -> None:
    assert read_seeds(text) == seeds


@pytest.mark.parametrize("text", ["0", "5:5", "x", "", "1:2:3"])
def test_seeds_that_are_none_are_refused(text: str) -> None:
    with pytest.raises(UsageError, match="no seeds"):
        read_seeds(text)


def test_one_seed_twins_and_unequal_generation_are_warned_about() -> None:
    plan = plan_of("grpo", "strive:variants.count=1", "dapo", seeds="1")
    said = "\n".join(plan.warnings)
    assert "one seed" in said and "no intervals" in said
    assert "grpo and strive:variants.count=1 have the same settings" in said
    assert "dapo: train.zero_std=resample generates rollouts beyond the budget" in said


def test_the_plan_names_arms_differences_and_runs() -> None:
    text = "\n".join(plan_lines(plan_of("grpo", "strive_random", rounds=3)))
    assert "2 recipes x 2 seeds = 4 runs, baseline grpo, 192 generated rollouts each" in text
    assert "score.scorer=random" in text and "192 generated, 192 trained" in text
    assert "3 of each training question" in text


def test_every_key_of_the_schema_is_among_the_flat_ones() -> None:
    keys = flat(plan_of("grpo").entries[0].config)
    assert {"model", "train.steps", "eval.sampler", "demo.seed", "score.scorer"} <= set(keys)
