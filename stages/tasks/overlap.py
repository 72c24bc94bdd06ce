"""How much of a reference text an answer shares: ROUGE-1, ROUGE-2 and ROUGE-L F1."""

from collections import Counter
from collections.abc import Sequence

from strive.stages.tasks.plain import normal


def rouge_mean(given: str, gold: str) -> float:
    """Mean F1 of ROUGE-1, ROUGE-2 and ROUGE-L over normalised words, in [0, 1] (free-form reward of Video-R1)."""
    a, b = normal(given).split(), normal(gold).split()
    if not a or not b:
        return 0.0
    if len(a) == 1 or len(b) == 1:  # no bigrams: the mean of the two that exist
        return (ngram_f1(a, b, 1) + lcs_f1(a, b)) / 2
    return (ngram_f1(a, b, 1) + ngram_f1(a, b, 2) + lcs_f1(a, b)) / 3


def ngram_f1(a: Sequence[str], b: Sequence[str], n: int) -> float:
    """F1 of the multiset of n-grams."""
    left = Counter(tuple(a[i : i + n]) for i in range(len(a) - n + 1))
    right = Counter(tuple(b[i : i + n]) for i in range(len(b) - n + 1))
    shared = sum((left & right).values())
    return f1(shared, sum(left.values()), sum(right.values()))


def lcs_f1(a: Sequence[str], b: Sequence[str]) -> float:
    """F1 of the longest common subsequence."""
    row = [0] * (len(b) + 1)
    for word in a:
        previous = 0
        for j, other in enumerate(b, 1):
            previous, row[j] = row[j], previous + 1 if word == other else max(row[j], row[j - 1])
    return f1(row[-1], len(a), len(b))


def f1(shared: int, given: int, gold: int) -> float:
    """2·P·R / (P + R) with P = shared / given and R = shared / gold."""
    return 2.0 * shared / (given + gold) if given + gold else 0.0
