"""`strive config` as users call it: values with source and meaning, output that is input, differences by key."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from strive.configs.compare import differences, read_settings
from strive.configs.errors import UsageError
from strive.configs.load import known_keys, load

MAIN = "from strive.cli.main import main; main()"


def strive(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", MAIN, "config", *arguments], capture_output=True, text=True, timeout=60,
        stdin=subprocess.DEVNULL,
    )


def answer(*arguments: str) -> dict[str, Any]:
    return json.loads(strive(*arguments, "--json").stdout)


def test_shown_config_is_a_file_that_gives_the_same_config(tmp_path: Path) -> None:
    shown = tmp_path / "my.yaml"
    printed = strive("show", "--preset", "demo", "--recipe", "grpo", "-s", "train.learning_rate=3e-5").stdout
    shown.write_text(printed, "utf-8")
    again = load(config_files=[shown]).config
    assert again == load(preset="demo", recipe="grpo", sets=["train.learning_rate=3e-5"]).config
    assert yaml.safe_load(printed)["train"]["learning_rate"] == 3e-5


def test_every_key_is_shown_with_its_source() -> None:
    shown = answer("show", "--preset", "demo", "-s", "train.steps=7")["config"]
    assert list(shown) == known_keys()
    assert shown["train.steps"] == {"value": 7, "source": "--set"}
    assert shown["model"]["source"] == "preset demo" and shown["train.kl_beta"]["source"] == "default"


def test_a_section_is_shown_alone_and_a_mistyped_one_is_put_right() -> None:
    assert set(answer("show", "variants")["config"]) == {k for k in known_keys() if k.startswith("variants.")}
    wrong = strive("show", "trian")
    assert wrong.returncode == 2 and "Did you mean train?" in wrong.stderr


def test_shipped_configs_are_listed_with_what_they_are() -> None:
    listed = answer("ls")["configs"]
    assert {"preset", "recipe"} == {one["kind"] for one in listed}
    assert all(one["about"] for one in listed)


def test_grpo_differs_from_strive_in_the_number_of_variants_alone() -> None:
    assert answer("diff", "grpo", "strive")["differences"] == {"variants.count": {"first": 1, "second": 4}}
    assert strive("diff", "strive", "strive").stdout == "no difference\n"


def test_run_folders_and_artefacts_can_be_compared(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("variants:\n  tau: 0.7  # --set\n", "utf-8")
    artefact = tmp_path / "artefact"
    artefact.mkdir()
    manifest = {"stage": "variants", "config": {"tau": 0.5, "count": 4}}
    (artefact / "manifest.json").write_text(json.dumps(manifest), "utf-8")
    found = differences(read_settings(str(tmp_path)), read_settings(str(artefact)))
    assert found == {"variants.tau": (0.7, 0.5)}


def test_what_is_no_config_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(UsageError, match="Did you mean grpo"):
        read_settings("grpa")
