"""Builders of prices: a test names what it is about, the rest is an L4 for a dollar."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from wharfage_autoscaler.offers import Market
from wharfage_cli.offers.price import Price

DAY = datetime(2026, 7, 20, tzinfo=UTC)


def price(machine: str = "g6.xlarge", per_hour: str = "1", **fields: Any) -> Price:
    """One on-demand price of a machine with an L4."""
    defaults: dict[str, Any] = {
        "where": f"p.csv: {machine}",
        "accelerator": "L4",
        "accelerators": 1,
        "accelerator_memory_gib": 24,
        "vcpus": 4,
        "memory_gib": 16,
        "market": Market.ON_DEMAND,
        "zone": "",
        "observed_at": DAY,
    }
    return Price(machine=machine, per_hour=Decimal(per_hour), **(defaults | fields))


def spot(machine: str = "g6.xlarge", per_hour: str = "0.4", **fields: Any) -> Price:
    """One spot price of it."""
    return price(machine, per_hour, market=Market.SPOT, **fields)
