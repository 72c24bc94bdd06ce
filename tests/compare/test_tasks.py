"""Which runs a comparison consists of, and which of them recipes have in common."""

from pathlib import Path

import pytest

from strive.configs.errors import UsageError
from strive.configs.schema import Config
from strive.stages.compare.gather import each_round, flat_of
from strive.stages.compare.groups import LATER, as_rolled_out, distinct
from strive.stages.compare.layout import Layout, safe
from strive.stages.compare.material import bundle_list, demo_world
from strive.stages.compare.plan import Plan, make_plan
from strive.stages.compare.recipes import Layers, read_recipes
from strive.stages.compare.record import begin, differences, identity, read
from strive.stages.compare.tasks import all_tasks, read_spec


def plan_of(*recipes: str, rounds: int = 0, sets: tuple[str, ...] = (), seeds: tuple[int, ...] = (0, 1)) -> Plan:
    return make_plan(read_recipes(recipes), Layers("demo", sets=sets), list(seeds), rounds=rounds)


def test_the_base_policy_comes_first_then_all_recipes_seed_by_seed(tmp_path: Path) -> None:
    layout = Layout(tmp_path / "out")
    tasks = all_tasks(plan_of("grpo", "strive"), demo_world(layout, None), layout, tmp_path / "cache")
    assert [task.name for task in tasks] == [
        "base policy", "grpo seed 0", "strive seed 0", "grpo seed 1", "strive seed 1"]
    assert [task.spec.config["train"]["seed"] for task in tasks[1:]] == [0, 0, 1, 1]
    assert len({task.spec.folder for task in tasks}) == len({task.done for task in tasks}) == 5


def test_a_spec_is_read_back_as_it_was_written(tmp_path: Path) -> None:
    layout = Layout(tmp_path / "out")
    task = all_tasks(plan_of("strive"), demo_world(layout, 7), layout, tmp_path / "cache")[1]
    task.write()
    assert read_spec(task.file) == task.spec
    assert Config.model_validate(task.spec.config).model_dump(mode="json") == task.spec.config


def test_recipes_that_roll_out_alike_share_their_groups(tmp_path: Path) -> None:
    plan = plan_of("grpo", "strive", "strive_per_variant", "strive:train.learning_rate=3e-5", "strive_phase",
                   "strive:train.temperature=0.9", rounds=2)
    shared = [[entry.arm.name for entry in entries] for entries in distinct(plan.entries, Layout(tmp_path)).values()]
    assert shared == [["grpo"], ["strive", "strive_per_variant", "strive:train.learning_rate=3e-5"], ["strive_phase"],
                      ["strive:train.temperature=0.9"]]


def test_what_comes_after_the_rollouts_is_named_by_keys_that_exist() -> None:
    config = plan_of("t_grpo").entries[0].config
    assert set(LATER) <= set(config.train.model_fields_set | set(type(config.train).model_fields))
    later = as_rolled_out(config)
    assert (later.train.loss, later.train.group_rewards, later.train.rewards) == ("dapo", {}, config.train.rewards)


def test_bundles_are_shared_by_recipes_with_equal_variants(tmp_path: Path) -> None:
    entries = {entry.arm.name: bundle_list(Layout(tmp_path), entry.config)
               for entry in plan_of("grpo", "strive", "strive_per_variant", "strive_random", "rloo").entries}
    assert entries["strive"] == entries["strive_per_variant"] and entries["grpo"] == entries["rloo"]
    assert len(set(entries.values())) == 3


def test_groups_that_could_not_be_rolled_out_in_every_round_are_left_out() -> None:
    rows = [
        {"id": "a", "round": 0, "rewards": [[0.1, 0.1], [0.1, 0.1]]},
        {"id": "a", "round": 1, "rewards": [[0.1, 0.1], [0.1, 1.0]]},
        {"id": "a", "round": 2, "rewards": [[0.0, 1.0]]},
        {"id": "b", "round": 0, "rewards": [[1.0, None]]},
        {"id": "b", "round": 1, "reason": "out of memory"},
    ]
    assert each_round(flat_of, rows, 2) == {"a": [1, 0]}
    assert each_round(flat_of, rows, 1) == {"a": [1], "b": [1]}


def test_folders_of_recipes_are_safe_and_differ() -> None:
    names = ["grpo", "strive", "strive:variants.tau=1", "strive:variants.tau=1.0", "Strive", "../x", "a/b", "a_b"]
    folders = [safe(name) for name in names]
    assert len({folder.lower() for folder in folders}) == len(names)
    assert folders[:2] == ["grpo", "strive"]
    assert all("/" not in folder and not folder.startswith(".") for folder in folders)


def test_a_folder_goes_on_with_more_recipes_and_seeds_and_refuses_other_settings(tmp_path: Path) -> None:
    layout = Layout(tmp_path / "out")
    layout.out.mkdir()
    world = demo_world(layout, None)
    begin(layout, identity(plan_of("grpo"), world))
    begin(layout, identity(plan_of("grpo", "strive", seeds=(0, 1, 2)), world))
    begin(layout, identity(plan_of("grpo"), world))
    assert set((read(layout) or {})["arms"]) == {"grpo", "strive"}
    with pytest.raises(UsageError) as caught:
        begin(layout, identity(plan_of("strive", sets=("train.steps=7", "variants.tau=1")), world))
    assert "strive: train.steps 80 -> 7" in caught.value.what and "variants.tau 0.5 -> 1.0" in caught.value.what
    assert "--force" in caught.value.do


def test_a_key_that_is_younger_than_the_folder_had_its_default(tmp_path: Path) -> None:
    now = identity(plan_of("grpo"), demo_world(Layout(tmp_path), None))
    older = {**now, "arms": {"grpo": {k: v for k, v in now["arms"]["grpo"].items() if k != "train.anneal"}}}
    assert differences(older, now) == []
    assert differences(older, {**now, "arms": {"grpo": {**now["arms"]["grpo"], "train.anneal": "cosine"}}}) == [
        "grpo: train.anneal none -> cosine"]
