"""Counts of several pools, held within what the deployment may have in total."""

from collections.abc import Mapping, Sequence

from wharfage_autoscaler.fleet import PoolKey

from wharfage_simulator.policy import Seen


def within(seen: Seen, counts: Mapping[PoolKey, int], order: Sequence[PoolKey]) -> dict[PoolKey, int]:
    """Too few in total are made up in the first pool of `order`, too many are taken from its last ones first.

    Pools that are not in `order` are dropped.
    """
    kept = {key: counts.get(key, 0) for key in order}
    surplus = sum(kept.values()) - seen.most
    for key in reversed(order):
        taken = min(kept[key], max(0, surplus))
        kept[key] -= taken
        surplus -= taken
    if order:
        kept[order[0]] += max(0, seen.least - sum(kept.values()))
    return kept
