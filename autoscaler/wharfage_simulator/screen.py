"""The busiest quarter of a training day, on which many settings of a policy are sifted before the day chooses.

A setting that spoils more minutes of it than the whole day may have need not see the day; what the others pay in it
says in which order they do, until one has kept the objectives all day. Sixteen settings mostly take seven days' replay.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
from wharfage_autoscaler.offers import Offer

from wharfage_simulator.cluster import Supply
from wharfage_simulator.run import TICK_S, ticks
from wharfage_simulator.stage import Stage, per_tick

FINALISTS = 3
"""So many settings at least are replayed on the whole day."""
PART = 0.25
LEAST_S = 3 * 3600.0
"""A shorter part says little of policies that look back for an hour."""

Merit = tuple[bool, float, float]
"""Whether the objectives were missed, and two figures; less is better."""
T = TypeVar("T")


def sifted(choices: Sequence[T], on_day: Callable[[T], Merit], on_part: Callable[[T], Merit] | None) -> T:
    """The best on the day, the first among equals.

    Of more than `FINALISTS` the best on the part see the day first, and others after them until one keeps the
    objectives there; those that did not keep them on the part only where there are too few.
    """
    if on_part is None or len(choices) <= FINALISTS:
        return min(choices, key=on_day) if len(choices) > 1 else choices[0]
    parts = [on_part(each) for each in choices]
    met: dict[int, Merit] = {}
    for place in sorted(range(len(choices)), key=parts.__getitem__):
        kept = any(not over for over, _, _ in met.values())
        if len(met) >= FINALISTS and (kept or parts[place][0]):
            break
        met[place] = on_day(choices[place])
    return choices[min(met, key=lambda place: (met[place], place))]


@dataclass(frozen=True, slots=True)
class Later:
    """A supply whose time begins so much later."""

    supply: Supply
    by_s: float

    def given(self, offer: Offer, at_s: float) -> bool:
        """Whether a machine could be had then."""
        return self.supply.given(offer, at_s + self.by_s)

    def start_s(self, offer: Offer, number: int) -> float:
        """As long as ever."""
        return self.supply.start_s(offer, number)

    def usd_per_hour(self, offer: Offer, at_s: float) -> float:
        """The price of that time."""
        return self.supply.usd_per_hour(offer, at_s + self.by_s)

    def changes_at(self, offer: Offer, after_s: float) -> float:
        """When the supply may next say something else."""
        return self.supply.changes_at(offer, after_s + self.by_s) - self.by_s


def busiest(place: Stage) -> Stage | None:
    """The stage with the busiest part of its training day for the whole of it; None where that is short.

    What is known of the load ends with the part.
    """
    length = round(PART * place.training.duration_s / TICK_S)
    if length * TICK_S < LEAST_S:
        return None
    done = np.concatenate([[0.0], np.cumsum(place.worked(per_tick(place.training)))])
    begin = int(np.argmax(done[length:] - done[:-length]))
    begin_s, end_s = begin * TICK_S, (begin + length) * TICK_S
    known = len(place.history) - ticks(place.training) + begin + length
    return replace(
        place,
        training=place.training.between(begin_s, end_s),
        history=place.history[:known],
        rehearsal=replace(place.rehearsal, supply=Later(place.rehearsal.supply, begin_s)),
    )
