"""Spatial operators in a bundle: each image stored once, clips of one size, true times, the same bytes again."""

import numpy as np
import pytest

from strive.configs.data_stages import VariantsConfig
from strive.stages.bundle import Bundle, hdf5, write_bundle
from strive.stages.bundle.images import encode
from strive.stages.frames.frameset import FrameSet
from strive.stages.frames.scores import Scores, zscore
from strive.stages.tasks.sample import Sample
from strive.stages.views.build import build_views
from strive.stages.views.mask import edges

TILES = np.array([[x, y, x + 0.6, y + 0.6] for y in (0, 0.4) for x in (0, 0.4)])
SAMPLE = Sample("q", "a.mp4", "What is it?", None, "a cup", "open")
SIZE = (224, 336)


def world(n: int = 60) -> tuple[FrameSet, Scores]:
    rng = np.random.default_rng(0)
    blocks = [np.kron(rng.integers(60, 200, (14, 21, 3)), np.ones((16, 16, 1))).astype(np.uint8) for _ in range(n)]
    times, raw = np.cumsum(rng.uniform(0.3, 1.5, n)), rng.normal(size=n).astype(np.float32)
    frames = FrameSet(times, np.arange(n), np.tile(np.int32(SIZE), (n, 1)), [encode(one) for one in blocks],
                      {"codec": "jpeg"})
    return frames, Scores(raw, zscore(raw), times, TILES, rng.normal(size=(n, 4)).astype(np.float32), {})


def made(operators: tuple[str, ...], **changes: object) -> bytes:
    config = VariantsConfig(**{"frames": 8, "count": len(operators), "operators": operators,
                               "tier_pixels": SIZE[0] * SIZE[1], **changes})
    frames, scores = world()
    return write_bundle(SAMPLE, frames, scores, build_views(SAMPLE.blind(), scores, frames.sizes, config), config,
                        "ab" * 32)


ALL = ("canonical", "draw+crop_append", "tiers+noise", "mask", "noise", "draw+salient_crop+noise",
       "canonical+grayscale", "canonical+flip")


@pytest.mark.parametrize("codec", ["jpeg", "png"])
def test_the_same_settings_give_the_same_bytes(codec: str) -> None:
    assert made(ALL, codec=codec) == made(ALL, codec=codec)


def test_clips_have_one_size_each_and_frames_their_true_times() -> None:
    frames, _ = world()
    bundle = Bundle.open(made(ALL))
    for k, name in enumerate(ALL):
        variant = bundle.variant(k)
        clips, bounds = variant.clips(), variant.clip_bounds.tolist()
        assert [len(clip) for clip in clips] == np.diff(bounds).tolist()
        assert len(clips) == {"draw+crop_append": 2, "tiers+noise": 3}.get(name, 1)
        for start, stop in zip(bounds[:-1], bounds[1:], strict=True):
            assert (np.diff(variant.times[start:stop]) > 0).all() and np.isin(variant.times, frames.times).all()
    appended = bundle.variant(1)
    assert appended.times[8:].tolist() == sorted(set(appended.times[8:]) & set(appended.times[:8])), "shown twice"
    assert appended.clips()[0].shape[1:3] == SIZE > appended.clips()[1].shape[1:3] and appended.crop is None
    assert len(set(bundle.variant(2).times)) == len(bundle.variant(2).times)


def test_frames_that_stay_as_they_are_share_the_pool_with_the_plain_view() -> None:
    with hdf5.open_read(made(("canonical", "canonical+crop_append", "canonical+crop_append"))) as file:
        index = [file[f"variants/{k}/index"][()].tolist() for k in range(3)]
        assert index[1][:8] == index[0] and index[2] == index[1] and len(file["pool/size"]) == 12
        assert file["pool/size"][()].tolist() == [list(SIZE)] * 8 + [file["pool/size"][8].tolist()] * 4


def test_tiers_store_their_first_tier_as_extract_wrote_it_and_the_others_in_their_own_size() -> None:
    frames, _ = world()
    bundle = Bundle.open(made(("canonical", "tiers")))
    variant, clips = bundle.variant(1), bundle.variant(1).clips()
    assert [clip.shape[1:3] for clip in clips] == [SIZE, (112, 168), (56, 84)]
    for time, shown in zip(variant.times, clips[0], strict=False):
        assert (shown == frames.image(int(np.flatnonzero(frames.times == time)[0]))).all()
    small = clips[1][0].astype(float)
    at = int(np.flatnonzero(frames.times == variant.times[len(clips[0])])[0])
    halved = frames.image(at).reshape(112, 2, 168, 2, 3).mean(axis=(1, 3))
    assert np.abs(small - halved).mean() < 2, "means of 2 x 2 pixels"


def test_in_a_png_bundle_nothing_but_the_masked_cells_differs() -> None:
    frames, _ = world()
    bundle = Bundle.open(made(("canonical", "canonical+mask"), codec="png"))
    step = bundle.variant(1).operators[-1]
    hidden = np.zeros(SIZE, bool)
    for cell in step["cells"]:
        y0, y1, x0, x1 = edges(cell, *SIZE)
        hidden[y0:y1, x0:x1] = True
    (masked,), (plain,) = bundle.variant(1).clips(), bundle.variant(0).clips()
    assert (masked[:, ~hidden] == plain[:, ~hidden]).all() and (masked[:, hidden] == 128).all()
    assert 0.2 < hidden.mean() <= 0.3
