"""What a whole day costs, of which the two hours are two: by replay, since a control plane would take 40 minutes.

The load swells and falls with the day, and has the spike and the storm of the two hours in its afternoon. It comes
twice, the first time without either: what can be tuned is tuned on that day, and the second is the bill.
"""

import math
from dataclasses import dataclass

import numpy as np
from wharfage_autoscaler.objectives import Objectives
from wharfage_autoscaler.traffic import Traffic
from wharfage_operator.spec import wanted
from wharfage_simulator.comparison import compare
from wharfage_simulator.report import OURS
from wharfage_simulator.result import Result
from wharfage_simulator.scenario import SPOT_ALLOWED, Asked
from wharfage_simulator.spot import Availability, Runs
from wharfage_simulator.traces import RateTrace

from demo.rivals import HPA, merit
from demo.two_hours import MINUTE_S, OUTPUT_TOKENS, PROMPT_TOKENS, STORM, deployment, offers, spike

DAY = 1440
BEGIN = 13 * 60 + 20
"""The minute of the day at which the two hours begin: their swell is the day's highest."""
STATIC = "static-peak"
_PLENTY = 1000.0


@dataclass(frozen=True, slots=True)
class Day:
    """The second day by ours, by a fixed count for the first day's peak, and by the HPA that did best on the first."""

    wharfage: Result
    static: Result
    hpa: Result


def requests_per_second(minute: float) -> float:
    """Of the second day's `minute`: 6 at night, 42 in the afternoon, and the spike."""
    return _swell(minute) * spike(minute - BEGIN)


def whole_day(*, lead_s: float, objectives: Objectives, seed: int = 1) -> Day:
    """Replay both days by everybody. A machine that is ordered serves `lead_s` later."""
    served = deployment().spec
    asked = Asked(
        variant=wanted(deployment()).variants[0],
        traffic=Traffic(PROMPT_TOKENS, OUTPUT_TOKENS),
        objectives=objectives,
        lead_s=lead_s,
        max_model_tokens=served.engine.max_model_tokens,
        placement=SPOT_ALLOWED,
    )
    policies = (OURS, STATIC, *HPA)
    found = compare(
        [trace()],
        offers(),
        asked,
        settings=["all+spot"],
        policies=policies,
        seeds=[seed],
        availability=market(),
    )
    by_policy = dict(zip(policies, found, strict=True))
    return Day(by_policy[OURS], by_policy[STATIC], min((by_policy[name] for name in HPA), key=merit))


def trace() -> RateTrace:
    """Both days, a window a minute."""
    first = [_swell(minute + 0.5) for minute in range(DAY)]
    second = [requests_per_second(minute + 0.5) for minute in range(DAY)]
    rates = np.array(first + second)
    return RateTrace(
        "whole-day", 0.0, MINUTE_S, rates, np.full(2 * DAY, PROMPT_TOKENS), np.full(2 * DAY, OUTPUT_TOKENS)
    )


def market() -> Availability:
    """Spot machines in both zones, but for the storm of the second day."""
    begin_s = (DAY + BEGIN) * MINUTE_S
    storm = (begin_s + STORM.begin_s, begin_s + STORM.end_s)
    zones = {offer.zone for offer in offers() if offer.zone}
    runs = {zone: Runs((0.0,), (_PLENTY,)) for zone in zones}
    runs[STORM.zone] = Runs((0.0, *storm), (_PLENTY, 0.0, _PLENTY))
    return Availability("storm", 2 * DAY * MINUTE_S, runs)


def _swell(minute: float) -> float:
    highest = BEGIN + 60.0
    return 24.0 + 18.0 * math.cos(2.0 * math.pi * (minute - highest) / DAY)
