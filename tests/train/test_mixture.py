"""Several sources in one stream: shares, epochs, batches without repeats, and a position as the whole state."""

import random
import time
from collections import Counter
from fractions import Fraction

import pytest

from strive.configs.errors import MissingError
from strive.stages.train.questions.order import Mixture, Source
from strive.stages.train.questions.sources import check_shares, describe_sources, narrowed, plan_lines
from strive.stages.train.questions.turns import Turns

WEIGHTS = (1.0, 2.0, 3.0, 0.5, 0.05)


def random_weights(rng: random.Random, most: int = 6) -> list[float]:
    return [rng.choice([*WEIGHTS, round(rng.uniform(0.01, 5), 2)]) for _ in range(rng.randint(2, most))]


def random_sources(rng: random.Random, batch: int) -> list[Source]:
    """Sources of 1 to 40 questions, but never fewer than they get turns in a batch."""
    weights = random_weights(rng)
    turns = Turns(weights)
    counts = [max(rng.randint(1, 40), turns.most(i, batch)) for i in range(len(weights))]
    return [Source(f"s{i}", [f"s{i}-{j}" for j in range(counts[i])], weights[i]) for i in range(len(weights))]


@pytest.mark.parametrize("trial", range(20))
def test_each_source_stays_within_one_question_of_its_share_from_the_start(trial: int) -> None:
    weights = random_weights(random.Random(trial))
    turns, taken = Turns(weights), Counter[int]()
    for done in range(1, 400):
        source, before = turns.at(done - 1)
        assert before == taken[source]
        taken[source] += 1
        for i, weight in enumerate(weights):
            share = Fraction(repr(weight)) / sum(Fraction(repr(one)) for one in weights)
            assert turns.share(i) == share and abs(taken[i] - done * share) < 1


@pytest.mark.parametrize("trial", range(20))
def test_any_window_holds_the_shares_within_one_question_for_two_sources_and_two_for_more(trial: int) -> None:
    rng = random.Random(trial)
    weights = random_weights(rng, most=2 if trial % 2 else 6)
    turns, bound = Turns(weights), 1 if len(weights) == 2 else 2
    drawn = [turns.at(place)[0] for place in range(500)]
    for _ in range(200):
        start, count = rng.randrange(400), rng.randrange(1, 100)
        seen = Counter(drawn[start : start + count])
        for i in range(len(weights)):
            assert abs(seen[i] - count * turns.share(i)) < bound
            assert seen[i] <= turns.most(i, count)


@pytest.mark.parametrize("trial", range(15))
def test_a_stream_is_a_function_of_position_and_can_be_cut_anywhere(trial: int) -> None:
    rng = random.Random(trial)
    batch = rng.randint(1, 16)
    sources = random_sources(rng, batch)
    start, a, b = rng.randrange(3000), rng.randrange(50), rng.randrange(50)
    mixture = Mixture(sources, trial, batch)
    whole = mixture.take(start, a + b)
    assert whole == mixture.take(start, a) + mixture.take(start + a, b)
    reordered = [Source(one.name, list(reversed(one.ids)), one.weight) for one in reversed(sources)]
    assert whole == Mixture(reordered, trial, batch).take(start, a + b)


@pytest.mark.parametrize("trial", range(15))
def test_no_window_of_a_batch_holds_a_question_twice_and_every_epoch_shows_all(trial: int) -> None:
    rng = random.Random(trial)
    batch = rng.randint(1, 16)
    sources = random_sources(rng, batch)
    drawn = Mixture(sources, trial, batch).take(0, 1500)
    assert all(len(set(drawn[i : i + batch])) == batch for i in range(len(drawn) - batch))
    for source in sources:
        own = [name for name in drawn if name in set(source.ids)]
        for start in range(0, len(own) - len(source.ids) + 1, len(source.ids)):
            assert sorted(own[start : start + len(source.ids)]) == sorted(source.ids)


def test_epochs_differ_and_so_do_seeds_and_sources_of_equal_size() -> None:
    ids = [f"{i:03d}" for i in range(50)]
    sources = [Source("a", [f"a{name}" for name in ids]), Source("b", [f"b{name}" for name in ids])]
    drawn = Mixture(sources, 0, 4).take(0, 200)
    of_a, of_b = ([name[1:] for name in drawn if name[0] == source] for source in "ab")
    assert of_a[:50] != of_a[50:] and of_a != of_b
    assert drawn != Mixture(sources, 1, 4).take(0, 200)


def test_a_far_position_in_large_sources_is_reached_at_once() -> None:
    large = [Source("a", [f"a{i}" for i in range(100_000)], 1.0), Source("b", [f"b{i}" for i in range(30_000)], 0.37)]
    mixture = Mixture(large, 0, 8)
    began = time.perf_counter()
    mixture.take(1_000_000, 8)
    assert time.perf_counter() - began < 1
    began = time.perf_counter()
    for step in range(100):
        mixture.take(1_000_000 + 8 * step, 8)
    assert (time.perf_counter() - began) / 100 < 0.005


def test_the_record_of_one_source_is_empty_and_that_of_several_names_weights_and_questions() -> None:
    one, two = Source("a.jsonl", ["x", "y"], 2.0), Source("b.jsonl", ["z"])
    assert describe_sources([one]) == describe_sources([]) == {}
    record = describe_sources([two, one])
    assert record == describe_sources([one, two])
    assert [(row["name"], row["weight"], row["questions"]) for row in record["sources"]] == [
        ("a.jsonl", 2.0, 2), ("b.jsonl", 1.0, 1)]
    moved = [Source("a.jsonl", ["x"], 2.0), Source("b.jsonl", ["y", "z"])]
    assert describe_sources(moved)["sources"][0]["ids"] != record["sources"][0]["ids"]


def test_the_plan_gives_shares_of_questions_whatever_the_files_sizes() -> None:
    sources = [Source("b.jsonl", ["z"] * 5, 3.0), Source("a.jsonl", ["x"])]
    (line,) = plan_lines(sources)
    assert "25.0% from a.jsonl (1 questions), 75.0% from b.jsonl (5 questions)" in line
    assert plan_lines(sources[:1]) == []


def test_a_source_that_cannot_fill_its_turns_is_refused_never_repeated_or_dropped() -> None:
    sources = [Source("a.jsonl", [f"a{i}" for i in range(9)]), Source("b.jsonl", ["b0", "b1", "b2"])]
    with pytest.raises(MissingError, match=r"b\.jsonl: 3 usable questions.*up to 4 in a step of 8") as caught:
        check_shares(sources, 8)
    assert caught.value.expected and "--data b.jsonl=WEIGHT" in caught.value.do
    check_shares(sources, 6)
    check_shares(sources[1:], 8)
    with pytest.raises(MissingError, match=r"b\.jsonl: 0 usable"):
        check_shares(narrowed(sources, ["a0", "a1", "a2"]), 2)
