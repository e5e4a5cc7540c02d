"""What the cluster says of how the operator was installed: under which account, serving which namespaces.

Whoever asks whether the operator's permissions suffice has others, and often more, than the operator.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

SELECTOR = "app.kubernetes.io/name=wharfage,app.kubernetes.io/component=operator"
"""The labels of the operator's Deployment, as the chart writes them."""

_WATCHED = "WHARFAGE_WATCH_NAMESPACES"


@dataclass(frozen=True, slots=True)
class Installation:
    """One installed operator: its account as `namespace/name`, and the namespaces it serves (empty: all)."""

    account: str
    watched: tuple[str, ...] = ()


def installations(deployments: Iterable[Mapping[str, Any]]) -> tuple[Installation, ...]:
    """One per Deployment of an operator."""
    return tuple(_installation(each) for each in deployments)


def _installation(deployment: Mapping[str, Any]) -> Installation:
    pod = deployment["spec"]["template"]["spec"]
    variables = (row for container in pod["containers"] for row in container.get("env") or ())
    watched = next((row.get("value") or "" for row in variables if row["name"] == _WATCHED), "")
    account = f"{deployment['metadata']['namespace']}/{pod.get('serviceAccountName', 'default')}"
    return Installation(account, tuple(part.strip() for part in watched.split(",") if part.strip()))
