"""`wharfage offers`: what a line says of a price."""

from typing import Any

from wharfage_cli.offers.listing import lines, nothing, summary
from wharfage_operator.obtainable import Obtainability, obtainability

CATALOG: dict[str, Any] = {
    "apiVersion": "wharfage.dev/v1alpha1",
    "kind": "OfferCatalog",
    "metadata": {"name": "aws"},
    "spec": {
        "provider": "aws",
        "region": "us-east-1",
        "observedAt": "2026-07-20T00:00:00Z",
        "offers": [
            {
                "name": "g6e.xlarge",
                "machine": "g6e.xlarge",
                "accelerator": {"name": "L40S", "count": 1, "memoryGiB": 48},
                "vcpus": 4,
                "memoryGiB": 32,
                "prices": [
                    {"market": "OnDemand", "usdPerHour": "1.861"},
                    {"market": "Spot", "zone": "us-east-1a", "usdPerHour": "0.78", "interruptionsPerMonth": "0.10"},
                ],
            },
            {
                "name": "p5.4xlarge",
                "machine": "p5.4xlarge",
                "accelerator": {"name": "H100", "count": 1, "memoryGiB": 80},
                "vcpus": 16,
                "memoryGiB": 256,
                "prices": [{"market": "OnDemand", "usdPerHour": "6.88"}],
            },
        ],
    },
    "status": {"offers": 2, "obtainable": 1},
}
NODE: dict[str, Any] = {
    "metadata": {"name": "gpu-1", "labels": {"node.kubernetes.io/instance-type": "g6e.xlarge"}},
    "status": {"conditions": [{"type": "Ready", "status": "True"}], "allocatable": {"nvidia.com/gpu": "1"}},
}
WORLD = obtainability([NODE], [])


def test_the_cheapest_comes_first_with_what_would_admit_it() -> None:
    spot, on_demand, dear = lines([CATALOG], WORLD)
    assert (spot.market, spot.zone, spot.usd_per_hour, spot.interruptions_per_month) == (
        "Spot",
        "us-east-1a",
        "0.78",
        "0.1",
    )
    assert spot.obtainable == "no"
    assert spot.through.startswith("needs a ready g6e.xlarge node, a Karpenter NodePool that admits g6e.xlarge spot")
    assert (on_demand.obtainable, on_demand.through) == ("yes", "node gpu-1")
    assert (dear.accelerator, dear.interruptions_per_month, dear.obtainable) == ("H100 x1", "<none>", "no")


def test_only_the_accelerators_that_were_asked_for_are_shown() -> None:
    assert [line.offer for line in lines([CATALOG], WORLD, ["h100"])] == ["p5.4xlarge"]


def test_without_a_look_at_the_nodes_nothing_is_claimed() -> None:
    assert {(line.obtainable, line.through) for line in lines([CATALOG], None)} == {("?", "")}
    assert summary(lines([CATALOG], None), [CATALOG]).startswith("not known how many of 2 offers")


def test_the_summary_counts_offers_and_dates_the_prices() -> None:
    assert summary(lines([CATALOG], WORLD), [CATALOG]) == "1 of 2 offers can be had here; prices: aws of 2026-07-20"


def test_a_declared_node_group_is_what_gives_the_machine() -> None:
    declared = obtainability([], [], ["aws/p5.4xlarge"])
    (line,) = lines([CATALOG], declared, ["H100"])
    assert (line.obtainable, line.through) == ("yes", "declared node group p5.4xlarge")


def test_a_catalog_that_cannot_be_read_hides_no_other() -> None:
    broken = {"metadata": {"name": "broken"}, "spec": {"provider": "nobody"}}
    assert len(lines([broken, CATALOG], Obtainability())) == 3


def test_an_empty_list_says_why_it_is_empty() -> None:
    known = lines([CATALOG], WORLD)
    assert nothing([CATALOG], known, ["L4"]) == "No offer of L4; the catalogs have H100, L40S."
    assert nothing([CATALOG], known, ["h100"]).startswith("No such offer can be had in this cluster")
    assert nothing([CATALOG], known, []).startswith("No such offer can be had in this cluster")
    assert nothing([], [], []).startswith("No offer. Make a catalog")
