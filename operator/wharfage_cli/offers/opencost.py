"""Prices of machines that run, as OpenCost tells them to a Prometheus: what a contract makes of the list's.

OpenCost publishes what each node costs (`node_total_hourly_cost`) with the node's type and region, and whether it is a
spot machine (`kubecost_node_is_spot`). It knows nothing of machines that do not run, so its prices replace those of a
table, machine by machine; the rest stay as the table has them.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from math import isfinite
from statistics import median
from types import MappingProxyType

from wharfage_autoscaler.offers import Market
from wharfage_operator.prometheus import Address, PrometheusError, connected

from wharfage_cli.offers import fields
from wharfage_cli.offers.table import Record

_BY = "node,instance_type,region"
_COST = f"max by({_BY})(last_over_time(node_total_hourly_cost[10m]))"
_SPOT = f"max by({_BY})(last_over_time(kubecost_node_is_spot[10m]))"
_CENT = Decimal("0.0001")

Running = tuple[str, str, Market]
"""Machine type, region, market."""


class NoOpenCost(Exception):  # noqa: N818 -- a state of the world, named as the user sees it
    """There is no such Prometheus, or no OpenCost that it reads; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Repriced:
    """Records of which some have another price, what these are of, and what runs that the records lack."""

    records: tuple[Record, ...]
    changed: tuple[Running, ...]
    unknown: tuple[Running, ...]


def running(url: str) -> Mapping[Running, Decimal]:
    """Dollars per hour of what runs, the median over its nodes. Raises `NoOpenCost`."""
    try:
        with connected(Address(url)) as server:
            costs, spots = server.instant(_COST), server.instant(_SPOT)
    except PrometheusError as error:
        raise NoOpenCost(str(error)) from error
    is_spot = {_node(labels): value == 1.0 for labels, value in spots}
    found: dict[Running, list[float]] = defaultdict(list)
    for labels, usd in costs:
        if isfinite(usd) and usd > 0.0 and labels.get("instance_type"):
            market = Market.SPOT if is_spot.get(_node(labels)) else Market.ON_DEMAND
            found[labels["instance_type"], labels.get("region", ""), market].append(usd)
    if not found:
        raise NoOpenCost(f"{url}: it has no node_total_hourly_cost of a machine; does it read OpenCost's /metrics?")
    return {each: Decimal(median(prices)).quantize(_CENT) for each, prices in found.items()}


def repriced(records: Iterable[Record], prices: Mapping[Running, Decimal], region: str) -> Repriced:
    """The records with the prices of what runs in a region; one whose market cannot be read stays as it is."""
    ours: dict[tuple[str, Market | None], Decimal] = {
        (machine, market): usd for (machine, where, market), usd in prices.items() if where in ("", region)
    }
    found, met = [], set()
    for record in records:
        key = record.text("machine"), _market(record)
        if key in ours:
            met.add(key)
            record = _with_price(record, ours[key])
        found.append(record)
    changed = tuple(each for each in sorted(prices) if (each[0], each[2]) in met and each[1] in ("", region))
    unknown = tuple(each for each in sorted(prices) if each[1] in ("", region) and (each[0], each[2]) not in met)
    return Repriced(tuple(found), changed, unknown)


def _node(labels: Mapping[str, str]) -> str:
    return labels.get("node", "")


def _market(record: Record) -> Market | None:
    try:
        return fields.market(record)
    except fields.Wrong:
        return None


def _with_price(record: Record, usd: Decimal) -> Record:
    values = {**record.values, "price_per_hour": f"{usd:f}", "currency": ""}
    return replace(record, where=f"{record.where}, price by OpenCost", values=MappingProxyType(values))
