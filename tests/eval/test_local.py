"""Questions about one video share one prefill, whatever their order; what fails is one question's failure."""

import threading
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from eval_jobs import small_config

from strive.cache.store import Store
from strive.configs.errors import ItemError, UsageError
from strive.stages.eval.answering import ahead
from strive.stages.eval.answering.answers import Answer, Ask, Unanswered
from strive.stages.eval.answering.footage import Footage, footage_of
from strive.stages.eval.answering.gallery import Gallery
from strive.stages.eval.answering.local import LocalAnswerer
from strive.stages.eval.benchmarks.data import BenchData, from_dataset
from strive.stages.eval.inquiry import Inquiry
from strive.stages.eval.stage import screen_of
from strive.stages.plan import Job
from strive.stages.vlm.load import load_policy
from strive.stages.vlm.policy import Policy

CONFIG = small_config()


@pytest.fixture(scope="module")
def data(dataset: Path) -> BenchData:
    return from_dataset(dataset, dataset.parent)


@pytest.fixture(scope="module")
def footage(data: BenchData, shared_store: Store) -> Footage:
    return footage_of(data, Job(CONFIG, shared_store))


@pytest.fixture
def policy(tiny: Path) -> Iterator[Policy]:
    yield load_policy(str(tiny), device="cpu", max_pixels=3136, min_pixels=784)


@pytest.fixture
def asks(data: BenchData) -> list[Ask]:
    """Nine questions; those about one video stand together."""
    inquiry = Inquiry(CONFIG.eval, data)
    return [inquiry.ask(sample) for sample in data.samples]


def answerer(policy: Policy, data: BenchData, footage: Footage, *sets: str) -> LocalAnswerer:
    config = small_config(*sets)
    return LocalAnswerer(policy, screen_of(data.samples, footage, config), config.eval, Gallery())


def outcomes(one: LocalAnswerer, asks: Sequence[Ask], noted: dict[str, int] | None = None) -> list[Any]:
    return [own for batch in one.answers(asks, noted or {}) for own in batch]


def texts(found: Sequence[Any]) -> dict[str, str]:
    assert all(isinstance(one, Answer) for one in found), found
    return {one.sample.id: one.text for one in found}


def counted_reads(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The number of views of each prefill from now on."""
    read: list[int] = []
    real = Policy.prefill

    def counting(self: Policy, views: Any, features: Any = None) -> Any:
        read.append(len(views))
        return real(self, views, features)

    monkeypatch.setattr(Policy, "prefill", counting)
    return read


@pytest.mark.parametrize("budget", [1, 300, 9999])
def test_interleaved_questions_are_read_on_one_prefill_a_video_and_answered_as_if_alone(
    policy: Policy, data: BenchData, footage: Footage, asks: list[Ask], budget: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    alone = {ask.sample.id: texts(outcomes(answerer(policy, data, footage), [ask]))[ask.sample.id] for ask in asks}
    read = counted_reads(monkeypatch)
    mixed = asks[::3] + asks[1::3] + asks[2::3]
    found = outcomes(answerer(policy, data, footage, f"eval.batch_tokens={budget}"), mixed)
    assert sum(read) == 3 and texts(found) == alone
    assert [one.sample.video for one in found] == ["a.mp4"] * 3 + ["b.mp4"] * 3 + ["c.mp4"] * 3


@pytest.mark.parametrize("budget", [1, 9999])
def test_the_others_of_a_place_are_generated_again_so_that_a_resume_is_exact(
    policy: Policy, data: BenchData, footage: Footage, asks: list[Ask], budget: int
) -> None:
    setting = f"eval.batch_tokens={budget}"
    whole = outcomes(answerer(policy, data, footage, setting), asks)
    noted = {one.sample.id: one.prompt_tokens for one in whole if one.sample.id in ("a-mc", "b-open", "c-mc", "c-open")}
    rest = outcomes(answerer(policy, data, footage, setting), asks, noted)
    assert rest == [one for one in whole if one.sample.id not in noted]


@pytest.mark.parametrize("error", [RuntimeError("shapes do not fit"), ValueError("odd"), IndexError("no such row")])
def test_what_the_model_raises_is_one_questions_failure(
    policy: Policy, data: BenchData, footage: Footage, asks: list[Ask], error: Exception,
    monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = [broken(ask, data) if ask.sample.id == "b-count" else ask for ask in asks]
    before = texts(outcomes(answerer(policy, data, footage), asked))
    real = Policy.reply

    def breaks(self: Policy, prefix: Any, questions: Any, *rest: Any) -> Any:
        if any("How broken?" in self.tokenizer.decode(view.input_ids) for own in questions for view in own):
            raise error
        return real(self, prefix, questions, *rest)

    monkeypatch.setattr(Policy, "reply", breaks)
    found = outcomes(answerer(policy, data, footage, "eval.batch_tokens=9999"), asked)
    [failed] = [one for one in found if isinstance(one, Unanswered)]
    assert failed.sample.id == "b-count" and not failed.too_large and len(found) == 9
    assert failed.reason == f"model error: {type(error).__name__}: {error}"
    assert texts([one for one in found if isinstance(one, Answer)]) == without(before, {"b-count"})


def broken(ask: Ask, data: BenchData) -> Ask:
    """Another question under the same id."""
    return Inquiry(CONFIG.eval, data).ask(replace(ask.sample, question="How broken?"))


def without(found: dict[str, str], names: set[str]) -> dict[str, str]:
    return {name: text for name, text in found.items() if name not in names}


def test_a_video_that_the_model_cannot_see_fails_with_its_own_questions(
    policy: Policy, data: BenchData, footage: Footage, asks: list[Ask], monkeypatch: pytest.MonkeyPatch
) -> None:
    before = texts(outcomes(answerer(policy, data, footage), asks))
    one = answerer(policy, data, footage, "eval.batch_tokens=9999")
    real = one.gallery.features

    def blind(policy: Policy, seen: Any) -> Any:
        if any(own.video == "b.mp4" for own in seen):
            raise RuntimeError("the tower broke")
        return real(policy, seen)

    monkeypatch.setattr(one.gallery, "features", blind)
    found = outcomes(one, asks)
    failed = {own.sample.id for own in found if isinstance(own, Unanswered)}
    assert failed == {"b-mc", "b-count", "b-open"}
    assert texts([own for own in found if isinstance(own, Answer)]) == without(before, failed)


@pytest.mark.parametrize("error", [UsageError("ours"), KeyboardInterrupt()])
def test_our_own_errors_and_interruptions_are_no_questions_failure(
    policy: Policy, data: BenchData, footage: Footage, asks: list[Ask], error: BaseException,
    monkeypatch: pytest.MonkeyPatch
) -> None:
    def breaks(*given: Any) -> Any:
        raise error

    monkeypatch.setattr(Policy, "reply", breaks)
    monkeypatch.setattr("strive.stages.eval.answering.local.has_spare_core", lambda device: True)
    with pytest.raises(type(error)):
        outcomes(answerer(policy, data, footage), asks)
    assert not [thread for thread in threading.enumerate() if "frames-ahead" in thread.name]


@pytest.mark.parametrize("beside", [True, False])
def test_frames_made_beside_the_model_are_those_made_when_asked_for(
    policy: Policy, data: BenchData, footage: Footage, asks: list[Ask], beside: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("strive.stages.eval.answering.local.has_spare_core", lambda device: beside)
    by: list[tuple[str, bool]] = []
    real = Footage.frames_of

    def noting(self: Footage, sample: Any) -> Any:
        by.append((sample.video, threading.current_thread() is threading.main_thread()))
        return real(self, sample)

    monkeypatch.setattr(Footage, "frames_of", noting)
    one = answerer(policy, data, footage, "eval.batch_tokens=1")
    seen = texts(outcomes(one, asks))
    assert [video for video, _ in by] == ["a.mp4", "b.mp4", "c.mp4"], "each once, in order"
    assert dict(by)["a.mp4"] and dict(by)["c.mp4"] is not beside
    monkeypatch.setattr("strive.stages.eval.answering.local.has_spare_core", lambda device: False)
    assert texts(outcomes(answerer(policy, data, footage, "eval.batch_tokens=1"), asks)) == seen
    assert not [thread for thread in threading.enumerate() if "frames-ahead" in thread.name]


def test_a_reader_who_stops_leaves_no_thread(
    policy: Policy, data: BenchData, footage: Footage, asks: list[Ask], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("strive.stages.eval.answering.local.has_spare_core", lambda device: True)
    found: Any = answerer(policy, data, footage, "eval.batch_tokens=1").answers(asks, {})
    with closing(found):
        assert next(found)
        assert not [thread for thread in threading.enumerate() if "frames-ahead" in thread.name]


def test_a_video_that_breaks_ahead_of_its_turn_fails_with_its_own_questions(
    policy: Policy, data: BenchData, footage: Footage, asks: list[Ask], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("strive.stages.eval.answering.local.has_spare_core", lambda device: True)
    real = Footage.frames_of

    def breaks(self: Footage, sample: Any) -> Any:
        if sample.video == "b.mp4":
            raise ItemError("torn")
        return real(self, sample)

    monkeypatch.setattr(Footage, "frames_of", breaks)
    found = outcomes(answerer(policy, data, footage, "eval.batch_tokens=1"), asks)
    failed = [one for one in found if isinstance(one, Unanswered)]
    assert {one.sample.id for one in failed} == {"b-mc", "b-count", "b-open"}
    assert {one.reason for one in failed} == {"torn"}
    assert len(found) == 9


def test_what_waits_is_bounded() -> None:
    made: list[str] = []

    class Sized:
        def size_bytes(self) -> int:
            return 60

    def make(place: Any, ask: Any) -> Any:
        made.append(place[0])
        return Sized()

    store: Any = ahead.Ahead(make, beside=True, limit=100)
    places: Any = {(name, ""): None for name in "abcdef"}
    store.expect(places)
    for name in "abcdef":
        with store.working():
            pass
        store.take((name, ""), None)
        assert sum(own.size_bytes() for own in store.ready.values()) <= 100 + 60
    assert made == list("abcdef")
