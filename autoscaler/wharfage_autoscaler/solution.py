"""What solving gave: mixes, how good they can at best be, and how they were found."""

from dataclasses import dataclass
from enum import StrEnum

from wharfage_autoscaler.need import Need
from wharfage_autoscaler.seats import Mix


class How(StrEnum):
    """How an answer came about."""

    EXACT = "solved to the optimum"
    BOUNDED = "the best found within the solver's bounds"
    GREEDY = "the solver found none: one deployment after the other, the cheapest replica first"


@dataclass(frozen=True, slots=True)
class Solution:
    """A mix for each need. `needs` are the needs with the losses that they were found to have to survive.

    `usd_per_hour` is what was minimised: machines, and what else counts (`seats.score`); nothing can be below `bound`.
    """

    needs: tuple[Need, ...]
    mixes: tuple[Mix, ...]
    usd_per_hour: float
    bound: float
    how: How

    @property
    def gap(self) -> float:
        """How far, at most, the optimum may lie below, as a part of what was found."""
        return max(0.0, 1.0 - self.bound / self.usd_per_hour) if self.usd_per_hour > 0 else 0.0
