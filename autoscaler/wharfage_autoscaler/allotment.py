"""What one deployment is given of what all share: pools to run in, in which proportion, and dollars to stay within.

An allotment is made every few minutes, by a solver that sees all deployments. Between two of them the demand moves, so
it also says how: `spread` puts any demand onto the allotted pools, without a solver and in microseconds, such that the
on-demand floor, the share of spot and the loss of any one pool hold as they did. A rising demand takes no replica
away from any pool, a falling one adds none.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from wharfage_autoscaler.decision import Rejected
from wharfage_autoscaler.fleet import Fleet, Pool, PoolKey
from wharfage_autoscaler.ladder import Counts, Lot, Price, Shares, attainable, filled, grown, shrunk
from wharfage_autoscaler.need import ROUNDING, Key, Need
from wharfage_autoscaler.offers import Market
from wharfage_autoscaler.seats import Mix, Short
from wharfage_autoscaler.solution import How
from wharfage_autoscaler.spot import spot_pool
from wharfage_autoscaler.supply import Prices, Supply


class Role(StrEnum):
    """What a pool is there for."""

    FLOOR = "floor"  # cannot be taken away: on-demand and reserved machines
    SPOT = "spot"


@dataclass(frozen=True, slots=True)
class Portion:
    """One pool of an allotment: `pool.replicas` at the demand it was planned for, 0 where it is there to grow into.

    `most` is how many replicas it may have, None where nothing shared limits it. `usd_per_hour` is what the planned
    replicas are charged, their part of what stands empty in shared machines included.
    """

    pool: Pool
    requests_per_second: float
    start_s: float
    most: int | None = None
    usd_per_hour: float = 0.0

    @property
    def role(self) -> Role:
        """Whether it can be taken away."""
        return Role.SPOT if self.pool.offer.market is Market.SPOT else Role.FLOOR

    @property
    def per_machine(self) -> int:
        """Replicas that share one machine."""
        return max(1, self.pool.offer.accelerators // max(1, self.pool.accelerators))


@dataclass(frozen=True, slots=True)
class Allotment:
    """Pools, demand and dollars of one deployment; `shapes` lists steady pools first, then spot, cheapest first.

    `peak_rps` and `usual_rps` are the demand it was planned for. `usd_per_hour` may not be exceeded (None: no budget
    holds it), but for the least replicas. `shares` are the rows that must hold per request of peak demand. `said` is
    what a reader should know: offers that were not believed, demand that cannot be met, how it was solved. `caps` are
    the budgets that held its dollars when it was made.
    """

    key: Key
    shapes: tuple[Portion, ...]
    peak_rps: float
    usual_rps: float
    usd_per_hour: float | None
    usd_per_hour_limit: float | None
    min_replicas: int
    max_replicas: int
    shares: Shares
    short: Short
    rejected: tuple[Rejected, ...] = ()
    said: tuple[str, ...] = ()
    caps: frozenset[str] = frozenset()

    @property
    def planned(self) -> Fleet:
        """The fleet for the demand that it was planned for."""
        return Fleet(tuple(portion.pool for portion in self.shapes if portion.pool.replicas))

    @property
    def planned_usd_per_hour(self) -> float:
        """What that fleet is charged."""
        return sum(portion.usd_per_hour for portion in self.shapes)

    @property
    def rates(self) -> dict[PoolKey, float]:
        """Requests a second that a replica of each pool carries."""
        return {portion.pool.key: portion.requests_per_second for portion in self.shapes}

    @property
    def reserved(self) -> dict[PoolKey, int]:
        """Replicas that may take reserved machines, per pool."""
        held = [portion for portion in self.shapes if portion.pool.offer.market is Market.RESERVED]
        return {portion.pool.key: portion.most for portion in held if portion.most is not None}

    def requests_per_second(self, fleet: Fleet) -> float:
        """What a fleet of allotted pools carries."""
        rates = self.rates
        return sum(pool.replicas * rates.get(pool.key, 0.0) for pool in fleet.pools)

    def charged(self, fleet: Fleet) -> float:
        """Dollars per hour of a fleet of allotted pools: as charged up to what was planned, whole machines beyond."""
        counts = {pool.key: pool.replicas for pool in fleet.pools}
        return sum(_charge(portion, counts.get(portion.pool.key, 0)) for portion in self.shapes)


@dataclass(frozen=True, slots=True)
class Allotments:
    """The allotments of all deployments, and what the next round needs to change only what changed.

    `usd_per_hour` is what was minimised, and cannot be below `bound`. `solved` are the deployments planned in this
    round. What follows is kept for the next: what each asked when it was planned, the need that it was planned for,
    its mix, and what its best plan counts at `prices`, for the bound.
    """

    by_key: Mapping[Key, Allotment]
    usd_per_hour: float
    bound: float
    how: How
    solved: tuple[Key, ...]
    asked: Mapping[Key, Need]
    needs: Mapping[Key, Need]
    mixes: Mapping[Key, Mix]
    least: Mapping[Key, float]
    prices: Prices
    supply: Supply

    @property
    def gap(self) -> float:
        """How far, at most, the optimum may lie below, as a part of what was found."""
        return max(0.0, 1.0 - self.bound / self.usd_per_hour) if self.usd_per_hour > 0 else 0.0


def spread(allotment: Allotment, requests_per_second: float) -> Fleet:
    """The fleet for that peak demand, in the allotted pools; less where ceilings or the allotted dollars do not allow.

    At the demand that was planned for it is what was planned.
    """
    lots = [_lot(portion, allotment.max_replicas) for portion in allotment.shapes]
    shares = attainable(lots, allotment.shares)
    planned: Counts = tuple(portion.pool.replicas for portion in allotment.shapes)
    seats = [portion.pool.offer.usd_per_hour / portion.per_machine for portion in allotment.shapes]
    least = min(allotment.min_replicas, allotment.max_replicas)
    counts = shrunk(lots, planned, shares, requests_per_second, usd=seats, min_replicas=least)
    counts = shrunk(lots, counts, shares, 0.0, usd=seats, min_replicas=allotment.max_replicas)
    price = _price(allotment, floor=False)
    counts = grown(lots, counts, shares, requests_per_second, price=price, max_replicas=allotment.max_replicas)
    counts = filled(lots, counts, shares, least, price=_price(allotment, floor=True))
    return _fleet(allotment.shapes, counts)


def demand_of(allotment: Allotment, replicas: int) -> float:
    """The peak demand that so many replicas of the allotted shapes carry, mixed as planned."""
    planned = sum(portion.pool.replicas for portion in allotment.shapes)
    if planned:
        carried = sum(portion.pool.replicas * portion.requests_per_second for portion in allotment.shapes)
        return replicas * carried / planned
    return replicas * max((portion.requests_per_second for portion in allotment.shapes), default=0.0)


def _lot(portion: Portion, max_replicas: int) -> Lot:
    spot = spot_pool(portion.pool.offer) if portion.role is Role.SPOT else None
    return Lot(portion.requests_per_second, spot, max_replicas if portion.most is None else portion.most)


def _fleet(portions: Sequence[Portion], counts: Counts) -> Fleet:
    return Fleet(
        tuple(
            Pool(portion.pool.offer, portion.pool.variant, count, portion.pool.accelerators)
            for portion, count in zip(portions, counts, strict=True)
            if count
        )
    )


def _price(allotment: Allotment, *, floor: bool) -> Price:
    """What one more replica is charged; None where it would cross a limit. The least replicas may cross a budget."""
    budget = math.inf if floor or allotment.usd_per_hour is None else allotment.usd_per_hour
    limit = math.inf if allotment.usd_per_hour_limit is None else allotment.usd_per_hour_limit

    def price(at: int, counts: Counts) -> float | None:
        after = (*counts[:at], counts[at] + 1, *counts[at + 1 :])
        if not math.isinf(limit) and _fleet(allotment.shapes, after).usd_per_hour > limit + ROUNDING:
            return None
        charges = zip(allotment.shapes, after, strict=True)
        if not math.isinf(budget) and sum(_charge(each, count) for each, count in charges) > budget + ROUNDING:
            return None
        portion = allotment.shapes[at]
        return portion.pool.offer.usd_per_hour / portion.per_machine

    return price


def _charge(portion: Portion, replicas: int) -> float:
    """Fewer than planned save only whole machines of their own; more are charged whole machines: never too little."""
    planned, price = portion.pool.replicas, portion.pool.offer.usd_per_hour
    if replicas <= planned:
        return min(portion.usd_per_hour, math.ceil(replicas / portion.per_machine) * price)
    return portion.usd_per_hour + math.ceil((replicas - planned) / portion.per_machine) * price
