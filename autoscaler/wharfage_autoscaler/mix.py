"""The fleets that carry the demand for the least money: which offers, which markets, how many.

One mixed-integer programme for a few deployments together. Losses of several spot pools at once enter lazily: where
the answer would lose too much too often, the likeliest such loss becomes one more row, and it is solved again. The
solver ends after so many nodes, never by the clock: without an answer by then the greedy one stands, and the solution
says so; with one that is dearer than the greedy one, the greedy one is taken.
"""

from collections.abc import Sequence

from wharfage_autoscaler.alike import alike, countable
from wharfage_autoscaler.charges import over
from wharfage_autoscaler.greedy import greedy
from wharfage_autoscaler.need import Need
from wharfage_autoscaler.risk import surviving
from wharfage_autoscaler.rows import block
from wharfage_autoscaler.seats import broken, score
from wharfage_autoscaler.solution import How, Solution
from wharfage_autoscaler.solver import Solved, solved
from wharfage_autoscaler.supply import Supply

GAP = 1e-4
NODES = 20_000
_SAME = 1e-9
_MOST_LOSSES = 12  # rows added for losses of several pools, before what is found so far must do


def mix(needs: Sequence[Need], supply: Supply, *, gap: float = GAP, nodes: int = NODES) -> Solution:
    """The cheapest mixes for these needs together; meant for a few, `together` is for many."""
    solution = _mix(needs, supply, gap=gap, nodes=nodes)
    for _ in range(_MOST_LOSSES):
        asked = tuple(surviving(need, found) for need, found in zip(solution.needs, solution.mixes, strict=True))
        if asked == solution.needs:
            break
        solution = _mix(asked, supply, gap=gap, nodes=nodes)
    return solution


def _mix(needs: Sequence[Need], supply: Supply, *, gap: float, nodes: int) -> Solution:
    asked = tuple(needs)
    narrow = asked
    if len(asked) == 1 and asked[0].shapes == 1:
        counted, narrow = _counted(asked[0], supply)
        if counted is not None:
            return counted
    made = block(narrow, supply)
    found = solved(made.programme, gap=gap, nodes=nodes)
    if found is not None:
        open_usd = sum(made.programme.cost[at] * float(found.values[at]) for at in made.short)
        if open_usd > 0:
            # What cannot be served is settled; beside its price the solver would not see the money.
            for at in made.short:
                made.programme.cost[at] = 0.0
                made.programme.most[at] = float(found.values[at]) * (1 + 1e-9) + 1e-9
            cheaper = solved(made.programme, gap=gap, nodes=nodes)
            if cheaper is not None:
                found = Solved(cheaper.values, cheaper.cost + open_usd, cheaper.bound + open_usd, cheaper.finished)
        mixes = made.mixes(found.values)
        if not broken(asked, mixes, supply):
            usd = score(asked, mixes, supply)
            if found.finished:
                return Solution(asked, mixes, usd, min(usd, found.bound), How.EXACT)
            rough = greedy(asked, supply)
            if (rough_usd := score(asked, rough, supply)) < usd:
                mixes, usd = rough, rough_usd
            return Solution(asked, mixes, usd, min(usd, found.bound), How.BOUNDED)
    mixes = greedy(asked, supply)
    return Solution(asked, mixes, score(asked, mixes, supply), 0.0, How.GREEDY)


def _counted(need: Need, supply: Supply) -> tuple[Solution | None, tuple[Need]]:
    """By counting: the best mix, where that proves it; else the need with the shapes that may still be best.

    What a shape costs at the least, by parts of machines, is a bound; where no other's lies below what one costs in
    whole machines, that one is the best. One that a budget does not pay for proves nothing of those that it does.
    """
    offers = {berth.offer.key: berth.offer for berth in need.berths}
    prices = {key: 0.0 if supply.open.get(key) else supply.rent(offer) for key, offer in offers.items()}
    found = alike(need, supply, prices)
    sound = [each.mix for each in found if not broken([need], [each.mix], supply)]
    whole = [(score([need], [mix], supply), mix) for mix in sound if not over(supply.caps, [mix])]
    if not whole:
        return None, (need,)
    least, mix = min(whole, key=lambda each: each[0])
    if countable(need) and need.usd_per_hour_limit is None and least <= found[0].usd_per_hour + _SAME * abs(least):
        return Solution((need,), (mix,), least, min(least, found[0].usd_per_hour), How.EXACT), (need,)
    kept = {seats.berth.shape for each in found if each.usd_per_hour <= least * (1 + _SAME) for seats in each.mix.seats}
    return None, (need.among(tuple(berth for berth in need.berths if berth.shape in kept)),)
