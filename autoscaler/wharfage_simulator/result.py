"""What a replay shows: dollars, minutes that were bad and why, and how restless the fleet was."""

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


class Cause(StrEnum):
    """Why a minute missed its objectives: the first of these that holds."""

    LOSS = "replicas lost"
    """Spot machines went within the last lead time, and with them the load would have been carried."""
    LATE = "capacity was on its way"
    """What had been ordered by then would have carried the load."""
    SHORT = "too little was ordered"
    """Not even that."""
    UNEVEN = "uneven load"
    """There was capacity for the whole, and some replica had more than its share."""


@dataclass(frozen=True, slots=True, eq=False)
class Course:
    """Minute by minute; all arrays have one value per minute."""

    demand_rps: Floats
    """Requests that arrived, per second."""
    carried_rps: Floats
    """What the serving replicas could carry within the objectives, by the capacity model."""
    ordered_rps: Floats
    """The same with those on their way."""
    usd_per_hour: Floats
    usd_per_hour_spot: Floats
    """The spot part of it."""
    bad_share: Floats
    """Share of the minute's requests that missed an objective or failed; NaN without a request."""
    lost: Floats
    """Replicas that spot interruptions took."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """One policy over one trace in one setting with one seed."""

    setting: str
    trace: str
    policy: str
    seed: int
    usd: float
    bad_minutes: int
    minutes: int
    """That had a request and are scored: the first hour is not."""
    scored_from_s: float = 0.0
    """Since the beginning: what comes before is every policy's start, and not scored."""
    requests: int
    failed: int
    """Requests that were refused, given up by their client, or lost with their replica."""
    replica_hours: float
    churn: int
    """Replicas started and ended, the first fleet aside."""
    spot_losses: int
    """Replicas that were taken away."""
    course: Course
    waited_p50_s: float = 0.0
    """How long requests had waited at a gateway when they were let in; 0 without one."""
    waited_p99_s: float = 0.0
    tuned: str = ""
    """The policy with the setting that tuning chose: `hpa(running=0.35)`."""
    factor: float = 1.0
    """By which the trace's rates were multiplied, to stay within a budget of requests."""
    peak_replicas: float | None = None
    """What the busiest window of the scored half takes, in replicas of the pool that every replay begins with."""

    @property
    def bad_minutes_share(self) -> float:
        """Of the scored minutes."""
        return self.bad_minutes / self.minutes if self.minutes else 0.0


def causes(course: Course, *, bad_over: float, lead_minutes: int) -> dict[Cause, int]:
    """How many minutes were bad for which reason; a minute is bad when more than `bad_over` of its requests were."""
    found = dict.fromkeys(Cause, 0)
    for cause in caused(course, bad_over=bad_over, lead_minutes=lead_minutes).values():
        found[cause] += 1
    return found


def caused(course: Course, *, bad_over: float, lead_minutes: int) -> dict[int, Cause]:
    """The bad minutes by number, each with its reason, in order."""
    bad = np.flatnonzero(course.bad_share > bad_over)  # NaN compares false
    return {int(minute): _cause(course, int(minute), lead_minutes) for minute in bad}


def _cause(course: Course, minute: int, lead_minutes: int) -> Cause:
    since = max(0, minute - max(1, lead_minutes))
    demand = course.demand_rps[minute]
    if demand <= course.carried_rps[minute]:
        return Cause.UNEVEN
    if course.lost[since : minute + 1].sum() > 0 and demand <= course.carried_rps[since : minute + 1].max():
        return Cause.LOSS
    return Cause.LATE if demand <= course.ordered_rps[minute] else Cause.SHORT
