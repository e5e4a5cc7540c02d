"""What Karpenter can buy, from the same offers that the operator reads: one price list, no second truth.

Input are `OfferCatalog` objects as they stand in YAML; output is the file that Karpenter's kwok provider reads.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml

CAPACITY_TYPES = {"OnDemand": "on-demand", "Spot": "spot"}
"""Karpenter's word for a market. Reserved machines are there already: nobody buys them by the hour."""
_ZONE_SUFFIXES = {"aws": ("a", "b"), "azure": ("-1", "-2")}
_MACHINE = "node.kubernetes.io/instance-type"
_ZONE = "topology.kubernetes.io/zone"
_CAPACITY_TYPE = "karpenter.sh/capacity-type"


def read_catalogs(paths: Iterable[Path]) -> list[dict[str, Any]]:
    """The `OfferCatalog` objects of some YAML files."""
    documents = (document for path in paths for document in yaml.safe_load_all(path.read_text(encoding="utf-8")))
    return [document for document in documents if document and document.get("kind") == "OfferCatalog"]


def instance_types(catalogs: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Every offer that has a price per hour as an instance type, under its machine's name.

    Where several offers share a machine (a host with 1, 2 or 4 accelerators), each is named after the offer.
    """
    types: dict[str, dict[str, Any]] = {}
    for catalog in catalogs:
        spec = catalog["spec"]
        machines = [offer.get("machine", offer["name"]) for offer in spec["offers"]]
        zones = _zones(spec)
        for offer, machine in zip(spec["offers"], machines, strict=True):
            name = machine if machines.count(machine) == 1 else offer["name"]
            offerings = _offerings(offer, zones)
            if offerings:
                types[name] = {
                    "name": name,
                    "architecture": "amd64",
                    "operatingSystems": ["linux"],
                    "resources": _resources(offer),
                    "offerings": offerings,
                }
    return list(types.values())


def has_accelerator(instance_type: Mapping[str, Any]) -> bool:
    """Whether the machine has GPUs."""
    return "nvidia.com/gpu" in instance_type["resources"]


def _zones(spec: Mapping[str, Any]) -> list[str]:
    """The zones that the catalog names; where it names none, two that its cloud might have."""
    if named := {price["zone"] for offer in spec["offers"] for price in offer["prices"] if price.get("zone")}:
        return sorted(named)
    region = spec.get("region") or "local"
    return [f"{region}{suffix}" for suffix in _ZONE_SUFFIXES.get(spec.get("provider", ""), ("-a", "-b"))]


def _resources(offer: Mapping[str, Any]) -> dict[str, str]:
    resources = {
        "cpu": str(offer["vcpus"]),
        "memory": f"{offer['memoryGiB']}Gi",
        "pods": "110",
        "ephemeral-storage": "500Gi",
    }
    accelerator = offer["accelerator"]
    if accelerator["name"] != "CPU":
        resources["nvidia.com/gpu"] = str(accelerator["count"])
    return resources


def _offerings(offer: Mapping[str, Any], zones: Iterable[str]) -> list[dict[str, Any]]:
    """One offering per market and zone; a price that names its zone wins over one that names none."""
    labels = {
        key: value
        for key, value in offer.get("nodeSelector", {}).items()
        if key not in (_MACHINE, _ZONE, _CAPACITY_TYPE)
    }
    prices: dict[tuple[str, str], float] = {}
    for price in sorted(offer["prices"], key=lambda price: bool(price.get("zone"))):
        if price["market"] in CAPACITY_TYPES:
            for zone in [price["zone"]] if price.get("zone") else zones:
                prices[CAPACITY_TYPES[price["market"]], zone] = float(price["usdPerHour"])
    return [
        {
            "Price": usd_per_hour,
            "Available": True,
            "Requirements": [
                {"key": key, "operator": "In", "values": [value]}
                for key, value in {_CAPACITY_TYPE: capacity_type, _ZONE: zone, **labels}.items()
            ],
        }
        for (capacity_type, zone), usd_per_hour in prices.items()
    ]
