"""Whose turn it is: an endless order of sources in which each one stays close to its share, from the first turn on."""

from array import array
from collections.abc import Sequence
from fractions import Fraction
from math import gcd, lcm

BLOCK = 1024
"""Turns that are worked out together."""


class Turns:
    """Sources 0..K-1 take turns by weight.

    Of the sources that are behind their share, the one whose next turn is due first comes next (earliest deadline of
    Tijdeman's chairman assignment, Discrete Math. 32, 1980). With w_i the share and C_i(t) the turns of source i among
    the first t, |C_i(t) - t w_i| < 1 for every t and i: a window of n turns holds n w_i of source i to within two, and
    to within one when there are two sources. The order repeats after `period` turns, where every C_i is exact.
    """

    def __init__(self, weights: Sequence[float]) -> None:
        """weights: positive and finite; read as the decimals that they print as, so 0.1 is one tenth."""
        parts = [Fraction(repr(float(weight))) for weight in weights]
        scale = lcm(*(part.denominator for part in parts))
        whole = [int(part * scale) for part in parts]
        self.parts = [number // gcd(*whole) for number in whole]
        self.period = sum(self.parts)
        self._stride = [lcm(*self.parts) // part for part in self.parts]
        self._due = list(self._stride)  # (C_i + 1) / w_i, all on one scale of whole numbers
        self._from = [0] * len(parts)  # the first turn t with C_i < (t + 1) w_i
        self._taken = [0] * len(parts)  # C_i
        self._whose, self._before = array("H"), array("Q")

    def share(self, source: int) -> Fraction:
        """w_i, exactly."""
        return Fraction(self.parts[source], self.period)

    def most(self, source: int, window: int) -> int:
        """No window of that many turns holds more turns of the source than this."""
        expected = window * self.share(source)
        spare = 1 if len(self.parts) > 2 and window % self.period else 0
        return min(window, -int(-expected // 1) + spare)

    def at(self, turn: int) -> tuple[int, int]:
        """The source of turn number `turn` (from 0), and how many turns it has had before."""
        cycle, place = divmod(turn, self.period)
        if place >= len(self._whose):
            self._go_on(min(place + BLOCK, self.period))
        source = self._whose[place]
        return source, cycle * self.parts[source] + self._before[place]

    def _go_on(self, until: int) -> None:
        due, since, taken, sources = self._due, self._from, self._taken, range(len(self.parts))
        for turn in range(len(self._whose), until):
            first = -1
            for source in sources:
                if since[source] <= turn and (first < 0 or due[source] < due[first]):
                    first = source
            self._whose.append(first)
            self._before.append(taken[first])
            taken[first] += 1
            due[first] += self._stride[first]
            since[first] = taken[first] * self.period // self.parts[first]
