"""The clouds' dialects, as data."""

import pytest
from wharfage_autoscaler.offers import Market
from wharfage_operator.platforms import UnknownPlatformError, market_of, platform, platforms

from tests.operator.objects import node


@pytest.mark.parametrize(
    ("label", "name"),
    [
        ("karpenter.sh/nodepool", "karpenter"),
        ("eks.amazonaws.com/nodegroup", "eks"),
        ("cloud.google.com/gke-nodepool", "gke"),
        ("kubernetes.azure.com/cluster", "aks"),
        ("kubernetes.io/hostname", "plain"),
    ],
)
def test_a_cluster_is_recognised_by_its_nodes(label: str, name: str) -> None:
    assert platform("auto", nodes=[node(labels={label: "x"})]).name == name


def test_karpenter_is_recognised_before_its_first_node() -> None:
    assert (
        platform("auto", nodes=[node(labels={"eks.amazonaws.com/nodegroup": "system"})], has_node_pools=True).name
        == "karpenter"
    )


def test_a_setting_wins_over_the_nodes() -> None:
    nodes = [node(labels={"cloud.google.com/gke-nodepool": "x"})]
    assert platform("eks", nodes=nodes).name == "eks"
    assert platform("aws", nodes=nodes).name == "eks"


def test_an_unknown_platform_is_refused_with_the_choices() -> None:
    with pytest.raises(UnknownPlatformError, match="'ekss': write one of auto, karpenter, eks"):
        platform("ekss")


@pytest.mark.parametrize(
    ("labels", "market"),
    [
        ({"karpenter.sh/capacity-type": "spot"}, Market.SPOT),
        ({"karpenter.sh/capacity-type": "on-demand"}, Market.ON_DEMAND),
        ({"karpenter.sh/capacity-type": "reserved"}, Market.RESERVED),
        ({"eks.amazonaws.com/capacityType": "SPOT"}, Market.SPOT),
        ({"eks.amazonaws.com/capacityType": "ON_DEMAND"}, Market.ON_DEMAND),
        ({"cloud.google.com/gke-spot": "true"}, Market.SPOT),
        ({"kubernetes.azure.com/scalesetpriority": "spot"}, Market.SPOT),
        ({}, None),
    ],
)
def test_the_market_of_a_node(labels: dict[str, str], market: Market | None) -> None:
    assert market_of(labels) is market


@pytest.mark.parametrize("name", list(platforms()))
def test_no_node_is_of_two_markets_at_once(name: str) -> None:
    known = platforms()[name]
    for labels in ({}, {"karpenter.sh/capacity-type": "spot"}, {"cloud.google.com/gke-spot": "true"}):
        admitted = [m for m in (Market.SPOT, Market.ON_DEMAND) if all(t.admits(labels) for t in known.markets[m])]
        assert len(admitted) == 1 or name == "plain"


def test_spot_pods_tolerate_what_only_spot_nodes_are_tainted_with() -> None:
    taint = {
        "key": "kubernetes.azure.com/scalesetpriority",
        "operator": "Equal",
        "value": "spot",
        "effect": "NoSchedule",
    }
    aks = platforms()["aks"]
    assert taint in [dict(row) for row in aks.tolerations_for(Market.SPOT)]
    assert taint not in [dict(row) for row in aks.tolerations_for(Market.ON_DEMAND)]
