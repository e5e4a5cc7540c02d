"""What a request may expect, and what it costs to disappoint it."""

import math
from dataclasses import dataclass

ATTAINMENT = 0.95
"""Share of a minute's requests that must be good for the minute to be."""


@dataclass(frozen=True, slots=True)
class Objectives:
    """Latencies in seconds at the 95th percentile; `attainment` is the share of time in which they hold.

    `usd_per_bad_minute` prices a minute in which they do not. The defaults are those of `spec.objectives`.
    Raises `ValueError` naming the field that cannot be an objective.
    """

    ttft_p95_s: float = 2.0
    tpot_p95_s: float = 0.1
    attainment: float = 0.99
    usd_per_bad_minute: float = 1.0

    def __post_init__(self) -> None:
        """Refuse what nothing can be measured against."""
        for name in ("ttft_p95_s", "tpot_p95_s"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value > 0):
                raise ValueError(f"objectives: {name} must be a positive number of seconds, found {value!r}")
        if not 0 < self.attainment < 1:
            raise ValueError(f"objectives: attainment must be between 0 and 1, found {self.attainment!r}")
        if not (math.isfinite(self.usd_per_bad_minute) and self.usd_per_bad_minute >= 0):
            raise ValueError(f"objectives: usd_per_bad_minute must not be negative, found {self.usd_per_bad_minute!r}")
