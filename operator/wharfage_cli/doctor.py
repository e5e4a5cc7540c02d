"""`wharfage doctor`: is this installation whole, and if not, what is missing and what to do.

Each check is a function from what was read to findings; the reading itself is `examination.py`.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from wharfage_api import VERSION
from wharfage_operator.settings import Settings

PRICES_STALE_AFTER = timedelta(seconds=Settings().prices_stale_after_s)
LEASE_STALE_AFTER = timedelta(seconds=60)


class Level(StrEnum):
    """How bad a finding is; only an error makes `doctor` exit with 1."""

    OK = "ok"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at: what about it, and what to do where it is not well."""

    level: Level
    subject: str
    message: str
    fix: str = ""


def access(reviews: Mapping[str, bool], *, whose: str = "") -> list[Finding]:
    """`reviews` maps each permission the operator needs ("patch deployments.apps") to whether it is granted.

    `whose` is the account that was asked about ("" for the operator's own, "you" for whoever runs this). What you may
    not says nothing about the operator, so that it is one warning.
    """
    to = f" to {whose}" if whose else ""
    missing = [permission for permission, allowed in reviews.items() if not allowed]
    if not missing:
        return [Finding(Level.OK, "permissions", f"all {len(reviews)} that the operator needs are granted{to}")]
    if whose == "you":
        message = f"{len(missing)} of {len(reviews)} that the operator needs are not allowed to you: {missing[0]}, ..."
        fix = "that says nothing of the operator's account: whoever may asks with --service-account NAMESPACE/NAME"
        return [Finding(Level.WARNING, "permissions", message, fix)]
    fix = "install the chart with rbac.create=true, or add the rule to the operator's role"
    return [Finding(Level.ERROR, "permissions", f"{permission} is not allowed{to}", fix) for permission in missing]


def api(served: Mapping[str, Iterable[str]], wanted: Mapping[str, Iterable[str]]) -> list[Finding]:
    """Compare field paths per kind: those the server knows against those this version writes.

    A kind that the server lacks is missing from `served`.
    """
    findings = []
    for kind, fields in wanted.items():
        if kind not in served:
            findings.append(
                Finding(
                    Level.ERROR,
                    kind,
                    f"the API server does not serve {VERSION} of it",
                    "install the chart with crds.enabled=true, or apply the release's crds.yaml with --server-side",
                )
            )
            continue
        unknown = sorted(set(fields) - set(served[kind]))
        if unknown:
            findings.append(
                Finding(
                    Level.ERROR,
                    kind,
                    f"its definition is older than this program: {len(unknown)} fields are unknown, "
                    f"among them {', '.join(unknown[:3])}",
                    "upgrade the definitions: they are part of the chart (crds.enabled=true)",
                )
            )
        else:
            findings.append(Finding(Level.OK, kind, f"served as {VERSION}, up to date"))
    return findings


def operator(lease: Mapping[str, Any] | None, now: datetime) -> list[Finding]:
    """Whether somebody holds the operator's Lease and renews it."""
    if lease is None:
        return [
            Finding(
                Level.ERROR,
                "operator",
                "no Lease: no operator has ever led here",
                "is the operator installed and running? kubectl get pods -A -l app.kubernetes.io/name=wharfage",
            )
        ]
    spec = lease.get("spec") or {}
    holder, renewed = spec.get("holderIdentity"), spec.get("renewTime")
    if not holder or not renewed:
        return [Finding(Level.WARNING, "operator", "the Lease is free: no operator leads right now")]
    age = now - parsed(renewed)
    if age > LEASE_STALE_AFTER:
        return [
            Finding(
                Level.ERROR,
                "operator",
                f"{holder} has not renewed its Lease for {spoken(age)}: nothing is being reconciled",
                "look at its logs: kubectl logs -n <namespace> deploy/wharfage",
            )
        ]
    return [Finding(Level.OK, "operator", f"{holder} leads")]


def _refresh(catalog: Mapping[str, Any]) -> str:
    """The command that brings new prices to a catalog; a provider whose prices nobody publishes needs a table."""
    spec, name = catalog["spec"], catalog["metadata"]["name"]
    provider, region = spec.get("provider", "PROVIDER"), spec.get("region") or "REGION"
    table = "" if provider in ("aws", "gcp", "azure") else " --from TABLE.csv"
    named = "" if name == f"{provider}-{region}" else f" --name {name}"
    return f"wharfage offers build --provider {provider} --region {region}{named}{table} --apply"


def catalogs(found: Sequence[Mapping[str, Any]], now: datetime) -> list[Finding]:
    """Price age and obtainable offers of every catalog."""
    if not found:
        return [
            Finding(
                Level.WARNING,
                "offers",
                "there is no OfferCatalog: nothing can be placed",
                "make one with `wharfage offers build`, or apply one of examples/catalogs",
            )
        ]
    findings = []
    for catalog in found:
        name = catalog["metadata"]["name"]
        offers = catalog["spec"].get("offers") or []
        obtainable = (catalog.get("status") or {}).get("obtainable")
        age = now - parsed(catalog["spec"]["observedAt"])
        if age > PRICES_STALE_AFTER:
            findings.append(
                Finding(
                    Level.WARNING,
                    f"prices of {name}",
                    f"observed {spoken(age)} ago",
                    f"refresh it with `{_refresh(catalog)}`: choices are only as good as its prices, and spot "
                    "machines are charged as on demand meanwhile",
                )
            )
        else:
            findings.append(Finding(Level.OK, f"prices of {name}", f"observed {spoken(age)} ago"))
        if obtainable is None:
            findings.append(Finding(Level.WARNING, f"offers of {name}", f"{len(offers)} offers, not judged yet"))
        elif obtainable == 0:
            findings.append(
                Finding(
                    Level.WARNING,
                    f"offers of {name}",
                    f"none of {len(offers)} can be had in this cluster",
                    "a ready node, a Karpenter NodePool or a declared node group must admit at least one",
                )
            )
        else:
            findings.append(Finding(Level.OK, f"offers of {name}", f"{obtainable} of {len(offers)} can be had here"))
    return findings


def parsed(timestamp: str) -> datetime:
    """An RFC 3339 time of the API as an aware datetime."""
    return datetime.fromisoformat(timestamp)


def spoken(age: timedelta) -> str:
    """An age in its largest unit: "3 days", "5 minutes"."""
    seconds = max(0, int(age.total_seconds()))
    for size, unit in ((86400, "day"), (3600, "hour"), (60, "minute")):
        if seconds >= size:
            count = seconds // size
            return f"{count} {unit}{'' if count == 1 else 's'}"
    return f"{seconds} seconds"
