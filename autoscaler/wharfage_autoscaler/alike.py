"""The cheapest counts over pools where all replicas are alike, by trying every split between steady and spot.

Behind a plain Service a deployment runs one shape, and where a machine's part has a fixed price the shapes do not
meet: each is a small question of counts. How many steady (on-demand, reserved), how many spot, and how much of the
spot in one pool at most: for each such triple the cheapest berths are filled first. All triples are tried at once.

Exact against the rows of `rows` with prices, but for three of them, which the caller checks on the answer: a limit of
dollars by whole machines, replicas of two sizes in a pool, and sets of several spot pools that must be survived
together but for all of them (`countable`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from wharfage_autoscaler.need import ROUNDING, Berth, Need, Shape
from wharfage_autoscaler.seats import (
    FLOOR_WEIGHT,
    REPLICA_WEIGHT,
    Mix,
    mix_of,
    seat_extra_usd_per_hour,
    start_usd_per_hour,
)
from wharfage_autoscaler.spot import SpotPool, spot_pool
from wharfage_autoscaler.supply import OfferKey, Supply

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Priced:
    """A mix, and what it counts at the prices it was made for."""

    mix: Mix
    usd_per_hour: float


@dataclass(frozen=True, slots=True)
class _Segment:
    """Replicas of one berth at one price: those that run, then those that must start."""

    usd_per_hour: float
    order: int
    berth: Berth
    length: int


Page = tuple[Shape, tuple[float, ...]]
"""A shape, and the prices of the machines of its berths."""


def alike(
    need: Need, supply: Supply, prices: Mapping[OfferKey, float], known: dict[Page, Priced] | None = None
) -> tuple[Priced, ...]:
    """Per shape the cheapest mix of it alone, cheapest first; `prices` are of whole machines, a part costs its part.

    `known` holds what was found for the same need and supply, and is added to.
    """
    known = {} if known is None else known
    shapes: dict[Shape, list[Berth]] = {}
    for berth in sorted(need.berths, key=lambda berth: berth.order):
        shapes.setdefault(berth.shape, []).append(berth)
    unserved_usd = need.unserved_usd_per_hour
    found = []
    for shape, berths in sorted(shapes.items()):
        page = (shape, tuple(prices[berth.offer.key] for berth in berths))
        if page not in known:
            known[page] = _cheapest(need, supply, prices, berths, unserved_usd)
        found.append(known[page])
    return tuple(sorted(found, key=lambda priced: priced.usd_per_hour))


def countable(need: Need) -> bool:
    """Whether what it must survive can be counted: each pool alone, or the loss of all spot at once."""
    everything = {spot_pool(berth.offer) for berth in need.berths if berth.spot}
    return all(lost >= everything for lost in need.survive)


def _cheapest(
    need: Need, supply: Supply, prices: Mapping[OfferKey, float], berths: Sequence[Berth], unserved_usd: float
) -> Priced:
    rate = berths[0].requests_per_second
    peak, floor, survive = (rps / rate for rps in (need.peak_rps, need.floor_rps, need.survive_rps))
    least = min(need.min_replicas, need.max_replicas)
    most = min(_whole(max(peak, floor, survive, float(least))), need.max_replicas)
    segments = _segments(need, supply, prices, berths, most)
    steady = [each for each in segments if not each.berth.spot]
    spot = [each for each in segments if each.berth.spot]
    pools = {pool: at for at, pool in enumerate(sorted({spot_pool(each.berth.offer) for each in spot}))}
    rooms = [0] * len(pools)
    for each in spot:
        rooms[pools[spot_pool(each.berth.offer)]] += each.length
    worth = unserved_usd / peak if peak else 0.0  # what another replica for the peak saves
    served = max(_whole(peak), least)
    on_demand, on_spot, largest = _triples(
        most=most,
        served=served,
        kept=_whole(survive),
        rooms=rooms,
        allowed=(need.max_replicas, need.max_spot_share),
        fewest=served - 1 if all(each.usd_per_hour <= worth for each in segments) else 0,
    )
    total = on_demand + on_spot
    steady_usd, steady_counts = _filled(steady, on_demand, {}, on_demand)
    spot_usd, spot_counts = _filled(spot, on_spot, pools, largest)
    short = _open(total, peak)
    lost = on_spot if any(lost >= set(pools) for lost in need.survive) else largest
    soft = _open(on_demand, floor) + _open(total - lost, survive)
    missing = np.maximum(0, least - total)
    cost = steady_usd + spot_usd + unserved_usd * (short + FLOOR_WEIGHT * soft + REPLICA_WEIGHT * missing)
    at = int(np.argmin(cost))
    counts = [0] * len(berths)
    for segment, count in [*zip(steady, steady_counts, strict=True), *zip(spot, spot_counts, strict=True)]:
        counts[segment.order] += int(count[at])
    return Priced(mix_of(need, zip(berths, counts, strict=True)), float(cost[at]))


def _segments(
    need: Need, supply: Supply, prices: Mapping[OfferKey, float], berths: Sequence[Berth], most: int
) -> list[_Segment]:
    found = []
    for order, berth in enumerate(berths):
        each = prices[berth.offer.key] / berth.per_machine + seat_extra_usd_per_hour(need, berth, supply)
        machines = supply.most(berth.offer) + supply.open.get(berth.offer.key, 0.0)
        room = int(min(most, machines * berth.per_machine + ROUNDING))
        runs = min(room, need.running(berth))
        found.append(_Segment(each, order, berth, runs))
        found.append(_Segment(each + start_usd_per_hour(berth, supply), order, berth, room - runs))
    return sorted((each for each in found if each.length), key=lambda each: (each.usd_per_hour, each.order))


def _triples(
    *, most: int, served: int, kept: int, rooms: Sequence[int], allowed: tuple[int, float], fewest: int
) -> tuple[Ints, Ints, Ints]:
    """The steady counts, spot counts, and largest counts in one spot pool, that could be best.

    Beside so many steady replicas spot is no more than makes `served` replicas in all, or twice what must be left
    without its largest pool: one fewer there would do as well. It makes `fewest` in all where the most replicas and
    the largest share of spot (`allowed`) let it. A pool takes no more than leaves `kept` when it is lost, or one
    more, where that little is worth leaving open; or as few as the others have room for.
    """
    steady = np.arange(most + 1)
    if not rooms:
        return steady, np.zeros_like(steady), np.zeros_like(steady)
    max_replicas, share = allowed
    limit = np.minimum(sum(rooms), max_replicas - steady)
    if share < 1.0:
        limit = np.minimum(limit, np.floor(share * steady * (1 + ROUNDING) / (1 - share)).astype(np.int64))
    above = np.clip(np.maximum(served - steady, 2 * (kept - steady)), 0, limit)
    below = np.clip(fewest - steady, 0, above)
    each = above - below + 1
    steady = np.repeat(steady, each)
    spot = np.arange(len(steady)) - np.repeat(np.cumsum(each) - each - below, each)
    levels = np.arange(max(rooms) + 1)
    holds = np.minimum(levels[:, None], np.array(rooms)[None, :]).sum(axis=1)
    level = np.searchsorted(holds, spot)
    one_more = np.repeat([0, 1], len(steady))
    steady, spot, level = np.tile(steady, 2), np.tile(spot, 2), np.tile(level, 2)
    return steady, spot, np.maximum(level, steady + spot - kept + one_more)


def _filled(
    segments: Sequence[_Segment], counts: Ints, pools: Mapping[SpotPool, int], largest: Ints
) -> tuple[Floats, list[Ints]]:
    """What that many replicas cost when the cheapest segments are filled first, no pool beyond its largest."""
    left = counts.astype(np.int64)
    room = np.tile(largest, (max(1, len(pools)), 1))
    usd = np.zeros(len(counts))
    taken = []
    for segment in segments:
        at = pools.get(spot_pool(segment.berth.offer), 0) if pools else 0
        here = np.minimum(np.minimum(left, segment.length), room[at])
        usd += here * segment.usd_per_hour
        left = left - here
        room[at] -= here
        taken.append(here)
    return np.where(left > 0, np.inf, usd), taken


def _open(replicas: Ints, needed: float) -> Floats:
    """The part of a demand of that many replicas that is left open."""
    if needed <= 0:
        return np.zeros(len(replicas))
    left = np.maximum(0.0, 1.0 - replicas / needed)
    return np.where(left > ROUNDING, left, 0.0)


def _whole(replicas: float) -> int:
    return int(np.ceil(replicas * (1 - ROUNDING)))
