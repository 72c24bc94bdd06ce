"""The data order of one file: a function of seed and position alone, the same since the first release."""

from strive.stages.train.questions.order import Mixture, Source, derive_seed

IDS = [f"q{i}" for i in range(23)]


def stream(seed: int = 0, ids: list[str] | None = None, batch: int = 4) -> Mixture:
    return Mixture([Source("train.jsonl", ids or IDS)], seed, batch)


def batches(seed: int = 0, count: int = 25) -> list[list[str]]:
    mixture = stream(seed)
    return [mixture.take(4 * step, 4) for step in range(count)]


def test_an_epoch_shows_each_question_at_most_once_and_batches_hold_no_question_twice() -> None:
    shown = stream().take(0, 20)
    assert len(shown) == len(set(shown)) == 20
    assert all(len(set(batch)) == 4 for batch in batches(count=100))


def test_over_epochs_every_question_is_seen() -> None:
    assert {name for batch in batches() for name in batch} == set(IDS)


def test_the_order_of_the_dataset_file_does_not_matter_but_the_seed_does() -> None:
    assert batches() == [stream(ids=IDS[::-1]).take(4 * step, 4) for step in range(25)]
    assert batches(seed=0) != batches(seed=1)
    assert batches()[:5] != batches()[5:10]


def test_a_run_that_was_begun_earlier_draws_the_same_questions() -> None:
    """Figures of the release before mixtures; five batches of four make an epoch of 23."""
    assert stream(seed=0).take(7 * 4, 4) == ["q16", "q21", "q11", "q12"]
    assert stream(seed=5).take(12 * 4, 4) == ["q10", "q13", "q1", "q11"]


def test_the_name_and_weight_of_a_single_file_do_not_enter_its_order() -> None:
    assert Mixture([Source("renamed.jsonl", IDS, 3.0)], 0, 4).take(0, 40) == stream().take(0, 40)


def test_fewer_questions_than_a_batch_still_give_a_stream() -> None:
    assert sorted(stream(ids=["a", "b"]).take(0, 4)) == ["a", "a", "b", "b"]


def test_seeds_are_the_same_on_every_machine() -> None:
    assert derive_seed(0, "train", "rollout", 3) == 3230245493016019189
