"""How full replicas are by the pace of their answers: a second opinion that needs no model of the requests.

A replica shares its time among the sequences that it runs. In one that is busy with others for a share u of its time a
token takes as long as 1 - u leaves for it (processor sharing), and u grows in proportion to the rate:

    tpot = idle / (1 - u)        filled = u / u of a full replica = (1 - idle / tpot) / (1 - idle / full)

The mean time per token needs no histogram: sequences that run, over tokens per second (Little's law). Lengths hardly
matter: a replica of ServeGen's deepseek-r1, whose worth per request spans a factor of eight, is just full at 28 to
35 ms a token whatever comes. What matters is how far idle and full are apart. Where a handful of sequences fill a
replica its tokens take about as long as in an idle one, and the pace says nothing; so it is heard by its error.
"""

from collections.abc import Iterable
from typing import NamedTuple

SATURATED = 1.1
"""What a replica carries before its queue grows, over what it carries within its objectives."""

_TIMES_SIGMA = 0.1  # relative error of times per token
_USUAL = 0.6  # of what a replica carries: where the two errors are compared


class Pace(NamedTuple):
    """Mean seconds per token, waiting for the first one included."""

    idle_s: float
    """Of a replica that nobody else uses."""
    full_s: float
    """Of one that carries as much as its objectives allow."""


def sure(pace: Pace, other_error: float) -> float:
    """The weight of the pace beside what has that relative error, 0 to 1: by the variances at the usual load."""
    busy = _USUAL * (1.0 - pace.idle_s / pace.full_s)
    if not busy > 0.0:  # NaN, too
        return 0.0
    error = _TIMES_SIGMA * (1.0 - busy) / busy
    return other_error**2 / (other_error**2 + error**2)


def filled(pace: Pace, tpot_s: float) -> float:
    """How full replicas are whose tokens take so long on average: 0 is idle, 1 as full as the objectives allow.

    Only where the pace is `sure` of anything.
    """
    return max(0.0, 1.0 - pace.idle_s / tpot_s) / (1.0 - pace.idle_s / pace.full_s)


def fullest(pace: Pace, running: float) -> float:
    """As full as replicas can be that run so many sequences on average: without one there is nothing to be busy with.

    An engine that is slower than anybody knows would else look full while idle, and a second one beside it as well.
    Only where the pace is `sure` of anything.
    """
    return min(1.0, running) / (1.0 - pace.idle_s / pace.full_s)


def together(parts: Iterable[tuple[float, Pace]]) -> Pace | None:
    """The pace of replicas that are not alike, each kind weighed by the rate that it carries; None where none does."""
    known = [(rate, pace) for rate, pace in parts if rate > 0.0]
    rates = sum(rate for rate, _ in known)
    if not known:
        return None
    return Pace(
        sum(rate * pace.idle_s for rate, pace in known) / rates,
        sum(rate * pace.full_s for rate, pace in known) / rates,
    )
