"""An existing vLLM Deployment that an LLMDeployment in `mode: Recommend` looks at and never touches.

`wharfage.dev/adopt: NAME`, or `NAME:PORT` where its pods listen elsewhere than their containers say. What it costs
follows from the offers of its pods' nodes, else from `llm-d.ai/variant-cost`: dollars per hour of a replica.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from wharfage_api.labels import OWNER
from wharfage_autoscaler.fleet import Fleet, Pool
from wharfage_autoscaler.model import Mode
from wharfage_autoscaler.offers import Market, Offer
from wharfage_autoscaler.reasons import Reason

from wharfage_operator.cache import owner_of
from wharfage_operator.errors import Rejected
from wharfage_operator.kinds import Object
from wharfage_operator.metrics import PORT, is_reached
from wharfage_operator.obtainable import matching
from wharfage_operator.plan import over

ADOPT = "wharfage.dev/adopt"
VARIANT_COST, MODEL_ID = "llm-d.ai/variant-cost", "llm-d.ai/model-id"
_WISH = re.compile(r"(?P<name>[a-z0-9]([-a-z0-9.]*[a-z0-9])?)(:(?P<port>[1-9][0-9]{0,4}))?")
_PORT_ARGUMENT = re.compile(r"(?:^|\s)--port[=\s]+([1-9][0-9]{0,4})(?:\s|$)")
_USUAL_PORT = 8000
_NAMES = frozenset({"http", "http-api", "api", "openai", "vllm", "metrics"})
_GPU = re.compile(r"[a-z0-9.-]+/(gpu|neuroncore|tpu)$")
_NOT_PRICED = "not-priced"  # stands for the offer of a machine that no catalog has


@dataclass(frozen=True, slots=True)
class Wish:
    """Which Deployment of the namespace is to be looked at; `port` 0 leaves its port to its containers."""

    name: str
    port: int = 0


@dataclass(frozen=True, slots=True)
class Found:
    """What was read: the Deployment, None where there is none, and its pods; or why neither could be."""

    deployment: Object | None
    pods: tuple[Object, ...] = ()
    failure: str = ""


@dataclass(frozen=True, slots=True)
class Adopted:
    """A Deployment that may be looked at, and its pods as a fleet."""

    deployment: Object
    port: int
    fleet: Fleet
    said: str
    """What is looked at, and what may be wrong with it."""

    @property
    def where(self) -> str:
        """Where its pods are read."""
        return f"port {self.port} of the pods of Deployment {self.deployment['metadata']['name']}"


def wish(raw: Object) -> Wish | None:
    """What an LLMDeployment asks for.

    Raises:
        Rejected: for what names no Deployment.

    """
    text = (raw["metadata"].get("annotations") or {}).get(ADOPT)
    if text is None:
        return None
    found = _WISH.fullmatch(text)
    if found is None or int(found["port"] or 0) > 65535:
        told = f"the annotation {ADOPT} is {text[:80]!r}"
        message = f"{told}: write the name of a Deployment of this namespace, or NAME:PORT"
        raise Rejected(Reason.CANNOT_ADOPT, message)
    return Wish(found["name"], int(found["port"] or 0))


def allow(asked: Wish, mode: Mode, *, runs_its_own: bool) -> None:
    """Pass where nothing has to be changed for it.

    Raises:
        Rejected: else, with what to do.

    """
    if mode is not Mode.RECOMMEND:
        raise Rejected(
            Reason.CANNOT_ADOPT,
            f"Deployment {asked.name} is only looked at: write scaling.mode: Recommend, or take the annotation {ADOPT} "
            f"away to have wharfage run replicas of its own in mode {mode}",
        )
    if runs_its_own:
        raise Rejected(
            Reason.CANNOT_ADOPT,
            f"this LLMDeployment runs replicas of its own: create another one to look at Deployment {asked.name}, or "
            f"take the annotation {ADOPT} away",
        )


def adopted(
    asked: Wish,
    found: Found,
    *,
    namespace: str,
    source: str,
    variant: str,
    nodes: Mapping[str, Object],
    offers: Sequence[Offer],
) -> Adopted:
    """The Deployment that was found; `source` and `variant` are those that it is taken to serve.

    `nodes` are those of the cluster by name, `offers` those of all catalogs.

    Raises:
        Rejected: where it is not there, cannot be read, is ours, or does not say where it listens.

    """
    deployment = found.deployment
    if found.failure:
        raise Rejected(Reason.CANNOT_ADOPT, f"Deployment {asked.name} could not be read: {found.failure}")
    if deployment is None:
        message = (
            f"there is no Deployment {asked.name} in namespace {namespace}: correct the annotation {ADOPT} "
            f"(kubectl get deployments -n {namespace})"
        )
        raise Rejected(Reason.CANNOT_ADOPT, message)
    owner = owner_of(deployment)
    if owner is not None:
        message = f"Deployment {asked.name} belongs to LLMDeployment {owner[1]} already, which measures it"
        raise Rejected(Reason.CANNOT_ADOPT, message)
    port = asked.port or _port(deployment)
    pods = tuple(pod for pod in found.pods if not over(pod))
    return Adopted(deployment, port, _fleet(deployment, pods, variant, nodes, offers), _said(deployment, port, source))


def dressed(pod: Object, name: str, port: int) -> Object:
    """A pod as if it were a replica of the LLMDeployment of that name, for whoever reads its metrics."""
    metadata = pod["metadata"]
    labels = {**(metadata.get("labels") or {}), OWNER: name}
    return {**pod, "metadata": {**metadata, "labels": labels, "annotations": {PORT: str(port)}, "ownerReferences": []}}


def port_of(asked: Wish, deployment: Object | None) -> int:
    """Where its pods listen; 0 where that is not known."""
    try:
        return asked.port or (0 if deployment is None else _port(deployment))
    except Rejected:
        return 0


def _port(deployment: Object) -> int:
    """Where its pods listen: what they are told to, else the port that is called so, else their only one."""
    name, containers = deployment["metadata"]["name"], _containers(deployment)
    for container in containers:
        words = " ".join(str(word) for word in (*(container.get("command") or ()), *(container.get("args") or ())))
        told = _PORT_ARGUMENT.search(words)
        if told is not None:
            return int(told[1])
    ports = [port for container in containers for port in container.get("ports") or ()]
    numbers = [int(port["containerPort"]) for port in ports]
    named = [int(port["containerPort"]) for port in ports if port.get("name") in _NAMES]
    if _USUAL_PORT in numbers or not numbers:
        return _USUAL_PORT
    if len(named) == 1 or len(numbers) == 1:
        return named[0] if len(named) == 1 else numbers[0]
    message = (
        f"Deployment {name} has the ports {', '.join(map(str, numbers))}, and none of them is called http or is "
        f"{_USUAL_PORT}: write {ADOPT}: {name}:PORT with the one of vLLM"
    )
    raise Rejected(Reason.CANNOT_ADOPT, message)


def _fleet(
    deployment: Object, pods: Sequence[Object], variant: str, nodes: Mapping[str, Object], offers: Sequence[Offer]
) -> Fleet:
    """Its pods by the offers of their nodes; those that have no node yet count where most are."""
    accelerators = _accelerators(deployment)
    unpriced = _unpriced(deployment, accelerators)
    where: Counter[Offer] = Counter()
    ready: Counter[Offer] = Counter()
    homeless = 0
    for pod in pods:
        node = nodes.get((pod.get("spec") or {}).get("nodeName") or "")
        if node is None:
            homeless += 1
            continue
        offer = matching(node, offers, accelerators) or unpriced
        where[offer] += 1
        ready[offer] += is_reached(pod)
    if homeless:
        where[where.most_common(1)[0][0] if where else unpriced] += homeless
    pools = (Pool(offer, variant, count, accelerators or 1, ready[offer]) for offer, count in where.items())
    return Fleet(tuple(sorted(pools, key=lambda pool: pool.key)))


def _unpriced(deployment: Object, accelerators: int) -> Offer:
    """In place of a machine that no catalog has: as large as a replica, at the price it tells of itself, 0 for none."""
    try:
        usd_per_hour = float(_marks(deployment).get(VARIANT_COST, "0"))
    except ValueError:
        usd_per_hour = 0.0
    return Offer(
        catalog=_NOT_PRICED,
        name=deployment["metadata"]["name"],
        market=Market.ON_DEMAND,
        zone="",
        machine="",
        accelerator="unknown",
        accelerators=max(1, accelerators),
        accelerator_memory_gib=0.0,
        vcpus=0.0,
        memory_gib=0.0,
        usd_per_hour=usd_per_hour if 0.0 < usd_per_hour < 1e6 else 0.0,
    )


def _said(deployment: Object, port: int, source: str) -> str:
    name, model = deployment["metadata"]["name"], _marks(deployment).get(MODEL_ID, "")
    said = f"Deployment {name} is looked at, on port {port} of its pods, and nothing of it is changed"
    if model and _plain(model) not in (_plain(source), _plain(source.rpartition("/")[2])):
        said += f"; it says that it serves {model}, which is not spec.model.source {source}"
    return said


def _plain(model: str) -> str:
    """A model's name as labels can hold it, which know no slash."""
    return re.sub(r"[^a-z0-9]+", "-", model.rpartition("://")[2].lower())


def _marks(deployment: Object) -> dict[str, str]:
    """Labels and annotations of it and of its pods; its own win."""
    of_pods = deployment["spec"]["template"].get("metadata") or {}
    found: dict[str, str] = {}
    for metadata in (of_pods, deployment["metadata"]):
        found |= {**(metadata.get("labels") or {}), **(metadata.get("annotations") or {})}
    return found


def _accelerators(deployment: Object) -> int:
    """What one replica takes; 0 for one that runs on a processor."""
    limits = ((container.get("resources") or {}).get("limits") or {} for container in _containers(deployment))
    counts = (str(count) for each in limits for name, count in each.items() if _GPU.fullmatch(name))
    return sum(int(count) for count in counts if count.isdigit())


def _containers(deployment: Object) -> Iterable[Object]:
    return tuple(deployment["spec"]["template"]["spec"].get("containers") or ())
