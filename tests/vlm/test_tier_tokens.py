"""Resolution tiers cost the tokens of a plain view: at the sizes of the demo, of Qwen2.5-VL, and where they do not."""

import numpy as np
import pytest

from strive.configs.data_stages import VariantsConfig
from strive.stages.frames.scores import Scores, zscore
from strive.stages.tasks.sample import Question
from strive.stages.views.build import build_views
from strive.stages.views.operators import changes_pixels
from strive.stages.views.view import View
from strive.stages.vlm import Policy, load_policy
from strive.stages.vlm.family import FamilyAdapter

QUESTION = Question("q1", "a.mp4", "What is the person holding?", None, "open")


def tiered(size: tuple[int, int], frames: int, pool: int, pixels: int) -> list[View]:
    """The canonical view and one of tiers."""
    raw = np.random.default_rng(0).normal(size=pool).astype(np.float32)
    scores = Scores(raw, zscore(raw), np.arange(pool) * 1.0, np.empty((0, 4)), np.empty((pool, 0), np.float32))
    config = VariantsConfig(frames=frames, count=2, operators=("canonical", "tiers"), tier_pixels=pixels)
    return build_views(QUESTION, scores, np.tile(np.int32(size), (pool, 1)), config)


def tokens(adapter: FamilyAdapter, view: View, size: tuple[int, int]) -> int:
    """Visual tokens of a view, from its sizes alone."""
    bounds, found = view.bounds(), 0
    for start, stop in zip(bounds[:-1], bounds[1:], strict=True):
        steps = changes_pixels(view, start)
        height, width = steps[0]["size"] if steps else size
        shown = adapter.layout(height, width, view.indices[start:stop] * 1.0)
        assert not steps or shown.size == (height, width), "the policy shows a tier in the size it was stored in"
        found += sum(text.count(adapter.token_of["video"]) for text in adapter.visuals(shown))
    return found


@pytest.fixture(scope="module")
def real(policies: dict[str, Policy]) -> FamilyAdapter:
    """Qwen2.5-VL's own geometry: patches of 14 pixels, merged 2 x 2, two frames a patch."""
    adapter = policies["qwen2_5_vl"].adapter
    assert (adapter.factor, adapter.per_patch) == (28, 2)
    adapter = type(adapter)(adapter.processor, adapter.config, 128 * 28 * 28, 4 * 28 * 28)
    return adapter


@pytest.mark.parametrize("pool", [8, 32, 33, 48, 64, 100, 176, 256])
@pytest.mark.parametrize("size", [(336, 597), (597, 336), (336, 336), (336, 448), (336, 800), (240, 320), (120, 160)])
def test_at_real_sizes_tiers_cost_what_the_plain_view_costs(
    real: FamilyAdapter, size: tuple[int, int], pool: int
) -> None:
    plain, tiers = (tokens(real, view, size) for view in tiered(size, 32, pool, 128 * 28 * 28))
    assert abs(tiers / plain - 1) <= 0.05


@pytest.mark.parametrize(("pool", "within"), [(8, 0.0), (16, 0.125), (20, 0.05), (40, 0.05), (64, 0.05)])
def test_at_the_demos_sizes_too(pool: int, within: float) -> None:
    """In a pool of 16 the 8 frames' worth of tokens cannot be spent to the last pair of frames."""
    adapter = load_policy("demo", device="cpu", max_pixels=3136, min_pixels=784).adapter
    plain, tiers = (tokens(adapter, view, (112, 112)) for view in tiered((112, 112), 8, pool, 3136))
    assert plain == 64 and abs(tiers / plain - 1) <= within


def test_a_policy_that_enlarges_small_frames_spends_more(real: FamilyAdapter) -> None:
    """`train.min_pixels` above the pixels of a tier is not known here: the frames of that tier are enlarged to it."""
    real = type(real)(real.processor, real.config, 128 * 28 * 28, 16 * 28 * 28)
    view = tiered((336, 597), 32, 256, 128 * 28 * 28)[1]
    shown = real.layout(56, 112, view.indices[46:] * 1.0)
    assert shown.size == (84, 168) and shown.grid[0] == 60  # 18 tokens for each pair of the last 120 frames, not 8


@pytest.mark.parametrize("family", ["internvl", "llava_onevision"])
def test_families_of_fixed_size_pay_for_every_frame(family: str, policies: dict[str, Policy]) -> None:
    adapter = policies[family].adapter
    size = adapter.frame_size(336, 597)
    for height, width in ((336, 597), (112, 224), (56, 112)):
        assert adapter.layout(height, width, np.arange(4.0)).size == size
