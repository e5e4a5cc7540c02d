"""One replay hour by hour, as `wharfage simulate` prints it."""

import math
from dataclasses import dataclass

import numpy as np
from wharfage_simulator.report import bad_minutes
from wharfage_simulator.result import Floats, Result

COLUMNS = {
    "hour": "HOUR",
    "demand": "REQ/S",
    "carried": "CAPACITY",
    "usd_per_hour": "$/H",
    "spot": "OF IT SPOT",
    "bad_minutes": "BAD MIN",
    "why": "WHY",
    "lost": "LOST",
}


@dataclass(frozen=True, slots=True)
class Hour:
    """What happened in an hour, ready to print."""

    hour: int
    demand: str
    carried: str
    usd_per_hour: str
    spot: str
    bad_minutes: str
    why: str
    lost: int


def hours(result: Result, *, lead_s: float) -> list[Hour]:
    """The replay by hours, the last one as far as it goes; the first hour is not scored."""
    course = result.course
    bad = bad_minutes(result, lead_s=lead_s)
    found = []
    for first in range(0, len(course.demand_rps), 60):
        minutes = slice(first, first + 60)
        usd, spot = _mean(course.usd_per_hour[minutes]), _mean(course.usd_per_hour_spot[minutes])
        causes = [cause for minute, cause in bad.items() if first <= minute < first + 60]
        found.append(
            Hour(
                hour=first // 60,
                demand=f"{_mean(course.demand_rps[minutes]):.2f}",
                carried=f"{_mean(course.carried_rps[minutes]):.2f}",
                usd_per_hour=f"{usd:.2f}",
                spot=f"{spot / usd * 100:.0f} %" if usd > 0 else "-",
                bad_minutes=str(len(causes)) if (first + 60) * 60 > result.scored_from_s else "-",
                why=", ".join(dict.fromkeys(cause.value for cause in causes)),
                lost=int(course.lost[minutes].sum()),
            )
        )
    return found


def summary(result: Result) -> str:
    """The replay in a sentence or two."""
    share = f"{result.bad_minutes_share * 100:.2f} %" if result.minutes else "unknown, no minute had a request"
    failed = result.failed / result.requests * 100 if result.requests else math.nan
    return (
        f"{result.policy} on {result.trace} ({result.setting}, seed {result.seed}): {result.usd:,.2f} USD for "
        f"{result.replica_hours:,.1f} replica hours; bad minutes {share} ({result.bad_minutes} of {result.minutes}); "
        f"{result.failed} of {result.requests} requests failed ({failed:.2f} %); "
        f"{result.churn} replicas started or ended, {result.spot_losses} taken away."
    )


def _mean(values: Floats) -> float:
    return float(np.mean(values))
