"""Whoever scales a Deployment of ours, and not the deployment itself, is named, with what to do."""

from wharfage_operator.kinds import DEPLOYMENTS, EVENTS, SCALERS

from tests.cluster.lab import Lab
from tests.cluster.process import OperatorProcess
from tests.cluster.server import condition, eventually, eventually_is


def told(lab: Lab) -> tuple[str, str, str]:
    said = condition(lab.llm(), "Accepted")
    return said.get("status", ""), said.get("reason", ""), said.get("message", "")


def test_an_autoscaler_of_a_pool_is_named_until_it_is_gone_and_its_count_is_put_back(lab: Lab) -> None:
    lab.start(conflict_every_s="0.5")
    lab.create()
    lab.ready()
    pool = lab.child(DEPLOYMENTS)["metadata"]["name"]
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": pool}
    scaler = {"scaleTargetRef": target, "minReplicas": 3, "maxReplicas": 5}
    lab.server.create(SCALERS, {"metadata": {"name": "theirs", "namespace": lab.namespace}, "spec": scaler})
    wanted = (
        "True",
        "ScaleIgnored",
        f"HorizontalPodAutoscaler theirs scales Deployment {pool}, whose count is decided here, so it is put back: "
        "scale LLMDeployment chat instead, with scaling.mode: Manual, or delete it.",
    )
    eventually_is(lambda: told(lab), wanted, within_s=120.0, what="what is said")  # an HPA looks every 15 s
    eventually_is(lambda: lab.child(DEPLOYMENTS)["spec"]["replicas"], 1, what="the count of the pool")
    events = eventually(lambda: [row for row in lab.server.all(EVENTS, lab.namespace) if row["reason"] == wanted[1]])
    assert [row["message"].rstrip(".") for row in events] == [wanted[2].rstrip(".")]
    lab.server.delete(SCALERS, lab.namespace, "theirs")
    eventually_is(lambda: told(lab)[1], "Accepted", what="what is said once it is gone")
    assert lab.ready()["status"]["summary"]["replicas"] == "1/1"


def test_a_pool_that_is_scaled_by_hand_is_put_back_and_the_hand_is_named(lab: Lab, operator: OperatorProcess) -> None:
    lab.create()
    lab.ready()
    pool = lab.child(DEPLOYMENTS)["metadata"]["name"]
    lab.cluster.kubectl("scale", "deployment", pool, "-n", lab.namespace, "--replicas=4")
    wanted = (
        f"kubectl scaled Deployment {pool}, whose count is decided here, so it is put back: scale LLMDeployment chat "
        "instead, with scaling.mode: Manual."
    )
    eventually_is(lambda: told(lab), ("True", "ScaleIgnored", wanted), what="what is said")
    eventually_is(lambda: lab.child(DEPLOYMENTS)["spec"]["replicas"], 1, what="the count of the pool")
