"""The answer to a need: replicas in berths, what they leave open, what they cost, and which row they would break."""

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from wharfage_autoscaler.fleet import Fleet
from wharfage_autoscaler.model import SpotPolicy
from wharfage_autoscaler.need import ROUNDING, Berth, Key, Need
from wharfage_autoscaler.offers import Market
from wharfage_autoscaler.spot import SpotPool, interruptions_per_hour, spot_pool
from wharfage_autoscaler.supply import OfferKey, Supply

LOST_WORK_H = 0.25
"""What an interruption costs: a quarter of an hour of the replica, for requests done again and a cold cache."""

FLOOR_WEIGHT = 0.1
"""Of the price of unserved demand: what a missing on-demand floor, or a loss that is not survived, counts."""

REPLICA_WEIGHT = 10.0
_TIDINESS = 1e-3  # of its price in the books, so that a free machine is taken only where it serves something


@dataclass(frozen=True, slots=True)
class Seats:
    """So many replicas in one berth."""

    berth: Berth
    replicas: int

    @property
    def requests_per_second(self) -> float:
        """What they carry together."""
        return self.replicas * self.berth.requests_per_second


@dataclass(frozen=True, slots=True)
class Short:
    """What a mix leaves open: parts of the peak, of the on-demand floor and of what must survive; replicas."""

    peak: float
    floor: float
    survive: float
    replicas: int

    @property
    def nothing(self) -> bool:
        """Whether every row holds."""
        return max(self.peak, self.floor, self.survive) <= ROUNDING and not self.replicas


@dataclass(frozen=True, slots=True)
class Mix:
    """The seats of one deployment, in the order of their pools."""

    key: Key
    seats: tuple[Seats, ...]

    @property
    def requests_per_second(self) -> float:
        """What all of it carries."""
        return sum(seats.requests_per_second for seats in self.seats)

    @property
    def replicas(self) -> int:
        """How many there are."""
        return sum(seats.replicas for seats in self.seats)

    @property
    def fleet(self) -> Fleet:
        """As a target."""
        return Fleet(tuple(seats.berth.replicas(seats.replicas) for seats in self.seats))


def mix_of(need: Need, counts: Iterable[tuple[Berth, int]]) -> Mix:
    """A mix from counts per berth, empty berths left out, in canonical order."""
    taken = sorted(((berth, count) for berth, count in counts if count > 0), key=lambda each: each[0].order)
    return Mix(need.key, tuple(Seats(berth, count) for berth, count in taken))


def short(need: Need, mix: Mix) -> Short:
    """What of the need the mix leaves open."""
    total = mix.requests_per_second
    carried = spot_rps(mix)
    lost = [*carried.values(), *(sum(carried.get(pool, 0.0) for pool in sorted(pools)) for pools in need.survive)]
    return Short(
        peak=_missing(total, need.peak_rps),
        floor=_missing(total - sum(carried.values()), need.floor_rps),
        survive=_missing(total - max(lost, default=0.0), need.survive_rps),
        replicas=max(0, min(need.min_replicas, need.max_replicas) - mix.replicas),
    )


def spot_rps(mix: Mix) -> dict[SpotPool, float]:
    """What each spot pool carries."""
    carried: dict[SpotPool, float] = {}
    for seats in mix.seats:
        if seats.berth.spot:
            pool = spot_pool(seats.berth.offer)
            carried[pool] = carried.get(pool, 0.0) + seats.requests_per_second
    return carried


def spot_pools(need: Need) -> tuple[SpotPool, ...]:
    """The spot pools that its berths come from."""
    return tuple(sorted({spot_pool(berth.offer) for berth in need.berths if berth.spot}))


def seat_extra_usd_per_hour(need: Need, berth: Berth, supply: Supply) -> float:
    """What a replica counts besides its machine: quality, interruptions, preference, and tidiness."""
    price = berth.seat_usd_per_hour
    lost = interruptions_per_hour(berth.offer) * LOST_WORK_H * price if berth.spot else 0.0
    tidy = _TIDINESS * price if supply.rent(berth.offer) == 0 else 0.0
    return berth.penalty_usd_per_hour + lost + tidy + _dispreference(need, berth)


def start_usd_per_hour(berth: Berth, supply: Supply) -> float:
    """The time that a new replica is paid for before it serves, over the hour that it is expected to stay."""
    return supply.rent(berth.offer) / berth.per_machine * berth.start_s / 3600.0


def score(needs: Sequence[Need], mixes: Sequence[Mix], supply: Supply) -> float:
    """What the optimiser minimises, in dollars per hour: machines, what replicas count besides, and what is short."""
    machines = machines_used(mixes)
    offers = {seats.berth.offer.key: seats.berth.offer for mix in mixes for seats in mix.seats}
    total = sum(supply.rent(offers[key]) * count for key, count in opened(machines, supply).items())
    for need, mix in zip(needs, mixes, strict=True):
        for seats in mix.seats:
            new = max(0, seats.replicas - need.running(seats.berth))
            total += seats.replicas * seat_extra_usd_per_hour(need, seats.berth, supply)
            total += new * start_usd_per_hour(seats.berth, supply)
        total += short_usd_per_hour(need, short(need, mix))
    return total


def short_usd_per_hour(need: Need, left: Short) -> float:
    """What the optimiser counts for what is left open."""
    if left.nothing:
        return 0.0
    soft = FLOOR_WEIGHT * (left.floor + left.survive)
    return need.unserved_usd_per_hour * (left.peak + soft + REPLICA_WEIGHT * left.replicas)


def machines_used(mixes: Iterable[Mix]) -> dict[OfferKey, float]:
    """Machines taken per offer, in parts: 1.5 is a whole one and half of another."""
    used: dict[OfferKey, float] = defaultdict(float)
    for mix in mixes:
        for seats in mix.seats:
            used[seats.berth.offer.key] += seats.replicas / seats.berth.per_machine
    return dict(used)


def opened(machines: Mapping[OfferKey, float], supply: Supply) -> dict[OfferKey, int]:
    """Whole machines to open for those parts, after what stands open anyway."""
    return {key: max(0, math.ceil(used - supply.open.get(key, 0.0) - ROUNDING)) for key, used in machines.items()}


class Row(StrEnum):
    """What no mix may break, whatever is short."""

    MAX_REPLICAS = "maxReplicas"
    SPOT_SHARE = "placement.spot.maxShare"
    LIMIT = "limits.usdPerHour"
    SHAPES = "shapes that may serve together"
    VARIANTS = "variantPolicy"
    ONE_SIZE = "one size of replica per pool"
    MACHINES = "machines there are"


def broken(needs: Sequence[Need], mixes: Sequence[Mix], supply: Supply) -> tuple[tuple[Key | OfferKey, Row], ...]:
    """Which hard rows the mixes break, and whose."""
    found: list[tuple[Key | OfferKey, Row]] = []
    for need, mix in zip(needs, mixes, strict=True):
        total = mix.requests_per_second
        spot = sum(seats.requests_per_second for seats in mix.seats if seats.berth.spot)
        limit = math.inf if need.usd_per_hour_limit is None else need.usd_per_hour_limit
        rows = {
            Row.MAX_REPLICAS: mix.replicas > need.max_replicas,
            Row.SPOT_SHARE: spot > need.max_spot_share * total * (1 + ROUNDING),
            Row.LIMIT: mix.fleet.usd_per_hour > limit + ROUNDING,
            Row.SHAPES: len({seats.berth.shape for seats in mix.seats}) > need.shapes,
            Row.VARIANTS: len({seats.berth.shape.variant for seats in mix.seats}) > need.variants,
            Row.ONE_SIZE: len({seats.berth.pool for seats in mix.seats}) < len(mix.seats),
        }
        found += [(need.key, row) for row, breaks in rows.items() if breaks]
    offers = {seats.berth.offer.key: seats.berth.offer for mix in mixes for seats in mix.seats}
    taken = opened(machines_used(mixes), supply)
    found += [(key, Row.MACHINES) for key, count in sorted(taken.items()) if count > supply.most(offers[key])]
    return tuple(found)


def _missing(have: float, wanted: float) -> float:
    part = 0.0 if wanted <= 0 else max(0.0, 1.0 - have / wanted)
    return part if part > ROUNDING else 0.0


def _dispreference(need: Need, berth: Berth) -> float:
    """Under `Prefer`, whatever is not spot counts as dearer than any spot, so that spot is taken as far as it may."""
    if need.placement.spot is not SpotPolicy.PREFER or berth.offer.market is not Market.ON_DEMAND:
        return 0.0
    return need.dearest_spot_usd_per_request * berth.requests_per_second
