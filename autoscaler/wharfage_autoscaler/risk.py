"""Whether a mix survives what its spot pools are likely to lose together, and which loss it does not."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

from wharfage_autoscaler.need import Need
from wharfage_autoscaler.seats import Mix, short, spot_pools, spot_rps
from wharfage_autoscaler.spot import Risk, SpotPool, interruptions_per_hour, loss_chance, spot_pool, uncovered


def surviving(need: Need, mix: Mix) -> Need:
    """The need, and where the mix loses too much too often, the likeliest such loss as one more to survive."""
    carried = spot_rps(mix)
    steady = mix.requests_per_second - sum(carried.values())
    needed = need.survive_rps * (1.0 - short(need, mix).survive)
    known = risks(need)
    outage = uncovered(carried, steady, needed, known, allowed=need.loss_allowed)
    if outage is None:
        return need
    lost = _fate(outage.pools, carried, known)
    return need if lost in need.survive else replace(need, survive=(*need.survive, lost))


def _fate(lost: frozenset[SpotPool], carried: Mapping[SpotPool, float], known: Sequence[Risk]) -> frozenset[SpotPool]:
    """All that goes with those pools: where a region loses all that serves there, it is the region that is lost.

    One fate takes every pool of at least that risk, used or not; the solver would go on to those that are not.
    """
    regions = {pool.catalog for pool in lost} - {pool.catalog for pool in carried if pool not in lost}
    least = {
        name: min(risk.chance for risk in known if risk.pool in lost and risk.pool.catalog == name) for name in regions
    }
    fallen = {risk.pool for risk in known if risk.chance >= least.get(risk.pool.catalog, math.inf)}
    return lost | fallen


def risks(need: Need) -> tuple[Risk, ...]:
    """Per spot pool of its berths, the chance that it is lost before a steady replica could take its place."""
    steady = [berth.start_s for berth in need.berths if not berth.spot]
    replaced_s = min(steady or [berth.start_s for berth in need.berths], default=0.0)
    per_hour = dict.fromkeys(spot_pools(need), 0.0)
    for berth in need.berths:
        if berth.spot:
            pool = spot_pool(berth.offer)
            rate = need.restless.get(pool.catalog, 1.0) * interruptions_per_hour(berth.offer)
            per_hour[pool] = max(per_hour[pool], rate)
    return tuple(Risk(pool, loss_chance(rate, replaced_s)) for pool, rate in sorted(per_hour.items()))
