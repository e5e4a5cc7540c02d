"""Machines sent ahead of the replicas that may need them: how many, and where, so that it pays.

A replica that is ordered takes the time of its machine and that of its engine. Where the machine is there already, a
rise that the count did not expect misses its objectives for the machine's time less. A machine that waits costs as much
as one that serves, so it pays only where the forecast's tail beyond what is ordered is thick and the machine is cheap
against a bad minute: most of the time nothing is sent.

Held for one step of the forecast, a machine costs usd_per_hour * 300 s, and saves usd_per_bad_minute * machine_s / 60
with the probability that a rise beyond what is ordered begins. The newsvendor's rule: it pays where that is above the
ratio of the two. Of what the forecast's tail tells a sixth is believed, so it pays where the forecast's quantile of
1 - 6 * ratio is more than is ordered. What that is worth on public loads: docs/design/0020-machines-ahead.md.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

from wharfage_autoscaler.allotment import Allotment, demand_of, spread
from wharfage_autoscaler.behavior import ceiling
from wharfage_autoscaler.decision import Decision
from wharfage_autoscaler.fleet import Fleet, Pool
from wharfage_autoscaler.offers import Offer
from wharfage_autoscaler.snapshot import Snapshot

STEP_S = 300.0
"""Until the next forecast, a machine that was sent is paid for."""

DOUBT = 6.0
"""The tail's probability is divided by it. Taken at its word, waiting cost two to four times what it saved."""

KEPT_PRICE = 0.5
"""What is there already counts at this part of its price: a machine that comes and goes every few minutes is no use."""

NONE = Fleet()


@dataclass(frozen=True, slots=True)
class Stake:
    """What a bad minute costs, and how many seconds an offer's machine takes to come."""

    usd_per_bad_minute: float
    machine_s: Callable[[Offer], float]


def vanguard(seen: Snapshot, decision: Decision, stake: Stake, before: Fleet = NONE) -> Fleet:
    """The replicas, by pool, for which machines are to wait beside those that are decided on.

    At most as many as the law would add at once, within every ceiling, and only in pools that run. Nothing where the
    load does not lead, where nothing is forecast, and while a move is under way. `before` is what was sent last.
    """
    demand, allotment = decision.demand, decision.allotment
    if demand is None or allotment is None or seen.forecast is None or decision.moves:
        return NONE
    count = int(demand.held.replicas)
    most = min(int(max(seen.law.up_least, seen.law.up_share * count)), seen.wanted.max_replicas - count)
    behavior = seen.wanted.behavior
    if behavior is not None:  # what it never lets start gets no machine
        allowed = ceiling(behavior.up, count, demand.tempo.began(seen.now, count))
        most = max(0, int(min(float(most), allowed - count)))
    last, at_s = spread(allotment, demand_of(allotment, count)), seen.now + demand.signals.lead_s
    sent: Fleet | None = None
    for more in range(1, most + 1):
        grown = spread(allotment, demand_of(allotment, count + more))
        pool = _grown(last, grown)
        if pool is None:
            break  # a ceiling holds it
        usd_per_hour = max(0.0, grown.usd_per_hour - last.usd_per_hour)
        if usd_per_hour > 0.0:  # else it finds room on a machine that is paid for already
            there = (known := before.pool(pool.key)) is not None and known.replicas >= more
            level = _level(usd_per_hour * (KEPT_PRICE if there else 1.0), stake, pool.offer)
            if level <= seen.law.level or not _obtainable(seen, pool.offer):
                break  # the count looks as far by itself
            expected_rps = seen.forecast.highest(level, at_s, at_s + STEP_S)
            if expected_rps is None or expected_rps <= demand_of(allotment, count + more - 1):
                break
            sent = grown
        last = grown
    return NONE if sent is None else _beyond(sent, decision.target, allotment)


def _level(usd_per_hour: float, stake: Stake, offer: Offer) -> float:
    """The quantile at which one more machine pays; 0 where it never does."""
    saved_usd = stake.usd_per_bad_minute * stake.machine_s(offer) / 60.0
    cost_usd = DOUBT * usd_per_hour * STEP_S / 3600.0
    return 1.0 - cost_usd / saved_usd if saved_usd > cost_usd else 0.0


def _grown(before: Fleet, after: Fleet) -> Pool | None:
    """The pool that has more replicas than before, the one with the most where there are several."""

    def more(pool: Pool) -> int:
        known = before.pool(pool.key)
        return pool.replicas - (0 if known is None else known.replicas)

    found = max(after.pools, key=more, default=None)
    return found if found is not None and more(found) > 0 else None


def _obtainable(seen: Snapshot, offer: Offer) -> bool:
    return any(each.key == offer.key and each.obtainable for each in seen.offers)


def _beyond(sent: Fleet, target: Fleet, allotment: Allotment) -> Fleet:
    """What of it the target does not have, in pools that run; and never so that both cross a limit in dollars."""
    pools: list[Pool] = []
    for pool in sent.pools:
        there = target.pool(pool.key)
        if there is not None and 0 < there.replicas < pool.replicas:
            pools.append(Pool(pool.offer, pool.variant, pool.replicas - there.replicas, pool.accelerators))
    found = Fleet(tuple(pools))
    limit = math.inf if allotment.usd_per_hour_limit is None else allotment.usd_per_hour_limit
    return found if target.usd_per_hour + found.usd_per_hour <= limit else NONE
