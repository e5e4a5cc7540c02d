"""Periods of a budget to replay: excerpts of a load, with shifts of its level, jumps of prices, and machines lost.

Each is a period under a budget after some time without one, in steps of a minute. The load is an excerpt of ten-minute
rates, scaled to a fleet of four to sixty replicas, with gusts and chance. The limit is a part of what the period would
cost under no budget, and nobody who looks at the budget knows that beforehand.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from wharfage_autoscaler.law import Law
from wharfage_autoscaler.stages import Action, Stage
from wharfage_simulator.budgeted import Course, run
from wharfage_simulator.fluid import Floats, Plant
from wharfage_simulator.looks import Budget

LAW = Law(level=0.0)
"""It follows the load that it sees."""
STAGES = (
    Stage(Action.PREFER_CHEAPER, 1.0, of_forecast=True),
    Stage(Action.FREEZE, 0.95),
    Stage(Action.FLOOR, 1.0),
)
"""Those of a budget that names none, without the one that only tells."""
STOPPING = (*STAGES[:-1], Stage(Action.STOP, 1.0))
"""The same, but that nothing runs once all is spent."""
HOUR_S, DAY_S = 3600.0, 86_400.0
_MINUTE_S, _WINDOW_S = 60.0, 600.0
_GUST = 0.2  # standard deviation of a minute beside its window
_LOSSES_A_DAY = 1.5
_UNLIMITED = 1e18


@dataclass(frozen=True, slots=True)
class Period:
    """One history; the arrays have one value a minute."""

    arrivals: Floats
    usd_per_hour: Floats
    lost: Floats
    plant: Plant
    part: float
    """The limit, as a part of what the period costs without."""
    begins_s: float
    ends_s: float

    def budget(self, usd: float, stages: Sequence[Stage] = STAGES) -> Budget:
        """The budget of its period."""
        rows = [[float(each.action.rank), each.at, float(each.of_forecast)] for each in stages]
        return Budget(usd, 0.0, self.begins_s, self.ends_s, np.array(rows).reshape(-1, 3))

    def played(self, stages: Sequence[Stage] = STAGES) -> tuple[Course, float]:
        """What happens under its limit, and the limit in dollars."""
        usd = max(0.01, round(self.part * self.run(_UNLIMITED, stages).spent_usd, 2))
        return self.run(usd, stages), usd

    def run(self, usd: float, stages: Sequence[Stage] = STAGES) -> Course:
        """What happens under a limit in dollars."""
        return run(self.arrivals, self.usd_per_hour, self.lost, LAW, self.plant, self.budget(usd, stages))


def drawn(
    dice: np.random.Generator, rates: Floats, *, period_s: float = DAY_S, most_past_s: float = 7 * DAY_S
) -> Period:
    """A period out of ten-minute rates in requests per second, NaN where they are not known.

    Before it come up to `most_past_s` of the same load under no budget, in whole periods.
    """
    windows, length = len(rates), round(period_s / _WINDOW_S)
    periods = int(dice.integers(1, min(1 + int(most_past_s / period_s), windows // length) + 1))
    begin = int(dice.integers(0, (windows - periods * length) // 6 + 1)) * 6  # at a full hour
    peak = float(np.exp(dice.uniform(np.log(4.0), np.log(60.0))))
    plant = _plant(dice, peak)
    excerpt = _scaled(rates[begin : begin + periods * length], peak * plant.planned_rps)
    rps = np.repeat(excerpt, round(_WINDOW_S / _MINUTE_S))
    minutes, begins = len(rps), len(rps) - round(period_s / _MINUTE_S)
    if dice.random() < 0.5:
        rps[int(dice.integers(begins, minutes)) :] *= np.exp(dice.uniform(-0.7, 1.1))
    gusts = dice.gamma(_GUST**-2, _GUST**2, minutes)
    usd_per_hour, lost = _market(dice, minutes, begins)
    return Period(
        arrivals=dice.poisson(rps * gusts * _MINUTE_S).astype(np.float64),
        usd_per_hour=usd_per_hour,
        lost=lost,
        plant=plant,
        part=float(dice.uniform(0.3, 1.2)),
        begins_s=begins * _MINUTE_S,
        ends_s=minutes * _MINUTE_S,
    )


def _plant(dice: np.random.Generator, peak: float) -> Plant:
    return Plant(
        planned_rps=1.7,
        good_rps=2.0,
        saturated_rps=2.2,
        slots=256.0,
        lead_s=float(dice.choice([120.0, 300.0, 600.0])),
        ttft_s=2.0,
        tick_s=_MINUTE_S,
        least=max(1.0, float(np.floor(dice.uniform(0.0, 0.4) * peak))),
        most=np.ceil(4.0 * peak),
    )


def _scaled(rates: Floats, peak_rps: float) -> Floats:
    known = np.flatnonzero(~np.isnan(rates))
    filled = np.interp(np.arange(len(rates)), known, rates[known]) if len(known) else np.ones(len(rates))
    highest = float(np.percentile(filled, 95))
    return np.asarray(filled * (peak_rps / highest if highest > 0.0 else 1.0))


def _market(dice: np.random.Generator, minutes: int, begins: int) -> tuple[Floats, Floats]:
    """The price of a replica, and the share of those ready that is lost; what replaces those is dearer for a while."""
    price = np.full(minutes, dice.uniform(0.5, 8.0))
    if dice.random() < 0.5:
        price[int(dice.integers(begins, minutes)) :] *= dice.uniform(0.6, 2.0)
    lost: NDArray[np.float64] = np.zeros(minutes)
    dearer = np.ones(minutes)
    for _ in range(int(dice.poisson(max(0.5, _LOSSES_A_DAY * (minutes - begins) * _MINUTE_S / DAY_S)))):
        at, lasts = int(dice.integers(begins, minutes)), round(dice.uniform(30.0, 360.0))
        lost[at] = dice.uniform(0.1, 1.0)
        dearer[at : at + lasts] = np.maximum(dearer[at : at + lasts], dice.uniform(1.2, 2.5))
    return price * dearer, lost
