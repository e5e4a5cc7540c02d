"""How full the replicas stood, minute by minute, and whether the minute was bad: what the odds are learned from.

What finished in a minute has run for a while: it was late if replicas were too full at any time of that. So a minute
counts as full as any of those were in which its requests ran.
"""

import math
from dataclasses import dataclass
from typing import NamedTuple

from wharfage_autoscaler.objectives import ATTAINMENT
from wharfage_autoscaler.sight import Sight

MINUTE_S = 60.0
_LONGEST_ANSWER = 60  # minutes


class Minute(NamedTuple):
    """One that is over: how full the replicas were (1: as full as their objectives allow), and whether it was bad."""

    filled: float
    bad: bool


@dataclass(frozen=True, slots=True)
class Tide:
    """How full replicas were in each of the minutes of the last hour of which it is known, newest last."""

    filled: tuple[float, ...] = ()
    at_s: float = math.nan
    """When one last looked."""

    def heard(self, sight: Sight, worth: float) -> tuple["Tide", Minute | None]:
        """After one more look, and the minute that ended since the last one, if it is known how it was.

        `worth` is that of a request in planned ones.
        """
        ended = sight.now_s // MINUTE_S > self.at_s // MINUTE_S  # not before the first look, when NaN is compared
        room = sight.room_rps if ended else 0.0
        if not room > 0.0 or math.isnan(sight.bad_1m + sight.rps_1m + sight.running):
            return Tide(self.filled, sight.now_s), None
        filled = (*self.filled, worth * sight.rps_1m / room)
        minute = Minute(max(filled[-1 - _minutes_of_an_answer(sight) :]), missed(sight.bad_1m))
        return Tide(filled[-_LONGEST_ANSWER:], sight.now_s), minute


def missed(bad_share: float) -> bool:
    """Whether a minute with such a share of bad requests is bad. Of what is not known nobody can say so."""
    return bad_share > 1.0 - ATTAINMENT


def _minutes_of_an_answer(sight: Sight) -> int:
    """How long a request takes, by Little's law, rounded up; at most an hour."""
    running = sight.running
    if not sight.rps_1m > 0.0:
        return _LONGEST_ANSWER if running > 0.0 else 0
    return min(_LONGEST_ANSWER, math.ceil(running / sight.rps_1m / MINUTE_S))
