"""Say at start which permission is missing, instead of retrying refusals until the process dies."""

import asyncio
from collections.abc import Iterable

from wharfage_operator.connection import Connection
from wharfage_operator.errors import ApiError
from wharfage_operator.rules import RULES, Rule
from wharfage_operator.settings import Settings

_REVIEWS = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
_AT_ONCE = 8


async def missing(connection: Connection, settings: Settings, rules: Iterable[Rule] = RULES) -> list[str]:
    """One sentence per permission that the operator needs and does not have; ApiError if none could be asked."""
    absent = await _absent_groups(connection)
    turns = asyncio.Semaphore(_AT_ONCE)
    asked = [
        (rule, verb, namespace, name)
        for rule in rules
        if not (rule.optional and rule.group in absent)
        for verb in rule.verbs
        for namespace in _namespaces(rule, settings)
        for name in (rule.names or ("",))
    ]

    async def allowed(rule: Rule, verb: str, namespace: str, name: str) -> bool:
        resource, _, subresource = rule.resource.partition("/")
        attributes = {"group": rule.group, "resource": resource, "verb": verb}
        attributes |= {"subresource": subresource} if subresource else {}
        attributes |= {"namespace": namespace} if namespace else {}
        attributes |= {"name": name} if name else {}
        review = {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectAccessReview",
            "spec": {"resourceAttributes": attributes},
        }
        async with turns:
            answer = await connection.call("POST", _REVIEWS, body=review)
        return bool(answer["status"].get("allowed"))

    answers = await asyncio.gather(*(allowed(*question) for question in asked))
    return [_sentence(*question) for question, answer in zip(asked, answers, strict=True) if not answer]


def _namespaces(rule: Rule, settings: Settings) -> tuple[str, ...]:
    if rule.own_namespace:
        return (settings.namespace,)
    return ("",) if rule.cluster_scoped else settings.watch_namespaces or ("",)


def _sentence(rule: Rule, verb: str, namespace: str, name: str) -> str:
    group = f".{rule.group}" if rule.group else ""
    where = f"in namespace {namespace}" if namespace else "cluster-wide"
    which = f" {name}" if name else ""
    return f"may not {verb} {rule.resource}{group}{which} {where} (needed: {rule.why})"


async def _absent_groups(connection: Connection) -> frozenset[str]:
    """The optional API groups that this cluster does not have."""
    optional = {rule.group for rule in RULES if rule.optional}
    try:
        present = {group["name"] for group in (await connection.call("GET", "/apis")).get("groups", ())}
    except ApiError as error:
        if error.forbidden:
            return frozenset()
        raise
    return frozenset(optional - present)
