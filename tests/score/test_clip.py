"""The CLIP scorer: fixed batches, identical rows for identical frames, weights that are the ones asked for."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from huggingface_hub import constants as hub_constants
from open_clip.transform import PreprocessCfg, image_transform_v2
from PIL import Image
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace
from torchvision.transforms import Compose, Lambda
from transformers import PreTrainedTokenizerFast

from strive.cache.store import Store
from strive.configs.data_stages import ScoreConfig
from strive.configs.errors import MissingError, UsageError
from strive.stages.score.clip import ClipEncoder, open_clip_encoder
from strive.stages.score.encoder import ImageSet, open_encoder
from strive.stages.score.identity import find_model, identity
from strive.stages.score.prepare import Preparation


@pytest.fixture(scope="module")
def encoder(clip_folder: Path) -> ClipEncoder:
    return open_clip_encoder(ScoreConfig(model=str(clip_folder), batch=8, device="cpu"))


def pictures(n: int, seed: int = 0) -> list[np.ndarray]:
    return list(np.random.default_rng(seed).integers(0, 255, (n, 40, 52, 3), dtype=np.uint8))


def test_rows_are_unit_vectors_and_the_model_is_float32_on_the_cpu(encoder: ClipEncoder) -> None:
    rows = encoder.images(pictures(11), "")
    assert rows.shape == (11, 32) and rows.dtype == np.float32
    assert np.allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-6)
    assert next(encoder.model.parameters()).dtype.itemsize == 4


def test_a_row_is_bit_identical_whatever_its_neighbours(encoder: ClipEncoder) -> None:
    mine, others = pictures(8), pictures(8, seed=9)
    rows = encoder.images(mine, "")
    for at in range(8):
        mixed = [*others[:at], mine[at], *others[at + 1:]]
        assert (encoder.images(mixed, "")[at] == rows[at]).all()
        assert (encoder.images(mixed[: at + 1], "")[at] == rows[at]).all()


def test_identical_frames_get_identical_rows_wherever_they_stand(encoder: ClipEncoder) -> None:
    one, *rest = pictures(12)
    rows = encoder.images([one, *rest[:6], one.copy(), *rest[6:], one], "")
    assert (rows[0] == rows[7]).all() and (rows[0] == rows[-1]).all() and len(rows) == 14


def test_another_batch_size_gives_the_same_scores_but_for_rounding(encoder: ClipEncoder, clip_folder: Path) -> None:
    single = open_clip_encoder(ScoreConfig(model=str(clip_folder), batch=1, device="cpu"))
    assert np.abs(single.images(pictures(11), "") - encoder.images(pictures(11), "")).max() < 1e-5


def test_images_of_any_size_and_shape_are_taken(encoder: ClipEncoder) -> None:
    odd = [np.zeros((1, 1, 3), np.uint8), np.full((3, 200, 3), 9, np.uint8), np.full((99, 7, 3), 200, np.uint8)]
    assert np.isfinite(encoder.images(odd, "")).all()
    assert len(encoder.images([], "")) == 0


@pytest.mark.parametrize("mode", ["shortest", "squash", "longest"])
def test_batched_preparation_gives_the_numbers_of_the_models_own_transform(mode: str) -> None:
    transform = image_transform_v2(PreprocessCfg(size=32, resize_mode=mode), is_train=False)
    images = [*pictures(3), np.full((1, 5, 3), 77, np.uint8)]
    expected = torch.stack([transform(Image.fromarray(image)) for image in images])
    assert torch.equal(Preparation(transform)(images), expected)
    alone = Compose([*transform.transforms, Lambda(lambda x: x * 2)])
    assert torch.equal(Preparation(alone)(images), expected * 2)


def test_tokens_are_counted_before_any_truncation(encoder: ClipEncoder) -> None:
    assert encoder.context == 16
    assert encoder.tokens("red") == 3
    assert encoder.tokens("red " * 50) == 52
    assert (encoder.text("red " * 50) == encoder.text("red " * 60)).all()


def test_tokens_are_counted_with_the_marks_that_open_clip_adds_by_itself(clip_folder: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(clip_folder, tmp_path / "clips")
    words = WordLevel({"[PAD]": 0, "[BOS]": 1, "[EOS]": 2, "[CLS]": 3, "red": 4, "blue": 5}, unk_token="[PAD]")
    inner = Tokenizer(words)
    inner.pre_tokenizer = Whitespace()
    PreTrainedTokenizerFast(tokenizer_object=inner, bos_token="[BOS]", eos_token="[EOS]", pad_token="[PAD]",
                            cls_token="[CLS]").save_pretrained(folder)
    config = json.loads((folder / "open_clip_config.json").read_text("utf-8"))
    config["model_cfg"]["text_cfg"] |= {"hf_tokenizer_name": "tokenizer", "tokenizer_mode": "clips"}
    (folder / "open_clip_config.json").write_text(json.dumps(config), "utf-8")
    encoder = open_clip_encoder(ScoreConfig(model=str(folder), device="cpu"))
    for reds in range(1, 20):
        text = "red " * reds + "blue"
        last_is_read = 5 in encoder.tokenizer([text])[0].tolist()
        assert encoder.tokens(text) == reds + 4 and last_is_read == (encoder.tokens(text) <= encoder.context)


def test_missing_weights_are_missing_and_no_other_model_is_taken(clip_folder: Path, tmp_path: Path) -> None:
    for model, pretrained in ((str(tmp_path / "none"), ""), ("./nowhere", ""), (f"local-dir:{tmp_path}", ""),
                              ("ViT-B-32", "laion2b_s34b_b79k"), ("hf-hub:nobody/nothing", "")):
        with pytest.raises(MissingError) as caught:
            open_clip_encoder(ScoreConfig(model=model, pretrained=pretrained))
        assert caught.value.code == 5 and caught.value.do
    bare = shutil.copytree(clip_folder, tmp_path / "bare")
    (bare / "open_clip_model.safetensors").unlink()
    with pytest.raises(MissingError, match="weights"):
        open_clip_encoder(ScoreConfig(model=str(bare)))


def test_damaged_weights_are_not_replaced_by_random_ones(clip_folder: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(clip_folder, tmp_path / "cut")
    weights = folder / "open_clip_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:100_000])
    with pytest.raises(MissingError):
        open_clip_encoder(ScoreConfig(model=str(folder)))


def test_wrong_names_are_usage_errors_that_name_the_near_ones() -> None:
    with pytest.raises(UsageError, match="ViT-B-32"):
        open_clip_encoder(ScoreConfig(model="ViT-B-23"))
    with pytest.raises(UsageError, match="laion2b"):
        open_clip_encoder(ScoreConfig(model="ViT-B-32", pretrained="laion2b_s34b"))
    with pytest.raises(UsageError, match="random weights"):
        find_model(ScoreConfig(model="ViT-B-32", pretrained=""))


def test_a_folder_that_asks_for_code_is_refused(clip_folder: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(clip_folder, tmp_path / "code")
    config = json.loads((folder / "open_clip_config.json").read_text("utf-8"))
    config["model_cfg"]["text_cfg"]["tokenizer_kwargs"] = {"trust_remote_code": True}
    (folder / "open_clip_config.json").write_text(json.dumps(config), "utf-8")
    with pytest.raises(UsageError, match="trust_remote_code"):
        open_clip_encoder(ScoreConfig(model=str(folder)))


@pytest.fixture
def hub(clip_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The snapshot folder of a hub model `some/clip`, downloaded already; its tokenizer folder brings code along."""
    monkeypatch.setattr(hub_constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(hub_constants, "HF_HUB_OFFLINE", True)
    model = tmp_path / "hub" / "models--some--clip"
    snapshot = shutil.copytree(clip_folder, model / "snapshots" / ("0" * 40))
    (model / "refs").mkdir()
    (model / "refs" / "main").write_text("0" * 40)
    foreign = tmp_path / "foreign"
    foreign.mkdir()
    (foreign / "tokenizer_config.json").write_text(
        json.dumps({"auto_map": {"AutoTokenizer": ["evil.Evil", None]}, "tokenizer_class": "Evil"}), "utf-8")
    (foreign / "config.json").write_text(
        json.dumps({"auto_map": {"AutoConfig": "evil.Evil"}, "model_type": "e"}), "utf-8")
    (foreign / "evil.py").write_text(f"open({str(tmp_path / 'canary')!r}, 'w')\nclass Evil: pass\n", "utf-8")
    return snapshot


def with_text(snapshot: Path, **more: object) -> None:
    """Change the text part of a model's config."""
    config = json.loads((snapshot / "open_clip_config.json").read_text("utf-8"))
    config["model_cfg"]["text_cfg"].update(more)
    (snapshot / "open_clip_config.json").write_text(json.dumps(config), "utf-8")


def test_a_hub_model_without_code_loads(hub: Path) -> None:
    assert open_clip_encoder(ScoreConfig(model="hf-hub:some/clip", device="cpu")).context == 16


@pytest.mark.parametrize(("more", "error"), [
    ({"hf_tokenizer_name": "FOREIGN", "tokenizer_kwargs": {"trust_remote_code": True}}, UsageError),
    ({"hf_tokenizer_name": "FOREIGN"}, MissingError),
    ({"hf_model_name": "FOREIGN", "hf_tokenizer_name": "FOREIGN"}, MissingError),
    ({"hf_model_name": "FOREIGN"}, MissingError),
])
def test_code_of_a_hub_model_never_runs_nor_is_offered(
    hub: Path, tmp_path: Path, more: dict[str, object], error: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("builtins.input", lambda _="": "y")  # whoever is asked says yes
    with_text(hub, **{k: str(tmp_path / "foreign") if v == "FOREIGN" else v for k, v in more.items()})
    with pytest.raises(error):
        open_clip_encoder(ScoreConfig(model="hf-hub:some/clip", device="cpu"))
    assert not (tmp_path / "canary").exists()


def test_a_forward_is_float32_without_tf32_and_leaves_the_setting_as_it_was(encoder: ClipEncoder) -> None:
    before = torch.backends.cudnn.allow_tf32
    seen: list[tuple[torch.dtype, bool]] = []
    hook = encoder.model.visual.register_forward_hook(
        lambda *parts: seen.append((parts[2].dtype, torch.backends.cudnn.allow_tf32)))
    encoder.images(pictures(2, seed=5), "")
    hook.remove()
    assert seen == [(torch.float32, False)] and torch.backends.cudnn.allow_tf32 == before


def test_a_pickle_posing_as_weights_does_not_run(clip_folder: Path, tmp_path: Path) -> None:
    folder, canary = tmp_path / "pickled", tmp_path / "canary"
    folder.mkdir()
    shutil.copy(clip_folder / "open_clip_config.json", folder)
    (folder / "open_clip_pytorch_model.bin").write_bytes(f"cos\nsystem\n(S'touch {canary}'\ntR.".encode())
    with pytest.raises(MissingError):
        open_clip_encoder(ScoreConfig(model=str(folder)))
    assert not canary.exists()


def test_the_identity_follows_the_weights_not_the_path(clip_folder: Path, tmp_path: Path) -> None:
    store = Store(tmp_path / "cache")
    copy = shutil.copytree(clip_folder, tmp_path / "copy")
    known = [identity(ScoreConfig(model=model), store) for model in (str(clip_folder), f"local-dir:{copy}")]
    assert known[0] == known[1] and str(tmp_path) not in json.dumps(known) and "libraries" in known[0]
    with (copy / "open_clip_model.safetensors").open("r+b") as file:
        file.seek(-1, 2)
        file.write(b"\x01")
    assert identity(ScoreConfig(model=str(copy)), store) != known[0]


def test_a_published_model_is_known_by_name_and_tag(tmp_path: Path) -> None:
    store = Store(tmp_path / "cache")
    known = identity(ScoreConfig(), store)
    assert (known["model"], known["pretrained"]) == ("ViT-B-32", "laion2b_s34b_b79k")
    assert identity(ScoreConfig(scorer="random", seed=3), store) == {"scorer": "random", "seed": 3}


def test_a_row_is_bit_identical_in_every_place_of_the_batch_on_this_cpu_with_any_number_of_threads(
    encoder: ClipEncoder
) -> None:
    one, before = encoder.prepare.one(pictures(1)[0]), torch.get_num_threads()
    try:
        for threads in (1, 2, 3):
            torch.set_num_threads(threads)
            rows = encoder.encode(dict.fromkeys(range(encoder.batch), one))
            assert len({row.tobytes() for row in rows}) == 1
    finally:
        torch.set_num_threads(before)


def test_sets_that_share_forwards_get_the_bits_that_they_get_alone(encoder: ClipEncoder) -> None:
    sets = [ImageSet(n, f"video {n}", pictures(n, seed=n)) for n in (1, 5, 8, 11, 3)]
    together = dict(encoder.image_sets(sets))
    assert set(together) == {1, 3, 5, 8, 11}
    for one in sets:
        assert np.array_equal(together[one.token], encoder.images(one.images, one.salt))


def test_a_model_is_loaded_once_for_all_that_have_it_open(clip_folder: Path) -> None:
    config = ScoreConfig(model=str(clip_folder), batch=4, device="cpu")
    with open_encoder(config) as one:
        with open_encoder(config.model_copy()) as two, open_encoder(config.model_copy(update={"batch": 2})) as other:
            assert two is one and other is not one
        assert len(one.images(pictures(2), "")) == 2
        with pytest.raises(AttributeError):
            other.images(pictures(2), "")
    with open_encoder(config) as later:
        assert later is not one
