"""What the load will be: quantiles of the rate for each coming step.

The decision asks one question: how much will have to be carried between the moment at which a replica started now
would be ready and a little later, if one wants to be right with a given probability? `Forecast.highest` answers it.
It is a value of plain numbers, for whoever asks need not be who learned: `forecaster` makes it.
"""

import math
from dataclasses import dataclass
from itertools import pairwise

LEVELS = (0.5, 0.8, 0.9, 0.95, 0.99)
HIGHEST_BELIEVED = 1.5  # no quantile goes above this multiple of the last 14 days' highest rate, known events aside


@dataclass(frozen=True, slots=True)
class Forecast:
    """`rates[level][step]` per second: the mean rate of that step stays below it with that probability.

    Step `k` covers `step_s` seconds from `start_s + k * step_s` (Unix seconds). Levels rise, and rates with them.
    """

    start_s: float
    step_s: float
    levels: tuple[float, ...]
    rates: tuple[tuple[float, ...], ...]
    forecaster: str = ""

    def __post_init__(self) -> None:
        if (
            not self.levels
            or list(self.levels) != sorted(set(self.levels))
            or not 0 < self.levels[0] <= self.levels[-1] < 1
        ):
            raise ValueError(f"forecast: levels {self.levels}; they must rise, between 0 and 1")
        if len(self.rates) != len(self.levels) or not self.rates[0] or len({len(row) for row in self.rates}) != 1:
            raise ValueError(
                f"forecast: {len(self.rates)} rows of rates for {len(self.levels)} levels; one of equal length each"
            )
        for step, column in enumerate(zip(*self.rates, strict=True)):
            if not (column[0] >= 0 and column[-1] < math.inf and all(a <= b for a, b in pairwise(column))):
                raise ValueError(
                    f"forecast: step {step} has rates {column}; they must be finite, not negative, and rise"
                )

    @property
    def end_s(self) -> float:
        """The end of the last step."""
        return self.start_s + self.step_s * len(self.rates[0])

    def highest(self, level: float, from_s: float, to_s: float) -> float | None:
        """The highest rate of any step that overlaps [from_s, to_s], at a quantile; None where no step does.

        It is the maximum of quantiles, which bounds the quantile of each step, not that of the maximum. Between two
        levels the rate is interpolated over -log(1 - level), as an exponential tail would have it; outside of them
        the nearest holds. ValueError for a level outside (0, 1) and a window that ends before it begins.
        """
        if not 0 < level < 1:
            raise ValueError(f"forecast: level {level}; it must lie between 0 and 1")
        if not from_s <= to_s:
            raise ValueError(f"forecast: window from {from_s} to {to_s}; it must not end before it begins")
        if to_s < self.start_s or from_s >= self.end_s:
            return None
        first = max(0, math.floor((from_s - self.start_s) / self.step_s))
        last = math.ceil((to_s - self.start_s) / self.step_s)
        steps = slice(first, max(last, first + 1))
        below, above, share = self._between(level)
        if share == 0:
            return max(self.rates[below][steps])
        return max(
            low + share * (high - low)
            for low, high in zip(self.rates[below][steps], self.rates[above][steps], strict=True)
        )

    def _between(self, level: float) -> tuple[int, int, float]:
        """The two levels around one, and how far it is from the lower to the upper."""
        if level <= self.levels[0]:
            return 0, 0, 0.0
        if level >= self.levels[-1]:
            return len(self.levels) - 1, len(self.levels) - 1, 0.0
        above = next(place for place, known in enumerate(self.levels) if known >= level)
        low, high = math.log1p(-self.levels[above - 1]), math.log1p(-self.levels[above])
        return above - 1, above, (math.log1p(-level) - low) / (high - low)
