"""The eight conditions of an LLMDeployment: each a question, answered with a reason and a sentence.

Sentences hold no figures that move by themselves: a condition changes when something has happened.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from wharfage_api.conditions import ConditionType, Reason
from wharfage_api.durations import written
from wharfage_api.llmdeployment import LLMDeployment
from wharfage_autoscaler.capacity import AtOnce
from wharfage_autoscaler.decision import Decision, Step
from wharfage_autoscaler.fleet import Fleet, PoolKey
from wharfage_autoscaler.load import Load
from wharfage_autoscaler.model import Mode
from wharfage_autoscaler.spend import Spend
from wharfage_autoscaler.supply import OfferKey
from wharfage_autoscaler.words import replica_words

from wharfage_operator.blockers import Blocker
from wharfage_operator.conditions import Verdict
from wharfage_operator.errors import NotYet, Rejected
from wharfage_operator.leads import Lead
from wharfage_operator.plan import serves
from wharfage_operator.settings import Settings
from wharfage_operator.surge import deadline_exceeded, gave_up

_DAY_S = 86400.0
_WITHOUT_CAPACITY = "no machine came for new replicas beside the old ones: old replicas end before new ones start."
_NOT_ACCEPTED = frozenset(
    {
        Reason.INVALID_SPEC,
        Reason.CANNOT_ADOPT,
        Reason.UNKNOWN_CATALOG,
        Reason.UNKNOWN_SHAPE,
        Reason.IMAGE_NOT_ALLOWED,
        Reason.NOT_IMPLEMENTED,
        Reason.NO_GATEWAY,
        Reason.BUDGET_REQUIRED,
        Reason.SERVED_NAME_CONFLICT,
    }
)
_NO_CAPACITY = frozenset({Reason.CAPACITY_UNAVAILABLE, Reason.MODEL_DOES_NOT_FIT})
_HELD_DOWN = (Reason.BUDGET_STOPPED, Reason.USD_PER_HOUR_LIMIT, Reason.BUDGET_ALLOTMENT)
_REFUSALS = _NOT_ACCEPTED | _NO_CAPACITY
_NO_MACHINE = frozenset(
    {Reason.CAPACITY_UNAVAILABLE, Reason.UNSCHEDULABLE, Reason.WAITING_FOR_NODE, Reason.QUOTA_EXCEEDED}
)

_PASSING = frozenset({Reason.WAITING_FOR_NODE, Reason.PULLING_IMAGE, Reason.STARTING_ENGINE, Reason.SCALING})


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """Everything that one status is made of. Times are Unix seconds.

    `fleet` is the observed one; `decision` is None where the spec was refused before a decision.
    `leads` are those of the offers of the pools, in seconds of the world. `ahead` are replicas whose machines are
    ordered already, `stand_ins` those beside replicas in doubt: both cost money, and neither is wanted.
    `pools` are the raw Deployments of the pools, `models` the rows of what models' own files told.
    `spent` is of today and of this month, in UTC; None where the ledger is not read yet.
    `hindrances` say what keeps decisions from being better (`Pilotage.hindrances`).
    `prices_observed_at` is by catalog; catalogs that the fleet does not use may be in it. `how_to_wake` it: a command.
    `budget` is the row of the status about the budget that binds it hardest, None where none is at a stage.
    `scaled` tells who writes the counts of our pools, `adopted` is where the pods of a Deployment of others are read.
    """

    fleet: Fleet = field(default_factory=Fleet)
    leads: Mapping[OfferKey, Lead] = field(default_factory=dict)
    slots: Mapping[PoolKey, AtOnce] = field(default_factory=dict)
    ahead: Fleet = field(default_factory=Fleet)
    stand_ins: Fleet = field(default_factory=Fleet)
    decision: Decision | None = None
    problem: Rejected | NotYet | None = None
    blocker: Blocker | None = None
    pools: tuple[Mapping[str, Any], ...] = ()
    load: Load | None = None
    spent: tuple[Spend, Spend] | None = None
    models: tuple[Mapping[str, Any], ...] = ()
    prices_observed_at: Mapping[str, float] = field(default_factory=dict)
    hindrances: Mapping[Reason, str] = field(default_factory=dict)
    prices_stale_after_s: float = Settings().prices_stale_after_s
    how_to_wake: str = ""
    scaled: str = ""
    adopted: str = ""
    budget: Mapping[str, Any] | None = None
    gateway_service: str = Settings().gateway_service

    @property
    def target(self) -> Fleet:
        """The fleet aimed for; without a decision the one that runs."""
        return self.decision.target if self.decision is not None else self.fleet

    @property
    def tried(self) -> frozenset[PoolKey]:
        """The pools that are wanted for a trial alone."""
        pools = self.decision.on_trial.pools if self.decision is not None else ()
        return frozenset(pool.key for pool in pools)

    @property
    def refusal(self) -> Step | None:
        """The decision's step that found nothing to run on, if one did."""
        steps = self.decision.steps if self.decision is not None else ()
        return next((step for step in reversed(steps) if step.reason in _REFUSALS), None)

    def step(self, reason: Reason) -> Step | None:
        """The decision's step of that reason."""
        steps = self.decision.steps if self.decision is not None else ()
        return next((step for step in steps if step.reason is reason), None)


def verdicts(deployment: LLMDeployment, seen: Seen, *, now: float) -> tuple[Verdict, ...]:
    """All eight, in the API's order."""
    return (
        accepted(deployment, seen),
        ready(deployment, seen),
        progressing(seen),
        capacity_available(seen),
        objectives_met(deployment, seen),
        within_budget(deployment, seen),
        metrics_fresh(seen),
        prices_fresh(seen, now=now),
    )


def accepted(deployment: LLMDeployment, seen: Seen) -> Verdict:
    """Whether the spec is understood and allowed."""
    problem = _problem(seen)
    if problem is not None and problem[0] in _NOT_ACCEPTED:
        return _no(ConditionType.ACCEPTED, *problem)
    spec = deployment.spec
    if seen.scaled:
        return _yes(ConditionType.ACCEPTED, Reason.SCALE_IGNORED, f"{seen.scaled}.")
    if spec.scaling.mode is Mode.AUTO and spec.replicas != 1 and not seen.step(Reason.PINNED):
        message = (
            f"spec.replicas {spec.replicas} is ignored in mode Auto: write scaling.mode: Manual to steer the count "
            "yourself, or scaling.minReplicas and maxReplicas to bound it"
        )
        return _yes(ConditionType.ACCEPTED, Reason.SCALE_IGNORED, message)
    return _yes(ConditionType.ACCEPTED, Reason.ACCEPTED, "The spec is understood and allowed.")


def ready(deployment: LLMDeployment, seen: Seen) -> Verdict:
    """Whether clients are served by at least as many replicas as the floor asks for."""
    rests, wakes = seen.step(Reason.AT_ZERO), seen.step(Reason.WAKING)
    if rests is not None:
        return _yes(ConditionType.READY, Reason.AT_ZERO, f"{rests.message}. {seen.how_to_wake}")
    running, aimed, problem = seen.fleet.ready, seen.target.replicas, _problem(seen)
    if aimed == 0 and deployment.spec.replicas == 0 and deployment.spec.scaling.mode is not Mode.AUTO and not problem:
        message = f"spec.replicas is 0: nothing runs until `kubectl scale llm/{deployment.metadata.name} --replicas=1`."
        return _yes(ConditionType.READY, Reason.AT_ZERO, message)
    floor = min(aimed, _floor(deployment))
    if running >= max(1, floor):
        if problem is not None:
            return _yes(
                ConditionType.READY,
                Reason.SERVING,
                f"{_count(running)} as decided before; now: {problem[1]}",
            )
        return _yes(ConditionType.READY, Reason.SERVING, f"{_count(running)}.")
    if problem is not None:
        return _no(ConditionType.READY, *problem)
    limit = seen.step(Reason.USD_PER_HOUR_LIMIT)
    if aimed == 0 and limit is not None:
        return _no(ConditionType.READY, Reason.USD_PER_HOUR_LIMIT, limit.message)
    if wakes is not None and (seen.blocker is None or seen.blocker.reason in _PASSING):
        what = "" if seen.blocker is None else f". {seen.blocker.message}"
        return _no(ConditionType.READY, Reason.WAKING, f"{wakes.message}{what}")
    if seen.blocker is not None:
        return _no(ConditionType.READY, *seen.blocker)
    return _no(
        ConditionType.READY, Reason.SCALING, f"{running} of {replica_words(aimed)} serve{'s' if aimed == 1 else ''}."
    )


def progressing(seen: Seen) -> Verdict:
    """Whether something is on its way: True while it is, False when all is as wanted or nothing moves any more."""
    problem = _problem(seen)
    if problem is not None and problem[0] is Reason.READING_MODEL_CONFIG:
        return _yes(ConditionType.PROGRESSING, *problem)
    if problem is not None:
        return _no(ConditionType.PROGRESSING, *problem)
    stuck = next((pool for pool in seen.pools if deadline_exceeded(pool)), None)
    if stuck is not None:
        reason, message = seen.blocker or (Reason.ROLLING_OUT, "")
        return _no(ConditionType.PROGRESSING, reason, f"no progress within the deadline. {message}".strip())
    moving = {pool.key for pool in seen.fleet.pools} != {pool.key for pool in seen.target.pools}
    settled = all(serves(dict(pool)) for pool in seen.pools)
    if seen.fleet.ready < seen.target.replicas or not settled or moving:
        if any(gave_up(pool) and not serves(dict(pool)) for pool in seen.pools):
            return _yes(ConditionType.PROGRESSING, Reason.SURGE_WITHOUT_CAPACITY, _WITHOUT_CAPACITY)
        replaced = moving or any(_has_old_pods(pool) for pool in seen.pools)
        reason = Reason.ROLLING_OUT if replaced else Reason.SCALING
        message = seen.blocker.message if seen.blocker else "replicas are being replaced or added."
        return _yes(ConditionType.PROGRESSING, reason, message)
    held = seen.hindrances.get(Reason.DECISION_HELD)
    if held is not None:
        message = f"Everything runs as decided last; where to run cannot be worked out anew: {held}"
        return _no(ConditionType.PROGRESSING, Reason.DECISION_HELD, message)
    told = f" At the last rollout {_WITHOUT_CAPACITY}" if any(gave_up(pool) for pool in seen.pools) else ""
    return _no(ConditionType.PROGRESSING, Reason.STEADY, f"Everything runs as decided.{told}")


def capacity_available(seen: Seen) -> Verdict:
    """Whether the machines for the decided fleet are there."""
    problem = _problem(seen)
    if problem is not None and problem[0] in _NO_CAPACITY:
        return _no(ConditionType.CAPACITY_AVAILABLE, *problem)
    if seen.blocker is not None and seen.blocker.reason in _NO_MACHINE:
        return _no(ConditionType.CAPACITY_AVAILABLE, *seen.blocker)
    if not seen.fleet.pools:
        return Verdict(
            ConditionType.CAPACITY_AVAILABLE, None, Reason.SCALING, "No replica has asked for a machine yet."
        )
    return _yes(ConditionType.CAPACITY_AVAILABLE, Reason.CAPACITY_BOUND, "Every replica has its machine.")


def objectives_met(deployment: LLMDeployment, seen: Seen) -> Verdict:
    """Whether the last minute met both thresholds; too few requests say nothing."""
    load = seen.load
    beyond = seen.step(Reason.OBJECTIVES_OUT_OF_REACH)
    if beyond is not None:
        return _no(ConditionType.OBJECTIVES_MET, beyond.reason, beyond.message)
    if load is None or load.ttft_p95_s is None or load.tpot_p95_s is None:
        return Verdict(ConditionType.OBJECTIVES_MET, None, Reason.NO_METRICS, "Too few requests to tell.")
    objectives = deployment.spec.objectives
    measured = (
        ("time to first token", load.ttft_p95_s, objectives.ttft.p95),
        ("time per output token", load.tpot_p95_s, objectives.tpot.p95),
    )
    missed = [f"p95 {name} is above {written(most)}" for name, value, most in measured if value > most.total_seconds()]
    if missed:
        return _no(ConditionType.OBJECTIVES_MET, Reason.OBJECTIVES_MISSED, "; ".join(missed))
    return _yes(ConditionType.OBJECTIVES_MET, Reason.OBJECTIVES_MET, "Both latency thresholds are met.")


def within_budget(deployment: LLMDeployment, seen: Seen) -> Verdict:
    """Whether money lets the deployment have what it asks for."""
    limit = deployment.spec.limits.usd_per_hour
    held = next(filter(None, map(seen.step, _HELD_DOWN)), None)
    if held is not None:
        reason = Reason.LIMIT_REACHED if held.reason is Reason.USD_PER_HOUR_LIMIT else held.reason
        return _no(ConditionType.WITHIN_BUDGET, reason, held.message)
    if seen.budget is not None:
        message = f"LLMBudget {seen.budget['name']} is at stage {seen.budget['stage']} ({seen.budget['mode']})."
        return _yes(ConditionType.WITHIN_BUDGET, Reason.BUDGET_RESTRICTS, message)
    if limit is None:
        return _yes(ConditionType.WITHIN_BUDGET, Reason.NO_BUDGET, "No limit in dollars is set.")
    return _yes(ConditionType.WITHIN_BUDGET, Reason.WITHIN_LIMIT, f"Below limits.usdPerHour of {limit}.")


def metrics_fresh(seen: Seen) -> Verdict:
    """Whether the engines' own figures are being read."""
    unread = seen.hindrances.get(Reason.HISTORY_UNREADABLE)
    if unread is not None:
        message = f"The count does not follow the load, since what was known of it before cannot be read: {unread}"
        return _no(ConditionType.METRICS_FRESH, Reason.HISTORY_UNREADABLE, message)
    degraded = seen.hindrances.get(Reason.FORECAST_DEGRADED)
    if seen.load is not None and degraded is not None:
        message = f"The engines' metrics are read; the count follows them alone, since there is no forecast: {degraded}"
        return _yes(ConditionType.METRICS_FRESH, Reason.FORECAST_DEGRADED, message)
    if seen.load is not None:
        return _yes(ConditionType.METRICS_FRESH, Reason.METRICS_FRESH, "The engines' metrics are read.")
    if seen.fleet.ready == 0:
        return Verdict(
            ConditionType.METRICS_FRESH, None, Reason.NO_METRICS, "No replica serves that could be measured."
        )
    if seen.adopted:
        message = (
            f"Nothing answers as vLLM does on /metrics of {seen.adopted}; wharfage.dev/adopt: NAME:PORT names another."
        )
        return _no(ConditionType.METRICS_FRESH, Reason.NO_METRICS, message)
    message = (
        "Less than half of the replicas were measured lately: their /metrics have not been read twice yet, or do not "
        "answer on port 8000, or the Prometheus of prometheus_url does not know them."
    )
    return _no(ConditionType.METRICS_FRESH, Reason.NO_METRICS, message)


def prices_fresh(seen: Seen, *, now: float) -> Verdict:
    """Whether the prices behind the fleet were observed lately; a catalog's age is told by its date."""
    used = {pool.offer.catalog for pool in seen.target.pools or seen.fleet.pools}
    known = {name: at for name, at in seen.prices_observed_at.items() if name in used or not used}
    if not known or used - known.keys():
        gone = ", ".join(sorted(used - known.keys()))
        message = f"No catalog has prices for {gone}." if gone else "No OfferCatalog is there."
        return Verdict(ConditionType.PRICES_FRESH, None, Reason.PRICES_UNKNOWN, message)
    stale = {name: at for name, at in known.items() if now - at > seen.prices_stale_after_s}
    if not stale:
        return _yes(ConditionType.PRICES_FRESH, Reason.PRICES_CURRENT, f"Prices of {_dates(known)}.")
    days = f"{seen.prices_stale_after_s / _DAY_S:g} days"
    message = f"Prices are older than {days}: {_dates(stale)}. Refresh the catalog and set its observedAt."
    return _no(ConditionType.PRICES_FRESH, Reason.PRICES_STALE, message)


def _problem(seen: Seen) -> tuple[Reason, str] | None:
    """What stopped the round before or at the decision.

    The decision's refusal knows every offer; the one that manifests raise knows only the pool that runs.
    """
    refusal, problem = seen.refusal, seen.problem
    if problem is not None and not (refusal is not None and problem.reason is Reason.MODEL_DOES_NOT_FIT):
        return problem.reason, problem.message
    return (refusal.reason, refusal.message) if refusal is not None else None


def _floor(deployment: LLMDeployment) -> int:
    spec = deployment.spec
    return spec.scaling.min_replicas if spec.scaling.mode is Mode.AUTO else spec.replicas


def _count(replicas: int) -> str:
    return f"{replicas} replica{'s serve' if replicas != 1 else ' serves'}"


def _has_old_pods(pool: Mapping[str, Any]) -> bool:
    """Whether pods of an earlier template are still there."""
    status = pool.get("status") or {}
    return int(status.get("replicas", 0)) > int(status.get("updatedReplicas", 0))


def _dates(observed_at: Mapping[str, float]) -> str:
    return ", ".join(f"{name} {datetime.fromtimestamp(at, UTC):%Y-%m-%d}" for name, at in sorted(observed_at.items()))


def _yes(about: ConditionType, reason: Reason, message: str) -> Verdict:
    return Verdict(about, holds=True, reason=reason, message=message)


def _no(about: ConditionType, reason: Reason, message: str) -> Verdict:
    return Verdict(about, holds=False, reason=reason, message=message)
