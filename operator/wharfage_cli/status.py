"""`wharfage status`: one line per deployment: is it serving, with what, at what cost, waiting for what."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from wharfage_autoscaler.reasons import Reason
from wharfage_operator.gather import PAUSED, is_paused

from wharfage_cli.output import UNKNOWN

_EDIT_UNSEEN = "no operator has looked at the last edit yet: is one running? `wharfage doctor` tells"


@dataclass(frozen=True, slots=True)
class Line:
    """What one deployment's status says, ready to print; unknown figures are `<none>`, never 0."""

    namespace: str
    name: str
    ready: str
    reason: str
    replicas: str
    fleet: str
    usd_per_hour: str
    usd_per_million_tokens: str
    usd_this_month: str
    budget: str
    lead_time: str
    waiting_for: str
    model: str
    endpoint: str


def line(deployment: dict[str, Any], *, budget: str = "") -> Line:
    """Read one `LLMDeployment` as the API server returned it; `budget` is the tightest, in words."""
    status = deployment.get("status") or {}
    summary = status.get("summary") or {}
    ready = condition(status, "Ready")
    blocking = next((c for c in (condition(status, "Accepted"), ready) if c.get("status") != "True"), {})
    if is_paused(deployment):
        blocking = {"reason": Reason.PAUSED.value, "message": _paused(ready)}
    elif status.get("conditions") and status.get("observedGeneration", 0) < deployment["metadata"].get("generation", 0):
        blocking = {"reason": "NotSeenYet", "message": _EDIT_UNSEEN}
    return Line(
        namespace=deployment["metadata"]["namespace"],
        name=deployment["metadata"]["name"],
        ready=ready.get("status", "Unknown"),
        reason=blocking.get("reason") or ready.get("reason") or "NotSeenYet",
        replicas=summary.get("replicas", UNKNOWN),
        fleet=summary.get("fleet") or UNKNOWN,
        usd_per_hour=summary.get("usdPerHour", UNKNOWN),
        usd_per_million_tokens=(status.get("cost") or {}).get("usdPerMillionTokens", UNKNOWN),
        usd_this_month=(status.get("cost") or {}).get("usdThisMonth", UNKNOWN),
        budget=budget or UNKNOWN,
        lead_time=summary.get("leadTime", UNKNOWN),
        waiting_for=waiting_for(status, blocking),
        model=deployment["spec"]["model"]["source"],
        endpoint=status.get("endpoint") or UNKNOWN,
    )


def _paused(ready: dict[str, Any]) -> str:
    """What a pause means, and what was so when it began: the operator writes nothing about a paused object."""
    since = f"; before: {ready['message']}" if ready.get("message") else ""
    return f"the annotation {PAUSED} stops every write for it, its status included{since}"


def condition(status: dict[str, Any], kind: str) -> dict[str, Any]:
    """The condition of that type, or an empty one."""
    return next((c for c in status.get("conditions") or () if c.get("type") == kind), {})


def waiting_for(status: dict[str, Any], blocking: dict[str, Any]) -> str:
    """The sentence of what blocks, or of what machines are missing beside those that serve; empty when nothing is."""
    if not status.get("conditions") and not blocking:
        return "no operator has looked at this object yet: is one running? `wharfage doctor` tells"
    capacity = condition(status, "CapacityAvailable")
    if not blocking and capacity.get("status") == "False":
        blocking = capacity
    return str(blocking.get("message", ""))


def together(lines: Sequence[Line]) -> str:
    """What all deployments cost by the hour, in a sentence that says how many run at a price that is not known."""
    usd = sum(float(each.usd_per_hour) for each in lines if each.usd_per_hour != UNKNOWN)
    unpriced = sum(1 for each in lines if each.usd_per_hour == UNKNOWN != each.fleet)
    beside = f", and {unpriced} whose price is not known: `wharfage doctor` tells why" if unpriced else ""
    return f"together {usd:.2f} USD/h{beside}"
