"""Tiny models made once per session; the helpers of this folder and the one above can be imported by name."""

import sys
from pathlib import Path

import pytest

for folder in (Path(__file__).parent, Path(__file__).parents[1]):
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))

from tiny_models import make_tiny_model  # noqa: E402
from training_world import make_job  # noqa: E402

from strive.stages.train.stage import train  # noqa: E402 (needs the path above)


@pytest.fixture(scope="session")
def qwen25(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny random Qwen2.5-VL."""
    return make_tiny_model(tmp_path_factory.mktemp("models") / "qwen25", "qwen2_5_vl")


@pytest.fixture(scope="session")
def qwen3(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny random Qwen3-VL."""
    return make_tiny_model(tmp_path_factory.mktemp("models") / "qwen3", "qwen3_vl")


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory: pytest.TempPathFactory, qwen25: Path) -> Path:
    """A run of four steps that nothing stopped, with a checkpoint every two."""
    folder = tmp_path_factory.mktemp("undisturbed")
    train(make_job(folder, qwen25))
    return folder / "run"
