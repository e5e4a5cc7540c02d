"""Keeps the ledger: what ours run on is charged at every change and now and then, and written where it must last.

It is written two seconds after a start, an end or a change of price, at the end of an hour, and at a clean exit; what
is charged between two writes is charged again from what is there, should the process die (docs/design/0025-ledger.md).
"""

import logging
import math
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime

from wharfage_autoscaler.counting import Counters, Mark, Marks, Weigh, begun, counted
from wharfage_autoscaler.ledger import DAY_S, Ledger, Totals, day_of, totals
from wharfage_autoscaler.meter import Machine, Meter, Stay
from wharfage_autoscaler.metering import HOUR_S, Charges, RowOf, charged
from wharfage_autoscaler.offers import Market
from wharfage_autoscaler.reasons import Reason
from wharfage_autoscaler.savings import saved_usd
from wharfage_autoscaler.spend import NOTHING, Account, Spend
from wharfage_autoscaler.supply import OfferKey
from wharfage_autoscaler.usage import Usage, Usages, shifted, used
from wharfage_autoscaler.worth import USUAL

from wharfage_operator.apply import Writer
from wharfage_operator.books import Open, Unreadable
from wharfage_operator.cache import Cache
from wharfage_operator.clock import Clock
from wharfage_operator.connection import Connection
from wharfage_operator.errors import ApiError, NotYet
from wharfage_operator.gather import Supply
from wharfage_operator.kinds import DEPLOYMENTS, LLM_BUDGETS, NODES, OFFER_CATALOGS, PODS, Kind, Object
from wharfage_operator.neighbours import Neighbours
from wharfage_operator.shelves import Shelves
from wharfage_operator.tariffs import on_demand, priced
from wharfage_operator.telemetry import Telemetry
from wharfage_operator.tenancy import Ended, Selecting, Tenancy

log = logging.getLogger(__name__)
KEPT_S = 35 * DAY_S
_EVERY_S = 2.0
_AT_LEAST_EVERY_S = 15.0
_CHARGED_BY = (PODS, NODES, DEPLOYMENTS, OFFER_CATALOGS, LLM_BUDGETS)
_LATE_S = 60.0  # an hour is closed when nothing of it can be heard of any more
_STEP_S = 1.0  # of a clock that was set
_MOST_ENDED = 10_000

Counted = Callable[[], Mapping[str, tuple[float, Counters]]]
"""What engines have counted (`uid/engine`), and how many seconds ago they were read."""

Tallied = Callable[[], Mapping[str, tuple[float, Usage]]]
"""What gateways have counted, each with a name that is no other's, and how many seconds ago they were heard."""

Spent = Callable[[str], tuple[Spend, Spend] | None]
"""What was spent for the deployment of a uid today and this month (UTC); None where nobody knows yet."""


class Bookkeeper:
    """The meter, the rows that are open, and the sums of those that are closed."""

    def __init__(
        self,
        cache: Cache,
        connection: Connection,
        writer: Writer,
        supply: Supply,
        clock: Clock,
        telemetry: Telemetry,
        *,
        namespace: str,
        everywhere: bool,
        selecting: Selecting,
        rows: Callable[[], RowOf],
        proven: Callable[[], str | None],
        counters: Counted = dict,
        tallies: Tallied = dict,
        weigh: Weigh = lambda account: USUAL,
        lost: Callable[[Object], bool] = lambda pod: False,
    ) -> None:
        """`selecting` names the budgets of a deployment, `rows` cuts hours where their periods begin.

        `everywhere`: whether pods of all namespaces may be listed. `proven` tells until when another process watched,
        before this one led (RFC 3339); None if nobody knows. `counters` are the engines', `tallies` are the gateways',
        `weigh` a token's worth.
        `lost` tells of a pod that has gone whether its spot machine was taken back.
        """
        self._cache = cache
        self._supply = supply
        self._clock = clock
        self._telemetry = telemetry
        self._selecting = selecting
        self._rows = rows
        self._proven = proven
        self._counters = counters
        self._tallies = tallies
        self._weigh = weigh
        self._lost = lost
        self._writer = writer
        self.trouble = ""
        """Why the ledger is not kept, in words; empty where it is."""
        self._shelves = Shelves(connection, writer, namespace)
        self._neighbours = Neighbours(connection, may_ask=everywhere)
        self._ended: dict[Kind, deque[Ended]] = {kind: deque(maxlen=_MOST_ENDED) for kind in (PODS, NODES)}
        self._listed: dict[OfferKey, float] = {}
        """Dollars per hour of a machine, as catalogs had them at the last charge."""
        self._taken: set[str] = set()
        """Pods that have ended with their machine, by uid."""
        self._books: Open | None = None
        self._sent: Open | None = None
        """What is being written, and may have been although no answer came; None where that is known."""
        self._closed = Totals()
        self._floor_s = 0.0
        self._written: Meter | None = None
        self._told = (0.0, 0.0)
        self._seen: tuple[int, ...] = ()
        self._summed: tuple[Ledger | None, Totals] = (None, Totals())

    @property
    def observed_since_s(self) -> float | None:
        """Since when there is a ledger (Unix seconds); None while it is not read yet."""
        return None if self._books is None else self._books.since_s

    def spend(self, budget: str, from_s: float, to_s: float) -> Spend:
        """What was spent under a budget in the rows that begin then; up to the last charge, some seconds ago."""
        return self._closed.of_budget(budget, from_s, to_s) + self._open.of_budget(budget, from_s, to_s)

    def spent(self, budget: str, from_s: float, to_s: float) -> float:
        """The same in dollars; NaN while the ledger is not read yet."""
        return math.nan if self._books is None else self.spend(budget, from_s, to_s).usd

    def hours(self, budget: str, from_s: float, to_s: float) -> list[float]:
        """Dollars of each whole hour that begins then; NaN where nobody kept books."""
        since_s = math.inf if self._books is None else self._books.since_s
        found: dict[float, float] = {}
        for sums in (self._closed, self._open):
            for begins_s, spend in sums.by_budget.get(budget, {}).items():
                hour_s = begins_s - begins_s % HOUR_S
                found[hour_s] = found.get(hour_s, 0.0) + spend.usd
        first = math.ceil(from_s / HOUR_S) * HOUR_S
        hours = [first + HOUR_S * each for each in range(max(0, math.floor((to_s - first) / HOUR_S)))]
        return [math.nan if hour_s < since_s - HOUR_S else found.get(hour_s, 0.0) for hour_s in hours]

    def usd_per_hour(self, budget: str) -> float:
        """Dollars per hour that are spent under a budget now."""
        rates = {} if self._books is None else self._books.meter.rates()
        return sum(rate for account, rate in rates.items() if budget in account.budgets)

    def markup(self, budget: str) -> float:
        """What is charged of the machines that are used under a budget, over what catalogs ask for them.

        Above 1 where prices are too old to be believed; 1 where nothing runs, or nobody says a price.
        """
        charged_usd = listed_usd = 0.0
        for machine in () if self._books is None else self._books.meter.machines.values():
            for stay in machine.stays.values():
                listed = self._listed.get(stay.account.offer, 0.0)
                if listed > 0.0 and budget in stay.account.budgets:
                    charged_usd += stay.part * machine.usd_per_hour
                    listed_usd += stay.part * listed
        return charged_usd / listed_usd if charged_usd > 0.0 else 1.0

    def of_payer(self, uid: str, now_s: float) -> tuple[Spend, Spend] | None:
        """What was spent for a deployment today and this month (UTC); None while the ledger is not read yet."""
        if self._books is None:
            return None
        both = self._closed.by_payer.get(uid, {}), self._open.by_payer.get(uid, {})
        today_s, month_s = day_of(now_s), month_of(now_s)
        rows = [(begins_s, spend) for sums in both for begins_s, spend in sums.items() if begins_s >= month_s]
        today = sum((spend for begins_s, spend in rows if begins_s >= today_s), NOTHING)
        return today, sum((spend for _, spend in rows), NOTHING)

    @property
    def _open(self) -> Totals:
        """Of the rows that are open, summed once for each charge: every status asks."""
        if self._books is None:
            return Totals()
        if self._summed[0] is not self._books.ledger:
            self._summed = self._books.ledger, totals(self._books.ledger)
        return self._summed[1]

    def heard(self, kind: Kind, obj: Object) -> None:
        """A pod or a node was seen to go just now."""
        if kind in self._ended:
            self._ended[kind].append(Ended(obj, self._clock.unix_s))
        # Asked now: a machine that its last pod has just left is soon gone as well, and took nothing with it.
        if kind is PODS and self._lost(obj):
            self._taken.add(str(obj["metadata"]["uid"]))

    async def run(self) -> None:
        """Read what an earlier process wrote, then charge and write for ever."""
        await self._clock.every(_EVERY_S, self.turn)

    async def turn(self, now_s: float) -> None:
        """One look; `now_s` in Unix seconds. What fails is tried again at the next."""
        try:
            if self._books is None:
                await self._restore(now_s)
            elif self._due():
                await self._charge(now_s, proven_s=now_s)
            await self._write()
        except Unreadable as error:
            self._cannot_read(error)
        except (ApiError, NotYet) as error:
            log.info("the ledger waits", extra={"error": str(error)})
            if isinstance(error, ApiError) and error.replaced:
                self._books = None  # somebody wrote it: what is there is right
            elif isinstance(error, ApiError):
                self._telemetry.ledger_kept.set(0)  # until it is written again, at a later turn
                if self._books is None:  # nobody knows what was spent: no stage may hold for as long as that lasts
                    self.trouble = f"the ledger cannot be read: {error}"
        except Exception:  # a ledger that waits is no reason to stop serving
            log.exception("the ledger waits")

    def _cannot_read(self, error: Unreadable) -> None:
        self._telemetry.ledger_kept.set(0)
        log.error("the ledger is not kept", extra={"error": str(error)})
        if self.trouble != str(error):
            self.trouble = str(error)
            self._writer.event(error.found, reason=Reason.LEDGER_UNREADABLE.value, message=str(error), warning=True)

    async def close(self) -> None:
        """Charge and write once more, at a clean exit."""
        if self._books is not None:
            self._written, self._seen = None, ()
            await self.turn(self._clock.unix_s)

    def _due(self) -> bool:
        """Whether anything has changed that a charge depends on, or a while has passed."""
        seen = tuple(map(self._cache.changes, _CHARGED_BY))
        changed = seen != self._seen or any(self._ended.values())
        self._seen = seen
        return changed or self._clock.elapsed_s - self._told[1] >= _AT_LEAST_EVERY_S

    async def _restore(self, now_s: float) -> None:
        kept = await self._shelves.read(from_s=now_s - KEPT_S)
        self._closed = kept.closed
        if self._sent is not None and kept.open is not None and kept.open.meter.mark_s == self._sent.meter.mark_s:
            self._telemetry.spend.kept()  # it was written, and nobody told us
        self._telemetry.spend.dropped()
        self._sent = None
        if kept.open is not None:
            books, self._floor_s = kept.open, kept.open.since_s - KEPT_S
        else:
            _, closed_s = self._rows()(kept.last_s)
            self._floor_s = max(now_s - KEPT_S, closed_s if kept.last_s else 0.0)
            books = Open(Meter(self._floor_s), Ledger(), since_s=now_s, closed_s=self._floor_s)
        ahead_s = books.meter.mark_s - now_s
        if ahead_s > 0.0:  # a clock was set while nobody watched: what it missed is not known
            books = _later(books, -ahead_s)
        proven = self._proven()
        proven_s = 0.0 if proven is None else self._clock.own_s(datetime.fromisoformat(proven).timestamp())
        self._told = now_s, self._clock.elapsed_s
        self._books = books
        await self._charge(now_s, proven_s=min(now_s, max(proven_s, books.meter.mark_s)))

    async def _charge(self, now_s: float, *, proven_s: float) -> None:
        books = self._books
        if books is None:
            return
        books = self._set(books, now_s)
        meter = books.meter
        supplied = self._supply.now()
        self._listed = {offer.key: offer.usd_per_hour for offer in supplied.offers}
        tenancy = Tenancy(
            self._cache,
            priced(supplied.offers, supplied.prices_observed_at, now_s),
            self._selecting,
            self._clock.own_s,
            self._neighbours.shared,
            self._floor_s,
        )
        await self._neighbours.ask(self._used_nodes(meter))
        seen = tenancy.machines(meter, self._cache.all(PODS), tuple(self._ended[PODS]), tuple(self._ended[NODES]))
        after, charges = charged(meter, seen, now_s, proven_s=proven_s, row_of=self._rows())
        marks, served = self._served(books, seen, now_s)
        usages, shares = self._used(books, seen, now_s)
        losses = self._losses(_stays(seen))
        for ended in self._ended.values():
            ended.clear()
        self._taken.clear()
        ledger, listed = books.ledger, on_demand(supplied.offers)
        for each in (charges, served, shares, losses):
            for (_, account), spend in each.items():
                self._telemetry.spend.booked(account, spend, saved_usd=saved_usd(account, spend, listed))
            ledger = ledger.posted(_not_before(each, books.closed_s))
        self._books = replace(books, meter=after, ledger=ledger, marks=marks, usages=usages)

    def _used_nodes(self, meter: Meter) -> set[str]:
        """The names of nodes that ours are or were on: one that all have just left is still whole, and ours."""
        pods = [*self._cache.all(PODS), *(each.obj for each in self._ended[PODS])]
        emptied = {
            node["metadata"]["name"] for node in self._cache.all(NODES) if node["metadata"]["uid"] in meter.machines
        }
        return (emptied | {str(pod["spec"].get("nodeName") or "") for pod in pods}) - {""}

    def _losses(self, stays: Mapping[str, Stay]) -> Charges:
        """Replicas that ended with their spot machine."""
        found: Charges = {}
        for each in self._ended[PODS]:
            uid = str(each.obj["metadata"]["uid"])
            stay = stays.get(uid)
            if stay is not None and stay.account.offer[2] is Market.SPOT and uid in self._taken:
                row = self._rows()(each.at_s)[0], stay.account
                found[row] = found.get(row, NOTHING) + Spend(interruptions=1.0)
        return found

    def _served(self, books: Open, seen: Mapping[str, Machine], now_s: float) -> tuple[Marks, Charges]:
        """What engines have done since they were last read."""
        stays = {**_stays(books.meter.machines), **_stays(seen)}
        found = {}
        for key, (ago_s, counters) in self._counters().items():
            uid, mark = key.partition("/")[0], books.marks.get(key)
            if uid in stays:
                found[key] = Mark(stays[uid].account, now_s - ago_s, counters)
            elif mark is not None:  # its pod is gone, and was read once more before that
                found[key] = Mark(mark.account, now_s - ago_s, counters)
        began = {uid: stay.since_s if stay.ready_s is None else stay.ready_s for uid, stay in stays.items()}
        marks = begun(books.marks, found, began)
        return counted(marks, found, there=stays.keys(), row_of=self._rows(), weigh=self._weigh)

    def _used(self, books: Open, seen: Mapping[str, Machine], now_s: float) -> tuple[Usages, Charges]:
        """What gateways have counted of tenants since they were last heard, booked where their deployments are."""
        tallies = self._tallies()
        if not tallies:
            return books.usages, {}
        heard = {
            name: replace(usage, at_s=now_s - ago_s, began_s=self._clock.own_s(usage.began_s))
            for name, (ago_s, usage) in tallies.items()
        }
        accounts = _accounts(books.ledger, {**_stays(books.meter.machines), **_stays(seen)})
        return used(books.usages, heard, accounts, since_s=books.since_s, row_of=self._rows())

    def _set(self, books: Open, now_s: float) -> Open:
        """What is open on a clock that may have been set since the last look."""
        elapsed_s = self._clock.elapsed_s
        step_s = (now_s - self._told[0]) - (elapsed_s - self._told[1])
        self._told = now_s, elapsed_s
        if abs(step_s) < _STEP_S:
            return books
        log.warning("the clock was set", extra={"seconds": round(step_s, 3)})
        return _later(books, step_s)

    async def _write(self) -> None:
        books = self._books
        if books is None:
            return
        row_of = self._rows()
        over = {each for each in books.ledger.rows if row_of(each)[1] <= books.meter.mark_s - _LATE_S}
        same = self._written is not None and self._written.machines == books.meter.machines
        if not over and same and self._sent is None:
            return
        await self._send(books)
        self._written = books.meter
        self._telemetry.ledger_kept.set(1)
        self.trouble = ""
        if not over:
            return
        closed = Ledger({each: books.ledger.rows[each] for each in over})
        await self._shelves.close(closed)
        rest = Ledger({each: row for each, row in books.ledger.rows.items() if each not in over})
        self._closed = (self._closed + totals(closed)).since(books.meter.mark_s - KEPT_S)
        self._books = replace(books, ledger=rest, closed_s=max(books.closed_s, *(row_of(each)[1] for each in over)))

    async def _send(self, books: Open) -> None:
        """Write what is open; before that what was sent last, as it was, while nobody knows whether it was written.

        So one state at most is in doubt at a time, and its mark tells it from what others write.
        """
        sent = None
        while sent is not books:
            if self._sent is None:
                self._sent = books
                self._telemetry.spend.sent()
            sent = self._sent
            try:
                await self._shelves.write_open(sent)
            except ApiError as error:
                if error.unacceptable:
                    self._sent = None
                raise
            self._sent = None
            self._telemetry.spend.kept()


def _stays(machines: Mapping[str, Machine]) -> dict[str, Stay]:
    """By the uid of the pod."""
    return {uid: stay for machine in machines.values() for uid, stay in machine.stays.items()}


def _later(books: Open, delta_s: float) -> Open:
    """What is running on a clock that was set by so many seconds."""
    return replace(
        books,
        meter=books.meter.shifted(delta_s),
        marks=shifted(books.marks, delta_s),
        usages=shifted(books.usages, delta_s),
    )


def _accounts(ledger: Ledger, stays: Mapping[str, Stay]) -> dict[tuple[str, str], Account]:
    """One account of each deployment that has a row or a replica: of those with a replica, the first."""
    booked = [account for _, row in sorted(ledger.rows.items()) for account in row]
    there = sorted({stay.account for stay in stays.values()}, reverse=True)
    return {(account.payer.namespace, account.payer.name): account for account in (*booked, *there)}


def month_of(at_s: float) -> float:
    """When the month of UTC began that a moment is in."""
    at = datetime.fromtimestamp(at_s, UTC)
    return at.replace(day=1, hour=0, minute=0, second=0, microsecond=0).timestamp()


def _not_before(charges: Charges, closed_s: float) -> Charges:
    """What was heard of when its row was closed already is booked in the one after."""
    found: Charges = {}
    for (begins_s, account), spend in charges.items():
        row = max(begins_s, closed_s), account
        found[row] = found.get(row, NOTHING) + spend
    return found
