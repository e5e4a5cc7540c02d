"""What a period may cost, and whether it will be kept: `PreferCheaper` on the forecast, the mildest stage that acts."""

import math
from dataclasses import dataclass

_HOUR_S = 3600.0
LATELY_S = _HOUR_S
"""The forecast is that it goes on as in the last hour, in the mean."""
HYSTERESIS = 0.05
"""Of the budget, below which the stage ends."""


@dataclass(frozen=True, slots=True)
class Budget:
    """Dollars for a period from `begins_s` on, and at which share of them the stage begins."""

    usd: float
    period_s: float
    at: float = 1.0
    begins_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Purse:
    """What was spent so far, how fast, and whether what is cheaper is preferred for that reason."""

    spent_usd: float = 0.0
    usd_per_hour: float = 0.0
    at_s: float = -math.inf
    """Until when it is accounted for; before the first look, from the period's beginning on at what runs then."""
    prefers_cheaper: bool = False

    def spent(self, budget: Budget, usd_per_hour: float, now_s: float) -> "Purse":
        """Account for the time since the last look, at what runs now, and say how the period will end."""
        elapsed_s = now_s - budget.begins_s
        passed_s = now_s - max(self.at_s, budget.begins_s)
        spent_usd = self.spent_usd + usd_per_hour * passed_s / _HOUR_S
        weight = min(1.0, passed_s / min(LATELY_S, elapsed_s)) if elapsed_s > 0 else 1.0
        lately = self.usd_per_hour + weight * (usd_per_hour - self.usd_per_hour)
        left_h = max(0.0, budget.period_s - elapsed_s) / _HOUR_S
        share = (spent_usd + lately * left_h) / budget.usd
        threshold = budget.at - (HYSTERESIS if self.prefers_cheaper else 0.0)
        return Purse(spent_usd, lately, now_s, share > threshold)
