"""The whole status of an LLMBudget from the last look at it: the same in, the same out, so idling writes nothing."""

from collections.abc import Mapping
from typing import Any

from wharfage_api.conditions import ConditionType, Reason
from wharfage_autoscaler.reckoning import Reckoning
from wharfage_autoscaler.stages import HARSH, Action

from wharfage_operator.conditions import Verdict, conditions, instant
from wharfage_operator.events import Event
from wharfage_operator.lines import figure, tidy
from wharfage_operator.scopes import spec_of
from wharfage_operator.terms import dollars, exists
from wharfage_operator.treasury import Account

_TOP = 20
_MOST_USD = 1e9  # an allowance of more is none at all


def budget_status(raw: Mapping[str, Any], account: Account | None, *, now: float) -> dict[str, Any]:
    """The status to write; where nobody has looked at it yet its money stays as it was. `now` is Unix seconds."""
    generation, previous = raw["metadata"].get("generation", 0), raw.get("status") or {}
    zone = str(raw["spec"].get("timeZone", "UTC"))
    verdicts = (_accepted(zone, account), *_judged(zone, account))
    rows = conditions(verdicts, previous=previous, generation=generation, now=now)
    found: dict[str, Any] = {"observedGeneration": generation, "conditions": rows, **_limit(raw, now)}
    if account is None or account.reckoning is None:
        return {**previous, **found} if exists(zone) else found
    return found | _money(account, account.reckoning, previous) | {"deployments": _spenders(account, previous)}


def announced(raw: Mapping[str, Any], account: Account | None) -> tuple[Event, ...]:
    """The Events of an override that was written, and of a stage that begins or recedes.

    `raw` is the budget with its status of before.
    """
    return (*_overridden(raw), *_staged(raw, account))


def _overridden(raw: Mapping[str, Any]) -> tuple[Event, ...]:
    """Told of every edit while there is one: whoever moves its end or its dollars gives the reason again."""
    override, seen = raw["spec"].get("override"), (raw.get("status") or {}).get("observedGeneration", 0)
    if override is None or seen >= raw["metadata"].get("generation", 0):
        return ()
    message = f"override: {override['usd']} usd instead of {raw['spec']['usd']} until {override['until']}"
    return (Event(Reason.BUDGET_OVERRIDDEN.value, tidy(f"{message}: {override['reason']}"), warning=False),)


def _staged(raw: Mapping[str, Any], account: Account | None) -> tuple[Event, ...]:
    if account is None or account.reckoning is None or account.terms is None:
        return ()
    before, after = (raw.get("status") or {}).get("stage"), account.reckoning.standing.harshest
    if before == (None if after is None else after.value):
        return ()
    acts = "" if account.terms.enforced else " (mode Observe: it does not act)"
    override = account.spec.override
    raised = f"; override to {override.usd} usd: {override.reason}" if override is not None else ""
    message = f"stage {before or 'none'} -> {after or 'none'}{acts}: {stage_words(account.reckoning)}{raised}"
    return (Event(_reason(after).value, tidy(message), warning=after in HARSH),)


def stage_words(reckoning: Reckoning) -> str:
    """Where a budget stands, in a sentence with its numbers."""
    outlook, forecast = reckoning.outlook, reckoning.forecast
    return (
        f"{outlook.spent_usd:.2f} of {outlook.usd:.2f} usd are spent, {forecast.mid:.2f} ({forecast.low:.2f} to "
        f"{forecast.high:.2f}) are expected by the end of the period if nothing is held down"
    )


def _accepted(zone: str, account: Account | None) -> Verdict:
    if not exists(zone):
        return Verdict(
            ConditionType.ACCEPTED,
            holds=False,
            reason=Reason.INVALID_SPEC,
            message=f"there is no time zone {zone}: write one by its IANA name, such as Europe/Berlin or UTC",
        )
    if account is not None and account.spec.notify is not None and account.unheard:
        return Verdict(ConditionType.ACCEPTED, holds=True, reason=Reason.WEBHOOK_FAILS, message=account.unheard)
    return Verdict(ConditionType.ACCEPTED, holds=True, reason=Reason.ACCEPTED, message="The budget is understood.")


def _judged(zone: str, account: Account | None) -> tuple[Verdict, Verdict]:
    """Whether its stages act, and whether it is kept."""
    if not exists(zone):
        return _unknown(Reason.INVALID_SPEC, "It has no period, since its time zone does not exist: no stage acts.")
    if account is not None and account.unbooked:
        return _unknown(Reason.LEDGER_UNREADABLE, account.unbooked)
    if account is None or account.reckoning is None or account.terms is None:
        return _unknown(Reason.SCALING, "Nobody has looked at it yet: that happens once a minute.")
    enforced = account.terms.enforced
    return _enforced(account, account.reckoning, enforced=enforced), _within(account.reckoning, enforced=enforced)


def _unknown(reason: Reason, why: str) -> tuple[Verdict, Verdict]:
    return (
        Verdict(ConditionType.ENFORCED, holds=None, reason=reason, message=why),
        Verdict(ConditionType.WITHIN_BUDGET, holds=None, reason=reason, message=why),
    )


def _enforced(account: Account, reckoning: Reckoning, *, enforced: bool) -> Verdict:
    stage = reckoning.standing.harshest
    if not account.costs:
        message = "It selects no deployment: compare spec.selector and spec.namespaceSelector with their labels."
        return Verdict(ConditionType.ENFORCED, holds=enforced, reason=Reason.NOTHING_SELECTED, message=message)
    if not enforced:
        would = f"Enforce would have stage {stage} in force now" if stage else "no stage would be in force now"
        message = f"mode Observe: {would}."
        return Verdict(ConditionType.ENFORCED, holds=False, reason=Reason.BUDGET_OBSERVES, message=message)
    cap = account.charged_cap
    if cap is None:
        return Verdict(ConditionType.ENFORCED, holds=True, reason=Reason.WITHIN_BUDGET, message="No stage acts now.")
    reason = Reason.BUDGET_SPENT if account.actions & HARSH else Reason.BUDGET_RESTRICTS
    return Verdict(ConditionType.ENFORCED, holds=True, reason=reason, message=f"Stage {stage}: {_left(account, cap)}.")


def _left(account: Account, cap: float) -> str:
    if account.actions & HARSH:
        return "its floors alone are paid for"
    floored = cap <= sum(cost.floor for cost in account.costs.values())
    return f"{figure(cap, None)} usd/h are left to it" + (", no more than its floors cost" if floored else "")


def _within(reckoning: Reckoning, *, enforced: bool) -> Verdict:
    """Whether the money lasts; the message has the numbers, which by themselves are no reason to write."""
    stage = reckoning.standing.harshest
    holds = reckoning.outlook.spent_usd <= reckoning.outlook.usd
    said = f"{f'Stage {stage}' if stage is not None else 'No stage'} {'is' if enforced else 'would be'} in force."
    return Verdict(ConditionType.WITHIN_BUDGET, holds=holds, reason=_reason(stage), message=said)


def _reason(stage: Action | None) -> Reason:
    if stage is None:
        return Reason.WITHIN_BUDGET
    if stage in HARSH:
        return Reason.BUDGET_SPENT
    return Reason.BUDGET_NOTIFIES if stage is Action.NOTIFY else Reason.BUDGET_RESTRICTS


def _limit(raw: Mapping[str, Any], now: float) -> dict[str, str]:
    """The dollars that hold now by the spec as it is, which the last look may not have known."""
    spec = spec_of(raw)
    return {} if spec is None else {"usdLimit": f"{dollars(spec, now):.2f}"}


def _money(account: Account, reckoning: Reckoning, previous: Mapping[str, Any]) -> dict[str, Any]:
    assert account.terms is not None  # noqa: S101 - there is no reckoning without terms
    forecast, before = reckoning.forecast, previous.get("usdForecast") or {}
    found: dict[str, Any] = {
        "periodStart": instant(account.terms.begins_s),
        "usdSpent": figure(reckoning.outlook.spent_usd, previous.get("usdSpent")),
        "usdForecast": {name: figure(getattr(forecast, name), before.get(name)) for name in ("low", "mid", "high")},
    }
    if reckoning.allowance < _MOST_USD:
        found["usdPerHourAllowance"] = figure(reckoning.allowance, previous.get("usdPerHourAllowance"))
    if reckoning.standing.harshest is not None:
        found["stage"] = reckoning.standing.harshest.value
    return found


def _spenders(account: Account, previous: Mapping[str, Any]) -> dict[str, Any]:
    """How many it selects, and what the dearest of them cost now."""
    rows = (previous.get("deployments") or {}).get("top") or ()
    before = {(row["namespace"], row["name"]): row for row in rows}
    dearest = sorted(account.costs.items(), key=lambda each: (-each[1].ordered, each[0]))[:_TOP]
    top = [
        {
            "namespace": key[0],
            "name": key[1],
            "usdPerHour": figure(cost.ordered, before.get(key, {}).get("usdPerHour")),
        }
        for key, cost in dearest
    ]
    return {"count": len(account.costs), "top": top} if top else {"count": 0}
