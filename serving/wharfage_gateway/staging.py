"""What the stage of a budget means for a model: tokens of each tenant, and which variants come first.

The operator writes the budget that binds a deployment hardest into its status. What cannot be read there holds nobody
up: a budget saves money, and does not take a service down.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from wharfage_api.llmbudget import BudgetMode
from wharfage_autoscaler.stages import Action

from wharfage_gateway.view import Throttle

_CHEAPER = frozenset(Action) - {Action.NOTIFY}


def throttle(deployment: Mapping[str, Any]) -> Throttle | None:
    """What each tenant may use of it; None where no stage throttles."""
    row = _enforced(deployment)
    tokens_per_s = _positive(row.get("tokensPerSecondPerTenant"))
    if tokens_per_s is None:
        return None
    burst_tokens = _positive(row.get("burstTokens")) or tokens_per_s
    by = row.get("throttledBy")
    if by:
        return Throttle(tokens_per_s, burst_tokens, budget=str(by))
    return Throttle(tokens_per_s, burst_tokens, str(row.get("stage", "")), str(row.get("name", "")))


def order(variants: Sequence[str], deployment: Mapping[str, Any]) -> tuple[str, ...]:
    """Variants in the order in which they are tried: best first; from PreferCheaper on cheapest first.

    Cheap is what costs least for each request that is carried at once; of what does not run that is not known, and the
    last named is taken for the cheapest.
    """
    if _enforced(deployment).get("stage") not in _CHEAPER:
        return tuple(variants)
    usd = _usd_per_slot((deployment.get("status") or {}).get("fleet") or ())
    return tuple(sorted(variants, key=lambda name: (usd.get(name, math.inf), -variants.index(name))))


def _enforced(deployment: Mapping[str, Any]) -> Mapping[str, Any]:
    row = (deployment.get("status") or {}).get("budget") or {}
    return row if row.get("mode") == BudgetMode.ENFORCE else {}


def _usd_per_slot(rows: Iterable[Mapping[str, Any]]) -> dict[str, float]:
    """Dollars an hour for a request at once, by variant: of all pools of it that tell."""
    usd: dict[str, float] = {}
    slots: dict[str, float] = {}
    for row in rows:
        cost, carried = _positive(row.get("usdPerHour")), _positive(row.get("slots"))
        replicas = _positive(row.get("wanted")) or _positive(row.get("ready"))
        if cost is None or carried is None or replicas is None:
            continue
        name = str(row.get("variant", ""))
        usd[name] = usd.get(name, 0.0) + cost
        slots[name] = slots.get(name, 0.0) + carried * replicas
    return {name: usd[name] / slots[name] for name in usd}


def _positive(written: object) -> float | None:
    try:
        number = float(str(written))
    except ValueError:
        return None
    return number if 0.0 < number < math.inf else None
