"""What somebody knows of the load beforehand: a sale, a launch, a day off."""

import math
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Event:
    """A time in which the load is a multiple of the usual, or a rate known in advance, or a Sunday's.

    Exactly one of the three says how: `multiplier`, `rate` (per second), or `holiday`.
    """

    name: str
    start_s: float
    end_s: float
    multiplier: float | None = None
    rate: float | None = None
    holiday: bool = False

    def __post_init__(self) -> None:
        if not -math.inf < self.start_s < self.end_s < math.inf:
            raise ValueError(f"event {self.name!r}: from {self.start_s} to {self.end_s}; it must end after it starts")
        if [self.multiplier is not None, self.rate is not None, self.holiday].count(True) != 1:
            raise ValueError(f"event {self.name!r}: give exactly one of multiplier, rate and holiday")
        if self.multiplier is not None and not 0 < self.multiplier < math.inf:
            raise ValueError(f"event {self.name!r}: multiplier {self.multiplier}; it must be positive")
        if self.rate is not None and not 0 <= self.rate < math.inf:
            raise ValueError(f"event {self.name!r}: rate {self.rate} per second; it must not be negative")
