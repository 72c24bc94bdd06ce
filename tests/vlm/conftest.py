"""Tiny random policies, one of each family."""

import sys
from pathlib import Path

import pytest
import torch

sys.path.insert(0, str(Path(__file__).parent))

from tiny_models import FAMILIES, make_tiny_model

from strive.stages.vlm import Policy, load_policy

torch.set_num_threads(1)


@pytest.fixture(scope="session")
def model_folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A folder with a tiny random model for each family."""
    root = tmp_path_factory.mktemp("tiny")
    return {family: make_tiny_model(root / family, family) for family in FAMILIES}


@pytest.fixture(scope="session")
def policies(model_folders: dict[str, Path]) -> dict[str, Policy]:
    """The same models loaded for inference."""
    return {family: load_policy(str(folder), max_pixels=64 * 14 * 14, min_pixels=784)
            for family, folder in model_folders.items()}


@pytest.fixture(params=FAMILIES)
def policy(request: pytest.FixtureRequest, policies: dict[str, Policy]) -> Policy:
    """Each family in turn."""
    return policies[request.param]
