"""What a real API server says to good and bad objects, and how our kinds look through kubectl."""

import json
from typing import Any

import pytest
import yaml
from wharfage_api import LLMBudget, LLMDeployment, OfferCatalog

from tests.crds.bad import BAD, Bad
from tests.crds.good import GOOD, Good
from tests.crds.objects import budget, catalog, deployment, offer
from tests.crds.server import ask, collection, try_to_create
from tests.devcluster.cluster import AccessError, Cluster

KINDS: dict[str, type[LLMDeployment | LLMBudget | OfferCatalog]] = {
    "LLMDeployment": LLMDeployment,
    "LLMBudget": LLMBudget,
    "OfferCatalog": OfferCatalog,
}


@pytest.mark.parametrize("row", BAD, ids=lambda row: row.id)
def test_a_bad_object_is_refused_with_what_to_write_instead(cluster: Cluster, row: Bad) -> None:
    answer = try_to_create(cluster, row.item)
    assert answer.status in (400, 422), f"taken, or failed otherwise: {answer.body}"
    assert row.says in answer.message


@pytest.mark.parametrize("row", GOOD, ids=lambda row: row.id)
def test_a_good_object_is_taken_and_read_as_it_comes_back(cluster: Cluster, row: Good) -> None:
    answer = try_to_create(cluster, row.item)
    assert answer.message == ""
    parsed = KINDS[row.item["kind"]].model_validate(answer.body)
    assert parsed.spec == KINDS[row.item["kind"]].model_validate(row.item).spec, "the server and we differ in a default"


def test_the_tables_are_as_long_as_promised_and_name_each_row_once() -> None:
    assert len(BAD) >= 60
    assert len(GOOD) >= 40
    assert len({row.id for row in (*BAD, *GOOD)}) == len(BAD) + len(GOOD)


def test_an_object_of_four_lines_comes_back_with_every_default(cluster: Cluster) -> None:
    spec = try_to_create(cluster, deployment()).body["spec"]
    assert spec["scaling"]["mode"] == "Auto"
    assert (spec["scaling"]["minReplicas"], spec["scaling"]["maxReplicas"], spec["replicas"]) == (1, 10, 1)
    assert (spec["objectives"]["ttft"]["p95"], spec["objectives"]["tpot"]["p95"]) == ("2s", "100ms")
    assert (spec["objectives"]["attainment"], spec["objectives"]["qualityFloor"]) == ("0.99", "1.0")
    assert spec["objectives"]["usdPerBadMinute"] == "1.00"
    assert (spec["routing"], spec["variantPolicy"], spec["rollout"]["strategy"]) == ("Service", "One", "Surge")
    assert spec["placement"]["spot"] == {"maxShare": "0.6", "minOnDemandShare": "0.4"}
    assert spec["scaling"]["vertical"] == {"enabled": True, "minSavings": "0.05", "cooldown": "1h"}
    assert (spec["scaling"]["forecast"]["history"], spec["priority"]) == ("672h", 100)


def test_a_budget_comes_back_with_the_ladder_and_without_the_last_resort(cluster: Cluster) -> None:
    stages = try_to_create(cluster, budget()).body["spec"]["stages"]
    assert [(row["action"], row["at"], row["of"]) for row in stages] == [
        ("Notify", "0.70", "Spent"),
        ("PreferCheaper", "1.00", "Forecast"),
        ("Freeze", "0.95", "Spent"),
        ("Floor", "1.00", "Spent"),
    ]


def test_scale_answers_right_after_the_create_and_steers_the_count(cluster: Cluster, namespace: str) -> None:
    item = deployment()
    address = collection(item, namespace)
    assert ask(cluster, "POST", address, item).message == ""
    scale = ask(cluster, "GET", f"{address}/chat/scale")
    assert (scale.status, scale.body["spec"], scale.body["status"]) == (200, {"replicas": 1}, {"replicas": 0})
    cluster.kubectl("scale", "llm/chat", "--replicas=3", "-n", namespace)
    assert ask(cluster, "GET", f"{address}/chat").body["spec"]["replicas"] == 3
    cluster.kubectl("scale", "llm/chat", "--replicas=0", "-n", namespace)
    assert ask(cluster, "GET", f"{address}/chat").body["spec"]["replicas"] == 0


def test_kubectl_finds_every_kind_by_its_short_name_and_all_by_their_category(cluster: Cluster, namespace: str) -> None:
    cluster.kubectl("create", "-n", namespace, "-f", "-", stdin=json.dumps(deployment()))
    cluster.apply([budget(name="listed"), catalog(offer(), name="listed")])
    assert (
        cluster.kubectl("get", "llm", "chat", "-n", namespace, "-o", "name").strip()
        == "llmdeployment.wharfage.dev/chat"
    )
    assert "listed" in cluster.kubectl("get", "llmb", "listed")
    assert "listed" in cluster.kubectl("get", "offers", "listed")
    everything = cluster.kubectl("get", "wharfage", "-n", namespace, "-o", "name").split()
    assert {name.partition("/")[0] for name in everything} == {
        "llmdeployment.wharfage.dev",
        "llmbudget.wharfage.dev",
        "offercatalog.wharfage.dev",
    }
    cluster.kubectl("delete", "llmb,offers", "listed")


def test_columns_show_what_the_status_says_and_none_for_what_nobody_knows(cluster: Cluster, namespace: str) -> None:
    cluster.kubectl("create", "-n", namespace, "-f", "-", stdin=json.dumps(deployment()))
    fresh = _columns(cluster.kubectl("get", "llm", "chat", "-n", namespace))
    assert {name for name, cell in fresh.items() if cell not in ("chat", "0s", "1s", "2s")} == {
        *("READY", "REASON", "REPLICAS", "FLEET", "$/H", "MONTH")
    }
    status: dict[str, Any] = {
        "summary": {"fleet": "2xL40S", "replicas": "2/2", "usdPerHour": "3.72", "reason": "Serving"},
        "endpoint": "http://chat.shop.svc:8000/v1",
        "conditions": [
            {
                "type": "Ready",
                "status": "True",
                "reason": "Serving",
                "message": "",
                "lastTransitionTime": "2026-11-22T10:00:00Z",
                "observedGeneration": 1,
            }
        ],
    }
    cluster.kubectl(
        "patch",
        "llm",
        "chat",
        "-n",
        namespace,
        "--subresource=status",
        "--type=merge",
        "-p",
        json.dumps({"status": status}),
    )
    shown = _columns(cluster.kubectl("get", "llm", "chat", "-n", namespace, "-o", "wide"))
    assert shown["READY"] == "True"
    assert shown["REASON"] == "Serving"
    assert shown["REPLICAS"] == "2/2"
    assert shown["FLEET"] == "2xL40S"
    assert shown["$/H"] == "3.72"
    assert shown["MODEL"] == "hf://Qwen/Qwen3-8B"
    assert shown["ENDPOINT"] == "http://chat.shop.svc:8000/v1"


def _columns(table: str) -> dict[str, str]:
    """The one row of a table by its headings, which may hold no blank; cells are cut where headings begin."""
    head, row = table.splitlines()[:2]
    names = head.split()
    starts = [head.index(name) for name in names]
    ends = [*starts[1:], len(row)]
    return {name: row[start:end].strip() for name, start, end in zip(names, starts, ends, strict=True)}


@pytest.mark.parametrize(
    ("field", "says"),
    [
        ("llm", "One served model"),
        ("llm.spec.objectives.ttft.p95", "95 % of requests"),
        ("llm.spec.placement.spot.policy", "Forbid: never."),
        ("llm.status.decision.rejected.why", "Why it was not taken"),
        ("llmb.spec.stages.action", "PreferCheaper (spot, cheaper variants, less headroom)"),
        ("offers.spec.offers.prices.interruptionsPerMonth", "taken away per month"),
    ],
)
def test_kubectl_explains_a_field(cluster: Cluster, field: str, says: str) -> None:
    assert says in " ".join(cluster.kubectl("explain", field).split())


def test_kubectl_apply_refuses_a_misspelt_field(cluster: Cluster, namespace: str) -> None:
    item = yaml.safe_dump(deployment(scaling={"maxReplica": 3}))
    with pytest.raises(AccessError, match=r'unknown field "spec[.]scaling[.]maxReplica"'):
        cluster.kubectl("apply", "-n", namespace, "-f", "-", stdin=item)


def test_objects_are_selected_by_their_fields(cluster: Cluster, namespace: str) -> None:
    for name, mode in (("chat", "Auto"), ("code", "Manual")):
        item = deployment(name=name, scaling={"mode": mode})
        assert ask(cluster, "POST", collection(item, namespace), item).message == ""
    found = cluster.kubectl("get", "llm", "-n", namespace, "--field-selector=spec.scaling.mode=Manual", "-o", "name")
    assert found.split() == ["llmdeployment.wharfage.dev/code"]


def test_server_side_apply_of_two_writers_merges_variants_by_name(cluster: Cluster, namespace: str) -> None:
    first = deployment(variants=[{"name": "bf16", "quality": "1.00"}], objectives={"qualityFloor": "0.9"})
    second = {**deployment(), "spec": {"variants": [{"name": "fp8", "quality": "0.99", "quantization": "fp8"}]}}
    for manager, item in (("team", first), ("optimiser", second)):
        cluster.kubectl(
            "apply", "-n", namespace, "--server-side", f"--field-manager={manager}", "-f", "-", stdin=json.dumps(item)
        )
    variants = json.loads(cluster.kubectl("get", "llm", "chat", "-n", namespace, "-o", "json"))["spec"]["variants"]
    assert [variant["name"] for variant in variants] == ["bf16", "fp8"]
