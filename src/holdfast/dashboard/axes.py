"""From quantities to places in a picture, and the round numbers beside them."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Axis:
    """A straight or logarithmic map from quantities to lengths of a picture."""

    low: float
    high: float
    start: float
    end: float
    logarithmic: bool = False
    marked: Sequence[float] = ()
    """What may stand beside it; without any, numbers that are round in tens."""

    def __call__(self, value: float) -> float:
        """Return where ``value`` is."""
        low, high, value = (self._level(v) for v in (self.low, self.high, value))
        share = (value - low) / (high - low) if high > low else 0.5
        return round(self.start + share * (self.end - self.start), 1)

    @property
    def ticks(self) -> list[float]:
        """Round numbers between the ends."""
        inside = [value for value in self.marked if self.low <= value <= self.high]
        if len(inside) >= 2:
            return inside
        if self.logarithmic:
            return _decades(self.low, self.high)
        return round_numbers(self.low, self.high)

    def _level(self, value: float) -> float:
        return math.log10(max(value, 1e-30)) if self.logarithmic else value


def round_numbers(low: float, high: float, most: int = 5) -> list[float]:
    """Return multiples of 1, 2 or 5 times a power of ten from ``low`` to ``high``."""
    span = high - low
    if not (span > 0 and math.isfinite(span)):
        return [low]
    power: float = 10.0 ** math.floor(math.log10(span / most))
    step = next(n * power for n in (1, 2, 5, 10) if span / (n * power) <= most)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [round(n * step, 12) for n in range(first, last + 1)]


def spread(values: Iterable[float | None], margin: float = 0.05) -> tuple[float, float] | None:
    """Return the ends of an axis that shows all ``values``; None where there are none."""
    known = [v for v in values if v is not None and math.isfinite(v)]
    if not known:
        return None
    low, high = min(known), max(known)
    pad = (high - low) * margin or abs(high) * margin or margin
    return low - pad, high + pad


def _decades(low: float, high: float) -> list[float]:
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    for steps in ((1,), (1, 3), (1, 2, 5), (1, 1.5, 2, 3, 4, 5, 7)):
        found = [n * 10.0**p for p in powers for n in steps]
        inside = [v for v in found if low <= v <= high]
        if len(inside) >= 3:
            return inside
    return inside
