"""Many deployments at once: plans for each at common prices, then the best plan of each together.

What deployments share is machines and dollars. Give every part of a machine a price, and each deployment can plan for
itself; the sum of those plans is a bound that no solution can be below (Dantzig and Wolfe, 1960; the bound is
Lagrange's). Prices start at what machines cost; where something is scarce, the relaxed choice among all plans so far
says what it is worth, and everybody plans again. Last, one programme picks a plan for each and opens whole machines.
"""

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from wharfage_autoscaler.charges import over
from wharfage_autoscaler.floors import floors
from wharfage_autoscaler.greedy import greedy
from wharfage_autoscaler.need import ROUNDING, Key, Need
from wharfage_autoscaler.offers import Offer
from wharfage_autoscaler.plans import Plan, Sketchbook, plan, planned, sketched
from wharfage_autoscaler.programme import Programme, Terms
from wharfage_autoscaler.risk import surviving
from wharfage_autoscaler.seats import Mix, broken, mix_of, score
from wharfage_autoscaler.solution import How, Solution
from wharfage_autoscaler.solver import Floats, row_prices, solved
from wharfage_autoscaler.supply import OfferKey, Prices, Supply

_GAP = 2e-3
NODES = 150
_ROUNDS = 8  # of prices, where something is scarce
_AGAIN = 6  # choices, until losses and budgets hold
_PLANS, _LEAST_PLANS = 800, 6  # plans to choose among in all, and of each need
_RUNG_SHAPES = 4
_TIGHTER = 1.5  # than by what a budget was exceeded: empty parts of machines move with every choice
_VIEWS = 60  # deployments; with more of them, machines fill without plans made to fill them
_AS_IF = 0.05  # of its price: what a part of a machine counts in a view that supposes others to fill the rest
_LADDER = (0.9, 0.75, 0.5, 0.25, 0.0)  # of the demand, where dollars may not do for all of it


@dataclass(frozen=True, slots=True)
class Together:
    """The solution; the prices at which its bound was found, and what the best plan of each need counts there.

    `books` hold what was sketched for the needs of the solution, in the supply that they were planned for.
    """

    solution: Solution
    prices: Prices
    least: Mapping[Key, float]
    books: Mapping[Key, Sketchbook] = field(default_factory=dict)


@dataclass(slots=True)
class _Choice:
    """The needs, all plans found for them, and what they share."""

    needs: list[Need]
    supply: Supply
    offers: dict[OfferKey, Offer]
    plans: dict[Key, dict[Mix, Plan]] = field(default_factory=lambda: defaultdict(dict))
    books: dict[Key, Sketchbook] = field(default_factory=lambda: defaultdict(Sketchbook))
    """Of the needs as they were asked."""

    def add(self, need: Need, plans: Iterable[Plan]) -> int:
        """Keep new plans; how many there were."""
        known = self.plans[need.key]
        before = len(known)
        for each in plans:
            known.setdefault(each.mix, each)
        return len(known) - before

    def asks(self, at: int, need: Need) -> None:
        """A need that must survive more: its plans are judged again."""
        self.needs[at] = need
        self.books.pop(need.key, None)
        self.plans[need.key] = {mix: plan(need, mix, self.supply) for mix in self.plans[need.key]}


def together(
    needs: Sequence[Need],
    supply: Supply,
    known: Sequence[Mix] = (),
    start: Prices | None = None,
    *,
    nodes: int = NODES,
) -> Together:
    """Mixes for all needs. `known` ones are among the choices, and prices are looked for from `start` on.

    Budgets must have room for floors (`floors.payable`). No tree of the solver grows beyond `nodes`.
    """
    offers = {berth.offer.key: berth.offer for need in needs for berth in need.berths}
    choice = _Choice(list(needs), supply, offers)
    by_key = {need.key: need for need in needs}
    always = [*(mix_of(need, ()) for need in needs), *floors(needs, supply).values(), *known]
    always = [mix for mix in always if mix.key in by_key and not broken([by_key[mix.key]], [mix], Supply())]
    for mix in always:
        choice.add(by_key[mix.key], [plan(by_key[mix.key], mix, supply)])
    prices = _priced(choice, start)
    least: dict[Key, float] = {}
    for at, need in enumerate(choice.needs):
        found = planned(need, supply, prices.seen_by(need, supply), choice.books[need.key])
        if found.need != need:
            choice.asks(at, found.need)
        choice.add(found.need, found.plans)
        least[need.key] = found.least
    bound = sum(least.values()) - rent_of_what_is_shared(prices, supply, offers)
    _narrowed(choice, prices, frozenset(always))
    _view(choice, prices)
    mixes, how = _chosen(choice, min(nodes, NODES)), How.BOUNDED
    final = tuple(choice.needs)
    if mixes is None or broken(final, mixes, supply) or over(supply.caps, mixes):
        mixes, how = _rough(final, supply), How.GREEDY
    usd = score(final, mixes, supply)
    return Together(Solution(final, mixes, usd, min(usd, bound), how), prices, least, choice.books)


def _rough(needs: Sequence[Need], supply: Supply) -> tuple[Mix, ...]:
    """The greedy answer; where that exceeds a budget, its deployments have their floors."""
    mixes = greedy(needs, supply)
    exceeded = over(supply.caps, mixes)
    held = {key for cap in supply.caps if cap.name in exceeded for key in cap.keys}
    least = floors(needs, supply) if held else {}
    return tuple(least[mix.key] if mix.key in held else mix for mix in mixes)


def rent_of_what_is_shared(prices: Prices, supply: Supply, offers: Mapping[OfferKey, Offer]) -> float:
    """What the prices would take in beyond what machines cost: to be taken off the sum of plans for a bound."""
    taken = sum(prices.caps.get(cap.name, 0.0) * cap.usd_per_hour for cap in supply.caps)
    for key, offer in offers.items():
        price, rent, most = prices.machines[key], supply.rent(offer), supply.most(offer)
        taken += price * supply.open.get(key, 0.0)
        if price > rent:
            taken += (price - rent) * most
    return taken


def _priced(choice: _Choice, start: Prices | None) -> Prices:
    """The prices at which plans add up to the most that can be proven; what is not scarce keeps its price."""
    supply, offers = choice.supply, choice.offers
    held = {key for cap in supply.caps for key in cap.keys}
    scarce = {key for key in offers if not math.isinf(supply.most(offers[key]))}
    prices = Prices({key: offer.usd_per_hour for key, offer in offers.items()})
    if start is not None:
        caps = {cap.name for cap in supply.caps}
        prices = Prices(
            {key: start.machines.get(key, usd) for key, usd in prices.machines.items()},
            {name: worth for name, worth in start.caps.items() if name in caps},
        )
    best, most = prices, -math.inf
    for at in range(_ROUNDS):
        new, least = 0, 0.0
        for need in choice.needs:
            seen = prices.seen_by(need, supply)
            plans = sketched(need, supply, seen, choice.books[need.key])
            new += choice.add(need, plans)
            if need.key in held and at == 0:
                new += choice.add(need, _rungs(need, supply, seen, plans))
            least += min((each.at(seen) for each in plans), default=0.0)
        total = least - rent_of_what_is_shared(prices, supply, offers)
        if total > most:
            best, most = prices, total
        if not (scarce or supply.caps) or not new:
            break
        prices = _worth(choice)
    return best


def _rungs(need: Need, supply: Supply, prices: Mapping[OfferKey, float], plans: Sequence[Plan]) -> list[Plan]:
    """Plans for less than the demand, as they count for all of it, in the shapes of the best plans for all of it."""
    found = []
    shapes = {seats.berth.shape for each in plans[:_RUNG_SHAPES] for seats in each.mix.seats}
    berths = tuple(berth for berth in need.berths if berth.shape in shapes) or need.berths
    for part in _LADDER:
        less = replace(need, berths=berths, peak_rps=need.peak_rps * part, usual_rps=need.usual_rps * part)
        found += [plan(need, each.mix, supply) for each in sketched(less, supply, prices)[:2]]
    return found


def _narrowed(choice: _Choice, prices: Prices, always: frozenset[Mix]) -> None:
    """Of very many plans the best of each need at those prices: the programme of all plans takes five times as long."""
    most = max(_LEAST_PLANS, _PLANS // max(1, len(choice.needs)))
    for need in choice.needs:
        plans = choice.plans[need.key]
        seen = prices.seen_by(need, choice.supply)
        ranked = sorted(plans, key=lambda mix: plans[mix].at(seen))
        choice.plans[need.key] = {mix: plans[mix] for at, mix in enumerate(ranked) if at < most or mix in always}


@dataclass(frozen=True, slots=True)
class _Master:
    programme: Programme
    picks: dict[Key, list[tuple[int, Plan]]]
    machine_rows: dict[OfferKey, int]
    cap_rows: dict[str, int]


def _master(choice: _Choice, limits: Mapping[str, float], *, alone: bool = False) -> _Master:
    """One plan for each need; parts of machines add up to machines; budgets by parts, or by machines of their own."""
    programme = Programme()
    made = _Master(programme, {}, {}, {})
    parts: dict[OfferKey, Terms] = defaultdict(list)
    spent: dict[str, Terms] = defaultdict(list)
    for need in choice.needs:
        picks = made.picks[need.key] = []
        caps = [cap.name for cap in choice.supply.caps if need.key in cap.keys]
        for each in choice.plans[need.key].values():
            at = programme.column(each.besides_usd_per_hour + each.open_usd_per_hour, most=1.0, whole=True)
            picks.append((at, each))
            for key, part in each.machines.items():
                parts[key].append((at, part))
            by_parts = sum(choice.offers[key].usd_per_hour * part for key, part in each.machines.items())
            for name in caps:
                spent[name].append((at, each.alone_usd_per_hour if alone else by_parts))
        programme.row([(at, 1.0) for at, _ in picks], at_least=1.0, at_most=1.0)
    for key, terms in sorted(parts.items()):
        offer = choice.offers[key]
        machines = programme.column(choice.supply.rent(offer), most=choice.supply.most(offer), whole=True)
        made.machine_rows[key] = programme.row([*terms, (machines, -1.0)], at_most=choice.supply.open.get(key, 0.0))
    for cap in choice.supply.caps:
        made.cap_rows[cap.name] = programme.row(spent[cap.name], at_most=limits[cap.name])
    return made


def _worth(choice: _Choice) -> Prices:
    """Prices by the relaxed choice among the plans so far."""
    made = _master(choice, {cap.name: cap.usd_per_hour for cap in choice.supply.caps})
    worth = row_prices(made.programme)
    machines = {key: choice.supply.rent(offer) for key, offer in choice.offers.items()}
    machines |= {key: float(worth[row]) for key, row in made.machine_rows.items()}
    return Prices(machines, {name: float(worth[row]) for name, row in made.cap_rows.items()})


def _view(choice: _Choice, prices: Prices) -> None:
    """Further plans, each made as if others filled the rest of the machines of one offer."""
    if len(choice.needs) > _VIEWS:
        return
    shared = sorted({key for key, offer in choice.offers.items() if offer.accelerators > 1})
    for key in shared:
        for need in choice.needs:
            if not any(berth.offer.key == key for berth in need.berths):
                continue
            seen = prices.seen_by(need, choice.supply)
            seen[key] *= _AS_IF
            machine = choice.offers[key].machine
            of_it = replace(need, berths=tuple(berth for berth in need.berths if berth.offer.machine == machine))
            choice.add(need, (plan(need, each.mix, choice.supply) for each in sketched(of_it, choice.supply, seen)))


def _chosen(choice: _Choice, nodes: int) -> tuple[Mix, ...] | None:
    """The best plan for each, such that likely losses are survived and budgets hold.

    Limits that were tightened may leave no room for a floor; by machines of their own the budgets have it.
    """
    caps = choice.supply.caps
    whole = limits = {cap.name: cap.usd_per_hour for cap in caps}
    mixes = None
    for attempt in range(_AGAIN):
        last = attempt == _AGAIN - 1
        found = None if last else _picked(choice, limits, nodes, alone=False)
        found = found or _picked(choice, whole, nodes, alone=True)
        if found is None:
            break
        mixes = found
        exceeded = over(caps, mixes)
        limits = {name: limit - _TIGHTER * exceeded.get(name, 0.0) for name, limit in limits.items()}
        asked = [_survive(choice, at, mix) for at, mix in enumerate(mixes)]
        if not exceeded and not any(asked):
            break
    alone = None if limits == whole else _picked(choice, whole, nodes, alone=True)
    kept = [each for each in (mixes, alone) if each is not None and not over(caps, each)]
    return min(kept, key=lambda each: score(choice.needs, each, choice.supply), default=mixes)


def _survive(choice: _Choice, at: int, mix: Mix) -> bool:
    """Whether the mix must survive more than it does; then its need is asked to, and planned for again."""
    need = choice.needs[at]
    asked = surviving(need, mix)
    if asked == need:
        return False
    found = planned(asked, choice.supply, {berth.offer.key: berth.offer.usd_per_hour for berth in need.berths})
    choice.asks(at, found.need)
    choice.add(found.need, found.plans)
    return True


def _picked(choice: _Choice, limits: Mapping[str, float], nodes: int, *, alone: bool) -> tuple[Mix, ...] | None:
    if alone:
        limits = {cap.name: cap.usd_per_hour for cap in choice.supply.caps}
    made = _master(choice, limits, alone=alone)
    found = solved(made.programme, gap=_GAP, nodes=nodes)
    if found is None:
        return None
    taken = _taken(made, found.values)
    if any(each.open_usd_per_hour for each in taken.values()):
        # What cannot be served is settled; beside its price the solver would not see the money.
        for key, picks in made.picks.items():
            for at, each in picks:
                made.programme.cost[at] -= each.open_usd_per_hour
                if each.open_usd_per_hour > taken[key].open_usd_per_hour * (1 + ROUNDING):
                    made.programme.most[at] = 0.0
        again = solved(made.programme, gap=_GAP, nodes=nodes)
        taken = taken if again is None else _taken(made, again.values)
    return tuple(each.mix for each in taken.values())


def _taken(made: _Master, values: Floats) -> dict[Key, Plan]:
    return {key: max(picks, key=lambda pick: (values[pick[0]], -pick[0]))[1] for key, picks in made.picks.items()}
