"""Looks at every budget once a minute, and says what follows: caps for the optimiser, bounds for decisions.

What was spent the ledger knows, what is ordered the decisions that stand. Nothing is kept here that a restart would be
missed for: the harshest stage is in the budget's status.
"""

import asyncio
import contextlib
import logging
import math
from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass, field
from typing import Protocol

from wharfage_api.llmbudget import BudgetMode, LLMBudgetSpec
from wharfage_autoscaler.bounds import FREE, Bounds
from wharfage_autoscaler.projection import HOUR_S, Profile, profiled
from wharfage_autoscaler.reckoning import RESTRICTING, Reckoning, Spending, Terms, news, reckoned
from wharfage_autoscaler.sharing import shared
from wharfage_autoscaler.stages import HARSH, Action, Standing, resumed
from wharfage_autoscaler.supply import Cap

from wharfage_operator.budget_gauges import BudgetFigures
from wharfage_operator.cache import Cache
from wharfage_operator.clock import Clock
from wharfage_operator.kinds import LLM_BUDGETS, LLM_DEPLOYMENTS, Key, Kind, key_of
from wharfage_operator.scopes import Scopes
from wharfage_operator.telemetry import Telemetry
from wharfage_operator.terms import terms, told_of
from wharfage_operator.unrestricted import Course
from wharfage_operator.wishes import Cost, Wishes

log = logging.getLogger(__name__)
_PAST_H = 35 * 24
_TOLD_EVERY = 5  # looks
_SOON_S = 2.0
_USUAL_PRIORITY = 100


class Books(Protocol):
    """What was spent under budgets, in dollars; times are Unix seconds."""

    def markup(self, budget: str) -> float:
        """What is charged of what runs under a budget, over what the same costs by the prices that are decided by."""
        ...

    def spent(self, budget: str, from_s: float, to_s: float) -> float:
        """Of the time between; NaN while that is not known."""
        ...

    def hours(self, budget: str, from_s: float, to_s: float) -> Sequence[float]:
        """Dollars of each whole hour between; NaN where nobody kept books."""
        ...


@dataclass(slots=True)
class Account:
    """What is kept of one budget: its last look, and whom it selected then."""

    uid: str
    spec: LLMBudgetSpec
    terms: Terms | None = None
    reckoning: Reckoning | None = None
    cap: float | None = None
    """Dollars per hour that its deployments may cost together, by the prices that are decided by; None where it holds
    nothing down."""
    costs: Mapping[Key, Cost] = field(default_factory=dict)
    ordered: float = 0.0
    """Dollars per hour of all of them, as they are charged."""
    profile: Profile = field(default_factory=Profile)
    hour: int = -1
    saved: dict[int, float] = field(default_factory=dict)
    """Dollars that hours would have cost more had it held nothing down, by their number since 1970."""
    parts: Mapping[Key, float] = field(default_factory=dict)
    """Of the cap, for each deployment."""
    looked_s: float = math.nan
    told_s: float = -math.inf
    unbooked: str = ""
    """Why nobody knows what is spent; empty where somebody does, or will soon."""
    unheard: str = ""
    """Why its webhook does not hear what happens; empty where it does, or there is none."""
    markup: float = 1.0
    """Dollars that are charged for one by the prices that are decided by: old ones are not believed."""

    @property
    def charged_cap(self) -> float | None:
        """The cap as it is charged: what people are told."""
        return None if self.cap is None else self.cap * self.markup

    @property
    def actions(self) -> frozenset[Action]:
        """What acts now; of one that only observes nothing does."""
        if self.reckoning is None or self.terms is None or not self.terms.enforced:
            return frozenset()
        return self.reckoning.standing.actions


class Treasury:
    """All budgets, as they were last looked at."""

    def __init__(
        self,
        cache: Cache,
        books: Books,
        clock: Clock,
        *,
        scopes: Scopes,
        wake: Callable[[Kind, Key], None],
        renew: Callable[[], None],
        every_s: float = 60.0,
        trouble: Callable[[], str] = str,
    ) -> None:
        """`wake` asks for a look at an object, `renew` for everything to be allotted anew.

        `trouble` says why the books cannot be read, or nothing.
        """
        self._trouble = trouble
        self._cache = cache
        self._books = books
        self._clock = clock
        self._scopes = scopes
        self._costs: dict[Key, Cost] = {}
        self._wake = wake
        self._renew = renew
        self._every_s = every_s
        self._wishes = Wishes()
        self._saved: dict[str, dict[int, float]] = {}
        self._held_before: set[Key] = set()
        """Deployments that an earlier process held down, until they were looked at."""
        self._accounts: dict[str, Account] = {}
        self._told_bounds: dict[Key, Bounds] = {}
        self._told_caps: dict[str, Cap] = {}
        self._looked_s = 0.0
        self._comes = asyncio.Event()
        """One was decided on that no look has counted yet, or not as what it is now."""

    def noted(self, key: Key, cost: Cost) -> None:
        """What was just decided for a deployment costs so much."""
        known = self._costs.get(key)
        if known is None or self._uncounted(key) or (known.led != cost.led and self._held(key)):
            self._comes.set()
        self._costs[key] = cost

    async def run(self) -> None:
        """Look for ever; a look that fails leaves what the one before said."""
        while True:
            try:
                await self.turn(self._clock.unix_s)
            except Exception:  # no reason to stop serving
                log.exception("budgets could not be looked at")
            await self._pause()

    async def _pause(self) -> None:
        """Until the next look: sooner where one came that is not counted yet, or nobody could tell what is spent."""
        soon_s = self._clock.wall_s(min(_SOON_S, self._every_s))
        if all(account.reckoning is not None or account.terms is None for account in self._accounts.values()):
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._comes.wait(), timeout=self._clock.wall_s(self._every_s) - soon_s)
        await asyncio.sleep(soon_s)

    async def turn(self, now_s: float) -> None:
        """Look at every budget once; `now_s` in Unix seconds of the clock."""
        self._looked_s = now_s
        self._comes.clear()
        self._take_in()
        weights: dict[Key, float] = {}
        selected: dict[str, set[Key]] = {}
        for raw in self._cache.all(LLM_DEPLOYMENTS):
            weights[key_of(raw)] = max(1.0, float((raw.get("spec") or {}).get("priority", _USUAL_PRIORITY)))
            for name in self._scopes.selecting(raw):
                selected.setdefault(name, set()).add(key_of(raw))
        self._costs = {key: cost for key, cost in self._costs.items() if key in weights}
        self._wishes.forget(weights.keys())
        held = {key for key in self._costs if key in self._held_before or self._held(key)}
        wished = {key: self._wishes.wished(key, cost, held=key in held) for key, cost in self._costs.items()}
        for name, account in self._accounts.items():
            try:
                self._look(name, account, selected.get(name, set()), wished, now_s)
                account.parts = _parts(account, wished, weights)
            except Exception:  # one budget's is no reason to look at no other
                log.exception("a budget could not be looked at", extra={"budget": name})
        if all(account.reckoning is not None or account.terms is None for account in self._accounts.values()):
            self._held_before -= self._costs.keys()
        self._tell_news(weights.keys())

    def account(self, name: str) -> Account | None:
        """A budget as it was last looked at; None before that."""
        return self._accounts.get(name)

    def resume(self, course: Course) -> None:
        """What an earlier process knew of the unrestricted course; to be told before the first turn."""
        self._saved = {uid: dict(hours) for uid, hours in course.saved.items()}
        uids = {self._cache.uid(LLM_DEPLOYMENTS, key): key for key in self._cache.keys(LLM_DEPLOYMENTS)}
        known = {uids[uid]: each for uid, each in course.known.items() if uid in uids}
        self._wishes.resume(known)
        self._held_before = set(known)

    def course(self) -> Course:
        """The same as it is now: of budgets that are there, and of the deployments that they hold down."""
        held = {key for key in self._costs if self._held(key)} | self._held_before
        uids = {key: self._cache.uid(LLM_DEPLOYMENTS, key) for key in held}
        known = {uid: each for key, each in self._wishes.known(held).items() if (uid := uids[key])}
        saved = {each.uid: _worth_keeping(each.saved) for each in self._accounts.values()}
        return Course({uid: hours for uid, hours in saved.items() if hours}, known)

    def show(self, name: str) -> None:
        """Have a budget's status written: something else than its money has changed."""
        self._wake(LLM_BUDGETS, ("", name))

    def caps(self) -> tuple[Cap, ...]:
        """What budgets leave for those whose count follows their load; the others have their part of it already."""
        found = []
        for name, account in sorted(self._accounts.items()):
            led = frozenset(key for key, cost in account.costs.items() if cost.led)
            if account.cap is not None and led:
                others = sum(part for key, part in account.parts.items() if key not in led)
                found.append(Cap(name, led, max(0.0, account.cap - others)))
        return tuple(found)

    def bounds(self, key: Key) -> Bounds:
        """What its budgets ask of a deployment; the tightest holds."""
        ours = [
            (account.parts[key] if account.cap > 0.0 else 0.0, name)  # replicas of one machine cost no less if fewer
            for name, account in self._accounts.items()
            if account.cap is not None and key in account.parts
        ]
        uncounted = self._uncounted(key)
        ours += [(0.0, name) for name, acting in uncounted.items() if acting & HARSH]
        if not ours and not uncounted:
            return FREE
        usd_per_hour, why = min(ours) if ours else (None, "")
        stops = sorted(name for _, name in ours if Action.STOP in self._acting(name))
        return Bounds(
            economises=True,  # whatever holds dollars down has it move to what is cheaper
            usd_per_hour=usd_per_hour,
            still=bool(uncounted),
            stopped=_stopped(stops[0], self._accounts.get(stops[0])) if stops else "",
            why=f"LLMBudget {min(uncounted, default=why)}",
            frozen=self._no_trials(key, frozenset({Action.FREEZE})),
            floored=self._no_trials(key, HARSH),
            caps=frozenset(name for name, account in self._accounts.items() if key in account.parts),
        )

    def _no_trials(self, key: Key, actions: frozenset[Action]) -> str:
        """The first of its budgets that is at one of these stages, in words; empty where none is."""
        raw = self._cache.get(LLM_DEPLOYMENTS, key)
        names = () if raw is None else self._scopes.selecting(raw)
        found = {name: acting for name in names if (acting := self._acting(name) & actions)}
        if not found:
            return ""
        first = min(found)
        return f"LLMBudget {first} at its stage {max(found[first], key=lambda each: each.rank)}"

    def _uncounted(self, key: Key) -> dict[str, frozenset[Action]]:
        """Budgets that hold dollars down and whose last look did not count the deployment: it is new, or we are."""
        raw = self._cache.get(LLM_DEPLOYMENTS, key)
        names = () if raw is None else self._scopes.selecting(raw)
        found = {name: self._acting(name) for name in names if not self._counts(name, key)}
        return {name: acting for name, acting in found.items() if acting}

    def _counts(self, name: str, key: Key) -> bool:
        account = self._accounts.get(name)
        return account is not None and key in account.parts

    def _acting(self, name: str) -> frozenset[Action]:
        """The stages that hold dollars down; before the first look as an earlier process had them."""
        account = self._accounts.get(name)
        if account is not None and account.reckoning is not None:
            return account.actions & RESTRICTING
        spec = self._scopes.budgets.get(name)
        if spec is None or spec.mode is not BudgetMode.ENFORCE:
            return frozenset()
        stage = self._stage_before(name, spec)
        unbooked = account is not None and account.unbooked  # the milder ones would hold until somebody mends it
        return frozenset() if stage is None else frozenset({stage}) & (HARSH if unbooked else RESTRICTING)

    def _stage_before(self, name: str, spec: LLMBudgetSpec) -> Action | None:
        """What an earlier process had in force; of another period nothing is."""
        status = (self._cache.get(LLM_BUDGETS, ("", name)) or {}).get("status") or {}
        try:
            begins_s = terms(spec, self._looked_s or self._clock.unix_s).begins_s
        except (KeyError, OSError, ValueError):
            return None
        stage = told_of(status, begins_s).get("stage")
        return Action(stage) if stage in set(Action) else None

    def tell(self, telemetry: Telemetry) -> None:
        """Show where every budget stands."""
        telemetry.budgets.show({name: _shown(account) for name, account in self._accounts.items()})

    def _tell_news(self, keys: Set[Key]) -> None:
        """Wake what is bound otherwise than it was last told: small steps add up, and each by itself is no news."""
        self._told_bounds = {key: told for key, told in self._told_bounds.items() if key in keys}
        for key in keys:
            now = self.bounds(key)
            if _differ(self._told_bounds.get(key, FREE), now):
                self._told_bounds[key] = now
                self._wake(LLM_DEPLOYMENTS, key)
        told, caps = self._told_caps, {cap.name: cap for cap in self.caps()}
        others = {name: cap.keys for name, cap in told.items()} != {name: cap.keys for name, cap in caps.items()}
        if others or news([told[name].usd_per_hour for name in caps], [cap.usd_per_hour for cap in caps.values()]):
            self._told_caps = caps
            self._renew()

    def _held(self, key: Key) -> bool:
        return any(key in account.costs and account.cap is not None for account in self._accounts.values())

    def _take_in(self) -> None:
        """The budgets that are there now; one that was made again begins anew."""
        found: dict[str, Account] = {}
        for name, spec in self._scopes.budgets.items():
            uid, known = self._cache.uid(LLM_BUDGETS, ("", name)), self._accounts.get(name)
            ours = known is not None and known.uid == uid
            found[name] = known if ours and known is not None else Account(uid, spec, saved=self._saved.pop(uid, {}))
            found[name].spec = spec
        self._accounts = found

    def _look(self, name: str, account: Account, ours: set[Key], wished: Mapping[Key, float], now_s: float) -> None:
        account.costs = {key: cost for key, cost in self._costs.items() if key in ours}
        account.ordered = sum(cost.ordered for cost in account.costs.values())
        try:
            account.terms = terms(account.spec, now_s)
        except (KeyError, OSError, ValueError):  # no such time zone, which its condition says
            account.terms = account.reckoning = account.cap = None
            return
        spent_usd = self._books.spent(name, account.terms.begins_s, account.terms.ends_s)
        if account.unbooked != self._trouble():
            account.unbooked = self._trouble()
            self.show(name)
        if math.isnan(spent_usd):  # the ledger is not read yet
            return
        markup = account.markup = self._books.markup(name)
        account.ordered *= markup
        wish = markup * sum(wished[key] for key in account.costs)
        self._remember(account, wish, now_s)
        if account.hour != int(now_s // HOUR_S):
            account.hour = int(now_s // HOUR_S)
            account.profile = self._profile(name, account)
        spending = Spending(
            spent_usd=spent_usd,
            ordered=account.ordered,
            wished=wish,
            floor=markup * sum(cost.floor for cost in account.costs.values()),
            profile=account.profile,
        )
        before = account.reckoning
        account.reckoning = reckoned(
            account.terms, spending, before or self._resumed(name, account.terms, spending, now_s), now_s
        )
        cap = account.reckoning.cap(enforced=account.terms.enforced)
        account.cap = None if cap is None else cap / markup
        moved = before is None or before.standing.actions != account.reckoning.standing.actions
        if moved or not 0.0 <= now_s - account.told_s < _TOLD_EVERY * self._every_s:
            account.told_s = now_s
            self._wake(LLM_BUDGETS, ("", name))

    def _resumed(self, name: str, held: Terms, spending: Spending, now_s: float) -> Standing:
        """What an earlier process had in force."""
        known = self._stage_before(name, self._accounts[name].spec)
        return resumed(held.stages, known, reckoned(held, spending, Standing(), now_s).outlook)

    def _remember(self, account: Account, wished: float, now_s: float) -> None:
        """What this minute would have cost more, where it is held down."""
        passed_s = now_s - account.looked_s
        account.looked_s = now_s
        if account.cap is not None and 0.0 < passed_s <= HOUR_S:
            hour = int(now_s // HOUR_S)
            saved = max(0.0, wished - account.ordered) * passed_s / HOUR_S
            account.saved[hour] = account.saved.get(hour, 0.0) + saved
            for old in [each for each in account.saved if each < hour - _PAST_H]:
                del account.saved[old]

    def _profile(self, name: str, account: Account) -> Profile:
        first = account.hour - _PAST_H
        hours = self._books.hours(name, first * HOUR_S, account.hour * HOUR_S)
        unrestricted = [usd + account.saved.get(first + at, 0.0) for at, usd in enumerate(hours)]
        return profiled(unrestricted, first * HOUR_S)


def _shown(account: Account) -> BudgetFigures:
    reckoning, held = account.reckoning, account.terms
    if reckoning is None or held is None:
        return BudgetFigures(account.spec.period.value)
    outlook, forecast = reckoning.outlook, reckoning.forecast
    return BudgetFigures(
        period=account.spec.period.value,
        limit_usd=held.usd,
        spent_usd=outlook.spent_usd,
        forecast_usd={"low": forecast.low, "mid": forecast.mid, "high": forecast.high},
        usd_per_hour=account.ordered,
        ends_s=held.ends_s,
        cap_usd_per_hour=account.charged_cap,
        stages={action.value: action in reckoning.standing.actions for action in Action},
    )


def _parts(account: Account, wished: Mapping[Key, float], weights: Mapping[Key, float]) -> dict[Key, float]:
    """What each deployment may cost of the cap; nothing while it holds nothing down."""
    if account.cap is None:
        return {}
    keys = sorted(account.costs)
    claims = [account.costs[key].claim(wished[key], weights[key]) for key in keys]
    return dict(zip(keys, shared(claims, account.cap), strict=True))


def _worth_keeping(saved: Mapping[int, float]) -> dict[int, float]:
    """To a hundredth of a cent, so that what is read again is the same."""
    return {hour: rounded for hour, usd in saved.items() if (rounded := round(usd, 4))}


def _stopped(name: str, account: Account | None) -> str:
    outlook = account.reckoning.outlook if account is not None and account.reckoning is not None else None
    spent = "" if outlook is None else f" ({outlook.spent_usd:.2f} of {outlook.usd:.2f} usd are spent)"
    return f"LLMBudget {name} is at its stage Stop{spent}: nothing runs before its next period, or spec.override"


def _differ(before: Bounds, after: Bounds) -> bool:
    """Whether a decision may differ by it: dollars that moved by a little move nothing."""
    before_said, after_said = (
        (each.economises, each.still, bool(each.stopped), each.frozen, each.floored) for each in (before, after)
    )
    return before_said != after_said or news([before.usd_per_hour], [after.usd_per_hour])
