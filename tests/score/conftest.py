"""One tiny CLIP folder for all tests of this folder."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture(scope="session")
def clip_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from clip_folder import make_clip

    return make_clip(tmp_path_factory.mktemp("clip"))
