"""Operators that change pixels: what they touch, how much, and that they do the same on every run."""

from dataclasses import replace

import numpy as np
import pytest

from strive.configs.data_stages import VariantsConfig
from strive.configs.errors import UsageError
from strive.stages.bundle.images import decode, encode
from strive.stages.frames.scores import Scores, zscore
from strive.stages.tasks.sample import Question
from strive.stages.views import mask
from strive.stages.views.build import build_views
from strive.stages.views.operators import OPERATORS, changes_pixels, render
from strive.stages.views.tiers import Tier, frame_counts, split_by_rank
from strive.stages.views.topk import topk
from strive.stages.views.view import View

TILES = np.array([[x, y, x + 0.6, y + 0.6] for y in (0, 0.2, 0.4) for x in (0, 0.2, 0.4)], np.float64)
PLAIN = Question("q1", "a.mp4", "What is the person holding?", None, "open")
HEIGHT, WIDTH = 96, 160


def scored(n: int = 64, seed: int = 0, tiles: np.ndarray = TILES) -> Scores:
    rng = np.random.default_rng(seed)
    raw = rng.normal(size=n).astype(np.float32)
    return Scores(raw, zscore(raw), np.arange(n) * 1.5, tiles, rng.normal(size=(n, len(tiles))).astype(np.float32))


def view_of(entry: str, scores: Scores | None = None, size: tuple[int, int] = (HEIGHT, WIDTH), variant: int = 1,
            question: Question = PLAIN, **changes: object) -> View:
    scores = scores or scored()
    config = VariantsConfig(**{"frames": 8, "count": variant + 1, "operators": ("canonical", entry), **changes})
    return build_views(question, scores, np.tile(np.int32(size), (len(scores.raw), 1)), config)[variant]


def shown(view: View, position: int, image: np.ndarray) -> np.ndarray:
    return render(image, changes_pixels(view, position), int(view.indices[position]))


def picture(seed: int = 0, height: int = HEIGHT, width: int = WIDTH) -> np.ndarray:
    """A smooth picture that JPEG keeps well, away from black and white."""
    rng = np.random.default_rng(seed)
    rows, columns = np.linspace(0, 1, height)[:, None, None], np.linspace(0, 1, width)[None, :, None]
    return (90 + 60 * rows * rng.random(3) + 60 * columns * rng.random(3)).astype(np.uint8)


def step_of(view: View, name: str) -> dict:
    return dict(next(step for step in view.operators if step["operator"] == name))


@pytest.mark.parametrize("area", [0.05, 0.1, 0.3, 0.99])
@pytest.mark.parametrize("size", [(8, 8), (47, 61), (96, 160), (336, 597)])
def test_a_mask_greys_out_at_most_its_area_and_leaves_every_other_pixel(area: float, size: tuple[int, int]) -> None:
    view, image = view_of("mask", size=size, mask_area=area), picture(1, *size)
    step = step_of(view, "mask")
    masked = shown(view, 3, image)
    hidden = np.zeros(size, bool)
    for cell in step["cells"]:
        y0, y1, x0, x1 = mask.edges(cell, *size)
        hidden[y0:y1, x0:x1] = True
    assert 0 < hidden.sum() <= area * size[0] * size[1] < hidden.sum() + -(-size[0] // 8) * -(-size[1] // 8)
    assert (masked[hidden] == mask.GREY).all() and (masked[~hidden] == image[~hidden]).all()
    assert all(changes_pixels(view, at) == [step] for at in range(8)), "the same on every frame"


def test_a_mask_spares_the_best_tile_and_hides_what_only_poor_tiles_show() -> None:
    scores = scored()
    scores.tile_saliency[:] = 0.0
    scores.tile_saliency[:, 8] = 1.0  # bottom right
    cells = step_of(view_of("mask", scores), "mask")["cells"]
    assert cells and all(cell // 8 < 4 or cell % 8 < 4 for cell in cells)
    assert 0 in cells, "the corner opposite goes first"


@pytest.mark.parametrize(("tiles", "reason"), [(np.empty((0, 4)), "score.tiles"), (TILES, "equally salient")])
def test_a_mask_without_saliency_is_left_out_with_its_reason(tiles: np.ndarray, reason: str) -> None:
    scores = replace(scored(tiles=tiles), tile_saliency=np.zeros((64, len(tiles)), np.float32))
    view = view_of("mask", scores)
    assert reason in view.vetoes[0]["reason"] and changes_pixels(view, 0) == []


@pytest.mark.parametrize(("codec", "quality"), [("png", 95), ("jpeg", 95)])
@pytest.mark.parametrize("std", [0.02, 0.05, 0.1])
def test_noise_has_its_standard_deviation_also_after_encoding(codec: str, quality: int, std: float) -> None:
    view, image = view_of("noise", noise_std=std), picture()
    noisy = shown(view, 0, image)
    kept = decode(encode(noisy, codec, quality), (HEIGHT, WIDTH))
    spread = (kept.astype(float) - image).std() / 255
    assert abs(spread - std) < (0.02 if codec == "png" else 0.15) * std + 0.002
    assert abs((kept.astype(float) - image).mean()) < 1


def test_noise_is_drawn_for_each_variant_and_frame_and_the_same_again() -> None:
    one, two, image = view_of("noise"), view_of("noise", variant=2), picture()
    assert (shown(one, 0, image) == shown(one, 0, image)).all()
    assert (shown(one, 0, image) != shown(one, 1, image)).any()
    steps = [changes_pixels(view, 0) for view in (one, two)]
    assert (render(image, steps[0], 7) != render(image, steps[1], 7)).any()
    assert encode(render(image, steps[0], 7)) == encode(render(image, steps[0], 7))


def test_noise_stays_in_the_pixel_range() -> None:
    view = view_of("noise", noise_std=1.0)
    for level in (0, 255):
        noisy = shown(view, 0, np.full((32, 32, 3), level, np.uint8))
        assert abs(float(noisy.mean()) - level) > 50 and 0.4 < (noisy == level).mean() < 0.6


def test_a_flip_mirrors_and_twice_is_nothing() -> None:
    view, image = view_of("flip"), picture()
    assert (shown(view, 0, image) == image[:, ::-1]).all()
    assert (shown(view, 0, shown(view, 0, image)) == image).all()
    assert OPERATORS["flip"].contrast_only and not OPERATORS["grayscale"].contrast_only


def test_grayscale_leaves_grey_alone_and_takes_all_colour() -> None:
    view = view_of("grayscale")
    grey = np.repeat(np.arange(256, dtype=np.uint8).reshape(16, 16, 1), 3, axis=2)
    assert (shown(view, 0, grey) == grey).all()
    found = shown(view, 0, np.random.default_rng(0).integers(0, 256, (40, 40, 3), dtype=np.uint8))
    assert (found == found[..., :1]).all() and found.std() > 20


def test_appended_crops_are_the_most_important_frames_under_their_own_times() -> None:
    scores = scored()
    view, plain = view_of("crop_append", scores), view_of("draw", scores)
    assert view.indices[:8].tolist() == plain.indices.tolist() and view.bounds() == (0, 8, 12)
    best = sorted(plain.indices.tolist(), key=lambda at: -scores.importance[at])[:4]
    assert view.indices[8:].tolist() == sorted(best) and view.told is None and view.crop is None
    x0, y0, x1, y1 = step_of(view, "crop_append")["box"]
    assert 0 <= x0 < x1 <= WIDTH and 0 <= y0 < y1 <= HEIGHT
    assert 0.6 * HEIGHT * WIDTH <= (x1 - x0) * (y1 - y0) < HEIGHT * WIDTH
    image = picture()
    assert (shown(view, 7, image) == image).all() and (shown(view, 8, image) == image[y0:y1, x0:x1]).all()


def test_crops_of_equally_important_frames_are_spread_over_the_view() -> None:
    flat = replace(scored(), importance=np.zeros(64, np.float32))
    assert np.diff(view_of("canonical+crop_append", flat).indices[8:]).tolist() == [16, 16, 16]


@pytest.mark.parametrize(("n", "share", "added"), [(64, 0.01, 1), (64, 1.0, 8), (3, 1.0, 3), (1, 0.5, 1)])
def test_at_least_one_crop_and_at_most_all_frames_are_appended(n: int, share: float, added: int) -> None:
    view = view_of("crop_append", scored(n), append_share=share)
    assert view.bounds() == (0, min(8, n), min(8, n) + added)


def test_crops_of_a_shuffled_view_are_told_the_times_of_their_places() -> None:
    view = view_of("shuffle+crop_append", contrast=())
    assert view.told is not None and (np.diff(view.told[:8]) > 0).all() and (np.diff(view.told[8:]) > 0).all()
    places = [view.indices[:8].tolist().index(frame) for frame in view.indices[8:]]
    assert view.told[8:].tolist() == view.told[:8][places].tolist()


@pytest.mark.parametrize(("entry", "refused"), [
    ("salient_crop+crop_append", "crop_append"), ("crop_append+salient_crop", "salient_crop"),
    ("tiers+crop_append", "crop_append"), ("salient_crop+salient_crop", "salient_crop"),
])
def test_what_cannot_follow_is_left_out_with_its_reason(entry: str, refused: str) -> None:
    view = view_of(entry, tier_pixels=96 * 160)
    assert [veto["operator"] for veto in view.vetoes] == [refused] and "already" in view.vetoes[0]["reason"]


def test_operators_compose_in_the_order_written_but_a_mask_lies_on_the_whole_frame() -> None:
    image = picture()
    view = view_of("draw+salient_crop+noise")
    assert [step["operator"] for step in view.operators] == ["draw", "salient_crop", "noise"]
    x0, y0, x1, y1 = view.crop or (0, 0, 0, 0)
    found = shown(view, 2, image)
    assert found.shape == (y1 - y0, x1 - x0, 3)
    assert abs((found.astype(float) - image[y0:y1, x0:x1]).std() / 255 - 0.05) < 0.004
    one, two = view_of("salient_crop+mask"), view_of("mask+salient_crop")
    assert (shown(one, 0, image) == shown(two, 0, image)).all() and one.crop == two.crop
    one, two = view_of("draw+flip+salient_crop"), view_of("draw+salient_crop+flip")
    assert (shown(one, 0, image) == shown(two, 0, image)).all()


def test_a_crop_in_tiers_is_scaled_to_each_tiers_size() -> None:
    view = view_of("tiers+salient_crop", tier_pixels=HEIGHT * WIDTH)
    sizes = [shown(view, start, picture()).shape[:2] for start in view.bounds()[:-1]]
    x0, y0, x1, y1 = view.crop or (0, 0, 0, 0)
    assert [step["operator"] for step in view.operators[:2]] == ["tiers", "salient_crop"]
    assert sizes[0] == (y1 - y0, x1 - x0) and sizes[1:] == [tuple(step["size"]) for step in view.operators
                                                          if "size" in step]


@pytest.mark.parametrize("sampler", ["strat_gumbel", "gumbel", "topk", "uniform", "binmax"])
def test_tiers_take_the_highest_ranks_first_and_no_frame_twice(sampler: str) -> None:
    scores = scored(256)
    view = view_of("tiers", scores, (336, 597), frames=16, sampler=sampler, tau=0.01, coverage=0.0)
    bounds = view.bounds()
    groups = [view.indices[a:b] for a, b in zip(bounds[:-1], bounds[1:], strict=True)]
    assert [len(group) for group in groups] == [8, 16, 60] and len(set(view.indices.tolist())) == 84
    assert all((np.diff(group) > 0).all() for group in groups)
    least = [scores.importance[group].min() for group in groups[:2]]
    most = [scores.importance[group].max() for group in groups[1:]]
    assert all(low > high - 0.2 for low, high in zip(least, most, strict=True))
    assert "size" not in view.operators[0] and changes_pixels(view, 0) == [], "the first tier is stored as it is"


def test_tiers_of_one_size_are_one_clip() -> None:
    view = view_of("tiers", size=(112, 112), tier_pixels=56 * 56)
    assert view.bounds() == (0, 4, 20) and [step.get("size") for step in view.operators] == [None, [28, 28]]


@pytest.mark.parametrize("n", [1, 2, 7, 8, 9, 12, 16, 40, 63, 64, 500])
def test_tiers_never_show_more_than_the_pool_and_spend_what_there_is(n: int) -> None:
    tiers = [Tier((8, 16), 1.0, 0.5), Tier((4, 8), 0.25, 0.25), Tier((2, 4), 0.0625, 0.25)]
    counts = frame_counts(tiers, 8, n)
    spent = sum(count * tier.cost for count, tier in zip(counts, tiers, strict=True))
    assert min(counts) >= 0 and sum(counts) == min(n, 44) and spent <= 8 + 1e-9
    assert spent > 8 - 2 or n <= 8, "less than one more pair of frames"
    if n <= 8:
        assert counts == [n, 0, 0], "a pool within the budget is one plain clip"
    view = view_of("tiers", scored(n), (336, 597))
    assert len(view.indices) == len(set(view.indices.tolist())) <= n and view.bounds()[-1] == len(view.indices)


def test_equal_ranks_are_spread_over_the_chosen_frames() -> None:
    groups = split_by_rank(np.arange(40), np.zeros(40), [4, 0, 8])
    assert groups[0].tolist() == [5, 15, 25, 35] and len(groups) == 2
    assert groups[1].tolist() == np.delete(np.arange(40), groups[0])[topk(np.zeros(36), 8, None, None)].tolist()  # type: ignore[arg-type]


@pytest.mark.parametrize("tiers", [(), ((0.0, 1),), ((0.5, 0),), ((0.7, 1), (0.7, 2))])
def test_tiers_that_make_no_sense_are_refused(tiers: tuple) -> None:
    with pytest.raises(UsageError, match="tiers"):
        view_of("tiers", tiers=tiers)


@pytest.mark.parametrize(("name", "text"), [
    ("flip", "Which way does the car turn?"), ("flip", "What is left of the cup?"), ("flip", "What does the sign say?"),
    ("grayscale", "What colour is the car?"), ("mask", "How many people are there?"),
    ("mask", "What is in the background?"), ("mask", "How far is the door?"),
    ("noise", "What number is written on the shirt?"),
    ("tiers", "What is written on the wall?"), ("tiers", "Which object is shown first?"),
    ("tiers", "How many times does it blink?"), ("crop_append", "How many dogs are there?"),
    ("salient_crop", "Where in the frame is the dog?"), ("grayscale", "画面中是什么？"), ("mask", "画面中是什么？"),
])
def test_the_guard_keeps_an_operator_from_the_questions_it_is_not_for(name: str, text: str) -> None:
    question = replace(PLAIN, text=text)
    assert [veto["operator"] for veto in view_of(name, question=question, size=(336, 597)).vetoes] == [name]
    assert not view_of(name, size=(336, 597)).vetoes
