"""What goes wrong between the operator and the API server, and what must be true afterwards."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from wharfage_operator.kinds import DEPLOYMENTS, LLM_DEPLOYMENTS, SERVICES, Kind

from tests.cluster.between import Between
from tests.cluster.lab import KINDS, Lab, llm
from tests.cluster.server import Object, condition, eventually, eventually_is
from tests.faults.rules import Answer, LoseAnswer, Match, Rule


@pytest.mark.parametrize(
    "fault",
    [Answer(409), Answer(500), Answer(503), LoseAnswer()],
    ids=["answered 409", "answered 500", "answered 503", "done but the answer is lost"],
)
def test_a_first_write_that_fails_is_made_good(lab: Lab, fault: Answer | LoseAnswer) -> None:
    lab.create()
    rules = [
        Rule(fault=fault, match=Match(verb="patch", resource=kind.plural, namespace=lab.namespace)) for kind in KINDS
    ]
    with Between(lab.cluster, *rules) as proxy:
        operator = lab.start(proxy.kubeconfig)
        lab.ready()
        assert operator.tracebacks == []
        assert {kind for kind, _ in lab.children()} == {kind.name for kind in KINDS}
        operator.stop()


def test_a_server_that_asks_for_time_gets_it_while_others_go_on(lab: Lab) -> None:
    rule = Rule(
        fault=Answer(429, retry_after_s=3), match=Match(verb="patch", resource="services", name="slow"), times=1
    )
    lab.create("slow")
    lab.create("quick")
    with Between(lab.cluster, rule) as proxy:
        lab.start(proxy.kubeconfig)
        lab.ready("quick")
        lab.ready("slow")
        tries = [
            one.at_s
            for one in proxy.seen.requests
            if (one.resource, one.name, one.verb) == ("services", "slow", "patch")
        ]
        assert tries[1] - tries[0] >= 3
        lab.stop_all()


def test_what_happened_while_the_operator_was_down_is_made_good(lab: Lab) -> None:
    first = lab.start()
    lab.create("edited")
    lab.create("gone")
    lab.ready("edited")
    lab.ready("gone")
    first.stop()
    lab.server.merge(LLM_DEPLOYMENTS, lab.namespace, "edited", {"spec": {"scaling": {"minReplicas": 2}}})
    lab.server.delete(SERVICES, lab.namespace, "edited")
    lab.server.delete(LLM_DEPLOYMENTS, lab.namespace, "gone")
    eventually(lambda: lab.llm("gone") is None and not lab.children("gone"), what="nothing waits for the operator")
    lab.create("new")
    lab.start()
    assert lab.ready("edited")["status"]["summary"]["replicas"] == "2/2"
    lab.ready("new")
    assert "Service" in {kind for kind, _ in lab.children("edited")}


def test_a_namesake_of_a_deleted_deployment_gets_children_of_its_own(lab: Lab) -> None:
    first = lab.start()
    lab.create()
    lab.ready()
    first.stop()
    lab.server.delete(LLM_DEPLOYMENTS, lab.namespace, "chat")
    eventually(lambda: lab.llm() is None)
    uid = lab.create()["metadata"]["uid"]
    lab.start()
    lab.ready()
    owners = {child["metadata"]["ownerReferences"][0]["uid"] for child in lab.children().values()}
    assert owners == {uid}


def test_an_operator_that_cannot_reach_the_server_stops_leading_before_another_starts(lab: Lab) -> None:
    shared = {"lease_name": "shared", "lease_duration_s": "15", "lease_renew_deadline_s": "13"}
    with Between(lab.cluster) as proxy:
        first = lab.start(proxy.kubeconfig, **shared)
        eventually(lambda: first.ready)
        lab.create()
        lab.ready()
        second = lab.start(None, **shared)
        eventually(lambda: second.ready)
        assert second.metric("wharfage_leader ") == 0
        proxy.seen.schedule.add(Rule(fault=Answer(503), times=None))
        assert first.process.wait(timeout=120) == 1
        eventually(lambda: second.metric("wharfage_leader ") == 1)
    lab.server.delete(SERVICES, lab.namespace, "chat")
    eventually(lambda: lab.server.get(SERVICES, lab.namespace, "chat"))


FOREIGN: dict[str, Object] = {
    "ServiceAccount": {},
    "ConfigMap": {"data": {"theirs": "1"}},
    "Service": {"spec": {"ports": [{"port": 1}], "selector": {"theirs": "1"}}},
    "PodDisruptionBudget": {"spec": {"minAvailable": 1, "selector": {"matchLabels": {"theirs": "1"}}}},
    "NetworkPolicy": {"spec": {"podSelector": {"matchLabels": {"theirs": "1"}}}},
    "Deployment": {
        "spec": {
            "replicas": 0,
            "selector": {"matchLabels": {"theirs": "1"}},
            "template": {
                "metadata": {"labels": {"theirs": "1"}},
                "spec": {"containers": [{"name": "theirs", "image": "theirs"}]},
            },
        }
    },
}


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: f"a foreign {kind.name}")
def test_an_object_of_somebody_else_is_never_touched(lab: Lab, kind: Kind) -> None:
    operator = lab.start()
    lab.create("model")
    lab.ready("model")
    # The names of pools hold a hash of the offer: the other deployment's tell it.
    name = lab.child(kind, "model")["metadata"]["name"].replace("model", "chat")
    theirs = lab.server.create(kind, {"metadata": {"name": name, "namespace": lab.namespace}, **FOREIGN[kind.name]})
    lab.create()
    said = lab.blocked("NameConflict")
    assert f"{kind.name} {lab.namespace}/{name}" in said["message"]
    seen = lab.server.get(kind, lab.namespace, name)
    assert seen is not None
    assert seen["metadata"]["uid"] == theirs["metadata"]["uid"]
    assert seen["metadata"].get("labels") == theirs["metadata"].get("labels")
    assert seen.get("spec") == theirs.get("spec")
    assert all(row["manager"] != "wharfage" for row in seen["metadata"].get("managedFields", ()))
    lab.server.delete(kind, lab.namespace, name)
    lab.ready()
    assert operator.tracebacks == []


def test_the_operator_outlives_a_restart_of_the_api_server(lab: Lab) -> None:
    operator = lab.start(lease_duration_s="90", lease_renew_deadline_s="60")
    lab.create()
    lab.ready()
    lab.cluster.restart("kube-apiserver")
    lab.server.merge(LLM_DEPLOYMENTS, lab.namespace, "chat", {"spec": {"scaling": {"minReplicas": 2}}})
    eventually(lambda: lab.child(DEPLOYMENTS)["spec"]["replicas"] == 2, within_s=120.0)
    lab.server.delete(SERVICES, lab.namespace, "chat")
    eventually(lambda: lab.server.get(SERVICES, lab.namespace, "chat"))
    assert operator.process.poll() is None
    assert operator.tracebacks == []


def test_a_quota_reaches_the_status(lab: Lab) -> None:
    lab.cluster.apply(
        {
            "apiVersion": "v1",
            "kind": "ResourceQuota",
            "metadata": {"name": "few", "namespace": lab.namespace},
            "spec": {"hard": {"pods": "0"}},
        }
    )
    operator = lab.start()
    lab.create()
    assert "exceeded quota: few" in lab.blocked("QuotaExceeded")["message"]
    lab.cluster.kubectl("delete", "resourcequota", "few", f"-n={lab.namespace}")
    lab.ready()  # the ReplicaSet tries again by and by
    assert operator.tracebacks == []


def limit(lab: Lab) -> None:
    """Containers have at most a mebibyte."""
    lab.cluster.apply(
        {
            "apiVersion": "v1",
            "kind": "LimitRange",
            "metadata": {"name": "tiny", "namespace": lab.namespace},
            "spec": {"limits": [{"type": "Container", "max": {"memory": "1Mi"}}]},
        }
    )


def restrict(lab: Lab) -> None:
    lab.cluster.kubectl("label", "namespace", lab.namespace, "pod-security.kubernetes.io/enforce=restricted")


UNCONFINED = {"annotations": {"container.apparmor.security.beta.kubernetes.io/engine": "unconfined"}}


@pytest.mark.parametrize(
    ("rule", "template", "said"),
    [
        (limit, {}, "maximum memory usage per Container is 1Mi"),
        (restrict, UNCONFINED, 'violates PodSecurity "restricted:latest": forbidden AppArmor profile'),
        (lambda lab: None, {"priorityClassName": "nobody"}, "no PriorityClass with name nobody was found"),
    ],
    ids=["a LimitRange", "Pod Security", "a missing priority class"],
)
def test_pods_that_admission_refuses_are_told_in_its_words(
    lab: Lab, rule: Callable[[Lab], None], template: Object, said: str
) -> None:
    operator = lab.start()
    rule(lab)
    lab.create(podTemplate=template)
    assert said in lab.blocked("PodsForbidden")["message"]
    assert lab.pools(), "the Deployment itself was accepted"
    lab.cluster.kubectl("delete", "limitrange", "--all", f"-n={lab.namespace}")
    lab.server.merge(LLM_DEPLOYMENTS, lab.namespace, "chat", {"spec": {"podTemplate": None}})
    lab.ready()  # the ReplicaSet tries again by and by
    assert operator.tracebacks == []


@contextmanager
def refusing(lab: Lab, message: str) -> Iterator[None]:
    """A policy of an administrator's: no Deployments in this namespace. It says so with a 422, as policies do."""
    kind = {"apiVersion": "admissionregistration.k8s.io/v1", "metadata": {"name": lab.namespace}}
    rule = {"apiGroups": ["apps"], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["deployments"]}
    here = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": lab.namespace}}}
    policy = {
        "matchConstraints": {"resourceRules": [rule]},
        "validations": [{"expression": "false", "message": message}],
    }
    binding = {"policyName": lab.namespace, "validationActions": ["Deny"], "matchResources": here}
    probe = {**FOREIGN["Deployment"], "metadata": {"name": "probe"}}

    def answer() -> int:
        said = lab.server.call("POST", f"{DEPLOYMENTS.path(lab.namespace)}?dryRun=All", probe)
        return int(said["httpStatus"])

    lab.cluster.apply(
        [
            {**kind, "kind": "ValidatingAdmissionPolicy", "spec": policy},
            {**kind, "kind": "ValidatingAdmissionPolicyBinding", "spec": binding},
        ]
    )
    try:
        eventually_is(answer, 422, what="the policy's answer")
        yield
    finally:
        for resource in ("validatingadmissionpolicybinding", "validatingadmissionpolicy"):
            lab.cluster.kubectl("delete", resource, lab.namespace)
    eventually_is(answer, 201, what="the answer without the policy")


def test_a_child_that_a_policy_refuses_is_told_and_made_once_the_policy_is_gone(lab: Lab) -> None:
    operator = lab.start()
    with refusing(lab, "no models before the audit"):
        lab.create()
        assert "no models before the audit" in lab.blocked("InvalidSpec")["message"]
    lab.ready()  # nothing of the deployment's has changed: the next resync finds out
    assert operator.tracebacks == []


def test_pods_are_what_the_restricted_level_of_pod_security_admits(lab: Lab) -> None:
    restrict(lab)
    lab.start()
    lab.create()
    lab.ready()


def test_a_namespace_that_goes_is_left_alone(lab: Lab) -> None:
    operator = lab.start(resync_s="0.5")
    lab.create()
    lab.ready()
    lab.server.call("DELETE", f"/api/v1/namespaces/{lab.namespace}")
    eventually(
        lambda: lab.server.call("GET", f"/api/v1/namespaces/{lab.namespace}")["httpStatus"] == 404, within_s=120.0
    )
    eventually(lambda: operator.rests, what="nothing is written any more")
    assert operator.tracebacks == []
    lab.server.call("POST", "/api/v1/namespaces", {"metadata": {"name": lab.namespace}})


def test_a_model_that_fits_nothing_says_what_comes_closest(lab: Lab) -> None:
    lab.start()
    lab.server.create(LLM_DEPLOYMENTS, llm(lab.namespace, model={"source": "hf://meta-llama/Llama-3.1-405B-Instruct"}))
    said = lab.blocked("ModelDoesNotFit")
    numbers = r"Nearest: L40S x\d \(48 GiB, lab.l40s\): short by [\d.]+ GiB: needs [\d.]+ GiB weights .*; L4 x\d"
    assert re.search(numbers, said["message"]), said["message"]
    assert condition(lab.llm(), "CapacityAvailable")["status"] == "False"
