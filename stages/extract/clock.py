"""Stamps of a stream as seconds from the container's start."""

from fractions import Fraction


class Clock:
    """Turns stamps (ticks of `time_base`) into seconds from `origin`, rounded once, as exact fractions would be."""

    def __init__(self, time_base: Fraction, origin: Fraction) -> None:
        self._ticks, self._scale = time_base.numerator, time_base.denominator
        self._rise = time_base.numerator * origin.denominator
        self._start = origin.numerator * time_base.denominator
        self._span = time_base.denominator * origin.denominator

    def at(self, stamp: int) -> float:
        """When a stamp is."""
        return (stamp * self._rise - self._start) / self._span

    def lasts(self, ticks: int) -> float:
        """How long so many ticks are."""
        return ticks * self._ticks / self._scale
