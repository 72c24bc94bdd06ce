"""Tiny models made once per session; the helpers of this folder and the one above can be imported by name."""

import sys
from pathlib import Path

import pytest

for folder in (Path(__file__).parent, Path(__file__).parents[1]):
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))

from tiny_models import make_tiny_model  # noqa: E402 (needs the path above)


@pytest.fixture(scope="session")
def qwen25(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny random Qwen2.5-VL."""
    return make_tiny_model(tmp_path_factory.mktemp("models") / "qwen25", "qwen2_5_vl")


@pytest.fixture(scope="session")
def qwen3(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny random Qwen3-VL."""
    return make_tiny_model(tmp_path_factory.mktemp("models") / "qwen3", "qwen3_vl")
