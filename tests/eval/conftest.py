"""One tiny random policy and one small dataset with real videos for all evaluation tests."""

import json
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tiny_models import make_tiny_model
from videos import make_video

from strive.cache.store import Store


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_model(tmp_path_factory.mktemp("tiny") / "model")


@pytest.fixture(scope="session")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Nine questions about three videos: data.jsonl beside a.mp4, b.mp4, c.mp4."""
    folder = tmp_path_factory.mktemp("data")
    rows = []
    for k, name in enumerate("abc"):
        make_video(folder / f"{name}.mp4", 20, 10, numbers=[100 * k + i for i in range(20)])
        rows += [
            {
                "id": f"{name}-mc",
                "video": f"{name}.mp4",
                "question": "Which block is red?",
                "options": ["left", "right", "none"],
                "answer": "A",
                "question_type": "multiple_choice",
                "meta": {"family": "place"},
            },
            {
                "id": f"{name}-count",
                "video": f"{name}.mp4",
                "question": "How many?",
                "options": None,
                "answer": "4",
                "question_type": "numerical",
                "meta": {"family": "counting", "choices": ["1", "2", "3", "4"]},
            },
            {
                "id": f"{name}-open",
                "video": f"{name}.mp4",
                "question": "What colour?",
                "options": None,
                "answer": "red",
                "question_type": "open",
                "meta": {"family": "colour", "metric": "exact", "choices": ["red", "blue"]},
            },
        ]
    (folder / "data.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder / "data.jsonl"


@pytest.fixture(scope="session")
def shared_store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """One cache for all tests of this folder: the videos are extracted once."""
    return Store(tmp_path_factory.mktemp("cache"))
