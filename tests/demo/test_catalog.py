from typing import Any

import pytest
from wharfage_api import OfferCatalog

from demo.catalog import catalog_of, gpu_name, memory_bytes


def node(name: str, *, labels: dict[str, str] | None = None, ready: str = "True", **allocatable: str) -> dict[str, Any]:
    return {
        "metadata": {"name": name, "labels": {"kubernetes.io/hostname": name, **(labels or {})}},
        "spec": {},
        "status": {
            "allocatable": {"cpu": "3920m", "memory": "16Gi", **allocatable},
            "conditions": [{"type": "Ready", "status": ready}],
        },
    }


def gpu_node(name: str) -> dict[str, Any]:
    labels = {
        "node.kubernetes.io/instance-type": "g5.xlarge",
        "nvidia.com/gpu.product": "NVIDIA-A10G",
        "nvidia.com/gpu.memory": "23028",
    }
    return node(name, labels=labels, **{"nvidia.com/gpu": "1"})


def test_equal_machines_are_one_offer_at_the_known_price() -> None:
    catalog = catalog_of([gpu_node("a"), gpu_node("b")], {"g5.xlarge": "1.006"}, name="demo")
    (offer,) = catalog["spec"]["offers"]
    assert offer["accelerator"] == {"name": "A10G", "count": 1, "memoryGiB": 22}
    assert offer["prices"] == [{"market": "OnDemand", "usdPerHour": "1.006"}]
    assert offer["nodeSelector"] == {"node.kubernetes.io/instance-type": "g5.xlarge"}


def test_a_laptop_without_labels_is_an_offer_of_cores_found_by_its_host_name() -> None:
    (offer,) = catalog_of([node("kind-worker")], {}, name="demo")["spec"]["offers"]
    assert offer["accelerator"] == {"name": "CPU", "count": 3}
    assert offer["nodeSelector"] == {"kubernetes.io/hostname": "kind-worker"}
    assert offer["prices"][0]["usdPerHour"] == "0.150"


def test_nodes_that_are_not_ready_offer_nothing() -> None:
    assert catalog_of([node("gone", ready="Unknown")], {}, name="demo")["spec"]["offers"] == []


def test_the_catalog_is_one_that_the_api_takes() -> None:
    catalog = catalog_of([gpu_node("a"), node("kind-worker")], {}, name="demo")
    assert len(OfferCatalog.model_validate(catalog).spec.offers) == 2


@pytest.mark.parametrize(
    ("product", "name"),
    [
        ("NVIDIA-A10G", "A10G"),
        ("Tesla-T4", "T4"),
        ("NVIDIA-L40S", "L40S"),
        ("NVIDIA-H100-80GB-HBM3", "H100"),
        ("NVIDIA-A100-SXM4-80GB", "A100-80"),
        ("NVIDIA-A100-SXM4-40GB", "A100-40"),
        ("", "unknown"),
    ],
)
def test_products_of_gpu_feature_discovery_map_to_the_accelerator_table(product: str, name: str) -> None:
    assert gpu_name(product) == name


@pytest.mark.parametrize(("quantity", "expected"), [("1Ki", 1024.0), ("2Gi", 2.0 * 2**30), ("1000", 1000.0)])
def test_memory_quantities_are_bytes(quantity: str, expected: float) -> None:
    assert memory_bytes(quantity) == expected
