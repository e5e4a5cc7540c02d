"""From mixes to allotments: which pools each deployment may use, how far it may grow in them, and for how much.

What nobody took of a counted machine or of a budget is handed out as room to grow, so that a deployment need not wait
for the next round; the sum of all room is what there is.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from wharfage_autoscaler.allotment import Allotment, Portion
from wharfage_autoscaler.charges import charges
from wharfage_autoscaler.decision import Rejected
from wharfage_autoscaler.fleet import PoolKey
from wharfage_autoscaler.greedy import demand_shares
from wharfage_autoscaler.need import ROUNDING, Berth, Key, Need
from wharfage_autoscaler.plans import Sketchbook, sketched
from wharfage_autoscaler.seats import Mix, machines_used, short
from wharfage_autoscaler.solution import How
from wharfage_autoscaler.supply import OfferKey, Prices, Supply
from wharfage_autoscaler.words import fleet_words

_CENT = 0.005


@dataclass(frozen=True, slots=True)
class Given:
    """What a round came to: needs as they were planned, their mixes in the same order, and what is shared."""

    needs: tuple[Need, ...]
    mixes: tuple[Mix, ...]
    supply: Supply
    prices: Prices
    how: How
    doubts: Mapping[Key, tuple[str, ...]]  # offers of each that are not believed, and why
    solved: frozenset[Key]
    books: Mapping[Key, Sketchbook] = field(default_factory=dict)  # what was sketched for these needs in this supply


def allotments(given: Given, before: Mapping[Key, Allotment]) -> dict[Key, Allotment]:
    """One per deployment; alternatives of those that were not planned anew are those of before."""
    paid = charges(given.mixes)
    berths = {need.key: _berths(need, mix, given.supply) for need, mix in _pairs(given)}
    most = _most(given, berths)
    dollars = _dollars(given, {key: sum(by_offer.values()) for key, by_offer in paid.items()})
    found = {}
    for need, mix in _pairs(given):
        key, counts = need.key, {seats.berth.order: seats.replicas for seats in mix.seats}
        portions = [
            Portion(
                berth.replicas(counts.get(berth.order, 0)),
                berth.requests_per_second,
                berth.start_s,
                most.get((key, berth.order)),
                _charged(berth, mix, paid[key]),
            )
            for berth in berths[key]
        ]
        kept = before.get(key)
        planned_anew = key in given.solved or kept is None
        found[key] = Allotment(
            key=key,
            shapes=tuple(portions),
            peak_rps=need.peak_rps,
            usual_rps=need.usual_rps,
            usd_per_hour=dollars.get(key),
            usd_per_hour_limit=need.usd_per_hour_limit,
            min_replicas=need.min_replicas,
            max_replicas=need.max_replicas,
            shares=demand_shares(need),
            short=short(need, mix),
            rejected=_rejected(need, mix, given) if planned_anew or kept is None else kept.rejected,
            said=_said(need, mix, given),
            caps=frozenset(cap.name for cap in given.supply.caps if key in cap.keys),
        )
    return found


def _pairs(given: Given) -> list[tuple[Need, Mix]]:
    return list(zip(given.needs, given.mixes, strict=True))


def _berths(need: Need, mix: Mix, supply: Supply) -> tuple[Berth, ...]:
    """All berths of the shapes that serve, or would serve the first request: steady ones first, then spot."""
    serving = mix
    if not mix.seats:
        slowest = min((berth.requests_per_second for berth in need.berths), default=0.0)
        first = replace(need, peak_rps=max(need.peak_rps, slowest / 2), min_replicas=1)
        plans = sketched(first, supply, {berth.offer.key: supply.rent(berth.offer) for berth in need.berths})
        serving = plans[0].mix if plans else mix
    shapes = {seats.berth.shape for seats in serving.seats}
    taken = {seats.berth.pool for seats in mix.seats}
    used = {seats.berth.order for seats in mix.seats}
    found: list[Berth] = []
    for berth in sorted(need.berths, key=lambda berth: (berth.spot, _usd_per_request(berth, supply), berth.order)):
        if berth.order in used:
            found.append(berth)
        elif berth.shape in shapes and berth.pool not in taken:
            taken.add(berth.pool)
            found.append(berth)
    return tuple(found)


def _usd_per_request(berth: Berth, supply: Supply) -> float:
    return supply.rent(berth.offer) / berth.per_machine / berth.requests_per_second


def _charged(berth: Berth, mix: Mix, paid: Mapping[OfferKey, float]) -> float:
    """Its part of what the deployment pays for machines of the offer."""
    here = {seats.berth.order: seats.replicas / seats.berth.per_machine for seats in mix.seats}
    of_offer = sum(here[s.berth.order] for s in mix.seats if s.berth.offer.key == berth.offer.key)
    return paid.get(berth.offer.key, 0.0) * here.get(berth.order, 0.0) / of_offer if of_offer else 0.0


def _most(given: Given, berths: Mapping[Key, Sequence[Berth]]) -> dict[tuple[Key, tuple[PoolKey, int]], int]:
    """Replicas that each may have of machines that are counted; room goes round, the most important first."""
    used = machines_used(given.mixes)
    order = sorted(given.needs, key=lambda need: (-need.weight, need.key))
    most: dict[tuple[Key, tuple[PoolKey, int]], int] = {}
    counted: dict[OfferKey, list[tuple[Need, Berth]]] = {}
    for need in order:
        for berth in berths[need.key]:
            if not math.isinf(given.supply.most(berth.offer)):
                counted.setdefault(berth.offer.key, []).append((need, berth))
    replicas = {(mix.key, seats.berth.order): seats.replicas for mix in given.mixes for seats in mix.seats}
    for offer, users in counted.items():
        left = given.supply.most(users[0][1].offer) + given.supply.open.get(offer, 0.0) - used.get(offer, 0.0)
        for need, berth in users:
            most[need.key, berth.order] = replicas.get((need.key, berth.order), 0)
        growing = True
        while growing:
            growing = False
            for need, berth in users:
                if most[need.key, berth.order] < need.max_replicas and left >= 1.0 / berth.per_machine - ROUNDING:
                    most[need.key, berth.order] += 1
                    left -= 1.0 / berth.per_machine
                    growing = True
    return most


def _dollars(given: Given, paid: Mapping[Key, float]) -> dict[Key, float]:
    """Dollars that each may spend under its budgets: what it is charged, and its part of what they leave."""
    found: dict[Key, float] = {}
    for cap in given.supply.caps:
        members = [need.key for need in given.needs if need.key in cap.keys]
        spent = sum(paid[key] for key in members)
        left = max(0.0, cap.usd_per_hour - spent)
        for key in members:
            part = paid[key] / spent if spent > 0 else 1.0 / len(members)
            found[key] = min(found.get(key, math.inf), paid[key] + left * part)
    return found


def _rejected(need: Need, mix: Mix, given: Given) -> tuple[Rejected, ...]:
    """The best that other shapes offer, each alone, with its price in machines of its own."""
    shapes = {seats.berth.shape for seats in mix.seats}
    prices = given.prices.seen_by(need, given.supply)
    for plan in sketched(need, given.supply, prices, given.books.get(need.key)):
        if plan.mix.seats and {seats.berth.shape for seats in plan.mix.seats} != shapes:
            difference = plan.alone_usd_per_hour - mix.fleet.usd_per_hour
            why = _why_not(difference, covers=not short(need, plan.mix).peak)
            return (Rejected(mix_words(plan.mix), plan.alone_usd_per_hour, why),)
    return ()


def _why_not(difference_usd_per_hour: float, *, covers: bool) -> str:
    if not covers:
        return "does not carry the demand within its limits"
    if difference_usd_per_hour >= _CENT:
        return f"dearer by {difference_usd_per_hour:.2f} usd/h"
    if difference_usd_per_hour > -_CENT:
        return "costs the same"
    return (
        f"cheaper by {-difference_usd_per_hour:.2f} usd/h alone, but not with machines that others share or need, "
        "its start and its interruptions"
    )


def mix_words(mix: Mix) -> str:
    """A mix as users read it."""
    return " + ".join(fleet_words(seats.berth.candidate, seats.replicas) for seats in mix.seats)


def _said(need: Need, mix: Mix, given: Given) -> tuple[str, ...]:
    """What a reader should know beside the numbers."""
    left = short(need, mix)
    said = list(given.doubts.get(need.key, ()))
    if given.how is How.GREEDY:
        said.append(str(given.how))
    if not need.berths:
        said.append("no offer that is allowed, fits and can be had serves it within its objectives")
    if left.replicas:
        said.append(f"{left.replicas} of minReplicas {need.min_replicas} cannot be had within the limits")
    if left.peak:
        said.append(f"{left.peak:.0%} of the {need.peak_rps:.4g} requests per second to provision for are not covered")
    if left.floor:
        said.append(f"{left.floor:.0%} of what must run on demand does not: nothing of that kind can be had")
    if left.survive:
        said.append(
            f"the loss of its spot pools would leave {1 - left.survive:.0%} of what must survive it: allow more zones, "
            "machines or on-demand"
        )
    return tuple(said)
