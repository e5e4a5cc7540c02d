"""The whole status of an LLMDeployment from what was seen; the same in, the same out, so that idling writes nothing.

A figure that moved by less than 5 % keeps its old text. What is not known is absent, never 0.
"""

from collections.abc import Mapping
from typing import Any

from wharfage_api.conditions import DEPLOYMENT_CONDITIONS, ConditionType
from wharfage_api.labels import OWNER
from wharfage_api.llmdeployment import LLMDeployment
from wharfage_autoscaler.decision import Decision
from wharfage_autoscaler.fleet import Fleet, Pool, PoolKey
from wharfage_autoscaler.load import Load
from wharfage_autoscaler.offers import Market
from wharfage_autoscaler.reasons import Reason

from wharfage_operator.conditions import Verdict, conditions, instant
from wharfage_operator.errors import Rejected
from wharfage_operator.lines import KEPT, figure, tidy
from wharfage_operator.pools import pool_hash
from wharfage_operator.routing import endpoint
from wharfage_operator.verdicts import Seen, verdicts

_STEPS = 8
_REJECTED = 5
_PLACED = frozenset(
    {
        Reason.ADOPTED,
        Reason.CHEAPEST_OFFER,
        Reason.KEPT_OFFER,
        Reason.ALLOTTED,
        Reason.CAPACITY_UNAVAILABLE,
        Reason.MODEL_DOES_NOT_FIT,
        Reason.UNKNOWN_SHAPE,
        Reason.INVALID_SPEC,
    }
)
_DEMAND = frozenset({Reason.DEMAND_SEEN, Reason.DEMAND_FORECAST, Reason.OBJECTIVES_MISSED})
_TRIED = frozenset({Reason.ON_TRIAL, Reason.TRIAL_DENIED})
_REFUSED = frozenset({ConditionType.ACCEPTED, ConditionType.READY})
_MOVING = frozenset({"usdPerMillionTokens", "leadTime", "machineLeadTime", "usdToday", "usdThisMonth", "month"})
_UNKNOWN = "<none>"  # kubectl would leave the cell of an absent field empty
_MARKETS = {Market.SPOT: " spot", Market.RESERVED: " reserved", Market.ON_DEMAND: ""}

Row = dict[str, Any]


def status(deployment: LLMDeployment, seen: Seen, *, now: float, previous: Mapping[str, Any]) -> Row:
    """The status to write; `previous` is the one that stands, `now` Unix seconds."""
    generation = deployment.metadata.generation
    said = verdicts(deployment, seen, now=now)
    rows = fleet_rows(seen, previous)
    usd_per_hour = _usd_per_hour(seen)
    cost = _cost(usd_per_hour, seen, previous)
    readiness = next(verdict for verdict in said if verdict.type is ConditionType.READY)
    waits = readiness.holds and seen.blocker is not None
    summary = {
        "fleet": fleet_words(seen),
        "replicas": f"{seen.fleet.ready}/{seen.target.replicas}",
        "usdPerHour": cost.get("usdPerHour"),
        "usdPerMillionTokens": cost.get("usdPerMillionTokens"),
        "leadTime": _longest(rows),
        "month": cost.get("usdThisMonth"),
        "reason": seen.blocker.reason.value if waits and seen.blocker else readiness.reason.value,
    }
    return _known(
        {
            "observedGeneration": generation,
            "replicas": seen.fleet.replicas,
            "readyReplicas": seen.fleet.ready,
            "selector": f"{OWNER}={deployment.metadata.name}",
            "endpoint": None if seen.adopted else endpoint(deployment, seen.gateway_service),
            "summary": {column: text or _UNKNOWN for column, text in summary.items()},
            # Nothing instead of an empty object: where there was one with fields, server-side apply makes null of it.
            "fleet": rows or None,
            "cost": cost or None,
            "budget": seen.budget,
            "load": _load(seen.load, previous.get("load") or {}),
            "models": list(seen.models) or None,
            "decision": _decision(seen.decision, previous.get("decision") or {}, now) if seen.decision else None,
            "conditions": conditions(said, previous=previous, generation=generation, now=now),
        }
    )


def refused_status(raw: Mapping[str, Any], rejected: Rejected, *, now: float) -> Row:
    """The status of an object that cannot even be read."""
    generation = raw["metadata"].get("generation", 0)
    said = (
        Verdict(about, holds=about not in _REFUSED and None, reason=rejected.reason, message=rejected.message)
        for about in DEPLOYMENT_CONDITIONS
    )
    rows = conditions(said, previous=raw.get("status") or {}, generation=generation, now=now)
    return {"observedGeneration": generation, "conditions": rows}


def lasting(status: Mapping[str, Any]) -> dict[str, Any]:
    """A status without the figures that move by themselves."""
    kept = {name: part for name, part in status.items() if name != "load"}
    for name in ("summary", "cost"):
        kept[name] = _still(status.get(name) or {})
    kept["spends"] = "usdThisMonth" in (status.get("cost") or {})  # the first figure is news
    kept["fleet"] = [_still(row) for row in status.get("fleet") or ()]
    return kept


def _still(part: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in part.items() if name not in _MOVING}


def fleet_rows(seen: Seen, previous: Mapping[str, Any]) -> list[Row]:
    """One row per pool that runs or is wanted; a pool on its way out is wanted 0."""
    before = {_row_key(row): row for row in previous.get("fleet") or ()}
    rows = []
    for key in _keys(seen):
        wanted, running = seen.target.pool(key), seen.fleet.pool(key)
        pool = wanted or running
        assert pool is not None  # noqa: S101 - the key came from one of the two
        row = {
            "catalog": key.catalog,
            "offer": key.offer,
            "market": key.market.value,
            "zone": key.zone,
            "variant": key.variant,
            "accelerator": f"{pool.offer.accelerator} x{pool.accelerators}",
            "wanted": wanted.replicas if wanted else 0,
            "ready": running.ready if running else 0,
        }
        if key in seen.tried:
            row["onTrial"] = True
        sent = seen.ahead.pool(key)
        if sent is not None:
            row["ahead"] = sent.replicas
        last = before.get(_row_key(row), {})
        if pool.offer.usd_per_hour > 0:
            same = last.get("wanted") == row["wanted"]
            row["usdPerHour"] = figure(pool.usd_per_hour, last.get("usdPerHour") if same else None)
        lead = seen.leads.get(pool.offer.key)
        if lead is not None:
            row["leadTime"] = _seconds(lead.total_s, last.get("leadTime"))
            row["machineLeadTime"] = _seconds(lead.machine_s, last.get("machineLeadTime"))
        row["pool"] = pool_hash(key)
        room = seen.slots.get(key)
        if room is not None:
            row["slots"], row["burstSlots"] = (
                _kept(room.slots, last.get("slots")),
                _kept(room.burst, last.get("burstSlots")),
            )
        rows.append(row)
    return rows


def fleet_words(seen: Seen) -> str:
    """The fleet in the words of a printer column: `3xL40S spot, 2xL40S`."""
    tried = seen.tried
    pools = [pool for pool in _paid(seen) if pool.replicas]
    return ", ".join(f"{_words(pool)}{' on trial' if pool.key in tried else ''}" for pool in pools)


def _kept(count: int, last: int | None) -> int:
    """What was written before, where that is about the same."""
    return last if last and abs(count - last) <= KEPT * last else count


def _words(pool: Pool) -> str:
    offer = pool.offer
    per_replica = f"({pool.accelerators}x{offer.accelerator})" if pool.accelerators > 1 else offer.accelerator
    if offer.accelerator == "CPU":
        per_replica = "CPU"  # counts cores: "2x(4xCPU)" would be read as machines
    zone = f" {offer.zone}" if offer.zone else ""
    return f"{pool.replicas}x{per_replica}{_MARKETS[offer.market]}{zone}"


def _keys(seen: Seen) -> list[PoolKey]:
    return sorted({pool.key for pool in (*seen.target.pools, *seen.fleet.pools)})


def _paid(seen: Seen) -> list[Pool]:
    """What costs money now: the wanted pools, and those that still run."""
    both = ((seen.target.pool(key), seen.fleet.pool(key)) for key in _keys(seen))
    return [pool for wanted, running in both if (pool := wanted or running) is not None]


def _usd_per_hour(seen: Seen) -> float | None:
    """What the fleet costs; None where nothing is wanted or a price is not known."""
    paid = [*_paid(seen), *seen.ahead.pools, *seen.stand_ins.pools]
    if not paid or any(pool.offer.usd_per_hour <= 0 for pool in paid if pool.replicas):
        return None
    return Fleet(tuple(paid)).usd_per_hour


def _cost(usd_per_hour: float | None, seen: Seen, previous: Mapping[str, Any]) -> Row:
    return _spent(seen, previous) | _rate(usd_per_hour, seen, previous)


def _spent(seen: Seen, previous: Mapping[str, Any]) -> Row:
    """What was spent; absent where nothing was, or nobody ever knew."""
    before = previous.get("cost") or {}
    if seen.spent is None:  # the ledger is read some seconds after a start: what it told before still holds
        return {name: before[name] for name in ("usdToday", "usdThisMonth") if name in before}
    today, month = seen.spent
    row = {"usdToday": today.usd, "usdThisMonth": month.usd}
    return {name: figure(usd, before.get(name)) for name, usd in row.items() if month.usd > 0.0}


def _rate(usd_per_hour: float | None, seen: Seen, previous: Mapping[str, Any]) -> Row:
    if usd_per_hour is None:
        return {}
    before = previous.get("cost") or {}
    # Another fleet is news whatever it costs; a price that crept is not.
    same_fleet = (previous.get("summary") or {}).get("fleet") == fleet_words(seen)
    cost: Row = {"usdPerHour": figure(usd_per_hour, before.get("usdPerHour") if same_fleet else None)}
    tokens = seen.load.output_tokens_per_second if seen.load else 0.0
    if tokens > 0:
        cost["usdPerMillionTokens"] = figure(usd_per_hour / (tokens * 3600) * 1e6, before.get("usdPerMillionTokens"))
    return cost


def _load(load: Load | None, before: Mapping[str, Any]) -> Row | None:
    if load is None:
        return None
    return _known(
        {
            "requestsPerSecond": figure(load.requests_per_second, before.get("requestsPerSecond")),
            "promptTokensPerSecond": figure(load.prompt_tokens_per_second, before.get("promptTokensPerSecond")),
            "outputTokensPerSecond": figure(load.output_tokens_per_second, before.get("outputTokensPerSecond")),
            "ttftP95": _milliseconds(load.ttft_p95_s, before.get("ttftP95")),
            "tpotP95": _milliseconds(load.tpot_p95_s, before.get("tpotP95")),
        }
    )


def _decision(decision: Decision, before: Mapping[str, Any], now: float) -> Row:
    """The decision; `at` is when it last said something new."""
    steps = [{"reason": step.reason.value, "message": tidy(step.message)} for step in decision.steps[-_STEPS:]]
    content: Row = {"summary": tidy(_summary(decision)), "steps": steps}
    if decision.advised is not None and all(pool.offer.usd_per_hour > 0 for pool in decision.target.pools):
        saved = decision.target.usd_per_hour - decision.advised.usd_per_hour
        content["savings"] = {"usdPerHour": figure(max(0.0, saved), None)}
    if decision.rejected:
        content["rejected"] = [
            _known(
                {
                    "fleet": tidy(row.fleet, longest=200),
                    "usdPerHour": None if row.usd_per_hour is None else figure(row.usd_per_hour, None),
                    "why": tidy(row.why, longest=400),
                }
            )
            for row in decision.rejected[:_REJECTED]
        ]
    same = {name: value for name, value in before.items() if name != "at"} == content
    return {"at": before["at"] if same and "at" in before else instant(now), **content}


def _summary(decision: Decision) -> str:
    """Where it runs, what of the load says so many, and what is on trial; the steps have the rest."""
    placed = [step for step in decision.steps if step.reason in _PLACED] or list(decision.steps)
    demand = next((step for step in decision.steps if step.reason in _DEMAND), None)
    if not placed:
        return "nothing to decide"
    tried = [step for step in decision.steps if step.reason in _TRIED and step is not placed[-1]]
    return "; ".join(step.message for step in (placed[-1], demand, *tried) if step is not None)


def _row_key(row: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(row.get(name) or "" for name in ("catalog", "offer", "market", "zone", "variant"))


def _longest(rows: list[Row]) -> str | None:
    """The longest lead time of the pools that are wanted; None where none is known."""
    told = [str(row["leadTime"]) for row in rows if row["wanted"] and "leadTime" in row]
    return max(told, key=lambda text: float(text.removesuffix("s")), default=None)


def _seconds(seconds: float, before: str | None) -> str:
    kept = figure(seconds, before.removesuffix("s") if before else None)
    return before if before and kept == before.removesuffix("s") else f"{seconds:.0f}s"


def _milliseconds(seconds: float | None, before: str | None) -> str | None:
    if seconds is None:
        return None
    kept = figure(seconds * 1000, before.removesuffix("ms") if before else None)
    return before if before and kept == before.removesuffix("ms") else f"{seconds * 1000:.0f}ms"


def _known(row: Row) -> Row:
    return {name: value for name, value in row.items() if value is not None}
