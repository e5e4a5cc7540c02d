"""Random histories of machines and the replicas on them, and what they cost by adding up their seconds."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from hypothesis import strategies as st
from wharfage_autoscaler.meter import Machine, Stay
from wharfage_autoscaler.offers import Market
from wharfage_autoscaler.spend import NOTHING, Account, Payer, Spend

ENDS_S = 6000
ROW_S = 1800
BOOT_S = 3600
OFFER = ("cloud", "g6.xlarge", Market.SPOT, "")
PAYERS = tuple(Account(Payer(f"uid-{name}", "shop", name), OFFER, budgets=("all",)) for name in "abc")

Rows = dict[tuple[float, Account], Spend]


def row_of(at_s: float) -> tuple[float, float]:
    """Rows of half an hour: there are more of them than hours."""
    begins_s = at_s - at_s % ROW_S
    return begins_s, begins_s + ROW_S


@dataclass(frozen=True)
class Visit:
    """A replica on a machine: bound, ready and gone in whole seconds; it may go before it was ever ready."""

    account: Account
    part: float
    bound_s: int
    ready_s: int
    gone_s: int


@dataclass(frozen=True)
class Rented:
    """A machine with its visits, and its prices by the second from which they hold."""

    whole: bool
    created_s: int
    gone_s: int
    prices: Mapping[int, float]
    visits: Sequence[Visit]

    def price(self, at_s: float) -> float:
        """Dollars per hour that held then."""
        return self.prices[max(begins_s for begins_s in self.prices if begins_s <= max(0, at_s))]


Fleet = Sequence[Rented]


@st.composite
def fleets(draw: st.DrawFn) -> Fleet:
    """Up to three machines with up to four visits each."""
    return [draw(_rented()) for _ in range(draw(st.integers(1, 3)))]


@st.composite
def _rented(draw: st.DrawFn) -> Rented:
    created_s = draw(st.integers(0, ENDS_S - 2))
    gone_s = draw(st.integers(created_s + 1, 2 * ENDS_S))
    moments = draw(st.lists(st.integers(1, ENDS_S - 1), max_size=2, unique=True))
    prices = {moment_s: draw(st.integers(1, 40)) / 8 for moment_s in (0, *moments)}
    visits = []
    for _ in range(draw(st.integers(0, 4))):
        bound_s = draw(st.integers(created_s, gone_s - 1))
        leaves_s = draw(st.integers(bound_s + 1, gone_s))
        ready_s = draw(st.integers(bound_s, 2 * ENDS_S))
        visits.append(Visit(draw(st.sampled_from(PAYERS)), draw(st.integers(1, 8)) / 8, bound_s, ready_s, leaves_s))
    return Rented(draw(st.booleans()), created_s, gone_s, prices, visits)


def news_of_prices(fleet: Fleet) -> set[int]:
    """When a price changes: somebody looks then."""
    return {moment_s for rented in fleet for moment_s in rented.prices if moment_s > 0}


def events(fleet: Fleet) -> set[int]:
    """When anything begins or ends, or a price changes."""
    found = news_of_prices(fleet)
    for rented in fleet:
        found |= {rented.created_s, rented.gone_s}
        for visit in rented.visits:
            found |= {visit.bound_s, visit.ready_s, visit.gone_s}
    return found


def seen(fleet: Fleet, before_s: float, at_s: float, priced_s: float) -> dict[str, Machine]:
    """What a look sees, with what has ended since the one at `before_s`, at the prices that held at `priced_s`."""
    return {
        str(number): Machine(
            rented.price(priced_s),
            rented.whole,
            rented.created_s,
            {
                f"{number}.{each}": _stay(visit, at_s)
                for each, visit in enumerate(rented.visits)
                if visit.bound_s <= at_s and visit.gone_s > before_s
            },
            until_s=rented.gone_s if rented.gone_s <= at_s else None,
        )
        for number, rented in enumerate(fleet)
        if rented.created_s <= at_s and rented.gone_s > before_s
    }


def left_there(fleet: Fleet, at_s: float, priced_s: float) -> dict[str, Machine]:
    """What one sees who has not watched: nothing of what has ended."""
    return seen(fleet, at_s, at_s, priced_s)


def _stay(visit: Visit, at_s: float) -> Stay:
    return Stay(
        visit.account,
        visit.part,
        visit.bound_s,
        ready_s=visit.ready_s if visit.ready_s <= at_s else None,
        until_s=visit.gone_s if visit.gone_s <= at_s else None,
    )


def added_up(fleet: Fleet, until_s: int) -> Rows:
    """What all of it costs until a moment, second by second."""
    found: Rows = {}
    for rented in fleet:
        ends_s = min(until_s, rented.gone_s)
        came = [visit for visit in rented.visits if visit.bound_s < ends_s]
        if not came:
            continue
        first = min(came, key=lambda visit: (visit.bound_s, visit.account))
        begins_s = max(rented.created_s, first.bound_s - BOOT_S) if rented.whole else first.bound_s
        for second in range(begins_s, ends_s):
            usd = rented.price(max(second, first.bound_s)) / 3600
            for account, spend in _second(rented.whole, came, first, second, usd):
                row = row_of(second)[0], account
                found[row] = found.get(row, NOTHING) + spend
    return found


def _second(whole: bool, came: Sequence[Visit], first: Visit, second: int, usd: float) -> list[tuple[Account, Spend]]:
    there = [visit for visit in came if visit.bound_s <= second < visit.gone_s]
    used = sum(visit.part for visit in there)
    crowd = max(1.0, used) if whole else 1.0
    spent = [(visit.account, _worked(visit, second, visit.part / crowd * usd)) for visit in there]
    if not whole or used >= 1.0:
        return spent
    if there:
        shares = [(visit.account, visit.part / used) for visit in there]
    else:
        left = [visit for visit in came if visit.gone_s <= second]
        heir = max(left, key=lambda visit: (visit.gone_s, visit.account)) if left else first
        shares = [(heir.account, 1.0)]
    return spent + [(account, Spend(idle=share * (1.0 - used) * usd)) for account, share in shares]


def _worked(visit: Visit, second: int, usd: float) -> Spend:
    return Spend(serving=usd) if second >= visit.ready_s else Spend(startup=usd)
