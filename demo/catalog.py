"""An OfferCatalog out of the nodes a cluster already has."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml

INSTANCE_TYPE = "node.kubernetes.io/instance-type"
HOSTNAME = "kubernetes.io/hostname"
GPU_PRODUCT = "nvidia.com/gpu.product"
GPU_MEMORY_MIB = "nvidia.com/gpu.memory"
GPU = "nvidia.com/gpu"
# A machine of no known price is charged like a small cloud machine, so that costs are not zero.
ASSUMED_USD_PER_CORE_HOUR = 0.05
MEMORY_UNITS = {"Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40}


def catalog_of(nodes: Iterable[Mapping[str, Any]], prices: Mapping[str, str], *, name: str) -> dict[str, Any]:
    """One offer per machine type among the ready nodes; `prices` maps machine types to USD per hour."""
    offers: dict[str, dict[str, Any]] = {}
    for node in nodes:
        if ready(node) and not node["spec"].get("unschedulable"):
            offer = offer_of(node, prices)
            offers.setdefault(offer["name"], offer)
    return {
        "apiVersion": "wharfage.dev/v1alpha1",
        "kind": "OfferCatalog",
        "metadata": {"name": name},
        "spec": {
            "provider": "other",
            "region": "local",
            "observedAt": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "offers": sorted(offers.values(), key=lambda offer: str(offer["name"])),
        },
    }


def offer_of(node: Mapping[str, Any], prices: Mapping[str, str]) -> dict[str, Any]:
    """What one node is as an offer: its GPUs where it has any, else its cores."""
    labels = node["metadata"].get("labels", {})
    allocatable = node["status"]["allocatable"]
    machine = labels.get(INSTANCE_TYPE) or labels[HOSTNAME]
    cores = int(cpu(allocatable["cpu"]))
    memory_gib = int(memory_bytes(allocatable["memory"]) / 2**30)
    gpus = int(allocatable.get(GPU, 0))
    accelerator: dict[str, Any] = {"name": "CPU", "count": max(1, cores)}
    if gpus:
        accelerator = {"name": gpu_name(labels.get(GPU_PRODUCT, "")), "count": gpus}
        if GPU_MEMORY_MIB in labels:
            accelerator["memoryGiB"] = round(int(labels[GPU_MEMORY_MIB]) / 1024)
    selector = INSTANCE_TYPE if INSTANCE_TYPE in labels else HOSTNAME
    price = prices.get(machine, f"{cores * ASSUMED_USD_PER_CORE_HOUR:.3f}")
    return {
        "name": machine,
        "machine": machine,
        "accelerator": accelerator,
        "vcpus": max(1, cores),
        "memoryGiB": max(1, memory_gib),
        "nodeSelector": {selector: labels[selector]},
        "prices": [{"market": "OnDemand", "usdPerHour": price}],
    }


def prices_of(catalogs: Iterable[Path]) -> dict[str, str]:
    """On-demand USD per hour of every machine in the example catalogs."""
    prices: dict[str, str] = {}
    for path in catalogs:
        for offer in yaml.safe_load(path.read_text())["spec"]["offers"]:
            for price in offer["prices"]:
                if price["market"] == "OnDemand":
                    prices.setdefault(offer["machine"], price["usdPerHour"])
    return prices


def ready(node: Mapping[str, Any]) -> bool:
    """Whether the node's Ready condition is true."""
    return any(c["type"] == "Ready" and c["status"] == "True" for c in node["status"].get("conditions", ()))


def gpu_name(product: str) -> str:
    """The accelerator table's name for GPU feature discovery's product, such as `NVIDIA-A10G` or `Tesla-T4`."""
    bare = product.removeprefix("NVIDIA-").removeprefix("Tesla-").removesuffix("-SHARED")
    if bare.startswith("A100"):
        return "A100-80" if "80GB" in bare else "A100-40"
    return bare.split("-")[0] or "unknown"


def cpu(quantity: str) -> float:
    """Cores of a Kubernetes quantity: `4`, `3920m`."""
    return float(quantity[:-1]) / 1000 if quantity.endswith("m") else float(quantity)


def memory_bytes(quantity: str) -> float:
    """Bytes of a Kubernetes memory quantity: `32Gi`, `16384Ki`, `1000`."""
    for unit, size in MEMORY_UNITS.items():
        if quantity.endswith(unit):
            return float(quantity.removesuffix(unit)) * size
    return float(quantity)
