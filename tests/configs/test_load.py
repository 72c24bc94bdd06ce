"""Precedence, sources and messages of the config."""

from pathlib import Path

import pytest

from strive.configs.errors import MissingError, UsageError
from strive.configs.load import from_env, known_keys, load, shipped_names


def test_later_sources_win_and_each_value_names_its_source(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text("train: {steps: 7, learning_rate: 1.0e-5}\n")
    got = load(
        preset="demo",
        config_files=[file],
        env={"STRIVE_TRAIN_STEPS": "9"},
        sets=["train.seed=4"],
        flags={"train.seed": 5},
    )
    assert (got.config.train.steps, got.config.train.learning_rate, got.config.train.seed) == (9, 1e-5, 5)
    assert got.sources["train.steps"] == "environment"
    assert got.sources["train.learning_rate"] == str(file)
    assert got.sources["train.seed"] == "command line"


def test_an_unknown_key_names_the_nearest_one() -> None:
    with pytest.raises(UsageError) as error:
        load(sets=["train.lerning_rate=1"], env={})
    assert "train.learning_rate" in str(error.value) and error.value.code == 2


def test_a_wrong_value_names_key_value_and_source() -> None:
    with pytest.raises(UsageError, match=r"train.steps = 'many' \(from --set\)"):
        load(sets=["train.steps=many"], env={})


def test_a_group_of_one_is_refused() -> None:
    with pytest.raises(UsageError, match="at least 2"):
        load(sets=["train.rollouts=1"], env={})


def test_yaml_cannot_construct_objects(tmp_path: Path) -> None:
    file = tmp_path / "evil.yaml"
    file.write_text("train: !!python/object/apply:os.system ['touch canary']\n")
    with pytest.raises(UsageError, match="not YAML"):
        load(config_files=[file], env={})
    assert not Path("canary").exists()


def test_a_missing_config_file_is_exit_5(tmp_path: Path) -> None:
    with pytest.raises(MissingError, match="no such config file"):
        load(config_files=[tmp_path / "absent.yaml"], env={})


@pytest.mark.parametrize("recipe", shipped_names("recipes"))
def test_every_shipped_recipe_and_preset_is_valid(recipe: str) -> None:
    for preset in (None, *shipped_names("presets")):
        assert load(preset=preset, recipe=recipe, env={}).config.train.rollouts >= 2


def test_grpo_is_strive_with_one_variant_and_nothing_else() -> None:
    strive, grpo = (load(recipe=name, env={}).config.model_dump() for name in ("strive", "grpo"))
    different = {(s, k) for s in strive if isinstance(strive[s], dict) for k in strive[s] if strive[s][k] != grpo[s][k]}
    assert different == {("variants", "count")}


def test_scientific_notation_is_a_number() -> None:
    assert load(sets=["train.learning_rate=1e-4"], env={}).config.train.learning_rate == 1e-4


def test_environment_names_that_are_not_keys_of_a_section_are_left_alone() -> None:
    assert from_env({"STRIVE_CACHE_DIR": "/x", "STRIVE_FAULT": "write:1:kill"}) == {}


def test_free_fields_do_not_enter_keys() -> None:
    config = load(env={}).config
    assert "deadline_s" not in config.extract.result_keys() and "fps" in config.extract.result_keys()
    assert "train.steps" in known_keys() and "steps" not in config.train.result_keys()


def test_numbers_are_finite() -> None:
    with pytest.raises(UsageError, match="variants.tau"):
        load(sets=["variants.tau=.inf"], env={})
