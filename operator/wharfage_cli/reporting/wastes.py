"""What was paid for and not needed: the dearest five, each with the patch that ends it.

A patch is proposed only where it changes something that the spec says, and what it would have saved is counted hour by
hour from the ledger. How much a replica carries is what the busiest of its own hours has shown that it carries. Zero
replicas are not free of bad minutes: a silence is waited for until it has cost as much as a cold start (as the operator
does), and ends with one. `tests/simulator/test_wastes.py` replays a history with and without each.
"""

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from wharfage_autoscaler.ledger import Ledger, every, parted, total, uid_of
from wharfage_autoscaler.metering import HOUR_S
from wharfage_autoscaler.offers import Market
from wharfage_autoscaler.spend import Spend

from wharfage_cli.reporting.prices import Prices

MOST = 5
_LEAST_USD = 0.01
_FILLED = 0.7
"""Of what the busiest hour has shown, as much as is planned with: hours are means, and within one there are bursts."""
_COLD_START_MINUTES = 5.0
"""That are bad when a request finds nothing running; each costs what the deployment says that a bad minute costs."""
_BAD_MINUTE_USD = "1.00"
"""`objectives.usdPerBadMinute` where it is not written."""
_MOST_SPOT = "0.6"
"""`placement.spot.maxShare` where it is not written."""


@dataclass(frozen=True, slots=True)
class Waste:
    """Dollars of the period that one patch would have saved, and why."""

    namespace: str
    name: str
    usd: float
    why: str
    patch: Mapping[str, Any]

    @property
    def command(self) -> str:
        """What to run; add --dry-run=server to have it checked only."""
        patch = json.dumps(self.patch, separators=(",", ":"))
        return f"kubectl -n {self.namespace} patch llmdeployment {self.name} --type merge -p '{patch}'"


def wastes(ledger: Ledger, deployments: list[dict[str, Any]], prices: Prices) -> tuple[Waste, ...]:
    """The dearest wastes of deployments that are there (as the API server returned them), by a period's rows."""
    by_uid = parted(ledger, uid_of)
    there = [(raw, by_uid[uid]) for raw in deployments if (uid := raw["metadata"]["uid"]) in by_uid]
    found = [each for raw, rows in there for each in _of(rows, raw, prices) if each.usd >= _LEAST_USD]
    return tuple(sorted(found, key=lambda each: (-each.usd, each.namespace, each.name))[:MOST])


def _of(ledger: Ledger, raw: Mapping[str, Any], prices: Prices) -> Iterator[Waste]:
    """Of one deployment, whose rows alone the ledger has."""
    hours = [total(row.values()) for _, row in sorted(every(ledger, HOUR_S).rows.items())]
    by_count = max(_by_count(raw, hours), key=lambda each: each.usd, default=None)
    if by_count is not None:
        yield by_count
    yield from _by_spot(ledger, raw, prices)


def _by_count(raw: Mapping[str, Any], hours: list[Spend]) -> Iterator[Waste]:
    """One of these: each counts the same hours."""
    scaling = raw["spec"].get("scaling") or {}
    least, mode = scaling.get("minReplicas", 1), scaling.get("mode", "Auto")
    if not any(hour.served.work for hour in hours):
        if least > 1:
            usd = sum(hour.usd * max(0.0, 1.0 - 1.0 / hour.replica_hours) for hour in hours if hour.replica_hours)
            yield _waste(raw, usd, f"nothing was served in {len(hours)} hours", {"scaling": {"minReplicas": 1}})
        return
    needed = _needed(hours)
    if mode in ("Manual", "Recommend"):
        usd = _more(hours, [max(each, least) for each in needed])
        yield _waste(raw, usd, f"scaling.mode {mode}: as many run at night as by day", {"scaling": {"mode": "Auto"}})
    elif least > 1:
        fewest = max(1, min(needed))
        if fewest < least:
            usd = _beyond(hours, [max(each, fewest) for each in needed])
            why = f"minReplicas {least}: the quietest hour needed {min(needed)}"
            yield _waste(raw, usd, why, {"scaling": {"minReplicas": fewest}})
    if raw["spec"].get("routing") == "Gateway" and least > 0:
        cold_usd = _COLD_START_MINUTES * float(
            (raw["spec"].get("objectives") or {}).get("usdPerBadMinute", _BAD_MINUTE_USD)
        )
        slept = [usd for usd in _silences(hours) if usd > cold_usd]
        quiet = sum(not hour.served.requests for hour in hours)
        why = f"{quiet} of {len(hours)} hours had no request; {len(slept)} cold starts at {cold_usd:.2f} usd cost less"
        yield _waste(raw, sum(usd - 2.0 * cold_usd for usd in slept), why, {"scaling": {"minReplicas": 0}})


def _silences(hours: list[Spend]) -> Iterator[float]:
    """Dollars of each run of hours without a request."""
    for silent, run in groupby(hours, key=lambda hour: not hour.served.requests):
        if silent:
            yield sum(hour.usd for hour in run)


def _needed(hours: list[Spend]) -> list[int]:
    """Replicas of each hour, each filled as far as is planned with."""
    carries = max(hour.served.work / hour.replica_hours for hour in hours if hour.replica_hours)
    return [math.ceil(hour.served.work / (_FILLED * carries)) if carries else 0 for hour in hours]


def _beyond(hours: list[Spend], wanted: list[int]) -> float:
    """Dollars of the replicas beyond those."""
    return sum(
        hour.usd * max(0.0, 1.0 - each / hour.replica_hours)
        for hour, each in zip(hours, wanted, strict=True)
        if hour.replica_hours
    )


def _more(hours: list[Spend], wanted: list[int]) -> float:
    """Dollars beyond those replicas, less those that are missing: a count that is too small now wastes nothing."""
    return sum(
        hour.usd * (1.0 - each / hour.replica_hours)
        for hour, each in zip(hours, wanted, strict=True)
        if hour.replica_hours
    )


def _by_spot(ledger: Ledger, raw: Mapping[str, Any], prices: Prices) -> Iterator[Waste]:
    written = (raw["spec"].get("placement") or {}).get("spot") or {}
    if written.get("policy", "Forbid") != "Forbid":
        return
    usd, most = 0.0, float(written.get("maxShare", _MOST_SPOT))
    machines: set[str] = set()
    for row in ledger.rows.values():
        for account, spend in row.items():
            spot = prices.spot.get(account.offer[:2])
            if account.offer[2] is not Market.ON_DEMAND or spot is None:
                continue
            saved = most * (spend.usd - spot * spend.machine_hours)
            if saved > 0.0:
                usd, machines = usd + saved, machines | {account.offer[1]}
    if usd:
        why = f"{', '.join(sorted(machines))} on demand, though spot is cheaper; {100 * most:.0f} % may be on it"
        yield _waste(raw, usd, why, {"placement": {"spot": {"policy": "Allow"}}})


def _waste(raw: Mapping[str, Any], usd: float, why: str, spec: Mapping[str, Any]) -> Waste:
    return Waste(raw["metadata"]["namespace"], raw["metadata"]["name"], usd, why, {"spec": spec})
