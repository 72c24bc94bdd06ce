"""One tiny CLIP folder for all tests of this folder: the real architecture and tokenizer, random weights."""

import json
from pathlib import Path

import open_clip
import pytest
import torch
from open_clip.factory import create_model
from safetensors.torch import save_file

MODEL = {
    "embed_dim": 32,
    "vision_cfg": {"image_size": 32, "layers": 2, "width": 32, "head_width": 16, "patch_size": 8},
    "text_cfg": {"context_length": 16, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 2},
}


def make_clip(folder: Path, seed: int = 0) -> Path:
    """Write the folder and return it."""
    folder.mkdir(parents=True, exist_ok=True)
    config = {"model_cfg": MODEL, "preprocess_cfg": {"mean": [0.5] * 3, "std": [0.5] * 3}}
    (folder / "open_clip_config.json").write_text(json.dumps(config), "utf-8")
    torch.manual_seed(seed)
    model = create_model(f"local-dir:{folder}", load_weights=False)
    assert isinstance(model, open_clip.CLIP)
    state = {name: value.contiguous() for name, value in model.state_dict().items()}
    save_file(state, folder / "open_clip_model.safetensors")
    return folder


@pytest.fixture(scope="session")
def clip_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_clip(tmp_path_factory.mktemp("clip"))
