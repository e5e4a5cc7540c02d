"""Who gets what: all deployments looked at together, every few minutes or when something happens.

Nobody else hands out what is shared: reserved machines, quotas, open places in machines, dollars of a budget. Where at
most a tenth of the deployments changed since the last round, only those are planned again, with what the others leave;
the others keep what they have, so that a fleet of hundreds is not shuffled because one of them grew.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from wharfage_autoscaler.allotment import Allotments
from wharfage_autoscaler.charges import charges, over
from wharfage_autoscaler.floors import payable
from wharfage_autoscaler.mix import NODES, mix
from wharfage_autoscaler.need import ROUNDING, Key, Need
from wharfage_autoscaler.offers import Offer
from wharfage_autoscaler.plans import Sketchbook, planned
from wharfage_autoscaler.portions import Given, allotments
from wharfage_autoscaler.prune import pruned
from wharfage_autoscaler.seats import Mix, broken, machines_used, score
from wharfage_autoscaler.snapshot import ClusterSnapshot
from wharfage_autoscaler.solution import How
from wharfage_autoscaler.supply import Cap, OfferKey, Prices, Supply, doubted
from wharfage_autoscaler.together import Together, rent_of_what_is_shared, together

_EXACT = 2  # deployments that are solved to the optimum
_FEW = 12  # that one programme is worth a look at, as far as the root of its tree
_FEW_GAP, _FEW_NODES = 0.01, 1
_CHANGED_SHARE = 0.1
_TOLERANCE = 0.05  # of a price, a rate or a demand: less is no news
_SPENT_OUT = 0.95
_DRIFT = 0.03  # by which the gap may grow before everything is planned anew


@dataclass(frozen=True, slots=True)
class _Round:
    """What one way of planning came to."""

    needs: Mapping[Key, Need]
    mixes: Mapping[Key, Mix]
    usd_per_hour: float
    bound: float
    how: How
    solved: tuple[Key, ...]
    asked: Mapping[Key, Need]
    least: Mapping[Key, float]
    prices: Prices
    books: Mapping[Key, Sketchbook] = field(default_factory=dict)


def allot(seen: ClusterSnapshot, before: Allotments | None = None, *, nodes: int = NODES) -> Allotments:
    """The allotment of every deployment; `before` is the answer of the last round.

    The solver's trees end after `nodes` nodes. Where it was needed and found nothing by then, the greedy answer
    stands and `Allotment.said` says so.

    What is allotted together never exceeds what is shared; a budget that does not even pay the floors of its
    deployments is held at what those cost.
    """
    doubts = doubted(berth.offer for need in seen.needs for berth in need.berths)
    asked = {need.key: need for need in sorted(seen.needs, key=lambda need: need.key)}
    needs = {key: pruned(_believed(need, doubts), seen.supply) for key, need in asked.items()}
    supply = payable(tuple(needs.values()), seen.supply)
    done = None if before is None else _warm(asked, needs, supply, before, nodes)
    if done is None:
        done = _cold(asked, needs, supply, before, nodes)
    given = Given(
        needs=tuple(done.needs.values()),
        mixes=tuple(done.mixes.values()),
        supply=supply,
        prices=done.prices,
        books=done.books,
        how=done.how,
        doubts={
            key: tuple(sorted({doubts[b.offer.key] for b in need.berths if b.offer.key in doubts}))
            for key, need in asked.items()
        },
        solved=frozenset(done.solved),
    )
    return Allotments(
        by_key=allotments(given, {} if before is None else before.by_key),
        usd_per_hour=done.usd_per_hour,
        bound=done.bound,
        how=done.how,
        solved=done.solved,
        asked=done.asked,
        needs=done.needs,
        mixes=done.mixes,
        least=done.least,
        prices=done.prices,
        supply=seen.supply,
    )


def _believed(need: Need, doubts: Mapping[OfferKey, str]) -> Need:
    return replace(need, berths=tuple(berth for berth in need.berths if berth.offer.key not in doubts))


def _cold(
    asked: Mapping[Key, Need], needs: Mapping[Key, Need], supply: Supply, before: Allotments | None, nodes: int
) -> _Round:
    """Everything anew, from the prices of before, with the mixes of before among the choices."""
    known, start = ((), None) if before is None else (tuple(before.mixes.values()), before.prices)
    done = _planned(tuple(needs.values()), supply, nodes, known, start)
    solution = done.solution
    return _Round(
        needs={need.key: need for need in solution.needs},
        mixes={mix.key: mix for mix in solution.mixes},
        usd_per_hour=solution.usd_per_hour,
        bound=solution.bound,
        how=solution.how,
        solved=tuple(needs),
        asked=asked,
        least=done.least,
        prices=done.prices,
        books=done.books,
    )


def _planned(
    needs: Sequence[Need], supply: Supply, nodes: int, known: Sequence[Mix] = (), start: Prices | None = None
) -> Together:
    """One or two exactly, unless a budget holds them; a few by one programme and by common prices; many by prices."""
    if len(needs) > _FEW:
        return together(needs, supply, known, start, nodes=nodes)
    if len(needs) <= _EXACT:
        solution = mix(needs, supply, nodes=nodes)
        if not over(supply.caps, solution.mixes):
            prices = Prices({b.offer.key: supply.rent(b.offer) for need in needs for b in need.berths})
            least = {need.key: planned(need, supply, prices.machines).least for need in solution.needs}
            return Together(solution, prices, least)
    first = mix(needs, supply, gap=_FEW_GAP, nodes=min(nodes, _FEW_NODES))
    done = together(first.needs, supply, (*known, *first.mixes), start, nodes=nodes)
    if done.solution.how is How.GREEDY or first.bound <= done.solution.bound:
        return done
    bound = min(first.bound, done.solution.usd_per_hour)
    return replace(done, solution=replace(done.solution, bound=bound))


def _warm(
    asked: Mapping[Key, Need], needs: Mapping[Key, Need], supply: Supply, before: Allotments, nodes: int
) -> _Round | None:
    """Only what changed, with what the others leave; None where that will not do."""
    if dict(supply.machines) != dict(before.supply.machines) or dict(supply.open) != dict(before.supply.open):
        return None
    kept = [key for key in asked if key in before.asked and as_before(before.asked[key], asked[key])]
    changed = [key for key in asked if key not in kept]
    if len(changed) + len(before.asked.keys() - asked.keys()) > max(1.0, _CHANGED_SHARE * len(asked)):
        return None
    if any(_spent_out(cap, before) for cap in supply.caps if cap.keys & set(changed)):
        return None
    solved_for = {key: before.needs[key] for key in kept}
    mixes = {key: before.mixes[key] for key in kept}
    least = {key: before.least[key] for key in kept}
    offers = _offers([*solved_for.values(), *(needs[key] for key in changed)])
    prices = replace(
        before.prices, machines={key: supply.rent(each) for key, each in offers.items()} | dict(before.prices.machines)
    )
    how = before.how
    if changed:
        done = _planned([needs[key] for key in changed], _left(tuple(mixes.values()), supply), nodes)
        how = done.solution.how if done.solution.how is How.GREEDY else how
        solved_for |= {need.key: need for need in done.solution.needs}
        mixes |= {each.key: each for each in done.solution.mixes}
        least |= {
            key: planned(solved_for[key], supply, prices.seen_by(solved_for[key], supply)).least for key in changed
        }
    solved_for, mixes = {key: solved_for[key] for key in asked}, {key: mixes[key] for key in asked}
    all_needs, all_mixes = tuple(solved_for.values()), tuple(mixes.values())
    if broken(all_needs, all_mixes, supply) or over(supply.caps, all_mixes):
        return None
    usd = score(all_needs, all_mixes, supply)
    bound = min(usd, _bound(least, prices, supply, offers))
    last = _bound(before.least, before.prices, supply, _offers(before.needs.values()))
    if _gap(usd, bound) > _gap(before.usd_per_hour, last) + _DRIFT:
        return None
    return _Round(
        needs=solved_for,
        mixes=mixes,
        usd_per_hour=usd,
        bound=bound,
        how=how,
        solved=tuple(changed),
        asked={key: asked[key] if key in changed else before.asked[key] for key in asked},
        least=least,
        prices=prices,
    )


def _spent_out(cap: Cap, before: Allotments) -> bool:
    """Whether a budget leaves so little that its deployments can only grow at the cost of each other."""
    spent = sum(before.by_key[key].planned_usd_per_hour for key in sorted(cap.keys) if key in before.by_key)
    return spent > _SPENT_OUT * cap.usd_per_hour


def _bound(least: Mapping[Key, float], prices: Prices, supply: Supply, offers: Mapping[OfferKey, Offer]) -> float:
    """What nothing can be below, by prices; looser than a programme's where there are few to share a machine."""
    return sum(least.values()) - rent_of_what_is_shared(prices, supply, offers)


def _gap(usd_per_hour: float, bound: float) -> float:
    return max(0.0, 1.0 - bound / usd_per_hour) if usd_per_hour > 0 else 0.0


def as_before(before: Need, now: Need) -> bool:
    """Whether what a deployment asks is no news: the same rules and offers; prices, rates and demand nearly so."""
    if replace(before, berths=(), peak_rps=0.0, usual_rps=0.0, fleet=now.fleet) != replace(
        now, berths=(), peak_rps=0.0, usual_rps=0.0
    ):
        return False
    if not (_near(before.peak_rps, now.peak_rps) and _near(before.usual_rps, now.usual_rps)):
        return False
    known = {berth.order: berth for berth in before.berths}
    return len(known) == len(now.berths) and all(
        berth.order in known
        and _near(known[berth.order].offer.usd_per_hour, berth.offer.usd_per_hour)
        and _near(known[berth.order].requests_per_second, berth.requests_per_second)
        for berth in now.berths
    )


def _near(before: float, now: float) -> bool:
    return abs(now - before) <= _TOLERANCE * abs(before)


def _left(kept: Sequence[Mix], supply: Supply) -> Supply:
    """What those who keep their mixes leave to the others: machines, open places in theirs, dollars."""
    used = machines_used(kept)
    whole = {key: math.ceil(part - ROUNDING) for key, part in used.items()}
    empty = dict(supply.open) | {key: supply.open.get(key, 0.0) + whole[key] - part for key, part in used.items()}
    machines = {key: most - whole.get(key, 0) for key, most in supply.machines.items()}
    paid = {key: sum(by_offer.values()) for key, by_offer in charges(kept).items()}
    caps = tuple(
        replace(cap, usd_per_hour=cap.usd_per_hour - sum(paid[key] for key in sorted(cap.keys) if key in paid))
        for cap in supply.caps
    )
    return Supply(machines, {key: part for key, part in empty.items() if part > ROUNDING}, caps)


def _offers(needs: Iterable[Need]) -> dict[OfferKey, Offer]:
    return {berth.offer.key: berth.offer for need in needs for berth in need.berths}
