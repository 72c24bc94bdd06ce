"""The data order: a function of seed and step alone."""

from strive.stages.train.order import batch_at, derive_seed, steps_per_epoch

IDS = [f"q{i}" for i in range(23)]


def test_an_epoch_shows_each_question_at_most_once_and_batches_hold_no_question_twice() -> None:
    steps = steps_per_epoch(len(IDS), 4)
    shown = [name for step in range(steps) for name in batch_at(IDS, step, 4, seed=0)]
    assert steps == 5 and len(shown) == len(set(shown)) == 20


def test_over_epochs_every_question_is_seen() -> None:
    assert {name for step in range(25) for name in batch_at(IDS, step, 4, seed=0)} == set(IDS)


def test_the_order_of_the_dataset_file_does_not_matter_but_the_seed_does() -> None:
    assert batch_at(IDS, 7, 4, seed=0) == batch_at(IDS[::-1], 7, 4, seed=0)
    assert batch_at(IDS, 7, 4, seed=0) != batch_at(IDS, 7, 4, seed=1)
    assert [batch_at(IDS, step, 4, 0) for step in range(5)] != [batch_at(IDS, step, 4, 0) for step in range(5, 10)]


def test_seeds_are_the_same_on_every_machine() -> None:
    assert derive_seed(0, "train", "rollout", 3) == 3230245493016019189
