"""From the objects of a namespace to what the gateway knows of it: pure, and forgiving.

An object that cannot be read leaves out that object, never the others: a mistake in one LLMDeployment or Secret must
not take traffic from the rest.
"""

import base64
import binascii
import logging
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from pydantic import ValidationError
from wharfage_api.durations import parsed
from wharfage_api.gateway import Affinity, Gateway, Routing
from wharfage_api.labels import OWNER, POOL, SERVING, SLOTS, VARIANT
from wharfage_api.llmdeployment import LLMDeployment
from wharfage_serving.arguments import PORT, SERVED_NAME

from wharfage_gateway.staging import order, throttle
from wharfage_gateway.view import Credential, Model, Replica, View, endpoint

log = logging.getLogger(__name__)

_ENGINE = "wharfage-engine"
_APP = "app.kubernetes.io/name"
_COLD_STARTS = 2.0  # a request may wait for so many lead times
_HOLD_S = 600.0  # where no lead time is known
_LONGEST_HOLD_S = 900.0  # Envoy waits for the decision no longer

Object = Mapping[str, Any]


def view(
    deployments: Iterable[Object],
    pods: Iterable[Object],
    secrets: Iterable[Object],
    *,
    keys_required: bool,
    gateways: int,
    turn: int | None = None,
    peers: tuple[str, ...] = (),
) -> View:
    """What is known now. `secrets` are those that hold keys; `gateways` counts the ready ones, this one included.

    `peers` are the pages of the others.

    Of two deployments that clients call the same the older is served, as the operator does.
    """
    served = sorted(deployments, key=_age)
    carried = {raw["metadata"]["name"]: _carried(raw) for raw in served}
    replicas: dict[str, list[Replica]] = {}
    for pod in pods:
        owner = _labels(pod).get(OWNER, "")
        found = replica(pod, carried.get(owner, {}))
        if found is not None:
            replicas.setdefault(owner, []).append(found)
    models: dict[str, Model] = {}
    for raw in served:
        found_model = model(raw, tuple(sorted(replicas.get(raw["metadata"]["name"], ()))))
        if found_model is not None:
            models.setdefault(found_model.served, found_model)
    former = {
        replica.served: model.served
        for model in models.values()
        for replica in model.replicas
        if replica.open and replica.served and replica.served not in models
    }
    credentials = tuple(each for secret in sorted(secrets, key=_age) for each in keys(secret))
    return View(
        models,
        credentials,
        keys_required=keys_required,
        gateways=max(1, gateways),
        turn=turn,
        former=former,
        peers=peers,
    )


@dataclass(frozen=True, slots=True)
class Company:
    """The gateways that are ready: how many, which of them this one is (None: none yet), the pages of the others."""

    ready: int
    turn: int | None
    peers: tuple[str, ...]


def company(pods: Iterable[Object], me: str, port: int) -> Company:
    """The gateways among which the pod of this name is one."""
    there = {pod["metadata"]["name"]: pod for pod in pods if is_ready(pod)}
    ready = sorted(there)
    others = ((there[name].get("status") or {}).get("podIP") for name in ready if name != me)
    peers = tuple(endpoint(address, port) for address in others if address)
    return Company(len(ready), ready.index(me) if me in ready else None, peers)


def model(raw: Object, replicas: tuple[Replica, ...]) -> Model | None:
    """One deployment with its replicas; None where it is not routed through the gateway, or cannot be read."""
    metadata = raw["metadata"]
    if raw["spec"].get("routing") != Routing.GATEWAY or metadata.get("deletionTimestamp"):
        return None
    try:
        deployment = LLMDeployment.model_validate({name: part for name, part in raw.items() if name != "status"})
    except ValidationError as error:
        log.warning("a deployment that cannot be read", extra={"deployment": metadata["name"], "error": str(error)})
        return None
    spec = deployment.spec
    written = spec.gateway or Gateway()
    hold_s = written.hold.total_seconds() if written.hold is not None else _usual_hold_s(raw)
    return Model(
        key=metadata["name"],
        served=spec.model.served_name or metadata["name"],
        replicas=replicas,
        hold_s=min(hold_s, _LONGEST_HOLD_S),
        most_waiting=written.queue.max_requests,
        classes={each.name: each.weight for each in written.classes},
        prefix_affinity=written.affinity is Affinity.PREFIX,
        most_prompt_tokens=written.max_prompt_tokens,  # its own limit the engine knows exactly, this is an estimate
        most_output_tokens=written.max_output_tokens,
        order=order([each.name for each in spec.variants if each.quality >= spec.objectives.quality_floor], raw),
        split={each.variant: float(each.share) for each in written.split if each.share > 0},
        fallback=tuple(
            f"variant/{each.variant}" if each.variant else f"deployment/{each.deployment}" for each in written.fallback
        ),
        throttle=throttle(raw),
    )


def replica(pod: Object, carried: Mapping[str, tuple[float, float]] = MappingProxyType({})) -> Replica | None:
    """An engine's pod that has an address; None for another pod, or one without.

    `carried` is what a replica of each pool carries at once, and has in a burst; until that is known, as much as the
    engine takes up.
    """
    metadata, status, labels = pod["metadata"], pod.get("status") or {}, _labels(pod)
    if labels.get(_APP) != _ENGINE or not status.get("podIP"):
        return None
    annotations = metadata.get("annotations") or {}
    slots, burst = carried.get(labels.get(POOL, "")) or (_slots(annotations.get(SLOTS)), 0.0)
    return Replica(
        name=metadata["name"],
        address=status["podIP"],
        port=PORT,
        slots=slots,
        burst=burst,
        variant=annotations.get(VARIANT, ""),
        ready=is_ready(pod),
        draining=bool(metadata.get("deletionTimestamp")) or labels.get(SERVING) != "true",
        served=_served(pod),
    )


def is_ready(pod: Object) -> bool:
    """Whether its Ready condition holds."""
    conditions = (pod.get("status") or {}).get("conditions") or ()
    return any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)


def keys(secret: Object) -> tuple[Credential, ...]:
    """The keys of a Secret: an entry is called TENANT, or TENANT.ANYTHING, and its value is `KEY` or `CLASS KEY`.

    So a tenant has two keys while one takes the other's place. What cannot be read is left out and named in the log,
    without its value.
    """
    found = []
    for name, encoded in sorted((secret.get("data") or {}).items()):
        try:
            words = base64.b64decode(encoded, validate=True).decode("utf-8").split()
        except (binascii.Error, UnicodeDecodeError, TypeError):
            words = []
        if not 1 <= len(words) <= 2:
            log.warning("an API key is left out: write KEY, or CLASS KEY", extra={"entry": name})
            continue
        found.append(Credential(words[-1], name.partition(".")[0], words[0] if len(words) == 2 else ""))
    return tuple(found)


def _carried(raw: Object) -> Mapping[str, tuple[float, float]]:
    """Slots of each pool, and requests in a burst, by its pods' label, as the operator has worked them out."""
    rows = (raw.get("status") or {}).get("fleet") or ()
    return {
        str(row["pool"]): (_slots(row["slots"]), _slots(row.get("burstSlots") or row["slots"]))
        for row in rows
        if row.get("pool") and row.get("slots")
    }


def _usual_hold_s(raw: Object) -> float:
    """Twice the longest lead time that the operator has learned for it."""
    leads = [_seconds(row.get("leadTime")) for row in (raw.get("status") or {}).get("fleet") or ()]
    longest_s = max((lead for lead in leads if lead is not None), default=None)
    return _HOLD_S if longest_s is None else _COLD_STARTS * longest_s


def _seconds(written: object) -> float | None:
    """A duration as the status writes it, such as 5m30s."""
    try:
        return parsed(str(written)).total_seconds() if written else None
    except ValueError:
        return None


def _served(pod: Object) -> str:
    """What its engine was started to answer to: a deployment may have another name since."""
    containers = (pod.get("spec") or {}).get("containers") or ()
    for container in containers:
        arguments = list(container.get("args") or ())
        if SERVED_NAME in arguments[:-1]:
            return str(arguments[arguments.index(SERVED_NAME) + 1])
    return ""


def _slots(written: object) -> float:
    try:
        slots = float(str(written))
    except ValueError:
        return 1.0
    return slots if 0.0 < slots < math.inf else 1.0


def _labels(obj: Object) -> Mapping[str, str]:
    return obj["metadata"].get("labels") or {}


def _age(obj: Object) -> tuple[str, str]:
    return obj["metadata"].get("creationTimestamp", ""), obj["metadata"]["name"]
