"""SigLIP through the code that loads any open_clip model: a timm tower with attention pooling, its own preparation,
a SentencePiece tokenizer, 64 tokens; tiny and with random weights."""

import json
import shutil
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import pytest
import torch
from open_clip.factory import create_model, get_model_config
from open_clip.transform import PreprocessCfg, image_transform_v2
from PIL import Image
from safetensors.torch import save_file
from tokenizers import Tokenizer, models, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast

from strive.cache.store import Artefact, Store
from strive.configs.data_stages import ScoreConfig
from strive.configs.errors import MissingError
from strive.configs.schema import Config
from strive.stages.bundle.images import encode
from strive.stages.frames.frameset import FrameSet, write_frames
from strive.stages.frames.scores import read_scores
from strive.stages.plan import Job
from strive.stages.runner import run_stage
from strive.stages.score.clip import ClipEncoder, open_clip_encoder
from strive.stages.score.identity import identity
from strive.stages.tasks.sample import Sample

PREPARE = {"mean": [0.5] * 3, "std": [0.5] * 3, "interpolation": "bicubic", "resize_mode": "squash"}
QUESTION = Sample("q1", "a.mp4", "What colour is the disc?", ("red", "blue"), "A", "multiple_choice")
TEXTS = ["what colour is the disc red blue green the cat is a dog how many dots are there"] * 3


def make_siglip(folder: Path) -> Path:
    """The published config of ViT-B-16-SigLIP with smaller towers, weights and a tokenizer, in one folder."""
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    trainer = trainers.UnigramTrainer(vocab_size=80, special_tokens=["<pad>", "</s>", "<unk>"], unk_token="<unk>",
                                      show_progress=False)
    tokenizer.train_from_iterator(TEXTS, trainer)
    tokenizer.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 1)])
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="</s>", pad_token="</s>", unk_token="<unk>",
                            model_max_length=64).save_pretrained(folder)
    model: dict[str, Any] = get_model_config("ViT-B-16-SigLIP")
    model["embed_dim"] = 64
    model["vision_cfg"] |= {"image_size": 160, "timm_model_name": "test_vit"}
    model["text_cfg"] |= {"vocab_size": tokenizer.get_vocab_size(), "width": 64, "heads": 2, "layers": 2}
    (folder / "open_clip_config.json").write_text(json.dumps({"model_cfg": model, "preprocess_cfg": PREPARE}), "utf-8")
    torch.manual_seed(0)
    made = create_model(f"local-dir:{folder}", load_weights=False)
    assert isinstance(made, open_clip.CustomTextCLIP) and made.visual.trunk.attn_pool is not None
    save_file({name: value.contiguous() for name, value in made.state_dict().items()},
              folder / "open_clip_model.safetensors")
    return folder


@pytest.fixture(scope="module")
def siglip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_siglip(tmp_path_factory.mktemp("siglip"))


@pytest.fixture(scope="module")
def encoder(siglip: Path) -> ClipEncoder:
    return open_clip_encoder(ScoreConfig(model=str(siglip), batch=4, device="cpu"))


def pictures(n: int, height: int = 36, width: int = 90) -> list[np.ndarray]:
    return list(np.random.default_rng(3).integers(0, 255, (n, height, width, 3), dtype=np.uint8))


def scored(root: Path, **config: Any) -> Artefact:
    """The score artefact of the question about a video of six frames, the last one equal to the first."""
    images = [encode(image, "png") for image in pictures(5)]
    frames = FrameSet(np.arange(6) * 0.5, np.arange(6), np.tile(np.int32([36, 90]), (6, 1)), [*images, images[0]], {})
    store = Store(root)
    made = store.publish("extract", "0" * 64, write_frames(frames), {"version": 1})
    job = Job(Config(score=ScoreConfig(device="cpu", **config)), store, [QUESTION],
              results={"extract": {"a.mp4": made}})
    assert run_stage("embed", job).failed == [] == run_stage("score", job).failed
    artefact = job.results["score"]["q1"]
    assert isinstance(artefact, Artefact)
    return artefact


def test_images_are_squashed_and_scaled_as_the_model_says(encoder: ClipEncoder) -> None:
    images = pictures(3)
    transform = image_transform_v2(PreprocessCfg(size=160, **PREPARE), is_train=False)
    expected = torch.stack([transform(Image.fromarray(image)) for image in images])
    assert expected.shape == (3, 3, 160, 160) and torch.equal(encoder.prepare(images), expected)
    left = np.zeros((40, 120, 3), np.uint8)
    left[:, :10] = 255  # what a centre crop would cut off
    assert encoder.prepare([left])[0, :, :, 0].min() > 0.9


def test_rows_are_the_models_own_embeddings_and_equal_for_equal_images(encoder: ClipEncoder) -> None:
    images = pictures(5)
    rows = encoder.images([*images, images[0]], "")
    with torch.inference_mode():
        direct = encoder.model.encode_image(encoder.prepare(images), normalize=True).numpy()
        text = encoder.model.encode_text(encoder.tokenizer(["the red disc"]), normalize=True).numpy()[0]
    assert np.abs(rows[:5] - direct).max() < 1e-5 and (rows[5] == rows[0]).all()
    assert np.abs(encoder.text("the red disc") - text).max() < 1e-5
    assert np.ptp(rows @ encoder.text("the red disc")) > 1e-3


def test_the_context_is_64_tokens_counted_as_the_models_tokenizer_does(encoder: ClipEncoder) -> None:
    assert encoder.context == 64 and encoder.tokens("") == 1
    assert encoder.tokens("Red, BLUE!") == encoder.tokens("red blue")
    words = ["the disc"]
    while encoder.tokens(" ".join(words)) < 64:
        words.append("a")
    full = " ".join(words)
    more, cut = f"{full} a", f"{full} a a"
    assert (encoder.text(full) != encoder.text(full.rpartition(" ")[0])).any()
    assert encoder.tokens(more) > 64 and (encoder.text(more) == encoder.text(cut)).all()


def test_the_stages_score_with_it_and_name_its_files(tmp_path: Path, siglip: Path) -> None:
    artefact = scored(tmp_path, model=str(siglip), batch=4, tiles=2)
    scores = read_scores(artefact)
    assert scores.raw[5] == scores.raw[0] and np.ptp(scores.raw) > 0 and np.abs(scores.raw).max() <= 1
    assert (scores.tile_saliency[5] == scores.tile_saliency[0]).all() and np.ptp(scores.tile_saliency) > 0
    assert artefact.meta["scorer"]["weights"].startswith("sha256:")
    other = read_scores(scored(tmp_path, model=str(siglip), batch=3, tiles=2))
    assert np.abs(scores.raw - other.raw).max() < 1e-5
    assert np.abs(scores.tile_saliency - other.tile_saliency).max() < 1e-5


def test_the_identity_follows_weights_config_and_tokenizer(tmp_path: Path, siglip: Path) -> None:
    store = Store(tmp_path / "cache")
    known = [identity(ScoreConfig(model=str(siglip)), store)]
    for name in ("open_clip_config.json", "tokenizer.json"):
        folder = shutil.copytree(siglip, tmp_path / name)
        (folder / name).write_bytes((folder / name).read_bytes() + b"\n")
        known.append(identity(ScoreConfig(model=str(folder)), store))
    assert len({json.dumps(one) for one in known}) == 3


def test_a_missing_timm_is_named_with_its_cure(siglip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("open_clip.timm_model.timm", None)  # what open_clip has where it is not installed
    with pytest.raises(MissingError, match="needs the package timm") as caught:
        open_clip_encoder(ScoreConfig(model=str(siglip), device="cpu"))
    assert caught.value.code == 5 and caught.value.do == "pip install timm"


@pytest.mark.skipif(find_spec("sentencepiece") is not None, reason="SentencePiece is installed here")
def test_a_tokenizer_that_needs_sentencepiece_says_so(tmp_path: Path, siglip: Path) -> None:
    folder = shutil.copytree(siglip, tmp_path / "slow")
    (folder / "tokenizer.json").unlink()
    (folder / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "SiglipTokenizer"}), "utf-8")
    (folder / "spiece.model").write_bytes(b"not read")
    with pytest.raises(MissingError, match="needs the package sentencepiece"):
        open_clip_encoder(ScoreConfig(model=str(folder), device="cpu"))
