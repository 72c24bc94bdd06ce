"""The stages embed and score: what is computed once, what enters keys, what never gets in."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from strive.cache.store import Artefact, Store
from strive.configs.data_stages import ScoreConfig
from strive.configs.errors import ItemError, MissingError
from strive.configs.schema import Config
from strive.stages.bundle.images import encode
from strive.stages.frames.frameset import FrameSet, write_frames
from strive.stages.frames.scores import FILE, read_scores, zscore
from strive.stages.plan import Job, Product
from strive.stages.reporter import Silent
from strive.stages.runner import run_stage, run_stages
from strive.stages.score import encoder as encoders
from strive.stages.score.clip import ClipEncoder
from strive.stages.score.controls import HashEncoder, RandomEncoder
from strive.stages.score.embed import STAGE as EMBED
from strive.stages.score.embeddings import read_embeddings
from strive.stages.score.length import text_length
from strive.stages.score.stage import STAGE
from strive.stages.score.tiles import cut_tiles, tile_boxes
from strive.stages.tasks.sample import Sample

QUESTIONS = [
    Sample("q1", "a.mp4", "What colour is the disc?", ("red", "blue"), "A", "multiple_choice", {"evidence": [[1, 2]]}),
    Sample("q2", "a.mp4", "How many dots are there?", None, "3", "numerical"),
    Sample("q3", "b.mp4", "What colour is the disc?", ("red", "blue"), "B", "multiple_choice"),
]


def frames_of(seed: int, n: int = 9) -> FrameSet:
    images = np.random.default_rng(seed).integers(0, 255, (n - 1, 36, 48, 3), dtype=np.uint8)
    encoded = [encode(image) for image in (*images, images[2])]
    return FrameSet(np.arange(n) * 0.5, np.arange(n), np.tile(np.int32([36, 48]), (n, 1)), encoded, {"seed": seed})


def job_of(root: Path, score: ScoreConfig, samples: list[Sample] | None = None) -> Job:
    """A job whose frames are made already: a.mp4 and b.mp4."""
    store = Store(root)
    frames = {name: store.publish("extract", f"{seed:064x}", write_frames(frames_of(seed)), {"version": 1})
              for seed, name in enumerate(("a.mp4", "b.mp4"))}
    return Job(Config(score=score), store, samples or QUESTIONS, results={"extract": {**frames}})


def fingerprints(made: dict[str, Artefact]) -> dict[str, tuple[str, str]]:
    return {name: (artefact.key, artefact.digest) for name, artefact in made.items()}


def scored(job: Job) -> dict[str, Artefact]:
    for stage in ("embed", "score"):
        outcome = run_stage(stage, job)
        assert outcome.failed == []
    return {name: one for name, one in job.results["score"].items() if isinstance(one, Artefact)}


@pytest.fixture(params=["clip", "random", "hash"])
def config(request: pytest.FixtureRequest, clip_folder: Path) -> ScoreConfig:
    return ScoreConfig(scorer=request.param, model=str(clip_folder), batch=4, tiles=2, device="cpu")


def test_each_question_gets_scores_of_its_video(tmp_path: Path, config: ScoreConfig) -> None:
    made = scored(job_of(tmp_path, config))
    assert set(made) == {"q1", "q2", "q3"}
    for artefact in made.values():
        scores = read_scores(artefact)
        assert scores.raw.shape == (9,) and scores.raw.dtype == np.float32 and np.abs(scores.raw).max() <= 1
        assert scores.tile_saliency.shape == (9, 4) and (scores.times == np.arange(9) * 0.5).all()
        assert (scores.importance == zscore(scores.raw)).all()
        assert abs(scores.importance.mean()) < 1e-5 and abs(scores.importance.std() - 1) < 1e-3
    raw = {name: read_scores(artefact).raw.tolist() for name, artefact in made.items()}
    assert raw["q1"] != raw["q2"] and raw["q1"] != raw["q3"]


def test_identical_frames_get_identical_scores_except_from_noise(tmp_path: Path, config: ScoreConfig) -> None:
    scores = read_scores(scored(job_of(tmp_path, config))["q1"])
    same = scores.raw[8] == scores.raw[2] and (scores.tile_saliency[8] == scores.tile_saliency[2]).all()
    assert same == (config.scorer != "random")


def test_a_second_run_writes_the_same_bytes(tmp_path: Path, config: ScoreConfig) -> None:
    one, two = (scored(job_of(tmp_path / name, config)) for name in ("one", "two"))
    assert fingerprints(one) == fingerprints(two)


def test_images_are_embedded_once_per_video_and_reused_for_new_questions(tmp_path: Path, config: ScoreConfig) -> None:
    job = job_of(tmp_path, config)
    assert run_stage("embed", job).done == 2 and run_stage("score", job).done == 3
    more = job_of(tmp_path, config.model_copy(update={"text": "question+options"}),
                  [*QUESTIONS, replace(QUESTIONS[1], id="q4", question="What is on the plate?")])
    again = run_stage("embed", more)
    assert (again.done, again.cached) == (0, 2)
    assert run_stage("score", more).done == 4


def test_the_same_question_about_the_same_video_is_scored_once(tmp_path: Path, config: ScoreConfig) -> None:
    twice = [QUESTIONS[0], replace(QUESTIONS[0], id="copy")]
    made = scored(job_of(tmp_path, config, twice))
    assert made["q1"].key == made["copy"].key


def test_videos_that_are_embedded_together_get_the_bytes_that_they_get_alone(
    tmp_path: Path, config: ScoreConfig
) -> None:
    job = job_of(tmp_path, config)
    more = {f"{n}.mp4": job.store.publish("extract", f"{n:064x}", write_frames(frames_of(n, n)), {"version": 1})
            for n in (4, 5, 6, 11)}
    job.results["extract"] |= more
    job.samples = [*QUESTIONS, *(replace(QUESTIONS[0], id=name, video=name) for name in more)]
    items = EMBED.items(job)
    with EMBED.open(job) as maker:
        alone = {item.id: maker.make(item) for item in items}
        for order in (items, items[::-1]):
            together = {item.id: product for item, product in maker.make_stream(iter(order))}
            assert together == alone and len(alone) == 6


def test_questions_that_are_scored_together_get_the_bytes_that_they_get_alone(
    tmp_path: Path, config: ScoreConfig
) -> None:
    many = [replace(QUESTIONS[n % 3], id=f"q{n}", question=f"What is number {n}?") for n in range(40)]
    job = job_of(tmp_path, config, many)
    run_stage("embed", job)
    items = STAGE.items(job)
    with STAGE.open(job) as maker:
        alone = {item.id: maker.make(item) for item in items}
        for order in (items, items[::-1], items[5:]):
            together = {item.id: product for item, product in maker.make_stream(iter(order))}
            assert together == {item.id: alone[item.id] for item in order}
    assert len({bytes(product.files[FILE]) for product in alone.values()}) == 40


def test_a_text_that_the_scorer_cannot_place_fails_its_question_alone(
    tmp_path: Path, config: ScoreConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = job_of(tmp_path, config)
    run_stage("embed", job)
    items = STAGE.items(job)
    with STAGE.open(job) as maker:
        whole = maker.encoder.text
        monkeypatch.setattr(maker.encoder, "text", lambda text: whole(text) * (np.nan if "dots" in text else 1))
        given = {item.id: product for item, product in maker.make_stream(iter(items))}
    assert isinstance(given["q2"], ItemError) and "not finite" in str(given["q2"])
    assert isinstance(given["q1"], Product) and isinstance(given["q3"], Product)


def test_a_run_of_both_stages_loads_its_model_once_and_lets_go_of_it(
    tmp_path: Path, clip_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    load, loaded = encoders.load_encoder, list[encoders.Encoder]()
    monkeypatch.setattr(encoders, "load_encoder", lambda config: loaded.append(load(config)) or loaded[-1])
    outcomes = run_stages(["embed", "score"], job_of(tmp_path, ScoreConfig(model=str(clip_folder), batch=4)))
    assert (outcomes["embed"].done, outcomes["score"].done, len(loaded)) == (2, 3, 1)
    assert isinstance(loaded[0], ClipEncoder) and loaded[0].model is None


def test_a_forced_run_counts_each_question_once(tmp_path: Path, config: ScoreConfig) -> None:
    scored(job_of(tmp_path, config))
    job = job_of(tmp_path, config)
    run_stage("embed", job)
    job.force = True
    assert run_stage("score", job).done == 3 and text_length(job.facts).questions == 3


def test_the_gold_answer_and_meta_change_neither_key_nor_scores(tmp_path: Path, config: ScoreConfig) -> None:
    told = [replace(s, answer="other", meta={"answer": s.answer, "hint": "red"}) for s in QUESTIONS]
    job, other = job_of(tmp_path, config), job_of(tmp_path / "other", config, told)
    assert fingerprints(scored(job)) == fingerprints(scored(other))
    for item in STAGE.items(other):
        assert not any(isinstance(value, Sample) for value in item.inputs.values())
        assert not hasattr(item.inputs["question"], "answer") and not hasattr(item.inputs["question"], "meta")


def test_the_order_of_options_changes_neither_key_nor_scores(tmp_path: Path, config: ScoreConfig) -> None:
    config = config.model_copy(update={"text": "question+options"})
    turned = [replace(s, options=s.options[::-1] if s.options else None) for s in QUESTIONS]
    one, two = scored(job_of(tmp_path / "1", config)), scored(job_of(tmp_path / "2", config, turned))
    assert fingerprints(one) == fingerprints(two)


def test_other_settings_give_other_keys_and_deviceless_ones_do_not(tmp_path: Path, clip_folder: Path) -> None:
    base = ScoreConfig(model=str(clip_folder), batch=4, tiles=2)
    keys = {}
    for name, change in {"base": {}, "device": {"device": "cpu"}, "seed": {"seed": 5}, "tag": {"pretrained": "x"},
                         "tiles": {"tiles": 0}, "batch": {"batch": 2}, "control": {"scorer": "hash"}}.items():
        job = job_of(tmp_path, base.model_copy(update=change))
        run_stage("embed", job)
        keys[name] = tuple(a.key for a in job.results["embed"].values() if isinstance(a, Artefact))
    assert keys["base"] == keys["device"] == keys["seed"] == keys["tag"]
    assert len({keys[name] for name in ("base", "tiles", "batch", "control")}) == 4


def test_without_tiles_there_is_no_saliency(tmp_path: Path, clip_folder: Path) -> None:
    job = job_of(tmp_path, ScoreConfig(model=str(clip_folder), batch=4, tiles=0))
    scores = read_scores(scored(job)["q1"])
    assert scores.tile_saliency.shape == (9, 0) and scores.tile_boxes.shape == (0, 4)


def test_tiles_are_embedded_like_the_images_they_are(tmp_path: Path, clip_folder: Path) -> None:
    job = job_of(tmp_path, ScoreConfig(scorer="hash", tiles=2))
    run_stage("embed", job)
    artefact = job.results["embed"]["a.mp4"]
    assert isinstance(artefact, Artefact)
    kept = read_embeddings(artefact)
    cut = list(cut_tiles([frames_of(0).image(5)], tile_boxes(2, 0.6)))
    assert (HashEncoder(ScoreConfig()).images(cut, "") == kept.tiles[5]).all()


def test_manifests_name_the_scorer_and_the_text_policy(tmp_path: Path, clip_folder: Path) -> None:
    made = scored(job_of(tmp_path, ScoreConfig(model=str(clip_folder), batch=4)))["q1"]
    assert made.meta["scorer"]["weights"].startswith("sha256:") and made.meta["text"]["long_text"] == "chunk_mean"
    assert made.meta["text"]["chunks"] == 1 and made.meta["text"]["truncated"] == 0


def test_long_questions_are_counted_and_cutting_them_is_said(tmp_path: Path, clip_folder: Path) -> None:
    long = [replace(QUESTIONS[0], question="What is this? " * 20)]
    for policy, warned in (("chunk_mean", False), ("truncate", True)):
        config = ScoreConfig(model=str(clip_folder), batch=4, tiles=0, long_text=policy)
        made = scored(job_of(tmp_path / policy, config, long))["q1"]
        text = made.meta["text"]
        assert text["long"] == 1 and (text["truncated"] > 0.5) == warned == bool(made.manifest["warnings"])
        assert text["chunks"] == (1 if warned else -(-20 // 3))


class Heard(Silent):
    """A reporter that keeps what it is told."""

    def __init__(self) -> None:
        self.said: list[str] = []
        self.warned: list[str] = []

    def info(self, text: str) -> None:
        self.said.append(text)

    def warn(self, text: str) -> None:
        self.warned.append(text)


def test_the_share_of_questions_and_of_text_that_is_cut_is_told_for_all_questions(
    tmp_path: Path, clip_folder: Path
) -> None:
    long = replace(QUESTIONS[0], id="long", question="What is this? " * 20)
    for policy in ("chunk_mean", "truncate"):
        config = ScoreConfig(model=str(clip_folder), batch=4, tiles=0, long_text=policy)
        scored(job_of(tmp_path / policy, config, [*QUESTIONS[:2], long]))
        job = job_of(tmp_path / policy, config, [*QUESTIONS, long])  # one question is new, the long one is not
        job.reporter = heard = Heard()
        made = scored(job)
        length = text_length(job.facts)
        lost = made["long"].meta["text"]["truncated"]
        assert (length.questions, length.long) == (4, 1) and length.text_cut == pytest.approx(lost / 4)
        if policy == "truncate":
            assert length.cut == 1 and lost > 0.5 and f"{lost / 4:.1%} of a question's text" in heard.warned[-1]
            assert "1 of 4 questions (25.0%) are cut at 16 tokens" in heard.warned[-1]
        else:
            assert length.fields() == {"questions": 4, "long": 1, "cut": 0, "text_cut": 0.0} and not heard.warned
            assert "1 of 4 questions (25.0%) are longer than 16 tokens; all of their text is read" in heard.said[-1]


def test_nothing_is_said_of_length_when_every_question_fits(tmp_path: Path, config: ScoreConfig) -> None:
    job = job_of(tmp_path, config)
    job.reporter = heard = Heard()
    scored(job)
    length = text_length(job.facts)
    assert length.fields() == {"questions": 3, "long": 0, "cut": 0, "text_cut": 0.0} and length.line(77) == ""
    assert not heard.warned and not [line for line in heard.said if line.startswith("score:")]
    assert text_length({}).fields() == {"questions": 0, "long": 0, "cut": 0, "text_cut": 0.0}


@pytest.mark.parametrize("text", ["question", "question+options"])
def test_another_batch_gives_the_same_scores_but_for_rounding(tmp_path: Path, clip_folder: Path, text: str) -> None:
    base = ScoreConfig(model=str(clip_folder), tiles=2, text=text, device="cpu")
    one, two = (scored(job_of(tmp_path / str(n), base.model_copy(update={"batch": n}))) for n in (1, 7))
    for name in one:
        first, second = read_scores(one[name]), read_scores(two[name])
        assert np.abs(first.raw - second.raw).max() < 1e-6
        assert np.abs(first.tile_saliency - second.tile_saliency).max() < 1e-6


def test_a_failed_video_fails_each_of_its_questions_with_its_reason(tmp_path: Path, config: ScoreConfig) -> None:
    job = job_of(tmp_path, config)
    job.results["extract"]["a.mp4"] = "90 frames announced, 11 decodable"
    assert run_stage("embed", job).done == 1
    failed = run_stage("score", job).failed
    assert [one["id"] for one in failed] == ["q1", "q2"] and "11 decodable" in failed[0]["reason"]


def test_missing_weights_stop_the_stage(tmp_path: Path) -> None:
    with pytest.raises(MissingError):
        run_stage("embed", job_of(tmp_path, ScoreConfig(model=str(tmp_path / "none"))))


def test_random_scores_differ_by_seed_question_and_video() -> None:
    encoder, other = RandomEncoder(ScoreConfig(seed=0)), RandomEncoder(ScoreConfig(seed=1))
    images = [np.zeros((2, 2, 3), np.uint8)] * 40
    rows = encoder.images(images, "sha256:a")
    assert not np.allclose(rows, encoder.images(images, "sha256:b"))
    assert not np.allclose(rows, other.images(images, "sha256:a"))
    assert abs(float(np.corrcoef(rows @ encoder.text("x"), rows @ encoder.text("y"))[0, 1])) < 0.6


@pytest.mark.parametrize(("per_side", "side"), [(0, 0.6), (1, 0.6), (2, 0.5), (3, 0.6), (8, 1.0)])
def test_tiles_lie_in_the_frame_and_have_pixels(per_side: int, side: float) -> None:
    boxes = tile_boxes(per_side, side)
    assert boxes.shape == (per_side**2, 4) and (boxes >= -1e-9).all() and (boxes <= 1 + 1e-9).all()
    for shape in ((1, 1, 3), (5, 3, 3), (48, 64, 3)):
        for tile in cut_tiles([np.zeros(shape, np.uint8)], boxes):
            assert tile.size and tile.shape[0] <= shape[0] and tile.shape[1] <= shape[1]


def test_constant_scores_are_zero_importance() -> None:
    assert (zscore(np.full(7, 0.3, np.float32)) == 0).all() and zscore(np.zeros(0)).shape == (0,)


def test_planning_imports_neither_torch_nor_open_clip_nor_hdf5() -> None:
    code = ("import sys; from strive.stages.registry import stage;"
            "[stage(n).items for n in ('embed', 'score', 'variants')];"
            "print([m for m in ('torch', 'open_clip', 'h5py', 'cv2') if m in sys.modules])")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "[]"
