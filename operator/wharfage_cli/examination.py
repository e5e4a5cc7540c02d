"""What the commands read from the cluster before anything is judged."""

from collections.abc import Collection, Iterator, Mapping
from datetime import datetime
from typing import Any

from wharfage_api import GROUP, VERSION
from wharfage_api.schema import definitions
from wharfage_operator.books import OPEN, Unreadable, read_open
from wharfage_operator.permissions import Permission, absent_groups, permissions, review

from wharfage_cli import doctor, money
from wharfage_cli.connection import Connection, Refused
from wharfage_cli.doctor import Finding, Level
from wharfage_cli.installation import SELECTOR, Installation, installations

API = f"/apis/{GROUP}/{VERSION}"
LEASE = "wharfage-leader"


def deployments(connection: Connection, *, name: str | None = None, everywhere: bool = False) -> list[dict[str, Any]]:
    """The LLMDeployments of the connection's namespace, of all, or the one of that name."""
    where = API if everywhere else f"{API}/namespaces/{connection.namespace}"
    try:
        items: list[dict[str, Any]] = connection.get(f"{where}/llmdeployments")["items"]
    except Refused as refused:
        if refused.status == 404:
            raise Refused(404, "this cluster has no LLMDeployment kind: is wharfage installed?") from None
        raise
    found = [item for item in items if name in (None, item["metadata"]["name"])]
    if name is not None and not found:
        place = "any namespace" if everywhere else f"namespace {connection.namespace}"
        there = ", ".join(sorted({item["metadata"]["name"] for item in items})) or "none"
        raise Refused(404, f"no LLMDeployment {name} in {place}; there are: {there}")
    return found


def findings(
    connection: Connection,
    *,
    operator_namespace: str,
    now: datetime,
    watched: Collection[str] = (),
    service_account: str | None = None,
) -> list[Finding]:
    """Look at everything `doctor` judges, and judge it."""
    served = served_fields(connection)
    found = [
        *access(connection, operator_namespace, watched=watched, service_account=service_account),
        *doctor.api(served, {kind: set(fields) for kind, fields in wanted_fields()}),
    ]
    try:
        found += doctor.operator(lease(connection, operator_namespace), now)
    except Refused as refused:
        found.append(Finding(Level.WARNING, "operator", f"its Lease cannot be read: {refused}"))
    if "OfferCatalog" in served:
        try:
            found += doctor.catalogs(connection.get(f"{API}/offercatalogs")["items"], now)
        except Refused as refused:
            found.append(Finding(Level.WARNING, "offers", f"cannot be read: {refused}"))
    return found + of_money(connection, operator_namespace, now)


def of_money(connection: Connection, operator_namespace: str, now: datetime) -> list[Finding]:
    """Whether budgets do what they say, and whether the ledger is kept."""
    found = money.of_budgets(budgets(connection), now)
    try:
        raw = connection.get(f"/api/v1/namespaces/{operator_namespace}/configmaps/{OPEN}")
        return found + money.of_ledger(read_open(raw), operator_namespace, now)
    except Unreadable as unreadable:
        fix = "until then nothing is charged, and budgets that select by dollars stand still"
        return [*found, Finding(Level.ERROR, "ledger", str(unreadable), fix)]
    except Refused as refused:
        if refused.status == 404:
            return found + money.of_ledger(None, operator_namespace, now)
        return [*found, Finding(Level.WARNING, "ledger", f"it cannot be read: {refused}")]


def budgets(connection: Connection) -> list[dict[str, Any]]:
    """All LLMBudgets; none where they may not be listed, or the kind is not there."""
    try:
        items: list[dict[str, Any]] = connection.get(f"{API}/llmbudgets")["items"]
    except Refused:
        return []
    return items


def namespaces(connection: Connection) -> dict[str, dict[str, str]]:
    """The labels of namespaces by their names; none where they may not be listed."""
    try:
        items = connection.get("/api/v1/namespaces")["items"]
    except Refused:
        return {}
    return {each["metadata"]["name"]: each["metadata"].get("labels") or {} for each in items}


def access(
    connection: Connection, operator_namespace: str, *, watched: Collection[str], service_account: str | None
) -> list[Finding]:
    """Whether the operator may do all it needs: under its own account, wherever that is known and can be asked for.

    In a pod one's own account is the operator's.
    """
    present = {group["name"] for group in connection.get("/apis")["groups"]}
    absent = absent_groups(present)

    def reviewed(account: str | None, namespaces: Collection[str]) -> dict[str, bool]:
        needed = permissions(operator_namespace, watched=namespaces, absent=absent)
        return {str(each): granted(connection, each, account) for each in needed}

    if service_account:
        return doctor.access(reviewed(service_account, watched), whose=service_account)
    known = () if connection.in_pod else installed(connection, operator_namespace)
    try:
        found = [
            finding
            for each in known
            for finding in doctor.access(reviewed(each.account, watched or each.watched), whose=each.account)
        ]
    except Refused as refused:
        return [
            Finding(Level.WARNING, "permissions", f"those of the operator's account cannot be asked for: {refused}")
        ]
    return found or doctor.access(reviewed(None, watched), whose="" if connection.in_pod else "you")


def installed(connection: Connection, namespace: str) -> tuple[Installation, ...]:
    """The operators in a namespace; none where Deployments may not be listed."""
    try:
        found = connection.get(f"/apis/apps/v1/namespaces/{namespace}/deployments", labelSelector=SELECTOR)
    except Refused:
        return ()
    return installations(found["items"])


def granted(connection: Connection, permission: Permission, service_account: str | None) -> bool:
    """Whether oneself, or the service account `namespace/name`, holds the permission."""
    user = "system:serviceaccount:" + service_account.replace("/", ":") if service_account else ""
    kind = "subjectaccessreviews" if user else "selfsubjectaccessreviews"
    answer = connection.post(f"/apis/authorization.k8s.io/v1/{kind}", review(permission, user=user))
    return bool(answer["status"].get("allowed"))


def lease(connection: Connection, namespace: str) -> dict[str, Any] | None:
    """The operator's Lease; None where there is none."""
    try:
        return connection.get(f"/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases/{LEASE}")
    except Refused as refused:
        if refused.status == 404:
            return None
        raise


def served_fields(connection: Connection) -> dict[str, set[str]]:
    """Field paths per kind, from the server's own OpenAPI document, which every user may read."""
    try:
        document = connection.get(f"/openapi/v3{API}")
    except Refused:
        return {}
    found: dict[str, set[str]] = {}
    for schema in document.get("components", {}).get("schemas", {}).values():
        for kind in schema.get("x-kubernetes-group-version-kind", ()):
            if kind["group"] == GROUP and not kind["kind"].endswith("List"):
                found[kind["kind"]] = set(field_paths(schema))
    return found


def wanted_fields() -> Iterator[tuple[str, Iterator[str]]]:
    """Field paths per kind, from the definitions this program was built with."""
    for definition in definitions():
        spec = definition["spec"]
        version = next(each for each in spec["versions"] if each["name"] == VERSION)
        yield spec["names"]["kind"], field_paths(version["schema"]["openAPIV3Schema"])


def field_paths(schema: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    """Dotted paths below `spec` and `status` of a structural schema; lists add nothing of their own."""
    inner = schema.get("items", schema)
    for name, child in inner.get("properties", {}).items():
        if not prefix and name not in ("spec", "status"):
            continue
        yield f"{prefix}{name}"
        yield from field_paths(child, f"{prefix}{name}.")
