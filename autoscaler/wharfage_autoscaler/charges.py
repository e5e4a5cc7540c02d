"""Who pays for which part of a machine that several deployments share.

Whole machines are paid for by those that fill them. What is left, machines with an empty part, is shared by those
whose own part of a machine is not whole, in proportion to it; but nobody pays more than a machine of its own would
cost. So the charges add up to the bill, and sharing never makes anybody dearer than being alone.
"""

import math
from collections.abc import Mapping, Sequence

from wharfage_autoscaler.need import ROUNDING, Key
from wharfage_autoscaler.offers import Offer
from wharfage_autoscaler.seats import Mix, machines_used
from wharfage_autoscaler.supply import Cap, OfferKey


def charges(mixes: Sequence[Mix]) -> dict[Key, dict[OfferKey, float]]:
    """Dollars per hour in the books, per deployment and offer."""
    offers: dict[OfferKey, Offer] = {}
    parts: dict[OfferKey, dict[Key, float]] = {}
    for mix in mixes:
        offers |= {seats.berth.offer.key: seats.berth.offer for seats in mix.seats}
        for offer, part in machines_used([mix]).items():
            parts.setdefault(offer, {})[mix.key] = part
    found: dict[Key, dict[OfferKey, float]] = {mix.key: {} for mix in mixes}
    for offer, by_key in parts.items():
        for key, machines in shared(by_key).items():
            found[key][offer] = machines * offers[offer].usd_per_hour
    return found


def shared(parts: Mapping[Key, float]) -> dict[Key, float]:
    """Machines to pay for, by those who use these parts of machines; their sum is the number of whole machines."""
    whole = {key: math.floor(part + ROUNDING) for key, part in parts.items()}
    rest = {key: part - whole[key] for key, part in parts.items() if part - whole[key] > ROUNDING}
    paid = {key: float(count) for key, count in whole.items()}
    machines = float(math.ceil(sum(rest.values()) - ROUNDING))
    for _ in range(len(rest)):
        if not rest:
            break
        per_part = machines / sum(rest.values())
        full = [key for key, part in rest.items() if part * per_part >= 1.0 - ROUNDING]
        if not full:
            for key, part in rest.items():
                paid[key] += part * per_part
            break
        for key in full:
            paid[key] += 1.0
            del rest[key]
        machines -= len(full)
    return paid


def over(caps: Sequence[Cap], mixes: Sequence[Mix]) -> dict[str, float]:
    """By how much budgets are exceeded, with the empty parts of shared machines."""
    paid = {key: sum(by_offer.values()) for key, by_offer in charges(mixes).items()}
    spent = {cap.name: sum(paid[key] for key in sorted(cap.keys) if key in paid) - cap.usd_per_hour for cap in caps}
    return {name: usd for name, usd in spent.items() if usd > ROUNDING}
