"""What the law counts in, requests of the planned kind and replicas that carry so many of them, when that changes."""

from collections.abc import Mapping
from dataclasses import replace

from wharfage_autoscaler.experience import Experience
from wharfage_autoscaler.fleet import Fleet, PoolKey
from wharfage_autoscaler.lately import Busy
from wharfage_autoscaler.law import FRESH
from wharfage_autoscaler.work import Work


def in_new_units(experience: Experience, work: Work) -> Experience:
    """Where a planned request is another one from now on: replicas stay as many, what was counted in requests goes."""
    memory, lately = experience.memory, experience.lately
    if lately.requests > 0.0:
        worth = work.each(lately.prompt_tokens / lately.requests, lately.output_tokens / lately.requests)
        experience = replace(experience, lately=replace(lately, worth=worth, busy=Busy()))
    held = FRESH._replace(replicas=memory.held.replicas)
    return replace(experience, memory=replace(memory, held=held, unit_rps=0.0, rates=()), answer=None)


def unit_rps_of(fleet: Fleet, rates: Mapping[PoolKey, float], otherwise: float) -> float:
    """What a mean replica of a fleet carries; 0 where that is not known of all, `otherwise` of none."""
    rated = [(pool.replicas, rates.get(pool.key, 0.0)) for pool in fleet.pools if pool.replicas]
    if not rated:
        return otherwise
    known = all(rate > 0.0 for _, rate in rated)
    return sum(count * rate for count, rate in rated) / sum(count for count, _ in rated) if known else 0.0
