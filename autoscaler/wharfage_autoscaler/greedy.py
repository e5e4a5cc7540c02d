"""A mix without a solver: one deployment after the other, one replica after the other, the cheapest step first.

What another replica costs is what it adds to the bill: nothing where a machine stands open for it, a whole machine
where one must be opened. It is dearer than the programme's answer, never by breaking a row, and it always ends.
"""

import math
from collections.abc import Sequence
from dataclasses import replace

from wharfage_autoscaler.ladder import Counts, Lot, Price, Shares, attainable, filled, grown, shrunk
from wharfage_autoscaler.need import ROUNDING, Berth, Key, Need, Shape
from wharfage_autoscaler.seats import (
    Mix,
    machines_used,
    mix_of,
    opened,
    score,
    seat_extra_usd_per_hour,
    spot_pools,
    start_usd_per_hour,
)
from wharfage_autoscaler.spot import spot_pool
from wharfage_autoscaler.supply import Cap, Supply


def greedy(needs: Sequence[Need], supply: Supply) -> tuple[Mix, ...]:
    """A mix for each need, in their order; the most important are served first."""
    left, found = supply, dict[Key, Mix]()
    for need in sorted(needs, key=lambda need: (-need.weight, need.key)):
        mix = _one(need, left)
        found[need.key] = mix
        left = remaining(left, need.key, mix)
    return tuple(found[need.key] for need in needs)


def remaining(supply: Supply, key: Key, mix: Mix) -> Supply:
    """What is left to share once that mix has its machines: fewer of them, some of them open, fewer dollars."""
    offers = {seats.berth.offer.key: seats.berth.offer for seats in mix.seats}
    machines, empty = dict(supply.machines), dict(supply.open)
    used = machines_used([mix])
    for at, count in opened(used, supply).items():
        empty[at] = max(0.0, empty.get(at, 0.0) + count - used[at])
        if not math.isinf(supply.most(offers[at])):
            machines[at] = machines[at] - count
    spent = mix.fleet.usd_per_hour
    caps = tuple(Cap(cap.name, cap.keys, cap.usd_per_hour - spent) if key in cap.keys else cap for cap in supply.caps)
    return replace(supply, machines=machines, open=empty, caps=caps)


def demand_shares(need: Need) -> Shares:
    """The rows of a need per request of its peak demand."""
    per_peak = 1.0 / need.peak_rps if need.peak_rps > 0 else 0.0
    lost = tuple(frozenset({pool}) for pool in spot_pools(need)) + need.survive
    return Shares(need.floor_rps * per_peak, need.survive_rps * per_peak, need.max_spot_share, lost)


def _one(need: Need, supply: Supply) -> Mix:
    shapes: dict[Shape, list[Berth]] = {}
    for berth in sorted(need.berths, key=lambda berth: berth.order):
        shapes.setdefault(berth.shape, []).append(berth)
    mixes = [mix_of(need, ()), *(_of_shape(need, supply, berths) for _, berths in sorted(shapes.items()))]
    return min(mixes, key=lambda mix: score([need], [mix], supply))


def _of_shape(need: Need, supply: Supply, berths: Sequence[Berth]) -> Mix:
    lots = [_lot(need, berth, supply) for berth in berths]
    shares = attainable(lots, demand_shares(need))
    price = _price(need, supply, berths)
    least = min(need.min_replicas, need.max_replicas)
    counts: Counts = (0,) * len(berths)
    counts = filled(lots, counts, shares, least, price=_price(need, supply, berths, floor=True))
    counts = grown(lots, counts, shares, need.peak_rps, price=price, max_replicas=need.max_replicas)
    only_peak = Shares(0.0, 0.0, shares.max_spot, ())
    counts = grown(lots, counts, only_peak, need.peak_rps, price=price, max_replicas=need.max_replicas)
    usd = [berth.seat_usd_per_hour for berth in berths]
    counts = shrunk(lots, counts, shares, need.peak_rps, usd=usd, min_replicas=least)
    return mix_of(need, zip(berths, counts, strict=True))


def _lot(need: Need, berth: Berth, supply: Supply) -> Lot:
    parts = supply.most(berth.offer) + supply.open.get(berth.offer.key, 0.0)
    most = need.max_replicas if math.isinf(parts) else math.floor(parts * berth.per_machine + ROUNDING)
    return Lot(berth.requests_per_second, spot_pool(berth.offer) if berth.spot else None, most)


def _price(need: Need, supply: Supply, berths: Sequence[Berth], *, floor: bool = False) -> Price:
    """What one more replica adds to the bill; None beyond a limit. Floors may exceed budgets, not limits."""
    limit = math.inf if need.usd_per_hour_limit is None else need.usd_per_hour_limit
    if not floor:
        limit = min(limit, *(cap.usd_per_hour for cap in supply.caps if need.key in cap.keys), math.inf)

    def price(at: int, counts: Counts) -> float | None:
        berth, runs = berths[at], counts[at]
        after = (*counts[:at], runs + 1, *counts[at + 1 :])
        if sum(each.replicas(n).usd_per_hour for each, n in zip(berths, after, strict=True)) > limit + ROUNDING:
            return None
        free = supply.open.get(berth.offer.key, 0.0)
        machines = _opened(runs + 1, berth, free) - _opened(runs, berth, free)
        start = start_usd_per_hour(berth, supply) if runs >= need.running(berth) else 0.0
        return machines * supply.rent(berth.offer) + seat_extra_usd_per_hour(need, berth, supply) + start

    return price


def _opened(replicas: int, berth: Berth, free: float) -> int:
    return max(0, math.ceil(replicas / berth.per_machine - free - ROUNDING))
