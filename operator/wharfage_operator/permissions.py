"""The table of rules as single questions to the API server: is this verb allowed on this resource, here.

The operator asks them of itself at start (`preflight`), `wharfage doctor` asks them for whoever runs it.
"""

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from wharfage_operator.kinds import Kind
from wharfage_operator.rules import RULES, Rule


@dataclass(frozen=True, slots=True)
class Permission:
    """One verb of one rule in one namespace ("" is the whole cluster)."""

    rule: Rule
    verb: str
    namespace: str
    name: str

    @property
    def attributes(self) -> dict[str, str]:
        """The `resourceAttributes` of an access review."""
        resource, _, subresource = self.rule.resource.partition("/")
        return {
            "group": self.rule.group,
            "resource": resource,
            "verb": self.verb,
            **({"subresource": subresource} if subresource else {}),
            **({"namespace": self.namespace} if self.namespace else {}),
            **({"name": self.name} if self.name else {}),
        }

    def __str__(self) -> str:
        """In words: "patch deployments.apps cluster-wide (needed: ...)"."""
        group = f".{self.rule.group}" if self.rule.group else ""
        which = f" {self.name}" if self.name else ""
        where = f"in namespace {self.namespace}" if self.namespace else "cluster-wide"
        return f"{self.verb} {self.rule.resource}{group}{which} {where} (needed: {self.rule.why})"


def permissions(
    namespace: str, *, watched: Collection[str] = (), absent: Collection[str] = (), rules: Iterable[Rule] = RULES
) -> Iterator[Permission]:
    """Every permission that an operator in `namespace` needs.

    `watched` are the namespaces it serves (empty: all); optional rules of API groups in `absent` are left out.
    """
    for rule in rules:
        if rule.optional and rule.group in absent:
            continue
        for verb in rule.verbs:
            for where in _namespaces(rule, namespace, watched):
                for name in rule.names or ("",):
                    yield Permission(rule, verb, where, name)


def permission_to(verb: str, kind: Kind, namespace: str, rules: Iterable[Rule] = RULES) -> Permission:
    """The permission to do something to a kind, with the reason that the table gives; KeyError if it gives none."""
    for rule in rules:
        if (rule.group, rule.resource) == (kind.group, kind.plural) and verb in rule.verbs:
            return Permission(rule, verb, namespace, "")
    raise KeyError(f"no rule to {verb} {kind.plural}")


def absent_groups(present: Iterable[str], rules: Iterable[Rule] = RULES) -> frozenset[str]:
    """The API groups of optional rules that the cluster does not have; `present` are those it has."""
    return frozenset(rule.group for rule in rules if rule.optional) - frozenset(present)


def review(permission: Permission, *, user: str = "") -> dict[str, Any]:
    """The access review that asks for it: of oneself, or of `user`."""
    return {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SubjectAccessReview" if user else "SelfSubjectAccessReview",
        "spec": {"resourceAttributes": permission.attributes, **({"user": user} if user else {})},
    }


def _namespaces(rule: Rule, namespace: str, watched: Collection[str]) -> Collection[str]:
    if rule.own_namespace:
        return (namespace,)
    return ("",) if rule.cluster_scoped else watched or ("",)
