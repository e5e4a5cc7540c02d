"""The least that must run whatever a budget says, and what that costs."""

import math
from collections.abc import Sequence
from dataclasses import replace

from wharfage_autoscaler.greedy import greedy
from wharfage_autoscaler.need import Key, Need
from wharfage_autoscaler.plans import sketched
from wharfage_autoscaler.seats import Mix
from wharfage_autoscaler.supply import Supply


def floors(needs: Sequence[Need], supply: Supply) -> dict[Key, Mix]:
    """For each need under a budget the cheapest way to run its least replicas: by the books, in machines of its own.

    On offers that nobody counts, where there are any: those that are counted may not do for all.
    """
    held = {key for cap in supply.caps for key in cap.keys}
    found: dict[Key, Mix] = {}
    others: list[Need] = []
    for need in needs:
        if need.key not in held:
            continue
        idle = replace(need, peak_rps=0.0, usual_rps=0.0)
        berths = tuple(berth for berth in need.berths if math.isinf(supply.most(berth.offer)))
        books = {berth.offer.key: berth.offer.usd_per_hour for berth in berths}
        plans = sketched(replace(idle, berths=berths), supply, books)
        enough = [each for each in plans if not each.open_usd_per_hour]
        if enough:
            found[need.key] = min(enough, key=lambda each: each.alone_usd_per_hour).mix
        else:
            others.append(idle)
    return found | {mix.key: mix for mix in greedy(others, replace(supply, caps=()))}


def payable(needs: Sequence[Need], supply: Supply) -> Supply:
    """Budgets that the floors of their deployments fit in: a floor is served even where it costs more."""
    if not supply.caps:
        return supply
    usd = {key: mix.fleet.usd_per_hour for key, mix in floors(needs, supply).items()}
    caps = tuple(
        replace(cap, usd_per_hour=max(cap.usd_per_hour, sum(usd[key] for key in sorted(cap.keys) if key in usd)))
        for cap in supply.caps
    )
    return replace(supply, caps=caps)
