"""The stage variants: keys, failures that come from upstream, and bundles that are the same on every run."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from strive.cache.store import Artefact, Store
from strive.configs.data_stages import ExtractConfig, ScoreConfig, VariantsConfig
from strive.configs.errors import UsageError
from strive.configs.schema import Config
from strive.stages.bundle import Bundle
from strive.stages.bundle.images import encode
from strive.stages.frames.frameset import FrameSet, write_frames
from strive.stages.plan import Job
from strive.stages.reporter import Silent
from strive.stages.runner import plan_stage, run_stage
from strive.stages.tasks.sample import Sample

SAMPLES = [
    Sample("q1", "a.mp4", "What colour is the disc?", ("red", "blue"), "A", "multiple_choice", {"evidence": [[1, 2]]}),
    Sample("q2", "a.mp4", "How many dots are there?", None, "3", "numerical"),
    Sample("../q3", "b.mp4", "What is the man holding?", None, "a cup", "open"),
]


def frames_of(seed: int, n: int) -> FrameSet:
    images = np.random.default_rng(seed).integers(0, 255, (n, 6, 8, 3), dtype=np.uint8)
    encoded = [encode(np.kron(image, np.ones((6, 6, 1), np.uint8))) for image in images]
    return FrameSet(np.arange(n) * 0.4, np.arange(n), np.tile(np.int32([36, 48]), (n, 1)), encoded, {"seed": seed})


def job_of(
    root: Path, samples: list[Sample] | None = None, pool: int = 20, workers: int = 1, **variants: object
) -> Job:
    """A job whose frames are made already, `pool` a video, and whose scorer is the hash control."""
    store, made = Store(root), {}
    for seed, name in enumerate(("a.mp4", "b.mp4")):
        files = write_frames(frames_of(seed, pool))
        made[name] = store.publish("extract", f"{seed + 16 * pool:064x}", files, {"version": 1})
    config = Config(score=ScoreConfig(scorer="hash"), variants=VariantsConfig(**{"frames": 6, **variants}))
    return Job(config, store, samples or SAMPLES, workers=workers, results={"extract": {**made}})


def bundles(job: Job) -> dict[str, Artefact]:
    for stage in ("embed", "score", "variants"):
        job.results.pop(stage, None)
        run_stage(stage, job)
    return {name: one for name, one in job.results["variants"].items() if isinstance(one, Artefact)}


def fingerprints(made: dict[str, Artefact]) -> dict[str, tuple[str, str]]:
    return {name: (artefact.key, artefact.digest) for name, artefact in made.items()}


def test_one_bundle_per_sample_holds_its_sample_and_its_key(tmp_path: Path) -> None:
    made = bundles(job_of(tmp_path))
    assert set(made) == {"q1", "q2", "../q3"}
    for sample in SAMPLES:
        bundle = Bundle.open(made[sample.id].file("bundle.h5"))
        assert bundle.sample == sample and bundle.key == made[sample.id].key and bundle.n_variants == 4
        assert bundle.scorer == {"scorer": "hash"} and bundle.text_policy["text"] == "question"
        assert [clip.shape[0] for k in range(4) for clip in bundle.variant(k).clips()] == [6] * 4


def test_ids_never_become_paths(tmp_path: Path) -> None:
    made = bundles(job_of(tmp_path / "cache"))
    assert made["../q3"].path.is_relative_to(tmp_path / "cache" / "variants")


def test_the_same_run_elsewhere_with_more_workers_and_another_order_writes_the_same_bytes(tmp_path: Path) -> None:
    one = bundles(job_of(tmp_path / "one"))
    two = bundles(job_of(tmp_path / "two", SAMPLES[::-1], workers=4))
    assert fingerprints(one) == fingerprints(two)
    assert all(one[n].read("bundle.h5") == two[n].read("bundle.h5") for n in one)


def test_a_second_run_has_nothing_to_do(tmp_path: Path) -> None:
    bundles(job_of(tmp_path))
    again = job_of(tmp_path)
    for stage in ("embed", "score", "variants"):
        assert run_stage(stage, again).done == 0


@pytest.mark.parametrize("change", [
    {"frames": 5}, {"count": 2}, {"sampler": "topk"}, {"tau": 0.1}, {"coverage": 1.0}, {"seed": 1}, {"guard": False},
    {"operators": ("canonical", "draw")}, {"crop_area": 0.8}, {"codec": "png"},
])
def test_every_setting_that_matters_enters_the_key(tmp_path: Path, change: dict) -> None:
    base, other = job_of(tmp_path), job_of(tmp_path, **change)
    one, two = bundles(base), bundles(other)
    assert all(one[name].key != two[name].key for name in one)
    assert base.results["score"] == other.results["score"]


def test_limits_do_not_enter_the_key_and_the_answer_does(tmp_path: Path) -> None:
    base = bundles(job_of(tmp_path))
    assert fingerprints(base) == fingerprints(bundles(job_of(tmp_path, max_bundle_mib=99)))
    corrected = bundles(job_of(tmp_path, [replace(SAMPLES[0], answer="B"), *SAMPLES[1:]]))
    assert corrected["q1"].key != base["q1"].key and corrected["q2"].key == base["q2"].key


def test_a_corrected_answer_leaves_the_views_as_they_were(tmp_path: Path) -> None:
    one = Bundle.open(bundles(job_of(tmp_path))["q1"].read("bundle.h5"))
    two = Bundle.open(bundles(job_of(tmp_path, [replace(SAMPLES[0], answer="B", meta={})]))["q1"].read("bundle.h5"))
    assert one.sample != two.sample
    for k in range(4):
        a, b = one.variant(k), two.variant(k)
        assert (a.times == b.times).all() and (a.crop, a.seed, a.operators) == (b.crop, b.seed, b.operators)
        assert all((x == y).all() for x, y in zip(a.clips(), b.clips(), strict=True))


def test_identical_frames_from_another_extraction_leave_bundles_fresh(tmp_path: Path) -> None:
    job = job_of(tmp_path)
    first = bundles(job)
    again = job.store.publish("extract", "f" * 64, write_frames(frames_of(0, 20)), {"version": 2})
    job.results["extract"]["a.mp4"] = again
    assert fingerprints(bundles(job)) == fingerprints(first)


def test_a_failed_video_fails_its_samples_with_its_reason(tmp_path: Path) -> None:
    job = job_of(tmp_path)
    job.results["extract"]["a.mp4"] = "no video stream"
    made = bundles(job)
    assert set(made) == {"../q3"} and job.results["variants"]["q1"] == "no video stream"


def test_a_bundle_beyond_its_limit_is_a_failed_item_and_the_others_are_made(tmp_path: Path) -> None:
    job = job_of(tmp_path, max_bundle_mib=1)
    huge = frames_of(0, 20)
    padded = replace(huge, encoded=[data + bytes(1 << 17) for data in huge.encoded])
    job.results["extract"]["a.mp4"] = job.store.publish("extract", "e" * 64, write_frames(padded), {"version": 1})
    assert set(bundles(job)) == {"../q3"}
    assert "MiB" in str(job.results["variants"]["q1"])


@pytest.mark.parametrize(("frames", "said"), [(1, "same picture"), (4, "shows them all")])
def test_short_videos_show_every_frame_once_and_say_so(tmp_path: Path, frames: int, said: str) -> None:
    made = bundles(job_of(tmp_path, pool=frames))["q1"]
    assert said in made.manifest["warnings"][0]
    bundle = Bundle.open(made.read("bundle.h5"))
    assert [len(bundle.variant(k).times) for k in range(4)] == [frames] * 4
    assert all((np.diff(bundle.variant(k).times) > 0).all() for k in range(4))


def test_manifests_and_bundles_tell_the_vetoes(tmp_path: Path) -> None:
    made = bundles(job_of(tmp_path))
    assert made["q1"].meta["vetoes"] == []
    assert [veto["operator"] for veto in made["q2"].meta["vetoes"]] == ["salient_crop"]
    variant = Bundle.open(made["q2"].read("bundle.h5")).variant(3)
    assert variant.crop is None and "how many" in variant.vetoes[0]["reason"]
    assert json.dumps(str(tmp_path)) not in json.dumps(made["q2"].meta)


def test_the_single_variant_is_the_canonical_view(tmp_path: Path) -> None:
    four, one = (Bundle.open(bundles(job_of(tmp_path, count=count))["q1"].read("bundle.h5")) for count in (4, 1))
    assert one.n_variants == 1
    assert (one.variant(0).clips()[0] == four.variant(0).clips()[0]).all()


def test_wrong_names_stop_before_any_work(tmp_path: Path) -> None:
    job = job_of(tmp_path, operators=("canonical", "zoom"))
    for stage in ("embed", "score"):
        run_stage(stage, job)
    with pytest.raises(UsageError, match="zoom"):
        run_stage("variants", job)


def test_wrong_names_among_the_contrast_views_stop_before_any_work(tmp_path: Path) -> None:
    job = job_of(tmp_path, contrast=("shuffel",))
    with pytest.raises(UsageError, match="variants.contrast: unknown operator 'shuffel'"):
        plan_stage("variants", job)


class Listener(Silent):
    """Keeps the warnings."""

    def __init__(self) -> None:
        self.warnings: list[str] = []

    def warn(self, text: str) -> None:
        self.warnings.append(text)


def test_operators_made_for_contrast_are_warned_of_once_where_they_are_trained_on(tmp_path: Path) -> None:
    job = job_of(tmp_path, operators=("canonical", "draw+reverse"))
    job.reporter = Listener()
    plan_stage("variants", job)
    bundles(job)
    assert len(job.reporter.warnings) == 1 and "reverse" in job.reporter.warnings[0]
    other = job_of(tmp_path, contrast=("shuffle", "reverse"))
    other.reporter = Listener()
    bundles(other)
    assert other.reporter.warnings == []


@pytest.mark.parametrize(("changes", "said"), [
    ({"sampler": "topk"}, ["variants.sampler = topk draws the same frames for 3 variants"]),
    ({"sampler": "topk", "operators": ("canonical", "draw"), "count": 2}, []),
    ({"sampler": "gumbel"}, []),
    ({"sampler": "its", "operators": ("canonical", "phase")}, []),
])
def test_a_sampler_that_is_not_random_is_warned_of_where_several_variants_draw(
    tmp_path: Path, changes: dict, said: list[str]
) -> None:
    job = job_of(tmp_path, **changes)
    job.reporter = Listener()
    plan_stage("variants", job)
    assert [text.split(":")[0] for text in job.reporter.warnings] == said


def test_another_config_under_the_same_reporter_is_warned_of_too(tmp_path: Path) -> None:
    listener = Listener()
    for operators in (("canonical", "draw"), ("canonical", "draw+reverse"), ("canonical", "flip")):
        job = job_of(tmp_path, operators=operators)
        job.reporter = listener
        plan_stage("variants", job)
    assert len(listener.warnings) == 2


def test_contrast_views_are_in_the_bundle_with_rising_times_and_without_vetoes(tmp_path: Path) -> None:
    samples = [replace(SAMPLES[0], question="Which disc comes first?")]
    made = bundles(job_of(tmp_path, samples, count=2, operators=("canonical", "reverse"), contrast=("reverse",)))["q1"]
    bundle = Bundle.open(made.read("bundle.h5"))
    assert made.meta["contrast"] == 1 and (bundle.n_trained, bundle.n_variants) == (2, 3)
    plain, vetoed, contrast = (bundle.variant(k) for k in range(3))
    assert [step["operator"] for step in vetoed.operators] == ["phase"]
    assert (vetoed.vetoes[0]["operator"], vetoed.vetoes[0]["topic"]) == ("reverse", "order")
    assert not contrast.vetoes and contrast.times.tolist() == plain.times.tolist()
    assert (contrast.clips()[0] == plain.clips()[0][::-1]).all()


def test_frames_do_not_depend_on_extract_settings_only_on_content(tmp_path: Path) -> None:
    job = job_of(tmp_path)
    first = fingerprints(bundles(job))
    job.config = job.config.model_copy(update={"extract": ExtractConfig(fps=2.0)})
    assert fingerprints(bundles(job)) == first
