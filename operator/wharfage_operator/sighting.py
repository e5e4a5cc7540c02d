"""One look at a deployment as the decision sees it: its chart, with what runs and what was measured written onto it."""

import math
from collections.abc import Callable, Mapping
from dataclasses import replace

from wharfage_autoscaler.fleet import Fleet, PoolKey
from wharfage_autoscaler.load import Load
from wharfage_autoscaler.offers import Offer
from wharfage_autoscaler.sight import PoolSeen, Sight

from wharfage_operator.charts import Chart

Lead = Callable[[Offer], float]
"""Seconds from an order to the first answer."""

Obtainable = Callable[[Offer], bool]
"""Whether an order would be filled now, as far as one can know before asking."""


def sighted(
    chart: Chart,
    fleet: Fleet,
    load: Load | None,
    *,
    now_s: float,
    lead: Lead,
    obtainable: Obtainable,
    leaving: Mapping[PoolKey, int],
) -> Sight:
    """The sight of now. A pool of the fleet that the chart does not know is none: it goes when others serve.

    What runs and what waits is measured for all together; each pool has its part by the replicas that serve. Those that
    are `leaving` serve no more. Where no offer can be had, it is as if all could: what serves is not given up for
    nothing, and an order that waits may be filled yet.
    """
    serving = sum(max(0, pool.ready - leaving.get(pool.key, 0)) for pool in fleet.pools)
    if not any(pool.obtainable and obtainable(pool.offer) for pool in chart.pools):
        obtainable = _always
    pools = tuple(_seen(pool, fleet, load, serving, lead, obtainable, leaving.get(pool.key, 0)) for pool in chart.pools)
    if load is None:
        return Sight(now_s=now_s, pools=pools, traffic=chart.traffic)
    return Sight(
        now_s=now_s,
        pools=pools,
        traffic=chart.traffic,
        rps_15s=_known(load.requests_per_second_15s, load.requests_per_second),
        rps_1m=load.requests_per_second,
        rps_5m=_known(load.requests_per_second_5m, load.requests_per_second),
        finished_rps_1m=_known(load.requests_finished_per_second),
        prompt_tokens_per_s=load.prompt_tokens_per_second,
        output_tokens_per_s=load.output_tokens_per_second,
        bad_1m=_known(load.bad_share_1m),
        bad_5m=_known(load.bad_share_5m),
        bad_30m=_known(load.bad_share_30m),
    )


def _seen(
    pool: PoolSeen, fleet: Fleet, load: Load | None, serving: int, lead: Lead, obtainable: Obtainable, leaving: int
) -> PoolSeen:
    there = fleet.pool(pool.key)
    lead_s, can_be_had = lead(pool.offer), pool.obtainable and obtainable(pool.offer)
    if there is None:
        same = lead_s == pool.lead_s and can_be_had == pool.obtainable
        return pool if same else replace(pool, lead_s=lead_s, obtainable=can_be_had)
    ready = max(0, min(there.ready, there.replicas) - leaving)
    part = ready / serving if load is not None and serving else 0.0
    return replace(
        pool,
        lead_s=lead_s,
        obtainable=can_be_had,
        ready=ready,
        starting=there.replicas - ready,
        leaving=leaving,
        running=part * load.running if load is not None else 0.0,
        waiting=part * load.waiting if load is not None else 0.0,
        kv_used=(load.kv_used or 0.0) if load is not None else 0.0,
    )


def _always(_: Offer) -> bool:
    return True


def _known(value: float | None, otherwise: float = math.nan) -> float:
    return otherwise if value is None else value
