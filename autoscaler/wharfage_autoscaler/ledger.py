"""Dollars by hour and account, and their sums: what budgets, reports and the status read.

A `Ledger` holds rows in full: of the hours that are not closed yet, or of one day. `Totals` are what is kept in memory
of the rest: of every budget by hour, because its periods begin at hours, and of every payer by day.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from wharfage_autoscaler.spend import NOTHING, Account, Spend

DAY_S = 86400.0
HOURLY_S = 200 * DAY_S
"""So far back there are rows of hours: this quarter and the one before. What is older is kept by the day."""

Row = Mapping[Account, Spend]
Sums = Mapping[str, Mapping[float, Spend]]


@dataclass(frozen=True, slots=True)
class Ledger:
    """Rows by the moment at which they begin (Unix seconds)."""

    rows: Mapping[float, Row] = field(default_factory=dict)

    def posted(self, charges: Mapping[tuple[float, Account], Spend]) -> "Ledger":
        """With these charges, by row and account."""
        fresh = {begins_s: dict(self.rows.get(begins_s, {})) for begins_s, _ in charges}
        for (begins_s, account), spend in charges.items():
            fresh[begins_s][account] = fresh[begins_s].get(account, NOTHING) + spend
        return Ledger({**self.rows, **fresh})

    def replaced(self, rows: Mapping[float, Row]) -> "Ledger":
        """With these rows in the place of those that begin at the same moments: written twice they are the same."""
        return Ledger({**self.rows, **rows})

    def between(self, from_s: float, to_s: float) -> "Ledger":
        """Those rows that begin then."""
        return Ledger({begins_s: row for begins_s, row in self.rows.items() if from_s <= begins_s < to_s})

    @property
    def spend(self) -> Spend:
        """All of it together."""
        return total(spend for row in self.rows.values() for spend in row.values())


@dataclass(frozen=True, slots=True)
class Totals:
    """Sums by budget and the beginning of a row, and by payer (its uid) and the beginning of a day of UTC."""

    by_budget: Sums = field(default_factory=dict)
    by_payer: Sums = field(default_factory=dict)

    def __add__(self, other: "Totals") -> "Totals":
        """Both together."""
        return Totals(_added(self.by_budget, other.by_budget), _added(self.by_payer, other.by_payer))

    def since(self, from_s: float) -> "Totals":
        """Without what began earlier."""
        return Totals(_since(self.by_budget, from_s), _since(self.by_payer, from_s))

    def of_budget(self, budget: str, from_s: float, to_s: float) -> Spend:
        """What was spent under a budget in the rows that begin then."""
        return _between(self.by_budget.get(budget, {}), from_s, to_s)

    def of_payer(self, uid: str, from_s: float, to_s: float) -> Spend:
        """What was spent for a deployment on the days that begin then."""
        return _between(self.by_payer.get(uid, {}), from_s, to_s)


def totals(ledger: Ledger) -> Totals:
    """The sums of rows in full."""
    by_budget: dict[str, dict[float, Spend]] = {}
    by_payer: dict[str, dict[float, Spend]] = {}
    for begins_s, row in ledger.rows.items():
        day_s = day_of(begins_s)
        for account, spend in row.items():
            _count(by_payer, account.payer.uid, day_s, spend.alone)
            for budget in account.budgets:
                _count(by_budget, budget, begins_s, spend.alone)
    return Totals(by_budget, by_payer)


def total(spends: Iterable[Spend]) -> Spend:
    """All of them together."""
    return sum(spends, NOTHING)


def by_day(ledger: Ledger) -> Ledger:
    """One row a day of UTC, as older days are kept."""
    return every(ledger, DAY_S)


def every(ledger: Ledger, seconds: float) -> Ledger:
    """One row for each so many seconds: an hour may be cut in two where a budget's period begins in it."""
    rows: dict[float, dict[Account, Spend]] = {}
    for begins_s, row in ledger.rows.items():
        found = rows.setdefault(begins_s - begins_s % seconds, {})
        for account, spend in row.items():
            found[account] = found.get(account, NOTHING) + spend
    return Ledger(rows)


def alone(ledger: Ledger) -> Ledger:
    """Without its tenants, whose sums cost time that only a report by tenant needs."""
    return Ledger(
        {begins_s: {account: spend.alone for account, spend in row.items()} for begins_s, row in ledger.rows.items()}
    )


def parted(ledger: Ledger, name_of: Callable[[Account], str]) -> dict[str, Ledger]:
    """The ledger by a name of its accounts; together the parts are all of it."""
    found: dict[str, dict[float, dict[Account, Spend]]] = {}
    for begins_s, row in ledger.rows.items():
        for account, spend in row.items():
            found.setdefault(name_of(account), {}).setdefault(begins_s, {})[account] = spend
    return {name: Ledger(rows) for name, rows in found.items()}


def uid_of(account: Account) -> str:
    """Of the deployment whose dollars they are."""
    return account.payer.uid


def day_of(at_s: float) -> float:
    """When the day of UTC began that a moment is in."""
    return at_s - at_s % DAY_S


def _count(sums: dict[str, dict[float, Spend]], name: str, begins_s: float, spend: Spend) -> None:
    row = sums.setdefault(name, {})
    row[begins_s] = row.get(begins_s, NOTHING) + spend


def _added(first: Sums, second: Sums) -> Sums:
    return {name: _merged(first.get(name, {}), second.get(name, {})) for name in first.keys() | second.keys()}


def _merged(first: Mapping[float, Spend], second: Mapping[float, Spend]) -> dict[float, Spend]:
    return {
        begins_s: first.get(begins_s, NOTHING) + second.get(begins_s, NOTHING)
        for begins_s in first.keys() | second.keys()
    }


def _since(sums: Sums, from_s: float) -> Sums:
    kept = {
        name: {begins_s: each for begins_s, each in row.items() if begins_s >= from_s} for name, row in sums.items()
    }
    return {name: row for name, row in kept.items() if row}


def _between(row: Mapping[float, Spend], from_s: float, to_s: float) -> Spend:
    return total(spend for begins_s, spend in row.items() if from_s <= begins_s < to_s)
