"""What a period would have cost without any of this: always on, on demand, as many replicas as the busiest hour had.

Of every deployment: the replicas of its busiest hour, rounded up, from its first hour of the period to its last, each
at what its replicas cost on demand. What they saved is told in two parts: by spot, and by the count.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from wharfage_autoscaler.ledger import Ledger, every, parted, uid_of
from wharfage_autoscaler.metering import HOUR_S
from wharfage_autoscaler.savings import saved_usd
from wharfage_autoscaler.spend import Account, Spend

from wharfage_cli.reporting.prices import Prices


@dataclass(frozen=True, slots=True)
class Savings:
    """Dollars of the baseline, and what was saved of it; negative where it cost more. `peak` is in replicas."""

    baseline_usd: float = 0.0
    by_spot_usd: float = 0.0
    by_count_usd: float = 0.0
    peak: int = 0

    @property
    def usd(self) -> float:
        """All that was saved."""
        return self.by_spot_usd + self.by_count_usd

    def __add__(self, other: "Savings") -> "Savings":
        """Both together."""
        return Savings(
            self.baseline_usd + other.baseline_usd,
            self.by_spot_usd + other.by_spot_usd,
            self.by_count_usd + other.by_count_usd,
            self.peak + other.peak,
        )


def savings(ledger: Ledger, prices: Prices, until_s: float) -> dict[str, Savings]:
    """By the uid of the deployment; the last hour may not be over at `until_s` (Unix seconds)."""
    hourly = parted(every(ledger, HOUR_S), uid_of)
    return {uid: _of_one(each.rows, prices, until_s) for uid, each in hourly.items()}


def _of_one(rows: Mapping[float, Mapping[Account, Spend]], prices: Prices, until_s: float) -> Savings:
    entries = [entry for row in rows.values() for entry in row.items()]
    usd, replica_hours = sum(spend.usd for _, spend in entries), sum(spend.replica_hours for _, spend in entries)
    if not replica_hours:
        return Savings(baseline_usd=usd)
    peak = math.ceil(max(_replicas(begins_s, row, until_s) for begins_s, row in rows.items()) - 1e-6)
    hours = (min(max(rows) + HOUR_S, until_s) - min(rows)) / HOUR_S
    baseline = peak * hours * sum(_taken(entry, prices) for entry in entries) / replica_hours
    by_spot = sum(saved_usd(account, spend, prices.on_demand) for account, spend in entries)
    return Savings(baseline, by_spot, baseline - usd - by_spot, peak)


def _replicas(begins_s: float, row: Mapping[Account, Spend], until_s: float) -> float:
    """On average over the hour, or over what has passed of it."""
    passed = min(HOUR_S, max(until_s - begins_s, 1.0)) / HOUR_S
    return sum(spend.replica_hours for spend in row.values()) / passed


def _taken(entry: tuple[Account, Spend], prices: Prices) -> float:
    """What replicas took of their machines, on demand: without what stood idle beside them."""
    account, spend = entry
    share = (spend.serving + spend.startup) / spend.usd if spend.usd else 1.0
    return share * prices.listed(account, spend.usd, spend.machine_hours)


def together(each: Iterable[Savings]) -> Savings:
    """The sum of several."""
    return sum(each, Savings())
