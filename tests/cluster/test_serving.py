"""From four lines of YAML to pods that serve, and back to nothing."""

from datetime import datetime

import pytest
from wharfage_operator.kinds import (
    CONFIG_MAPS,
    DEPLOYMENTS,
    LLM_DEPLOYMENTS,
    NETWORK_POLICIES,
    OFFER_CATALOGS,
    PODS,
    SERVICE_ACCOUNTS,
    SERVICES,
    Kind,
)

from tests.cluster.lab import CATALOG, KINDS, Lab
from tests.cluster.process import OperatorProcess
from tests.cluster.server import condition, eventually, eventually_is


def test_a_deployment_of_four_lines_becomes_ready_on_the_cheapest_machine(lab: Lab, operator: OperatorProcess) -> None:
    lab.create()
    served = lab.ready()
    assert served["status"]["fleet"][0]["offer"] == "lab.l4"
    assert served["status"]["readyReplicas"] == 1
    assert served["status"]["summary"]["fleet"] == "1xL4"
    assert {kind for kind, _ in lab.children()} == {kind.name for kind in KINDS}
    pods = lab.server.all(PODS, lab.namespace)
    assert [pod["spec"]["nodeName"] for pod in pods] == ["gpu-1"]
    assert operator.tracebacks == []


def test_every_child_has_one_controller_and_our_field_manager(lab: Lab, operator: OperatorProcess) -> None:
    uid = lab.create()["metadata"]["uid"]
    lab.ready()
    for child in lab.children().values():
        (owner,) = child["metadata"]["ownerReferences"]
        assert owner["uid"] == uid
        assert owner["controller"]
        managers = {row["manager"] for row in child["metadata"]["managedFields"] if row["operation"] == "Apply"}
        assert managers == {"wharfage"}


def test_nothing_is_written_once_everything_is_as_wanted(lab: Lab) -> None:
    operator = lab.start(resync_s="0.5")
    lab.create()
    lab.ready()
    lab.booked()
    # The ledger may be written once more, when those leave who were on the same machines before.
    eventually(lambda: operator.rests and operator.rests, what="nothing is written any more, look after look")


def test_values_that_the_api_server_gives_back_otherwise_are_not_written_again_and_again(lab: Lab) -> None:
    operator = lab.start(resync_s="0.5")
    lab.create(
        engine={"env": [{"name": "EMPTY", "value": ""}], "weightCache": {"size": "1024Gi"}},
        placement={"tolerations": [{"key": "gpu", "operator": "Exists", "value": ""}]},
    )
    lab.ready()
    lab.booked()
    # The ledger may be written once more, when those leave who were on the same machines before.
    eventually(lambda: operator.rests and operator.rests, what="nothing is written any more, look after look")


def test_an_edit_reaches_the_child_long_before_the_next_resync(lab: Lab) -> None:
    lab.start(resync_s="600")
    lab.create()
    lab.ready()
    lab.server.merge(LLM_DEPLOYMENTS, lab.namespace, "chat", {"spec": {"scaling": {"minReplicas": 2}}})
    eventually(lambda: lab.child(DEPLOYMENTS)["spec"]["replicas"] == 2)
    assert lab.ready()["status"]["summary"]["replicas"] == "2/2"


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: f"a deleted {kind.name} comes back")
def test_a_deleted_child_comes_back_long_before_the_next_resync(lab: Lab, kind: Kind) -> None:
    lab.start(resync_s="600")
    lab.create()
    lab.ready()
    before = lab.child(kind)["metadata"]
    lab.server.delete(kind, lab.namespace, before["name"])

    def back() -> bool:
        found = lab.server.get(kind, lab.namespace, before["name"])
        return found is not None and found["metadata"]["uid"] != before["uid"]

    eventually(back)


@pytest.mark.parametrize(
    ("kind", "edit", "where", "ours"),
    [
        (
            SERVICES,
            {"spec": {"selector": {"wharfage.dev/serving": "no"}}},
            ("spec", "selector", "wharfage.dev/serving"),
            "true",
        ),
        (SERVICE_ACCOUNTS, {"automountServiceAccountToken": True}, ("automountServiceAccountToken",), False),
        (NETWORK_POLICIES, {"spec": {"ingress": [{}]}}, ("spec", "ingress", 0, "ports", 0, "port"), 8000),
        (DEPLOYMENTS, {"spec": {"replicas": 7}}, ("spec", "replicas"), 1),
        (
            SERVICES,
            {"metadata": {"labels": {"app.kubernetes.io/managed-by": None}}},
            ("metadata", "labels", "app.kubernetes.io/managed-by"),
            "wharfage",
        ),
    ],
    ids=[
        "the selector of a Service",
        "the token of an account",
        "the hole in a policy",
        "the count of a pool",
        "the label that the operator watches by",
    ],
)
def test_our_fields_come_back_after_an_edit_by_hand(
    lab: Lab, operator: OperatorProcess, kind: Kind, edit: dict[str, object], where: tuple[str | int, ...], ours: object
) -> None:
    lab.create()
    lab.ready()
    name = lab.child(kind)["metadata"]["name"]
    lab.server.merge(kind, lab.namespace, name, edit)

    def repaired() -> bool:
        found: object = lab.server.get(kind, lab.namespace, name)
        for step in where:
            try:
                found = found[step]  # type: ignore[index]
            except (KeyError, IndexError):
                return False
        return bool(found == ours)

    eventually(repaired)


def test_a_pool_that_lost_our_label_for_a_while_is_still_known(lab: Lab) -> None:
    operator = lab.start(resync_s="0.5")
    lab.create()
    lab.ready()
    name = lab.child(DEPLOYMENTS)["metadata"]["name"]
    unlabelled = {"metadata": {"labels": {"app.kubernetes.io/managed-by": None}}}
    lab.server.merge(DEPLOYMENTS, lab.namespace, name, unlabelled)
    eventually(lambda: lab.child(DEPLOYMENTS)["metadata"]["labels"].get("app.kubernetes.io/managed-by"))
    lab.server.merge(LLM_DEPLOYMENTS, lab.namespace, "chat", {"spec": {"scaling": {"minReplicas": 2}}})
    assert lab.ready()["status"]["summary"]["replicas"] == "2/2"
    eventually(lambda: operator.rests, what="nothing is written any more")


def test_fields_of_others_stay_on_our_children(lab: Lab, operator: OperatorProcess) -> None:
    lab.create()
    lab.ready()
    foreign = {"metadata": {"annotations": {"mesh.example/inject": "yes"}, "labels": {"cost-centre": "7"}}}
    lab.server.merge(SERVICES, lab.namespace, "chat", foreign)
    lab.server.merge(CONFIG_MAPS, lab.namespace, "chat-engine", {"data": {"theirs.txt": "kept"}})
    lab.server.merge(LLM_DEPLOYMENTS, lab.namespace, "chat", {"spec": {"scaling": {"minReplicas": 2}}})
    lab.ready()
    service = lab.child(SERVICES)["metadata"]
    assert service["annotations"]["mesh.example/inject"] == "yes"
    assert service["labels"]["cost-centre"] == "7"
    assert lab.child(CONFIG_MAPS)["data"]["theirs.txt"] == "kept"


def test_deleting_a_deployment_leaves_nothing(lab: Lab, operator: OperatorProcess) -> None:
    lab.create()
    lab.ready()
    lab.server.delete(LLM_DEPLOYMENTS, lab.namespace, "chat")
    eventually(lambda: lab.llm() is None and not lab.children() and not lab.server.all(PODS, lab.namespace))
    assert operator.tracebacks == []


def test_a_paused_deployment_is_not_written_to(lab: Lab) -> None:
    operator = lab.start(resync_s="0.5")
    lab.create()
    lab.ready()
    lab.booked()
    lab.server.merge(
        LLM_DEPLOYMENTS, lab.namespace, "chat", {"metadata": {"annotations": {"wharfage.dev/paused": "true"}}}
    )
    eventually(lambda: operator.rests, what="the writes of before have ended")

    def written() -> float:
        """To all but ConfigMaps, in one of which lies the ledger, which is not the deployment's."""
        return operator.writes() - operator.metric('wharfage_writes_total{resource="configmaps"')

    before = written()
    lab.server.delete(SERVICES, lab.namespace, "chat")
    lab.server.merge(LLM_DEPLOYMENTS, lab.namespace, "chat", {"spec": {"scaling": {"minReplicas": 3}}})
    eventually(lambda: operator.rests, what="it has looked at everything again")
    assert written() == before
    lab.server.merge(
        LLM_DEPLOYMENTS, lab.namespace, "chat", {"metadata": {"annotations": {"wharfage.dev/paused": None}}}
    )
    assert lab.ready()["status"]["summary"]["replicas"] == "3/3"
    assert "Service" in {kind for kind, _ in lab.children()}


def test_the_operator_ends_in_the_middle_of_its_work_and_gives_its_lease_away(lab: Lab) -> None:
    first = lab.start(lease_name="shared", lease_duration_s="600", lease_renew_deadline_s="300")
    eventually(lambda: first.ready)
    lab.create()
    first.stop()
    second = lab.start(lease_name="shared")  # which would wait ten minutes for a lease that was not given away
    lab.ready()
    assert second.tracebacks == first.tracebacks == []


def test_a_catalog_says_how_many_of_its_offers_can_be_had_and_how_old_its_prices_are(lab: Lab) -> None:
    def look() -> object:
        seen = lab.server.get(OFFER_CATALOGS, "", CATALOG["metadata"]["name"]) or {}
        said = seen.get("status", {})
        return said.get("offers"), said.get("obtainable"), condition(seen, "PricesFresh").get("reason")

    first = lab.start(prices_stale_after_s="60")
    eventually_is(look, (2, 2, "PricesStale"), what="offers, those that can be had, and their prices")
    first.stop()
    second = lab.start(prices_stale_after_s=str(100 * 365 * 86400))
    eventually_is(look, (2, 2, "PricesCurrent"), what="offers, those that can be had, and their prices")
    age = f'wharfage_prices_observed_timestamp_seconds{{catalog="{CATALOG["metadata"]["name"]}"}}'
    assert second.metric(age) == datetime.fromisoformat(CATALOG["spec"]["observedAt"]).timestamp()


def test_a_catalog_that_is_deleted_while_it_is_used_takes_the_price_with_it_and_nothing_else(
    lab: Lab, operator: OperatorProcess
) -> None:
    name = f"gone-{lab.namespace}"
    lab.server.create(OFFER_CATALOGS, {"metadata": {"name": name}, "spec": CATALOG["spec"]})
    lab.create(placement={"catalogs": [name]})
    lab.ready()
    pods = {pod["metadata"]["uid"] for pod in lab.server.all(PODS, lab.namespace)}
    lab.server.delete(OFFER_CATALOGS, "", name)
    lab.blocked("PricesUnknown", about="PricesFresh")
    seen = lab.llm() or {}
    assert "cost" not in seen["status"]
    assert (condition(seen, "Ready")["status"], seen["status"]["summary"]["usdPerHour"]) == ("True", "<none>")
    assert {pod["metadata"]["uid"] for pod in lab.server.all(PODS, lab.namespace)} == pods
    assert operator.tracebacks == []
