"""The annotation that wakes a deployment which is at zero: `wharfage.dev/wake`, with the time at which it was written.

A time and no counter, so that what it asks for follows from it alone: it holds for `scaling.idleAfter` from then on,
whoever looks, and an operator that was restarted wakes nobody a second time.
"""

import math
from datetime import datetime

from wharfage_api.gateway import Routing
from wharfage_api.llmdeployment import LLMDeployment
from wharfage_autoscaler.idle import Idle, Silence
from wharfage_autoscaler.load import Load
from wharfage_autoscaler.reasons import Reason

from wharfage_operator.kinds import Object

WAKE = "wharfage.dev/wake"
_MINUTE_S, _FIVE_MINUTES_S = 60.0, 300.0


def woken_s(raw: Object) -> float:
    """When somebody last wished the deployment awake, in Unix seconds; -inf for never, or where it cannot be read."""
    try:
        at = datetime.fromisoformat(_written(raw))
    except ValueError:
        return -math.inf
    return at.timestamp() if at.tzinfo is not None else -math.inf


def how_to_wake(raw: Object) -> str:
    """What to type; and what is wrong with what was typed, where it cannot be read."""
    if (raw.get("spec") or {}).get("routing") == Routing.GATEWAY:
        return "The next request wakes it, and waits at the gateway meanwhile"
    name, namespace, told = raw["metadata"]["name"], raw["metadata"].get("namespace", ""), _written(raw)
    command = f'kubectl annotate llm {name} -n {namespace} --overwrite {WAKE}="$(date -u +%FT%TZ)"'
    if not told or math.isfinite(woken_s(raw)):
        return f"Wake it: {command}"
    return f"{WAKE} is {told[:40]!r}, which is no time with date and zone, such as 2026-12-01T08:00:00Z: {command}"


def silent_s(load: Load | None) -> float | None:
    """For how long at least nobody has asked; 0 where somebody does, None where it is not known."""
    if load is None:
        return None
    if load.requests_per_second or load.requests_per_second_15s or load.running or load.waiting:
        return 0.0
    return _FIVE_MINUTES_S if load.requests_per_second_5m == 0.0 else _MINUTE_S


def idle(silence: Silence, deployment: LLMDeployment, *, now_s: float, woken_s: float, lead_s: float) -> Idle:
    """What doing without the last replica is weighed by."""
    spec = deployment.spec
    after_s = spec.scaling.idle_after.total_seconds()
    return Idle(
        so_far_s=silence.so_far_s(now_s),
        left_s=silence.left_s(now_s),
        after_s=after_s,
        lead_s=lead_s,
        usd_per_bad_minute=float(spec.objectives.usd_per_bad_minute),
        asleep=silence.asleep,
        woken=now_s < woken_s + after_s,
    )


def _written(raw: Object) -> str:
    return str((raw["metadata"].get("annotations") or {}).get(WAKE, ""))


def says_zero(raw: Object) -> bool:
    """Whether the status tells of a decision to sleep: it is written at once, the history within a minute."""
    steps = ((raw.get("status") or {}).get("decision") or {}).get("steps") or ()
    return any(step.get("reason") == Reason.AT_ZERO for step in steps)
