"""The operator may do what its table of rules says: that suffices, none of it is idle, and a gap is named."""

import json
import secrets
from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from wharfage_operator.kinds import DEPLOYMENTS, LLM_BUDGETS, LLM_DEPLOYMENTS, NODES, OFFER_CATALOGS, PODS, SERVICES
from wharfage_operator.permissions import Permission, permission_to, permissions, review
from wharfage_operator.rules import RULES
from wharfage_operator.rules import Rule as Permitted
from wharfage_operator.watch import WATCHED

from tests.cluster.between import Between
from tests.cluster.lab import CATALOG, Lab, priced
from tests.cluster.server import Object, eventually, eventually_is
from tests.faults.rules import Answer, Match, Rule

ACCOUNT = "wharfage"


def granted(rules: Iterable[Permitted]) -> list[dict[str, object]]:
    """The rules as RBAC spells them."""
    return [
        {
            "apiGroups": [rule.group],
            "resources": [rule.resource],
            "verbs": list(rule.verbs),
            **({"resourceNames": list(rule.names)} if rule.names else {}),
        }
        for rule in rules
    ]


class Account:
    """A ServiceAccount of the test's own with exactly these rules."""

    def __init__(self, lab: Lab) -> None:
        self._lab = lab
        self.role = f"test-{secrets.token_hex(4)}"
        lab.cluster.kubectl("create", "serviceaccount", ACCOUNT, "-n", lab.system)
        self.token = self.another_token()

    def may(self, rules: Iterable[Permitted]) -> None:
        """Grant these rules and no others, cluster-wide; returns when that has taken effect."""
        rules = tuple(rules)
        self._grant("ClusterRole", {"name": self.role}, rules)
        self._wait_for(permissions(self._lab.system), rules)

    def may_as_a_namespaced_release(self) -> None:
        """Grant all rules, each where it is needed."""
        self._grant("ClusterRole", {"name": self.role}, [rule for rule in RULES if rule.cluster_scoped])
        here = {"name": self.role, "namespace": self._lab.namespace}
        self._grant("Role", here, [rule for rule in RULES if not rule.cluster_scoped and not rule.own_namespace])
        own = {"name": self.role, "namespace": self._lab.system}
        self._grant("Role", own, [rule for rule in RULES if rule.own_namespace])
        self._wait_for(permissions(self._lab.system, watched=(self._lab.namespace,)), RULES)

    def _wait_for(self, asked: Iterable[Permission], rules: tuple[Permitted, ...]) -> None:
        granted = {(rule.group, rule.resource, verb) for rule in rules for verb in rule.verbs}
        for one in asked:
            wanted = (one.rule.group, one.rule.resource, one.verb) in granted
            eventually_is(partial(self._is_allowed, one), wanted, what=f"may {one}")

    def _is_allowed(self, permission: Permission) -> bool:
        user = f"system:serviceaccount:{self._lab.system}:{ACCOUNT}"
        path = "/apis/authorization.k8s.io/v1/subjectaccessreviews"
        answer = self._lab.server.call("POST", path, review(permission, user=user))
        return bool(answer["status"]["allowed"])

    def _grant(self, kind: str, metadata: Object, rules: Iterable[Permitted]) -> None:
        rbac = {"apiVersion": "rbac.authorization.k8s.io/v1"}
        subject = {"kind": "ServiceAccount", "name": ACCOUNT, "namespace": self._lab.system}
        role = {"apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": self.role}
        self._lab.cluster.apply(
            [
                {**rbac, "kind": kind, "metadata": metadata, "rules": granted(rules)},
                {**rbac, "kind": f"{kind}Binding", "metadata": metadata, "roleRef": role, "subjects": [subject]},
            ]
        )

    def another_token(self) -> str:
        """A token of the account; the earlier ones stay good."""
        return self._lab.cluster.kubectl("create", "token", ACCOUNT, "-n", self._lab.system).strip()

    def kubeconfig(self, *, through: Between | None = None, token_file: Path | None = None) -> Path:
        """The account's way to the API server."""
        path = self._lab.folder / "account.kubeconfig"
        config = json.loads(self._lab.cluster.kubeconfig.read_text(encoding="utf-8"))
        config["users"][0]["user"] = {"tokenFile": str(token_file)} if token_file else {"token": self.token}
        if through is not None:
            config["clusters"][0]["cluster"] = {"server": through.seen.url}
        path.write_text(json.dumps(config), encoding="utf-8")
        return path

    def remove(self) -> None:
        """Take the cluster-wide objects away."""
        self._lab.cluster.kubectl("delete", "clusterrole,clusterrolebinding", self.role)


@pytest.fixture
def account(lab: Lab) -> Iterator[Account]:
    """An account without any permission yet."""
    made = Account(lab)
    yield made
    made.remove()


@pytest.fixture
def unseen(lab: Lab) -> Iterator[None]:
    """A budget and a catalog without a status: those of other tests have theirs, and nobody writes it again."""
    budget = lab.server.create(LLM_BUDGETS, {"metadata": {"generateName": "test-"}, "spec": {"usd": "1"}})
    spec = {**CATALOG["spec"], "offers": [priced("unseen.l4", "L4", 24, "99")]}
    catalog = lab.server.create(OFFER_CATALOGS, {"metadata": {"generateName": "test-"}, "spec": spec})
    yield
    lab.server.delete(LLM_BUDGETS, "", budget["metadata"]["name"])
    lab.server.delete(OFFER_CATALOGS, "", catalog["metadata"]["name"])


def test_the_rules_suffice_and_none_of_them_is_idle(lab: Lab, account: Account, unseen: None) -> None:
    account.may(RULES)
    allowed = {(verb, rule.group, rule.resource) for rule in RULES for verb in rule.verbs}
    optional = {(verb, rule.group, rule.resource) for rule in RULES if rule.optional for verb in rule.verbs}
    # A first apply asks for `create` although the request is a patch, and each child can be fought over or removed.
    per_child = {rule for rule in allowed if rule[0] in ("create", "delete", "get") and rule[2] != "leases"}
    with Between(lab.cluster, token=account.token) as proxy:

        def called() -> set[tuple[str, str, str]]:
            rules = {
                request.rule for request in list(proxy.seen.requests) if request.resource and request.status != 404
            }
            return {rule for rule in rules if rule[1] != "authorization.k8s.io"}

        operator = lab.start(proxy.kubeconfig, watch_namespaces="", lease_name="wharfage-leader", events_after_s="0.1")
        theirs = {"metadata": {"name": "chat", "namespace": lab.namespace}, "spec": {"ports": [{"port": 1}]}}
        lab.server.create(SERVICES, theirs)
        lab.create()
        lab.blocked("NameConflict")
        lab.server.delete(SERVICES, lab.namespace, "chat")
        lab.ready()
        _touch_everything(lab)
        eventually_is(
            lambda: allowed - called() - optional - per_child, set(), what="what is granted but was never called"
        )
        operator.stop()
        # Namespaces of earlier tests may be on their way out, where creating is refused to everybody.
        ours = ("", lab.namespace, lab.system)
        refused = {
            request.rule for request in proxy.seen.requests if request.status == 403 and request.namespace in ours
        }
        assert refused == set()
        assert called() <= allowed, "what was called is granted"


def _touch_everything(lab: Lab) -> None:
    """A pool that somebody scales is put back, one that is no longer wanted is deleted, and all is read that can be."""
    lab.cluster.kubectl(
        "scale", "deployment", lab.child(DEPLOYMENTS)["metadata"]["name"], "-n", lab.namespace, "--replicas=2"
    )
    eventually_is(lambda: lab.child(DEPLOYMENTS)["spec"]["replicas"], 1, what="the count of the pool")
    lab.server.merge(LLM_DEPLOYMENTS, lab.namespace, "chat", {"spec": {"placement": {"accelerators": ["L40S"]}}})
    eventually(lambda: [row["accelerator"] for row in lab.ready()["status"]["fleet"]] == ["L40S x1"], within_s=120.0)
    lab.server.merge(LLM_DEPLOYMENTS, lab.namespace, "chat", {"spec": {"scaling": {"minReplicas": 9}}})
    lab.blocked("Unschedulable")
    lab.create("new", model={"source": "hf://org/new"})
    lab.blocked("ReadingModelConfig", "new")


def test_a_missing_rule_is_named_and_ends_the_process_at_once(lab: Lab, account: Account) -> None:
    account.may(
        replace(rule, verbs=("create", "delete", "get", "list", "watch")) if rule.resource == "services" else rule
        for rule in RULES
    )
    operator = lab.start(account.kubeconfig(), watch_namespaces="", lease_name="wharfage-leader")
    assert operator.process.wait(timeout=60) == 77
    missing = [record["permission"] for record in operator.records if "permission" in record]
    assert missing == ["may not patch services cluster-wide (needed: one per deployment)"]


def test_a_rule_that_is_taken_away_later_is_told_on_the_deployment_and_heals(lab: Lab, account: Account) -> None:
    account.may(RULES)
    operator = lab.start(account.kubeconfig(), watch_namespaces="", lease_name="wharfage-leader")
    eventually(lambda: operator.ready)
    without = [replace(rule, verbs=("get", "list", "watch")) if rule.resource == "services" else rule for rule in RULES]
    account.may(without)
    lab.create()
    said = lab.blocked("Forbidden")
    assert "cannot patch resource" in said["message"]
    assert "services" in said["message"]
    account.may(RULES)
    lab.ready()
    assert operator.tracebacks == []


def test_a_namespaced_release_asks_for_nothing_outside_its_namespaces(lab: Lab, account: Account) -> None:
    account.may_as_a_namespaced_release()
    with Between(lab.cluster, token=account.token) as proxy:
        operator = lab.start(proxy.kubeconfig, lease_name="wharfage-leader")
        eventually(lambda: operator.ready)
        lab.create()
        lab.ready()
        operator.stop()
        assert {request.rule for request in proxy.seen.requests if request.status == 403} == set()


def test_a_watch_that_is_forbidden_later_is_named_and_goes_on_when_the_rule_is_back(lab: Lab, account: Account) -> None:
    account.may(RULES)
    operator = lab.start(
        account.kubeconfig(), watch_namespaces="", lease_name="wharfage-leader", watch_timeout_s="1", resync_s="3600"
    )
    lab.create()
    lab.ready()
    before = {which: child["metadata"]["uid"] for which, child in lab.children().items()}
    kinds = (LLM_DEPLOYMENTS, DEPLOYMENTS, PODS, NODES)
    taken = {(kind.group, kind.plural) for kind in kinds}
    account.may(
        replace(rule, verbs=tuple(verb for verb in rule.verbs if verb != "watch"))
        if (rule.group, rule.resource) in taken
        else rule
        for rule in RULES
    )
    said = [f"may not {permission_to('watch', kind, '')}" for kind in kinds]
    eventually_is(lambda: operator.unready, sorted(said), what="/readyz")
    assert "may not watch pods cluster-wide (needed: which replicas are ready, and what blocks the others)" in said

    lab.create("unheard-of")
    lab.server.merge(DEPLOYMENTS, lab.namespace, lab.child(DEPLOYMENTS)["metadata"]["name"], {"spec": {"replicas": 3}})
    lab.server.delete(SERVICES, lab.namespace, "chat")  # other kinds are heard of all the while
    eventually(lambda: lab.server.get(SERVICES, lab.namespace, "chat"))
    assert lab.children("unheard-of") == {}

    account.may(RULES)
    eventually(lambda: operator.ready)
    lab.ready("unheard-of")
    eventually_is(lambda: lab.child(DEPLOYMENTS)["spec"]["replicas"], 1, what="what was edited meanwhile")
    after = {which: child["metadata"]["uid"] for which, child in lab.children().items()}
    assert {which: uid for which, uid in after.items() if before[which] != uid}.keys() == {("Service", "chat")}
    logged = [str(record["permission"]) for record in operator.records if record["message"] == "permission missing"]
    assert sorted(logged) == sorted(said), "each is said once"
    assert operator.tracebacks == []


def test_a_token_that_is_replaced_is_read_again_without_a_restart(lab: Lab, account: Account) -> None:
    account.may(RULES)
    token_file, old, new = lab.folder / "token", account.token, account.another_token()
    token_file.write_text(old, encoding="utf-8")
    with Between(lab.cluster) as proxy:
        kubeconfig = account.kubeconfig(through=proxy, token_file=token_file)
        operator = lab.start(kubeconfig, watch_namespaces="", lease_name="wharfage-leader", watch_timeout_s="1")
        lab.create()
        lab.ready()
        token_file.write_text(new, encoding="utf-8")
        proxy.seen.schedule.add(Rule(fault=Answer(401), match=Match(token=old), times=None))

        def heard_with_the_new_one() -> set[str]:
            watches = (one for one in list(proxy.seen.requests) if one.verb == "watch" and one.status == 200)
            return {one.resource for one in watches if one.token == new}

        # What is optional is not served here.
        watched = {kind.plural for kind in WATCHED} - {rule.resource for rule in RULES if rule.optional}
        eventually_is(heard_with_the_new_one, watched, what="what is watched with the new token")
        lab.server.delete(SERVICES, lab.namespace, "chat")
        eventually(lambda: lab.server.get(SERVICES, lab.namespace, "chat"))
        assert operator.metric("wharfage_leader ") == 1
        assert operator.process.poll() is None
        assert operator.tracebacks == []
        operator.stop()
