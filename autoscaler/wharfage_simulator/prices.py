"""What an offer cost when: prices that change at dates, and what a span of time costs at them.

Format: docs/reference/traces.md.
"""

import math
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

from wharfage_autoscaler.offers import Market, Offer

from wharfage_simulator.tables import number, read_texts, wrong

HOUR_S = 3600.0
_MOST_USD_PER_HOUR = 10_000.0  # no machine costs as much; cents, or a price per month, do
_COLUMNS = ("offer", "market", "zone", "t_s", "usd_per_hour")

Series = tuple[str, str, str]


@dataclass(frozen=True, slots=True, eq=False)
class Steps:
    """One offer's price: `usd_per_hour[k]` from `since_s[k]` on; before the first step the first price holds."""

    since_s: tuple[float, ...]
    usd_per_hour: tuple[float, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Prices:
    """Prices by (offer, market, zone); an offer without any costs what its catalog says, all the time."""

    steps: Mapping[Series, Steps]

    def usd_per_hour(self, offer: Offer, t_s: float) -> float:
        """The price at that instant."""
        steps = self._of(offer)
        if steps is None:
            return offer.usd_per_hour
        return steps.usd_per_hour[max(bisect_right(steps.since_s, t_s) - 1, 0)]

    def changes_at(self, offer: Offer, after_s: float) -> float:
        """When the price next changes, after `after_s`; infinite where it never does."""
        steps = self._of(offer)
        if steps is None:
            return math.inf
        # Before the first step its price holds already: passing it changes nothing.
        place = max(bisect_right(steps.since_s, after_s), 1)
        return steps.since_s[place] if place < len(steps.since_s) else math.inf

    def usd(self, offer: Offer, begin_s: float, end_s: float) -> float:
        """What one machine costs from `begin_s` to `end_s`."""
        steps = self._of(offer)
        if steps is None:
            return offer.usd_per_hour * (end_s - begin_s) / HOUR_S
        edges = (begin_s, *(since_s for since_s in steps.since_s if begin_s < since_s < end_s), end_s)
        return sum(self.usd_per_hour(offer, start) * (end - start) for start, end in pairwise(edges)) / HOUR_S

    def since(self, t_s: float) -> "Prices":
        """The same prices on a clock that began at `t_s` of theirs."""
        return Prices(
            {
                series: Steps(tuple(since_s - t_s for since_s in steps.since_s), steps.usd_per_hour)
                for series, steps in self.steps.items()
            }
        )

    def at(self, offers: Iterable[Offer], t_s: float) -> tuple[Offer, ...]:
        """The offers at the prices of that instant."""
        return tuple(replace(offer, usd_per_hour=self.usd_per_hour(offer, t_s)) for offer in offers)

    def moves(self, offer: Offer) -> bool:
        """Whether it ever costs something else than at the beginning."""
        steps = self._of(offer)
        return steps is not None and len(set(steps.usd_per_hour)) > 1

    def extremes(self, offer: Offer) -> tuple[float, float]:
        """The least and the most that it ever costs."""
        steps = self._of(offer)
        prices = (offer.usd_per_hour,) if steps is None else steps.usd_per_hour
        return min(prices), max(prices)

    def _of(self, offer: Offer) -> Steps | None:
        exact = self.steps.get((offer.name, str(offer.market), offer.zone))
        return exact if exact is not None else self.steps.get((offer.name, str(offer.market), ""))


CATALOG = Prices({})
"""The catalog's prices, all the time."""


def read_prices(path: Path) -> Prices:
    """Read a file of `offer, market, zone, t_s, usd_per_hour`; an empty zone stands for all.

    `TraceError` names the row: a price that is no number, 0 or less, or absurd; times of one offer that do not ascend.
    """
    steps: dict[Series, list[tuple[float, float]]] = defaultdict(list)
    for row, (offer, market, zone, t_s, usd) in enumerate(read_texts(path, _COLUMNS)):
        since_s, price = number(path, row, "t_s", t_s), number(path, row, "usd_per_hour", usd)
        if market not in tuple(Market):
            raise wrong(path, row, f"market is {market!r}; it is one of {', '.join(Market)}")
        if not 0 < price <= _MOST_USD_PER_HOUR:
            raise wrong(
                path, row, f"usd_per_hour is {price:.12g}; a price is above 0 and at most {_MOST_USD_PER_HOUR:.12g}"
            )
        before = steps[offer, market, zone]
        if before and since_s <= before[-1][0]:
            raise wrong(
                path, row, f"t_s {since_s:.12g} of {offer} {market} {zone} does not come after {before[-1][0]:.12g}"
            )
        before.append((since_s, price))
    return Prices({series: Steps(*zip(*rows, strict=True)) for series, rows in steps.items()})
