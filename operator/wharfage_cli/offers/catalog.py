"""From checked prices to an `OfferCatalog`: which machines it lists, their names, and how the file is laid out."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import ROUND_HALF_UP, Decimal
from textwrap import wrap
from typing import Any

import yaml
from wharfage_api import GROUP, VERSION, OfferCatalog
from wharfage_api.instants import written
from wharfage_autoscaler.accelerators import ACCELERATORS
from wharfage_autoscaler.offers import Market

from wharfage_cli.offers.names import offer_name
from wharfage_cli.offers.price import Price

Manifest = dict[str, Any]

MOST_OFFERS = 512
_MOST_PRICES = 24
_LONGEST_NAME = 63
_WIDTH = 120
_CENT = Decimal("0.0001")
_ORDER = {name: place for place, name in enumerate(ACCELERATORS)}
_TEXT = "tag:yaml.org,2002:str"
_MARKETS = (Market.ON_DEMAND, Market.SPOT, Market.RESERVED)
_GKE_ACCELERATORS = {"T4": "nvidia-tesla-t4", "V100": "nvidia-tesla-v100"}  # those that are attached to N1 machines


class NoCatalog(ValueError):  # noqa: N818 -- a state of the input, named as the user sees it
    """The prices make no catalog that the API takes; the message says why."""


@dataclass(frozen=True, slots=True)
class Description:
    """What a catalog is called and what it is about. `sources` become annotations: where the prices come from."""

    name: str
    provider: str
    region: str
    usd_per_unit: Decimal
    sources: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Offered:
    """One machine with all its prices."""

    name: str
    prices: tuple[Price, ...]

    @property
    def facts(self) -> Price:
        """The row that speaks for the machine."""
        return self.prices[0]

    @property
    def per_hour(self) -> Decimal:
        """On demand where it is sold so; else the least it is sold for."""
        on_demand = [price.per_hour for price in self.prices if price.market is Market.ON_DEMAND]
        return min(on_demand or [price.per_hour for price in self.prices])


def offered(prices: Iterable[Price], provider: str) -> tuple[Offered, ...]:
    """The machines of the prices, named uniquely, in the order of accelerator, count and size."""
    shapes = defaultdict(list)
    for price in prices:
        shapes[price.shape].append(price)
    machines = [shape[0] for shape in shapes]
    found = []
    for shape, group in shapes.items():
        attached = machines.count(shape[0]) > 1 or (provider == "gcp" and shape[0].startswith("n1-"))
        name = group[0].name or offer_name(shape[0])
        if attached and not group[0].name:
            name = f"{name}-{offer_name(shape[1])}-{shape[2]}"
        found.append(Offered(name, _merged(group)))
    _check_names(found)
    return tuple(sorted(found, key=lambda each: (*_size(each.facts), each.name)))


def cheapest(machines: Sequence[Offered], most: int) -> tuple[Offered, ...]:
    """At most so many: of every accelerator and count the cheapest machine first, then the second cheapest, ..."""
    groups = defaultdict(list)
    for machine in sorted(machines, key=lambda each: (each.per_hour, each.name)):
        groups[machine.facts.accelerator, machine.facts.accelerators].append(machine)
    ranked = [(rank, one.per_hour, one.name) for group in groups.values() for rank, one in enumerate(group)]
    kept = {name for _, _, name in sorted(ranked)[:most]}
    return tuple(machine for machine in machines if machine.name in kept)


def manifest(machines: Sequence[Offered], about: Description) -> Manifest:
    """The catalog as Kubernetes has it, checked by the API's own types.

    Its date is that of the oldest price: a catalog is as old as what it knows worst.

    Raises:
        NoCatalog: for no machines, or for what the API refuses.

    """
    if not machines:
        raise NoCatalog("no price is left to make a catalog of")
    spec: dict[str, Any] = {
        "provider": about.provider,
        "region": about.region,
        "observedAt": written(min(price.observed_at for machine in machines for price in machine.prices)),
    }
    if about.usd_per_unit != 1:
        spec["usdPerUnit"] = _decimal(about.usd_per_unit)
    spec["offers"] = [_row(machine, about.provider) for machine in machines]
    made: Manifest = {
        "apiVersion": f"{GROUP}/{VERSION}",
        "kind": "OfferCatalog",
        "metadata": {
            "name": about.name,
            "annotations": {f"{GROUP}/{key}": text for key, text in about.sources.items()},
        },
        "spec": spec,
    }
    try:
        OfferCatalog.model_validate(made)
    except ValueError as error:  # pydantic's, which names the field
        raise NoCatalog(f"the API would refuse this catalog: {error}") from error
    return made


def layout(made: Manifest, comments: Iterable[str] = ()) -> str:
    """The manifest as YAML, a line per price, with comments above."""
    lines = (line for comment in comments for line in wrap(comment, _WIDTH - 2, break_on_hyphens=False))
    head = "".join(f"# {line}\n" for line in lines)
    return head + yaml.dump(made, Dumper=_Compact, sort_keys=False, width=4096, allow_unicode=True)


def _merged(group: Sequence[Price]) -> tuple[Price, ...]:
    """The prices of one machine in order; one on-demand price for the region where all its zones have the same."""
    kept = [price for price in group if price.market is not Market.ON_DEMAND]
    on_demand = [price for price in group if price.market is Market.ON_DEMAND]
    if len({price.per_hour for price in on_demand}) == 1:
        on_demand = on_demand[:1] if len(on_demand) == 1 else [replace(on_demand[0], zone="")]
    return tuple(sorted((*on_demand, *kept), key=lambda price: (_MARKETS.index(price.market), price.zone)))


def _size(price: Price) -> tuple[int, int, int, int]:
    return _ORDER[price.accelerator], price.accelerators, price.vcpus, price.memory_gib


def _check_names(machines: Iterable[Offered]) -> None:
    taken: dict[str, Offered] = {}
    for machine in machines:
        where = machine.facts.where
        if len(machine.name) > _LONGEST_NAME:
            raise NoCatalog(f"{where}: the name {machine.name} has more than {_LONGEST_NAME} characters: give a name")
        other = taken.setdefault(machine.name, machine)
        if other is not machine:
            raise NoCatalog(f"{where}: its name {machine.name} is that of {other.facts.where}: give one of them a name")
        if len(machine.prices) > _MOST_PRICES:
            raise NoCatalog(f"{where}: {machine.name} has {len(machine.prices)} prices; {_MOST_PRICES} are possible")


def _row(machine: Offered, provider: str) -> dict[str, Any]:
    facts = machine.facts
    accelerator: dict[str, Any] = _Line(name=facts.accelerator, count=facts.accelerators)
    if facts.accelerator_memory_gib is not None:
        accelerator["memoryGiB"] = facts.accelerator_memory_gib
    row: dict[str, Any] = {
        "name": machine.name,
        "machine": facts.machine,
        "accelerator": accelerator,
        "vcpus": facts.vcpus,
        "memoryGiB": facts.memory_gib,
    }
    selector = dict(facts.node_selector) or _selector(facts, provider)
    if selector:
        row["nodeSelector"] = _Line(selector)
    if facts.node_group:
        row["nodeGroup"] = facts.node_group
    row["prices"] = [_price(price) for price in machine.prices]
    return row


def _selector(facts: Price, provider: str) -> dict[str, str]:
    """Only where the provider's default does not tell machines apart: what is attached to an N1 machine of Google."""
    if provider != "gcp" or not facts.machine.startswith("n1-") or facts.accelerator not in _GKE_ACCELERATORS:
        return {}
    return {
        "node.kubernetes.io/instance-type": facts.machine,
        "cloud.google.com/gke-accelerator": _GKE_ACCELERATORS[facts.accelerator],
        "cloud.google.com/gke-accelerator-count": str(facts.accelerators),
    }


def _price(price: Price) -> dict[str, Any]:
    row: dict[str, Any] = _Line(market=price.market.value)
    if price.zone:
        row["zone"] = price.zone
    row["usdPerHour"] = _decimal(price.per_hour.quantize(_CENT, ROUND_HALF_UP))
    if price.interruptions_per_month is not None:
        row["interruptionsPerMonth"] = _decimal(price.interruptions_per_month.quantize(_CENT, ROUND_HALF_UP))
    if price.count is not None:
        row["count"] = price.count
    return row


def _decimal(value: Decimal) -> str:
    return f"{value.normalize():f}"


class _Line(dict[str, Any]):
    """What stands on one line of the YAML."""


class _Compact(yaml.SafeDumper):
    """Short maps on one line, and double quotes around what would not be read as text."""


def _as_line(dumper: _Compact, value: _Line) -> yaml.Node:
    return dumper.represent_mapping("tag:yaml.org,2002:map", value.items(), flow_style=True)


def _as_text(dumper: _Compact, value: str) -> yaml.Node:
    plain: bool = dumper.resolve(yaml.ScalarNode, value, (True, False)) == _TEXT  # type: ignore[no-untyped-call]
    return dumper.represent_scalar(_TEXT, value, style=None if plain else '"')


_Compact.add_representer(_Line, _as_line)
_Compact.add_representer(str, _as_text)
