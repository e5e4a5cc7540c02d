"""The ledger as ConfigMaps: what is open in one, closed hours in others, four to a day.

`open` holds the rows that are not closed and the meter, in one object, so that both are of the same moment. A closed
row lies in the ConfigMap of its quarter of the day, always in the same one: a day of 300 deployments stays far below
the megabyte that an object may have. Rows are absolute: writing one again changes nothing, and where a row is open,
too, the open one is right.

Texts are JSON, compressed. `form` says how it is laid out; what another form has is not read, and not overwritten.
"""

from collections.abc import Iterable, Mapping
from dataclasses import astuple, dataclass, field
from datetime import UTC, datetime
from typing import Any

from wharfage_autoscaler.counting import Counters, Mark, Marks
from wharfage_autoscaler.ledger import Ledger
from wharfage_autoscaler.meter import Machine, Meter, Stay
from wharfage_autoscaler.offers import Market
from wharfage_autoscaler.spend import NOBODY, Account, Payer, Served, Spend, Tenants, Used
from wharfage_autoscaler.tenants import fewer
from wharfage_autoscaler.usage import Usage, Usages

from wharfage_operator.kinds import CONFIG_MAPS, Object
from wharfage_operator.packing import packed, unpacked

LABEL = "wharfage.dev/ledger"
OPEN = "wharfage-ledger-open"
FORM = 1
WRITTEN_EVERY_S = 2 * 3600.0
"""Whoever keeps the ledger writes what is open at the end of every hour at the latest."""
_PART_S = 6 * 3600.0
_DATA = "ledger"
_DIGITS = 9  # of a dollar
_HOUR_DIGITS = 6
_TOKEN_DIGITS = 1


class Unreadable(ValueError):  # noqa: N818 - the state is the name
    """A ConfigMap of the ledger that this version cannot read, as it is; whoever gets this must not overwrite it."""

    def __init__(self, message: str, found: Object) -> None:
        super().__init__(message)
        self.found = {**found, "apiVersion": CONFIG_MAPS.api_version, "kind": CONFIG_MAPS.name}


@dataclass(frozen=True, slots=True)
class Open:
    """What is not closed: rows, the meter, since when there is a ledger, and the beginning of the first open row.

    `marks` are what engines had counted when they were last read, `usages` what gateways had.
    """

    meter: Meter
    ledger: Ledger
    since_s: float
    closed_s: float
    marks: Marks = field(default_factory=dict)
    usages: Usages = field(default_factory=dict)


def part_name(begins_s: float) -> str:
    """The ConfigMap that a closed row belongs to."""
    at = datetime.fromtimestamp(begins_s, UTC)
    return f"wharfage-ledger-{at:%Y%m%d}-{int(begins_s % 86400.0 // _PART_S)}"


def day_name(begins_s: float) -> str:
    """The ConfigMap of the whole day of UTC in which a row begins; it sorts before those of its quarters."""
    return f"wharfage-ledger-{datetime.fromtimestamp(begins_s, UTC):%Y%m%d}"


class Wanted:
    """Which ConfigMaps to read, asked of each in the order of their names, which the API server lists them in.

    None of days that are over before a moment; no quarter of a day that is there whole.
    """

    def __init__(self, from_s: float) -> None:
        """`from_s` is that moment in Unix seconds."""
        self._first = day_name(from_s)
        self._whole = "-"

    def __call__(self, found: Object) -> bool:
        """Whether this one is to be read."""
        name = found["metadata"]["name"]
        if len(name) == len(self._first):
            self._whole = name
        return name >= self._first and not name.startswith(f"{self._whole}-")


def parts(ledger: Ledger) -> dict[str, Ledger]:
    """Closed rows by the ConfigMap that they belong to."""
    found: dict[str, dict[float, Mapping[Account, Spend]]] = {}
    for begins_s, row in ledger.rows.items():
        found.setdefault(part_name(begins_s), {})[begins_s] = row
    return {name: Ledger(rows) for name, rows in found.items()}


def written_open(namespace: str, books: Open) -> Object:
    """What is open as an object."""
    accounts = _Accounts()
    meter = [books.meter.mark_s, [_machine(uid, each, accounts) for uid, each in sorted(books.meter.machines.items())]]
    rows = _rows(books.ledger, accounts)
    told = {"accounts": accounts.told, "rows": rows, "meter": meter, "since": books.since_s, "closed": books.closed_s}
    told["marks"] = [
        [key, accounts.number(mark.account), mark.at_s, *astuple(mark.counters)]
        for key, mark in sorted(books.marks.items())
    ]
    told |= _tenants(books.ledger, accounts)
    told["usages"] = [_usage(name, each) for name, each in sorted(books.usages.items())]
    return _config_map(namespace, OPEN, told)


def read_open(found: Object) -> Open:
    """What `written_open` wrote; Unreadable for anything else."""
    told = _told(found)
    try:
        accounts = [_account(each) for each in told["accounts"]]
        mark_s, machines = told["meter"]
        meter = Meter(float(mark_s), dict(_read_machine(each, accounts) for each in machines))
        marks = {
            str(key): Mark(accounts[number], float(at_s), Counters(*map(float, counters)))
            for key, number, at_s, *counters in told.get("marks", ())
        }
        usages = dict(_read_usage(*each) for each in told.get("usages", ()))
        ledger = _read_rows(told, accounts)
        return Open(meter, ledger, float(told["since"]), float(told["closed"]), marks, usages)
    except (AttributeError, KeyError, IndexError, TypeError, ValueError) as error:
        raise _unreadable(found, error) from error


def written_part(namespace: str, name: str, ledger: Ledger) -> Object:
    """Closed rows of a quarter of a day as an object."""
    accounts = _Accounts()
    rows = _rows(ledger, accounts)
    return _config_map(namespace, name, {"accounts": accounts.told, "rows": rows, **_tenants(ledger, accounts)})


def read_part(found: Object) -> Ledger:
    """What `written_part` wrote; Unreadable for anything else."""
    told = _told(found)
    try:
        return _read_rows(told, [_account(each) for each in told["accounts"]])
    except (AttributeError, KeyError, IndexError, TypeError, ValueError) as error:
        raise _unreadable(found, error) from error


class _Accounts:
    """Accounts in the order in which they were first named, so that rows need only their number."""

    def __init__(self) -> None:
        self.told: list[list[Any]] = []
        self._numbers: dict[Account, int] = {}

    def number(self, account: Account) -> int:
        if account not in self._numbers:
            self._numbers[account] = len(self.told)
            payer = account.payer
            who = [payer.uid, payer.namespace, payer.name, payer.team]
            self.told.append([*who, *account.offer, account.budgets, payer.model])
        return self._numbers[account]


def _account(told: Any) -> Account:
    uid, namespace, name, team, catalog, offer, market, zone, budgets, *model = told
    payer = Payer(uid, namespace, name, team, *model)
    return Account(payer, (catalog, offer, Market(market), zone), tuple(budgets))


def _rows(ledger: Ledger, accounts: _Accounts) -> list[Any]:
    return [
        [begins_s, [[accounts.number(account), *_figures(spend)] for account, spend in sorted(row.items())]]
        for begins_s, row in sorted(ledger.rows.items())
    ]


def _figures(spend: Spend) -> Iterable[float]:
    paid = [round(usd, _DIGITS) for usd in (spend.serving, spend.idle, spend.startup, spend.estimated)]
    hours = [round(each, _HOUR_DIGITS) for each in (spend.replica_hours, spend.machine_hours)]
    served = [] if spend.served == NOBODY else [round(each, _TOKEN_DIGITS) for each in astuple(spend.served)]
    return [*paid, *hours, spend.interruptions, *served]


def _tenants(ledger: Ledger, accounts: _Accounts) -> dict[str, Any]:
    """Beside the rows, so that a version that knows no tenants reads those all the same; names once for all rows."""
    numbers: dict[str, int] = {}
    rows = [
        [begins_s, told]
        for begins_s, row in sorted(ledger.rows.items())
        if (
            told := [
                [accounts.number(account), [_used(numbers, *each) for each in fewer(spend.tenants)]]
                for account, spend in sorted(row.items())
                if spend.tenants
            ]
        )
    ]
    return {"tenants": rows, "tenantNames": list(numbers)} if rows else {}


def _used(numbers: dict[str, int], name: str, used: Used) -> list[float]:
    """Whole requests and tokens: they are for shares."""
    return [numbers.setdefault(name, len(numbers)), *map(round, astuple(used))]


def _read_rows(told: Mapping[str, Any], accounts: list[Account]) -> Ledger:
    names = [str(name) for name in told.get("tenantNames", ())]
    tenants = {
        (float(begins_s), number): tuple(sorted((names[place], Used(*map(float, figures))) for place, *figures in each))
        for begins_s, row in told.get("tenants", ())
        for number, each in row
    }
    return Ledger(
        {
            float(begins_s): {
                accounts[number]: _spend(list(map(float, figures)), tenants.get((float(begins_s), number), ()))
                for number, *figures in row
            }
            for begins_s, row in told["rows"]
        }
    )


def _usage(key: str, usage: Usage) -> list[Any]:
    """A gateway's mark; of a deployment its tenants together."""
    told: dict[str, list[list[Any]]] = {}
    for (name, tenant), used in sorted(usage.uses.items()):
        told.setdefault(name, []).append([tenant, *map(round, astuple(used))])
    return [key, usage.namespace, usage.began_s, usage.at_s, told]


def _read_usage(key: Any, namespace: Any, began_s: Any, at_s: Any, told: Any) -> tuple[str, Usage]:
    uses = {
        (str(name), str(tenant)): Used(*map(float, figures)) for name, each in told.items() for tenant, *figures in each
    }
    return str(key), Usage(str(namespace), float(began_s), float(at_s), uses)


def _spend(figures: list[float], tenants: Tenants) -> Spend:
    serving, idle, startup, estimated, replica_hours, machine_hours, interruptions, *served = figures
    had = Served(*served) if served else NOBODY
    return Spend(serving, idle, startup, estimated, replica_hours, machine_hours, interruptions, had, tenants)


def _machine(uid: str, machine: Machine, accounts: _Accounts) -> list[Any]:
    left = None if machine.left is None else accounts.number(machine.left)
    stays = [
        [key, accounts.number(stay.account), stay.part, stay.since_s, stay.ready_s]
        for key, stay in sorted(machine.stays.items())
    ]
    return [uid, machine.usd_per_hour, machine.whole, machine.since_s, machine.guessed, left, stays]


def _read_machine(told: Any, accounts: list[Account]) -> tuple[str, Machine]:
    uid, usd_per_hour, whole, since_s, guessed, left, stays = told
    there = {
        str(key): Stay(accounts[number], float(part), float(bound_s), None if ready_s is None else float(ready_s))
        for key, number, part, bound_s, ready_s in stays
    }
    left_account = None if left is None else accounts[left]
    return uid, Machine(float(usd_per_hour), bool(whole), float(since_s), there, bool(guessed), left_account)


def _config_map(namespace: str, name: str, told: Mapping[str, Any]) -> Object:
    metadata = {"name": name, "namespace": namespace, "labels": {LABEL: "open" if name == OPEN else "closed"}}
    return {
        "apiVersion": CONFIG_MAPS.api_version,
        "kind": CONFIG_MAPS.name,
        "metadata": metadata,
        "data": {"form": str(FORM)},
        "binaryData": {_DATA: packed(told)},
    }


def _told(found: Object) -> dict[str, Any]:
    form = (found.get("data") or {}).get("form")
    if form != str(FORM):
        raise _unreadable(found, f"its form is {form}, and this version reads form {FORM}")
    try:
        told = unpacked((found.get("binaryData") or {})[_DATA])
    except (KeyError, TypeError, ValueError) as error:
        raise _unreadable(found, error) from error
    if not isinstance(told, dict):
        raise _unreadable(found, "it holds no object")
    return told


def _unreadable(found: Object, why: object) -> Unreadable:
    namespace, name = found["metadata"].get("namespace", ""), found["metadata"]["name"]
    return Unreadable(
        f"ConfigMap {namespace}/{name} of the ledger cannot be read ({why}): "
        "run the version that wrote it, or save it elsewhere and delete it",
        found,
    )
