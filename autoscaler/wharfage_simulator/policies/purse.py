"""What a period may cost, and whether it will be kept: `PreferCheaper` on the forecast, the mildest stage that acts."""

from dataclasses import dataclass

_HOUR_S = 3600.0
LATELY_S = _HOUR_S
"""The forecast is that it goes on as in the last hour, in the mean."""
HYSTERESIS = 0.05
"""Of the budget, below which the stage ends."""


@dataclass(frozen=True, slots=True)
class Budget:
    """Dollars for a period from the beginning of the replay on, and at which share of them the stage begins."""

    usd: float
    period_s: float
    at: float = 1.0


@dataclass(slots=True)
class Purse:
    """What was spent so far, and how fast."""

    budget: Budget
    spent_usd: float = 0.0
    prefers_cheaper: bool = False
    _usd_per_hour: float = 0.0
    _at_s: float = 0.0

    def spend(self, usd_per_hour: float, now_s: float) -> None:
        """Account for the time since the last look, at what runs now, and say how the period will end."""
        passed_s = now_s - self._at_s
        self.spent_usd += usd_per_hour * passed_s / _HOUR_S
        weight = min(1.0, passed_s / min(LATELY_S, now_s)) if now_s > 0 else 1.0
        self._usd_per_hour += weight * (usd_per_hour - self._usd_per_hour)
        self._at_s = now_s
        left_h = max(0.0, self.budget.period_s - now_s) / _HOUR_S
        share = (self.spent_usd + self._usd_per_hour * left_h) / self.budget.usd
        threshold = self.budget.at - (HYSTERESIS if self.prefers_cheaper else 0.0)
        self.prefers_cheaper = share > threshold
