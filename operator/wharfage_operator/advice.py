"""What is said of the load where it does not lead: what it would ask for (`mode: Recommend`), or why it cannot."""

from dataclasses import replace

from wharfage_autoscaler.allotment import demand_of, spread
from wharfage_autoscaler.decision import Decision
from wharfage_autoscaler.fleet import Fleet
from wharfage_autoscaler.reasons import Reason
from wharfage_autoscaler.words import offer_words

_DEMAND = frozenset({Reason.DEMAND_SEEN, Reason.DEMAND_FORECAST, Reason.OBJECTIVES_MISSED, Reason.NO_METRICS})


def advised(decision: Decision, led: Decision, running: Fleet) -> Decision:
    """The user's decision, with the fleet that the load would ask for."""
    allotment, demand = led.allotment, led.demand
    if allotment is None or demand is None:
        return decision
    fleet = spread(allotment, demand_of(allotment, int(demand.held.replicas)))
    pools = ", ".join(f"{pool.replicas}x {offer_words(pool.offer)}" for pool in fleet.pools) or "nothing"
    why = next((step.message for step in led.steps if step.reason in _DEMAND), "")
    priced = all(pool.offer.usd_per_hour > 0 for pool in running.pools)
    now = f"{running.usd_per_hour:.2f}" if priced else "at a price that nobody knows"
    message = f"mode Auto would run {pools} at {fleet.usd_per_hour:.2f} usd/h, now {now}; {why}"
    return replace(decision.amended(decision.target, Reason.RECOMMENDED, message), advised=fleet)


def refused(decision: Decision, why: str) -> Decision:
    """The decision, with the objectives that keep the load from leading it."""
    return decision.amended(decision.target, Reason.OBJECTIVES_OUT_OF_REACH, why)
