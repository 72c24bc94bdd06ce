"""The bundle format: what is written is what is read, byte for byte the same on every run."""

import hashlib
import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest

from strive.configs.data_stages import VariantsConfig
from strive.configs.errors import ItemError, MissingError, VerificationError
from strive.stages.bundle import Bundle, hdf5, write_bundle
from strive.stages.bundle.images import decode, encode
from strive.stages.frames.frameset import FrameSet
from strive.stages.frames.scores import Scores, zscore
from strive.stages.tasks.sample import Sample
from strive.stages.views.build import build_views

KEY = "ab" * 32
SAMPLE = Sample("q/1 é", "a b.mp4", "What is it?", ("x", "ÿ"), "B", "multiple_choice", {"n": 1})
TILES = np.array([[x, y, x + 0.6, y + 0.6] for y in (0, 0.4) for x in (0, 0.4)])


def frames_of(n: int = 24, height: int = 47, width: int = 62) -> FrameSet:
    rng = np.random.default_rng(0)
    side = max(8, -(-height // 8), -(-width // 8))
    images = [np.kron(rng.integers(0, 255, (8, 8, 3)), np.ones((side, side, 1)))[:height, :width].astype(np.uint8)
              for _ in range(n)]
    encoded = [encode(image) for image in images]
    times = np.cumsum(rng.uniform(0.5, 1.5, n))
    return FrameSet(times, np.arange(n) * 30, np.tile(np.int32([height, width]), (n, 1)), encoded, {"codec": "jpeg"})


def scores_of(frames: FrameSet) -> Scores:
    rng = np.random.default_rng(1)
    raw = rng.normal(size=len(frames)).astype(np.float32)
    meta = {"scorer": {"scorer": "clip", "weights": "sha256:00"}, "text": {"text": "question", "chunks": 2}}
    return Scores(raw, zscore(raw), frames.times, TILES, rng.normal(size=(len(frames), 4)).astype(np.float32), meta)


def bundle_bytes(
    config: VariantsConfig | None = None, frames: FrameSet | None = None, sample: Sample = SAMPLE
) -> bytes:
    config, frames = config or VariantsConfig(frames=8), frames or frames_of()
    scores = scores_of(frames)
    return write_bundle(sample, frames, scores, build_views(sample.blind(), scores, frames.sizes, config), config, KEY)


def test_what_is_written_is_what_is_read() -> None:
    frames, config = frames_of(), VariantsConfig(frames=8)
    scores = scores_of(frames)
    views = build_views(SAMPLE.blind(), scores, frames.sizes, config)
    bundle = Bundle.open(write_bundle(SAMPLE, frames, scores, views, config, KEY))
    assert (bundle.sample, bundle.key, bundle.n_variants) == (SAMPLE, KEY, 4)
    assert bundle.scorer == scores.meta["scorer"] and bundle.text_policy == scores.meta["text"]
    for read, wrote in ((bundle.importance, scores.importance), (bundle.raw, scores.raw)):
        assert read.dtype == np.float32 and (read == wrote).all()
    for k, view in enumerate(views):
        variant = bundle.variant(k)
        assert (variant.sampler, variant.seed, variant.crop) == (view.sampler, view.seed, view.crop)
        assert variant.operators == [json.loads(json.dumps(step)) for step in view.operators]
        assert variant.clip_bounds.tolist() == [0, 8] and variant.vetoes == []


@pytest.mark.parametrize("kept", [1, 3])
def test_a_bundle_with_some_of_its_variants_is_read_and_those_are_what_they_were(kept: int) -> None:
    frames, config = frames_of(), VariantsConfig(frames=8)
    scores = scores_of(frames)
    views = build_views(SAMPLE.blind(), scores, frames.sizes, config)
    whole = Bundle.open(write_bundle(SAMPLE, frames, scores, views, config, KEY))
    part = Bundle.open(write_bundle(SAMPLE, frames, scores, views[:kept], config, KEY))
    assert part.n_variants == part.n_trained == kept
    for k in range(kept):
        assert part.variant(k).times.tolist() == whole.variant(k).times.tolist()
        assert all((a == b).all() for a, b in zip(part.variant(k).clips(), whole.variant(k).clips(), strict=True))


def test_times_are_the_pool_times_of_the_frames_and_pixels_are_theirs() -> None:
    frames = frames_of()
    bundle = Bundle.open(bundle_bytes(frames=frames))
    assert (bundle.score_times == frames.times).all()
    for k in range(4):
        variant = bundle.variant(k)
        (clip,) = variant.clips()
        assert variant.times.dtype == np.float64 and np.isin(variant.times, frames.times).all()
        x0, y0, x1, y1 = variant.crop or (0, 0, 62, 47)
        assert clip.dtype == np.uint8 and clip.shape == (8, y1 - y0, x1 - x0, 3)
        for shown, time in zip(clip, variant.times, strict=True):
            stored = frames.image(int(np.flatnonzero(frames.times == time)[0]))[y0:y1, x0:x1]
            if variant.crop is None:
                assert (shown == stored).all()
            else:
                assert np.abs(shown.astype(int) - stored).mean() < 4


def test_stored_frames_keep_their_bytes_and_stand_in_the_pool_once() -> None:
    frames = frames_of()
    same = replace(frames, encoded=[*frames.encoded[:20], *[frames.encoded[0]] * 4])
    with hdf5.open_read(bundle_bytes(frames=same)) as file:
        offsets, data = file["pool/offsets"][()], file["pool/bytes"][()].tobytes()
        images = [data[a:b] for a, b in zip(offsets[:-1], offsets[1:], strict=True)]
        shown = {int(i) for k in range(4) for i in file[f"variants/{k}/index"][()]}
        whole = {int(i) for k in range(3) for i in file[f"variants/{k}/index"][()]}
    assert len(images) == len(set(images)) == len(shown)
    assert all(images[slot] in frames.encoded for slot in whole)


def test_the_crop_is_named_in_the_video_s_own_pixels() -> None:
    stored = frames_of()
    small, large = (
        Bundle.open(bundle_bytes(frames=replace(stored, meta={**stored.meta, "width": 62 * n, "height": 47 * n})))
        for n in (1, 3)
    )
    box = small.variant(3).operators[1]["box"]
    assert list(small.variant(3).crop or ()) == box
    assert list(large.variant(3).crop or ()) == [3 * edge for edge in box]
    assert (small.variant(3).clips()[0] == large.variant(3).clips()[0]).all()


def test_png_crops_are_exact() -> None:
    frames = frames_of()
    variant = Bundle.open(bundle_bytes(VariantsConfig(frames=8, codec="png"), frames)).variant(3)
    x0, y0, x1, y1 = variant.crop or (0, 0, 0, 0)
    first = int(np.flatnonzero(frames.times == variant.times[0])[0])
    assert (variant.clips()[0][0] == decode(frames.encoded[first], (47, 62))[y0:y1, x0:x1]).all()


def test_the_layout_is_the_published_one() -> None:
    with hdf5.open_read(bundle_bytes(sample=replace(SAMPLE, question="How many dots?", options=None))) as file:
        kinds: dict[str, str] = {}
        file.visititems(lambda name, item: kinds.update({name: str(item.dtype)}) if hasattr(item, "dtype") else None)
        assert {name: kind for name, kind in kinds.items() if not name.startswith("variants")} == {
            "pool/bytes": "uint8", "pool/offsets": "int64", "pool/size": "int32",
            "score/importance": "float32", "score/raw": "float32", "score/times": "float64"}
        assert {name.split("/")[-1]: kind for name, kind in kinds.items() if name.startswith("variants/3/")} == {
            "index": "int32", "times": "float64", "clips": "int32"}
        assert all(file[name].fletcher32 and file[name].chunks for name in kinds)
        assert set(file.attrs) == {"format", "sample", "key"} and set(file["score"].attrs) == {"scorer", "text"}
        operators = json.loads(hdf5.text(file["variants/3"], "operators"))
        assert set(file["variants/3"].attrs) == {"operators", "sampler", "seed"}
    assert [entry["operator"] for entry in operators] == ["draw", "salient_crop"]
    assert "how many" in operators[1]["vetoed"]


def test_a_veto_is_read_back_with_its_reason() -> None:
    variant = Bundle.open(bundle_bytes(sample=replace(SAMPLE, question="How many dots?"))).variant(3)
    assert [step["operator"] for step in variant.operators] == ["draw"] and variant.crop is None
    assert variant.vetoes[0]["topic"] == "counting" and "how many" in variant.vetoes[0]["reason"]


SCRIPT = """
import hashlib, sys
sys.path.insert(0, {here!r})
from test_bundle import bundle_bytes
print(hashlib.sha256(bundle_bytes()).hexdigest())
"""


def test_two_processes_with_other_hash_seeds_write_the_same_bytes() -> None:
    script = SCRIPT.format(here=str(Path(__file__).parent))
    digests = {hashlib.sha256(bundle_bytes()).hexdigest()}
    for seed in ("1", "77"):
        done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=120,
                              env={**os.environ, "PYTHONHASHSEED": seed, "TZ": "Asia/Tokyo"})
        digests.add(done.stdout.strip())
    assert len(digests) == 1


def test_more_pixels_than_allowed_is_a_failed_item() -> None:
    frames = frames_of()
    frames = replace(frames, encoded=[data + bytes(200_000) for data in frames.encoded])
    with pytest.raises(ItemError, match="MiB"):
        bundle_bytes(VariantsConfig(frames=8, max_bundle_mib=1), frames)


def test_scores_of_other_frames_are_refused() -> None:
    frames = frames_of()
    scores = scores_of(frames)
    shifted = replace(scores, times=scores.times + 0.04)
    views = build_views(SAMPLE.blind(), shifted, frames.sizes, VariantsConfig(frames=8))
    with pytest.raises(ItemError, match="not of these frames"):
        write_bundle(SAMPLE, frames, shifted, views, VariantsConfig(frames=8), KEY)


def test_frames_of_two_sizes_cannot_make_a_clip() -> None:
    frames = frames_of()
    sizes = frames.sizes.copy()
    sizes[12:] = (40, 40)
    encoded = [*frames.encoded[:12], *[encode(np.zeros((40, 40, 3), np.uint8))] * 12]
    with pytest.raises(ItemError, match="different sizes"):
        bundle_bytes(frames=replace(frames, sizes=sizes, encoded=encoded))


def test_one_frame_makes_a_bundle_without_invented_repeats() -> None:
    bundle = Bundle.open(bundle_bytes(frames=frames_of(1)))
    assert [bundle.variant(k).clips()[0].shape[0] for k in range(4)] == [1] * 4


@pytest.mark.parametrize("position", [40, 0.1, 0.5, 0.9, -200])
def test_flipped_bits_and_cut_files_never_give_values(tmp_path: Path, position: float) -> None:
    data = bytearray(bundle_bytes())
    at = int(position * len(data)) if isinstance(position, float) else position
    whole = [clip.tobytes() for k in range(4) for clip in Bundle.open(bytes(data)).variant(k).clips()]
    for bit in range(8):
        damaged = bytearray(data)
        damaged[at] ^= 1 << bit
        path = tmp_path / "flipped.h5"
        path.write_bytes(damaged)
        try:
            bundle = Bundle.open(path)
            assert [clip.tobytes() for k in range(4) for clip in bundle.variant(k).clips()] == whole
        except VerificationError:
            continue
    path.write_bytes(data[: int(len(data) * 0.7)])
    with pytest.raises(VerificationError):
        Bundle.open(path).variant(0).clips()


def altered(tmp_path: Path, change: str, value: object) -> Path:
    path = tmp_path / "altered.h5"
    path.write_bytes(bundle_bytes())
    with h5py.File(path, "r+") as file:
        group, name = change.rsplit("/", 1)
        if name in file[group]:
            del file[group][name]
            if value is not None:
                file[group].create_dataset(name, data=value)
        else:
            file[group].attrs[name] = value
    return path


@pytest.mark.parametrize(("change", "value"), [
    ("/variants/0/index", np.full(8, 999, np.int32)), ("/variants/0/index", np.full(8, -1, np.int32)),
    ("/variants/0/clips", np.int32([0, 5])), ("/variants/0/clips", np.int32([0, 8, 8])),
    ("/variants/0/times", np.zeros(3)),
    ("/variants/1", None), ("/pool/offsets", np.arange(5)), ("/variants/0/operators", "{"),
    ("/variants/0/operators", "[" * 100_000), ("/pool/size", np.full((29, 2), 65_000, np.int32)),
    ("//format", "frames/1"),
    ("//sample", "[]"), ("//sample", '{"id": "q"}'),
])
def test_contents_that_do_not_fit_are_refused(tmp_path: Path, change: str, value: object) -> None:
    with pytest.raises(VerificationError):
        bundle = Bundle.open(altered(tmp_path, change, value))
        [bundle.variant(k).clips() for k in range(4)]


@pytest.mark.parametrize(("height", "width"), [(252, 448), (112, 112)])
@pytest.mark.parametrize("count", [1, 4, 16, 64])
def test_a_bundle_is_hardly_larger_than_its_images_however_many_variants_show_them(
    count: int, height: int, width: int
) -> None:
    grain = np.random.default_rng(5).normal(0, 4, (height, width, 3))  # flat pictures are smaller than their index
    frames = frames_of(40, height, width)
    images = [np.clip(frames.image(i) + np.roll(grain, 7 * i, 1), 0, 255).astype(np.uint8) for i in range(40)]
    data = bundle_bytes(VariantsConfig(frames=16, count=count), replace(frames, encoded=[encode(i) for i in images]))
    with hdf5.open_read(data) as file:
        offsets, pool = file["pool/offsets"][()], file["pool/bytes"][()].tobytes()
        unique = {pool[a:b] for a, b in zip(offsets[:-1], offsets[1:], strict=True)}
        assert len(file["variants"]) == count
    assert len(data) <= 1.1 * sum(map(len, unique))


def test_bundles_whose_chunks_were_cut_otherwise_are_read_too(monkeypatch: pytest.MonkeyPatch) -> None:
    now = bundle_bytes()
    monkeypatch.setattr(hdf5, "chunk_shape", lambda shape, itemsize: tuple(min(max(n, 1), 1000) for n in shape))
    other = bundle_bytes()
    assert other != now
    one, two = Bundle.open(now), Bundle.open(other)
    assert one.sample == two.sample and (one.raw == two.raw).all()
    for a, b in zip(one.variants, two.variants, strict=True):
        assert all((x == y).all() for x, y in zip(a.clips(), b.clips(), strict=True))


def test_a_newer_format_is_named_not_guessed(tmp_path: Path) -> None:
    with pytest.raises(VerificationError, match="newer strive"):
        Bundle.open(altered(tmp_path, "//format", "strive.bundle/2"))


def test_a_missing_file_is_missing(tmp_path: Path) -> None:
    with pytest.raises(MissingError, match="no such bundle"):
        Bundle.open(tmp_path / "none.h5")


def test_absolute_paths_times_and_hosts_are_not_in_a_bundle() -> None:
    data = bundle_bytes()
    for secret in (os.getcwd(), os.uname().nodename, str(Path.home())):
        assert len(secret) < 4 or secret.encode() not in data
