"""Whether a mix survives what its spot pools are likely to lose together, and which loss it does not."""

from dataclasses import replace

from wharfage_autoscaler.need import Need
from wharfage_autoscaler.seats import Mix, short, spot_pools, spot_rps
from wharfage_autoscaler.spot import Risk, interruptions_per_hour, loss_chance, spot_pool, uncovered


def surviving(need: Need, mix: Mix) -> Need:
    """The need, and where the mix loses too much too often, the likeliest such loss as one more to survive."""
    carried = spot_rps(mix)
    steady = mix.requests_per_second - sum(carried.values())
    needed = need.survive_rps * (1.0 - short(need, mix).survive)
    outage = uncovered(carried, steady, needed, risks(need), allowed=need.loss_allowed)
    if outage is None or outage.pools in need.survive:
        return need
    return replace(need, survive=(*need.survive, outage.pools))


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
