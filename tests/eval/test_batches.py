"""Batches: whole groups in order, padded to what is held, a group too large cut into parts."""

import random

from strive.stages.eval.answering.answers import Ask
from strive.stages.eval.answering.batches import Entry, Group, by_budget, halves, held_tokens
from strive.stages.tasks.sample import Sample


def group(name: str, head: int, *tails: int) -> Group:
    """Questions of these lengths about one place."""
    return Group([Entry(Ask(Sample(f"{name}-{k}", name, "q", None, "a", "open"), lambda times: "q"), head + tail, tail)
                  for k, tail in enumerate(tails)])


def test_batches_keep_order_and_stay_within_the_padded_budget() -> None:
    rng = random.Random(3)
    groups = [group(str(i), rng.randrange(50, 200), *rng.choices(range(5, 40), k=rng.randrange(1, 6)))
              for i in range(60)]
    batches = list(by_budget(groups, 900))
    assert [own for batch in batches for own in batch] == groups
    assert all(len(batch) == 1 or held_tokens(batch) <= 900 for batch in batches)
    assert any(len(batch) > 2 for batch in batches)
    assert [len(batch) for batch in by_budget(groups[:3], 1)] == [1, 1, 1]


def test_what_is_shared_counts_once_and_padding_counts() -> None:
    assert held_tokens([group("a", 100, 20, 10, 5)]) == 100 + 3 * 20
    assert held_tokens([group("a", 100, 20, 10, 5), group("b", 60, 30)]) == 2 * (100 + 3 * 20)
    assert held_tokens([group("a", 100, 20)]) == 120, "a question alone is read whole"


def test_a_group_beyond_the_budget_is_cut_into_parts_that_hold_its_head_once_each() -> None:
    whole = group("a", 100, *[20] * 7)
    assert whole.parts(240) == [whole]
    parts = whole.parts(160)
    assert [len(part.entries) for part in parts] == [3, 3, 1]
    assert [entry for part in parts for entry in part.entries] == list(whole.entries)
    assert [len(part.entries) for part in whole.parts(10)] == [1] * 7


def test_halving_ends_at_single_questions() -> None:
    left = [[group("a", 10, 1, 2, 3), group("b", 10, 1)]]
    seen = []
    while left:
        groups = left.pop()
        if len(groups) == 1 and len(groups[0].entries) == 1:
            seen.append(groups[0].entries[0].sample.id)
        else:
            left += halves(groups)
    assert sorted(seen) == ["a-0", "a-1", "a-2", "b-0"]
