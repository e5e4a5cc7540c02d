"""The mix as rows and columns of a mixed-integer programme; what each row says is written beside it.

Demands are scaled to 1, so that the solver's tolerance is a part of the demand. Per deployment: replicas per berth,
starts beyond what runs, a switch per shape where only so many may serve, the open part of each demand. Shared:
machines of offers that hold more than one replica. With `prices` there are no machines: a part of one costs its part
of the price, as decomposition wants it.
"""

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from wharfage_autoscaler.fleet import PoolKey
from wharfage_autoscaler.need import ROUNDING, Berth, Key, Need, Shape
from wharfage_autoscaler.offers import Offer
from wharfage_autoscaler.programme import Programme, Terms
from wharfage_autoscaler.seats import (
    Mix,
    Short,
    mix_of,
    seat_extra_usd_per_hour,
    short_usd_per_hour,
    spot_pools,
    start_usd_per_hour,
)
from wharfage_autoscaler.spot import SpotPool, spot_pool
from wharfage_autoscaler.supply import Cap, OfferKey, Supply

Floats = npt.NDArray[np.float64]


@dataclass(slots=True)
class _Columns:
    """The columns of one deployment."""

    replicas: dict[Berth, int] = field(default_factory=dict)
    switches: dict[Shape, int] = field(default_factory=dict)
    peak: int = -1
    floor: int = -1
    survive: int = -1


@dataclass(slots=True)
class Block:
    """The programme of some deployments together, and how to read its solution."""

    programme: Programme
    needs: tuple[Need, ...]
    columns: list[_Columns] = field(default_factory=list)
    short: list[int] = field(default_factory=list)  # columns that stand for what is left open

    def mixes(self, values: Floats) -> tuple[Mix, ...]:
        """The mixes that a solution means."""
        return tuple(
            mix_of(need, ((berth, round(float(values[at]))) for berth, at in columns.replicas.items()))
            for need, columns in zip(self.needs, self.columns, strict=True)
        )


def block(needs: Sequence[Need], supply: Supply, prices: Mapping[OfferKey, float] | None = None) -> Block:
    """All rows of these deployments together; `prices` per machine replace the machines and what limits them."""
    made = Block(Programme(), tuple(needs))
    parts: dict[OfferKey, Terms] = defaultdict(list)
    offers: dict[OfferKey, Offer] = {}
    for need in needs:
        columns = _columns(made, need, supply, prices)
        made.columns.append(columns)
        for berth, at in columns.replicas.items():
            parts[berth.offer.key].append((at, 1.0 / berth.per_machine))
            offers[berth.offer.key] = berth.offer
    if prices is None:
        machines = {key: _machines(made.programme, offers[key], parts[key], supply) for key in sorted(parts)}
        for cap in supply.caps:
            _cap(made, cap, machines, offers)
    return made


def _columns(made: Block, need: Need, supply: Supply, prices: Mapping[OfferKey, float] | None) -> _Columns:
    programme, columns = made.programme, _Columns()
    for berth in sorted(need.berths, key=lambda berth: berth.order):
        cost = seat_extra_usd_per_hour(need, berth, supply)
        if prices is not None:
            cost += prices[berth.offer.key] / berth.per_machine
        start, runs = start_usd_per_hour(berth, supply), need.running(berth)
        most = _most(need, berth, supply)
        at = columns.replicas[berth] = programme.column(cost if runs else cost + start, most=most, whole=True)
        if runs and start > 0:  # u >= x - runs: only what comes on top is started
            started = programme.column(start)
            programme.row([(at, 1.0), (started, -1.0)], at_most=runs)
    _shapes(programme, need, columns)
    _demand(made, need, columns)
    _counts(made, need, columns)
    if need.usd_per_hour_limit is not None:
        _limit(programme, need, columns)
    return columns


def _most(need: Need, berth: Berth, supply: Supply) -> int:
    """More replicas than carry all by themselves are of no use; no more machines than there are."""
    most = min(need.max_replicas, max(need.min_replicas, _alone(need, berth.requests_per_second)))
    machines = supply.most(berth.offer) + supply.open.get(berth.offer.key, 0.0)
    return most if math.isinf(machines) else min(most, math.floor(machines * berth.per_machine + ROUNDING))


def _alone(need: Need, requests_per_second: float) -> int:
    most = max(need.peak_rps, need.floor_rps, need.survive_rps)
    return math.ceil(most / requests_per_second * (1 - ROUNDING))


def _shapes(programme: Programme, need: Need, columns: _Columns) -> None:
    """At most so many shapes serve: x <= most * b, sum of b <= shapes; a pool has replicas of one size.

    And of at most so many variants: b <= v, sum of v <= variants.
    """
    by_shape: dict[Shape, list[Berth]] = defaultdict(list)
    by_pool: dict[PoolKey, set[Shape]] = defaultdict(set)
    for berth in columns.replicas:
        by_shape[berth.shape].append(berth)
        by_pool[berth.pool].add(berth.shape)
    several = [sorted(shapes) for _, shapes in sorted(by_pool.items()) if len(shapes) > 1]
    names = sorted({shape.variant for shape in by_shape})
    if len(by_shape) <= need.shapes and not several and len(names) <= need.variants:
        return
    for shape, berths in sorted(by_shape.items()):
        switch = columns.switches[shape] = programme.column(most=1.0, whole=True)
        for berth in berths:
            at = columns.replicas[berth]
            programme.row([(at, 1.0), (switch, -programme.most[at])], at_most=0.0)
    programme.row([(switch, 1.0) for switch in columns.switches.values()], at_most=need.shapes)
    for shapes in several if need.shapes > 1 else []:
        programme.row([(columns.switches[shape], 1.0) for shape in shapes], at_most=1.0)
    if need.shapes > 1 and len(names) > need.variants:
        served = {name: programme.column(most=1.0, whole=True) for name in names}
        for shape, at in columns.switches.items():
            programme.row([(at, 1.0), (served[shape.variant], -1.0)], at_most=0.0)
        programme.row([(at, 1.0) for at in served.values()], at_most=need.variants)


def _demand(made: Block, need: Need, columns: _Columns) -> None:
    """Capacity at the peak, the on-demand floor, and what is left without any one spot pool or any such set."""
    everywhere = list(columns.replicas)
    columns.peak = _carry(made, need, columns, everywhere, need.peak_rps, Short(1.0, 0.0, 0.0, 0))
    steady = [berth for berth in everywhere if not berth.spot]
    columns.floor = _carry(made, need, columns, steady, need.floor_rps, Short(0.0, 1.0, 0.0, 0))
    lost = [frozenset({pool}) for pool in spot_pools(need)] + list(need.survive)
    for pools in lost or [frozenset[SpotPool]()]:
        left = [berth for berth in everywhere if not (berth.spot and spot_pool(berth.offer) in pools)]
        columns.survive = _carry(
            made, need, columns, left, need.survive_rps, Short(0.0, 0.0, 1.0, 0), shared=columns.survive
        )


def _carry(
    made: Block, need: Need, columns: _Columns, berths: list[Berth], rps: float, left: Short, *, shared: int = -1
) -> int:
    """Sum of rate * x + open part >= demand; the column of the open part, which several rows may share."""
    if rps <= 0:
        return -1
    programme = made.programme
    at = shared
    if at < 0:
        at = programme.column(short_usd_per_hour(need, left), most=1.0)
        made.short.append(at)
    terms = [(columns.replicas[berth], berth.requests_per_second / rps) for berth in berths]
    programme.row([*terms, (at, 1.0)], at_least=1.0)
    if need.shapes == 1 and columns.switches:
        _round_up(programme, columns, berths, rps, at)
    return at


def _round_up(programme: Programme, columns: _Columns, berths: list[Berth], rps: float, open_part: int) -> None:
    """Of one shape alone it takes whole replicas: sum of x + open / fraction >= ceil(demand / rate) * b.

    The mixed-integer rounding of the row above; without it the relaxation takes parts of many shapes.
    """
    counted: dict[Shape, list[Berth]] = {shape: [] for shape in columns.switches}
    for berth in berths:
        counted[berth.shape].append(berth)
    for shape, alike in counted.items():
        replicas = rps / shape.requests_per_second
        fraction = replicas - math.floor(replicas)
        if not ROUNDING * replicas < fraction < 1.0 - ROUNDING:
            fraction = 1.0
        needed = math.ceil(replicas - ROUNDING * replicas)
        terms = [(columns.replicas[berth], 1.0) for berth in alike]
        programme.row(
            [*terms, (open_part, replicas / fraction), (columns.switches[shape], -needed)],
            at_least=0.0,
        )


def _counts(made: Block, need: Need, columns: _Columns) -> None:
    """Between the least and the most replicas, and spot within its share of all capacity."""
    programme = made.programme
    terms = [(at, 1.0) for at in columns.replicas.values()]
    programme.row(terms, at_most=need.max_replicas)
    least = min(need.min_replicas, need.max_replicas)
    if least > 0:
        missing = programme.column(short_usd_per_hour(need, Short(0.0, 0.0, 0.0, 1)), most=least)
        made.short.append(missing)
        programme.row([*terms, (missing, 1.0)], at_least=least)
    share = need.max_spot_share
    if share < 1.0 and any(berth.spot for berth in columns.replicas):
        programme.row(
            [
                (at, ((1.0 - share) if berth.spot else -share) * berth.requests_per_second)
                for berth, at in columns.replicas.items()
            ],
            at_most=0.0,
        )


def _limit(programme: Programme, need: Need, columns: _Columns) -> None:
    """Dollars per hour of its own, by whole machines, as the ceilings of the decision count them."""
    terms: Terms = []
    for berth, at in columns.replicas.items():
        price = berth.offer.usd_per_hour
        if berth.per_machine == 1:
            terms.append((at, price))
            continue
        own = programme.column(whole=True)
        programme.row([(at, 1.0 / berth.per_machine), (own, -1.0)], at_most=0.0)
        terms.append((own, price))
    programme.row(terms, at_most=need.usd_per_hour_limit or 0.0)


def _machines(programme: Programme, offer: Offer, parts: Terms, supply: Supply) -> int | None:
    """Parts of machines add up to machines: sum of x / per machine <= y + open; y <= what there is.

    Where every replica takes a machine, x is y.
    """
    most, rent, free = supply.most(offer), supply.rent(offer), supply.open.get(offer.key, 0.0)
    if free <= 0 and all(part == 1.0 for _, part in parts):
        for at, _ in parts:
            programme.cost[at] += rent
        if not math.isinf(most):
            programme.row(parts, at_most=most)
        return None
    machines = programme.column(rent, most=most, whole=True)
    programme.row([*parts, (machines, -1.0)], at_most=free)
    return machines


def _cap(made: Block, cap: Cap, machines: Mapping[OfferKey, int | None], offers: Mapping[OfferKey, Offer]) -> None:
    """What a budget's deployments spend: whole machines where only they use them, else their parts of machines."""
    terms: Terms = []
    users: dict[OfferKey, set[Key]] = defaultdict(set)
    for need in made.needs:
        for berth in need.berths:
            users[berth.offer.key].add(need.key)
    inside = [(need, columns) for need, columns in zip(made.needs, made.columns, strict=True) if need.key in cap.keys]
    if not inside:
        return
    for key, at in sorted(machines.items()):
        if at is not None and users[key] <= cap.keys:
            terms.append((at, offers[key].usd_per_hour))
    whole = {key for key, at in machines.items() if at is not None and users[key] <= cap.keys}
    for _, columns in inside:
        terms += [
            (at, berth.seat_usd_per_hour) for berth, at in columns.replicas.items() if berth.offer.key not in whole
        ]
    made.programme.row(terms, at_most=cap.usd_per_hour)
