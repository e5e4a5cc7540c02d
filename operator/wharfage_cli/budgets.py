"""`wharfage budget`: where every budget stands, and what an override would change, before it is written."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from wharfage_cli.output import UNKNOWN
from wharfage_cli.status import condition

_NOT_SEEN = "no operator has looked at this budget yet: is one running? `wharfage doctor` tells"


@dataclass(frozen=True, slots=True)
class Line:
    """One budget, ready to print; unknown figures are `<none>`, never 0."""

    name: str
    period: str
    usd: str
    spent: str
    used: str
    forecast: str
    stage: str
    allowance: str
    deployments: str
    says: str


def line(budget: dict[str, Any], *, now: datetime) -> Line:
    """Read one `LLMBudget` as the API server returned it."""
    spec, status = budget["spec"], budget.get("status") or {}
    usd, spent = dollars(spec, now=now), status.get("usdSpent")
    mode = "" if spec.get("mode", "Enforce") == "Enforce" else f" ({spec['mode']})"
    return Line(
        name=budget["metadata"]["name"],
        period=spec.get("period", "Month"),
        usd=f"{usd:f}" + (" (override)" if overridden(spec, now=now) else ""),
        spent=spent or UNKNOWN,
        used=share(spent, usd),
        forecast=_forecast(status.get("usdForecast") or {}, usd),
        stage=(status.get("stage") or "none") + mode,
        allowance=status.get("usdPerHourAllowance") or UNKNOWN,
        deployments=str((status.get("deployments") or {}).get("count", UNKNOWN)),
        says=_says(status),
    )


def more(budget: dict[str, Any], *, now: datetime) -> Iterator[tuple[str, str]]:
    """What one line has no room for: its override, the ladder, and who costs most; each with its title."""
    spec, status = budget["spec"], budget.get("status") or {}
    if overridden(spec, now=now):
        yield "override", f"until {spec['override']['until']}, then {spec['usd']}: {spec['override']['reason']}"
    for each in spec.get("stages") or ():
        seen = "forecast" if each.get("of", "Spent") == "Forecast" else "spent"
        yield "ladder", f"{each['action']} at {100 * Decimal(each['at']):.0f} % {seen}"
    for each in (status.get("deployments") or {}).get("top") or ():
        yield "pays", f"{each['namespace']}/{each['name']} {each.get('usdPerHour', UNKNOWN)} usd/h"


def overridden(spec: dict[str, Any], *, now: datetime) -> bool:
    """Whether its override holds now."""
    return "override" in spec and now < datetime.fromisoformat(spec["override"]["until"])


def dollars(spec: dict[str, Any], *, now: datetime) -> Decimal:
    """The dollars of the present period."""
    return Decimal(spec["override"]["usd"] if overridden(spec, now=now) else spec["usd"])


def share(spent: str | None, usd: Decimal) -> str:
    """In per cent of the dollars there are."""
    if spent is None:
        return UNKNOWN
    return f"{100 * Decimal(spent) / usd:.0f} %" if usd else "no dollars"


def override(usd: Decimal, until: datetime, reason: str) -> dict[str, Any]:
    """What is written into a budget's spec."""
    return {"usd": f"{usd:f}", "until": until.isoformat(timespec="seconds").replace("+00:00", "Z"), "reason": reason}


def preview(budget: dict[str, Any], usd: Decimal, until: datetime, *, now: datetime) -> list[str]:
    """What an override would change, in dollars, by the budget's status."""
    spec, status, name = budget["spec"], budget.get("status") or {}, budget["metadata"]["name"]
    before, spent = dollars(spec, now=now), status.get("usdSpent")
    rows = [f"{name}: {before:f} -> {usd:f} usd per {spec.get('period', 'Month')} until {until:%Y-%m-%d %H:%M} UTC"]
    if spent is not None:
        rows.append(f"spent {spent} usd: {share(spent, before)} -> {share(spent, usd)}")
    mid = (status.get("usdForecast") or {}).get("mid")
    if mid is not None:
        rows.append(f"expected by the end of the period {mid} usd: {share(mid, before)} -> {share(mid, usd)}")
    ends = [each["action"] for each in spec.get("stages") or () if _ends(each, spent, mid, before, usd)]
    if ends:
        rows.append(f"ends: {', '.join(ends)}")
    begins = [each["action"] for each in spec.get("stages") or () if _ends(each, spent, mid, usd, before)]
    if begins:
        rows.append(f"begins: {', '.join(begins)}")
    return rows


def _ends(stage: dict[str, Any], spent: str | None, mid: str | None, before: Decimal, after: Decimal) -> bool:
    """Whether a stage is reached by the dollars of before, and not by those of after."""
    seen = mid if stage.get("of", "Spent") == "Forecast" else spent
    if seen is None:
        return False
    at = Decimal(stage["at"])
    return at * before <= Decimal(seen) < at * after


def _forecast(forecast: dict[str, str], usd: Decimal) -> str:
    if "mid" not in forecast:
        return UNKNOWN
    return f"{forecast['mid']} ({forecast.get('low')} to {forecast.get('high')}), {share(forecast['mid'], usd)}"


def _says(status: dict[str, Any]) -> str:
    """The sentence of whatever is not as it should be."""
    if not status.get("conditions"):
        return _NOT_SEEN
    for about in ("Accepted", "Enforced"):
        said = condition(status, about)
        if said.get("status") != "True" or said.get("reason") != {"Accepted": "Accepted"}.get(about, "WithinBudget"):
            return str(said.get("message", ""))
    return ""
