"""API objects in, core values out."""

from typing import Any

import pytest
from wharfage_autoscaler.behavior import Behavior, Direction, Limit, Select, Unit
from wharfage_autoscaler.event import Event
from wharfage_autoscaler.model import Mode, SpotPolicy
from wharfage_autoscaler.offers import Market
from wharfage_autoscaler.trials import Trial
from wharfage_operator.obtainable import Obtainability
from wharfage_operator.spec import expected_events, offers, on_trial, revision, served_name, wanted

from tests.operator.objects import catalog, deployment, row

SHAPE = {
    "parametersBillions": "30.5",
    "activeParametersBillions": "3.3",
    "layers": 48,
    "hiddenSize": 2048,
    "ffnSize": 6144,
    "vocabularySize": 151936,
    "attentionHeads": 32,
    "kvHeads": 4,
    "headDimension": 128,
    "experts": {"total": 128, "active": 8, "ffnSize": 768},
    "window": {"tokens": 4096, "layers": 12},
    "maxContextTokens": 40960,
}


def test_four_lines_are_enough() -> None:
    found = wanted(deployment())
    (only,) = found.variants
    assert (only.name, only.quality, only.quantization, only.source) == ("", 1.0, "", "hf://Qwen/Qwen3-8B")
    assert only.shape is not None
    assert only.shape.layers == 36
    assert (found.mode, found.min_replicas, found.max_replicas, found.replicas) == (Mode.AUTO, 1, 10, 1)
    assert found.placement.spot is SpotPolicy.FORBID
    assert found.usd_per_hour_limit is None


def test_spot_is_the_operators_choice_where_the_user_makes_none() -> None:
    assert wanted(deployment(), spot_default=SpotPolicy.ALLOW).placement.spot is SpotPolicy.ALLOW
    written = deployment(placement={"spot": {"policy": "Require"}})
    assert wanted(written, spot_default=SpotPolicy.ALLOW).placement.spot is SpotPolicy.REQUIRE


def test_a_written_shape_wins_over_the_table() -> None:
    (only,) = wanted(deployment(model={"source": "hf://Qwen/Qwen3-8B", "shape": SHAPE})).variants
    assert only.shape is not None
    assert only.shape.parameters == pytest.approx(30.5e9)
    assert only.shape.active_parameters == pytest.approx(3.3e9)
    assert (only.shape.experts_total, only.shape.experts_active, only.shape.expert_ffn_size) == (128, 8, 768)
    assert (only.shape.window_tokens, only.shape.window_layers) == (4096, 12)


def test_a_written_behavior_is_what_the_count_may_do() -> None:
    written = {
        "scaleUp": {"policies": [{"type": "Pods", "value": 4, "periodSeconds": 60}], "selectPolicy": "Min"},
        "scaleDown": {"stabilizationWindowSeconds": 600, "selectPolicy": "Disabled"},
    }
    assert wanted(deployment(scaling={"behavior": written})).behavior == Behavior(
        up=Direction((Limit(Unit.PODS, 4.0, 60.0),), 0.0, Select.MIN),
        down=Direction((), 600.0, Select.DISABLED),
    )
    assert wanted(deployment()).behavior is None


def test_events_are_told_in_unix_seconds() -> None:
    sale = {"name": "sale", "start": "2026-11-27T00:00:00Z", "end": "2026-11-28T00:00:00Z", "multiplier": "2.5"}
    told = expected_events(deployment(scaling={"forecast": {"events": [sale]}}))
    assert told == (Event("sale", 1795737600.0, 1795824000.0, multiplier=2.5),)


def test_a_model_that_nobody_knows_has_no_shape_yet() -> None:
    (only,) = wanted(deployment(model={"source": "hf://nobody/nothing"})).variants
    assert only.shape is None


@pytest.mark.parametrize(
    ("variant", "known"),
    [
        ({"quantization": "fp8"}, True),
        ({"quantization": "awq", "source": "hf://org/my-awq"}, True),
        ({"source": "hf://org/distilled-1b"}, False),
        ({"source": "hf://org/distilled-1b", "shape": SHAPE}, True),
        ({"source": "hf://Qwen/Qwen3-0.6B"}, True),
    ],
    ids=[
        "the same weights have the model's shape",
        "so has a quantised copy elsewhere",
        "another model has not",
        "unless it says its own",
        "or the table knows it",
    ],
)
def test_the_shape_of_a_variant(variant: dict[str, Any], known: bool) -> None:
    (only,) = wanted(deployment(variants=[{"name": "v", "quality": "1.0", **variant}])).variants
    assert (only.shape is not None) is known


@pytest.mark.parametrize(
    ("variant", "expected"),
    [({}, "abc"), ({"source": "hf://o/m"}, ""), ({"source": "hf://o/m", "revision": "def"}, "def")],
    ids=["the model's own weights", "another source's default", "another source's pin"],
)
def test_the_revision_of_a_variant(variant: dict[str, str], expected: str) -> None:
    written = deployment(
        model={"source": "hf://Qwen/Qwen3-8B", "revision": "abc"},
        variants=[{"name": "v", "quality": "1.0", **variant}],
    )
    assert revision(written, "v") == expected


def test_the_served_name_is_the_objects_unless_written() -> None:
    assert served_name(deployment()) == "chat"
    assert served_name(deployment(model={"source": "hf://Qwen/Qwen3-8B", "servedName": "qwen"})) == "qwen"


def test_a_row_with_three_prices_is_three_offers_in_dollars() -> None:
    prices = [
        {"market": "OnDemand", "usdPerHour": "2"},
        {"market": "Spot", "zone": "a", "usdPerHour": "1", "interruptionsPerMonth": "0.1"},
        {"market": "Reserved", "usdPerHour": "1.5", "count": 4},
    ]
    found = offers(catalog(row(prices=prices), usdPerUnit="1.1"), Obtainability())
    assert [offer.market for offer in found] == [Market.ON_DEMAND, Market.SPOT, Market.RESERVED]
    assert [offer.usd_per_hour for offer in found] == pytest.approx([2.2, 1.1, 1.65])
    assert found[1].zone == "a"
    assert found[1].interruptions_per_month == pytest.approx(0.1)
    assert all(offer.obtainable == "" for offer in found)


def test_cores_share_the_machines_memory() -> None:
    (only,) = offers(catalog(row("c", accelerator="CPU", count=4)), Obtainability())
    assert only.accelerator_memory_gib == 4.0


def test_nodes_are_recognised_by_their_instance_type_unless_the_catalog_says_otherwise() -> None:
    (default,) = offers(catalog(row()), Obtainability())
    assert default.node_selector == (("node.kubernetes.io/instance-type", "g6.xlarge"),)
    (gcp,) = offers(catalog(row(), provider="gcp"), Obtainability())
    assert ("cloud.google.com/gke-accelerator-count", "1") in gcp.node_selector
    (own,) = offers(catalog(row(nodeSelector={"rack": "7"})), Obtainability())
    assert own.node_selector == (("rack", "7"),)


def test_a_catalog_can_declare_a_node_group() -> None:
    (only,) = offers(catalog(row(nodeGroup="gpu-l4")), Obtainability())
    assert only.obtainable == "declared node group g6.xlarge"


def test_a_trial_is_what_the_split_names_and_the_quality_floor_allows() -> None:
    variants = [{"name": "bf16", "quality": "1"}, {"name": "int4", "quality": "0.9", "quantization": "awq"}]
    split = [{"variant": "int4", "share": "0.05"}]
    written: dict[str, Any] = {"variants": variants, "routing": "Gateway", "gateway": {"split": split}}
    assert on_trial(deployment(**written, objectives={"qualityFloor": "0.9"})) == (Trial("int4", 0.05),)
    assert on_trial(deployment(**written)) == ()
    assert on_trial(deployment(variants=variants, routing="Gateway")) == ()
