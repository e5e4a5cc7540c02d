"""The engine's pod: what one replica of a pool looks like.

Why each part is there is told in docs/explanation/pods.md. Nothing in the template may depend on what
changes by itself (prices, node names, the operator's version): a changed template restarts every replica.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from wharfage_api.engine import Variable
from wharfage_api.labels import POOL, SERVING, SLOTS, VARIANT
from wharfage_api.llmdeployment import LLMDeployment
from wharfage_api.part import Part
from wharfage_autoscaler.accelerators import accelerator
from wharfage_serving.arguments import PORT, arguments, environment

from wharfage_operator.children import DRAIN_MODULE
from wharfage_operator.obtainable import ZONE
from wharfage_operator.pools import pool_hash
from wharfage_operator.quantities import cpus, memory
from wharfage_operator.replica import Grace, Replica
from wharfage_operator.volumes import ENGINE_FILES, mounts, volumes
from wharfage_operator.weights import CACHE

USER = 65532
_CONTAINER = "engine"
_CORE_SHARE = 0.9

Manifest = dict[str, Any]


def selector(replica: Replica) -> dict[str, str]:
    """What tells the pods of this pool from all others; immutable on a Deployment."""
    return {**replica.whose.selector, POOL: pool_hash(replica.pool.key)}


def template(replica: Replica) -> Manifest:
    """The pod template of the pool's Deployment."""
    added = replica.deployment.spec.pod_template
    labels = {**added.labels, **replica.whose.labels, **selector(replica), SERVING: "true"}
    return {
        "metadata": {"labels": labels, "annotations": {**added.annotations, **_annotations(replica)}},
        "spec": _spec(replica),
    }


def pod_security() -> Manifest:
    """What the restricted level of Pod Security asks of a pod, and a group that may read what is mounted."""
    return {
        "runAsNonRoot": True,
        "runAsUser": USER,
        "runAsGroup": USER,
        "fsGroup": USER,
        "fsGroupChangePolicy": "OnRootMismatch",
        "seccompProfile": {"type": "RuntimeDefault"},
    }


def container_security() -> Manifest:
    """What it asks of a container, and a root that nobody writes to."""
    return {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }


def tolerations(deployment: LLMDeployment, of_platform: Iterable[Mapping[str, str]]) -> list[Manifest]:
    """The platform's tolerations and the user's, each once."""
    found = [dict(row) for row in of_platform]
    written = (_kept(row) for row in deployment.spec.placement.tolerations)
    return found + [row for row in written if row not in found]


def _annotations(replica: Replica) -> dict[str, str]:
    variant = replica.pool.key.variant
    return {
        # What the engine takes up at once; what it carries within the objectives is in the status, since it is learned.
        SLOTS: str(replica.fit.max_num_seqs),
        **({VARIANT: variant} if variant else {}),
        # As a duration: while it is new, a replica has cost its loading time and repaid none of it.
        "karpenter.sh/do-not-disrupt": f"{replica.settings.do_not_disrupt_s}s",
        # Without these cluster-autoscaler never gives up a node whose pods use an emptyDir.
        "cluster-autoscaler.kubernetes.io/safe-to-evict": "true",
        "cluster-autoscaler.kubernetes.io/safe-to-evict-local-volumes": "cache,shm,tmp",
        # A loaded model is dearer to lose than the default 0 of other pods on the same nodes.
        "controller.kubernetes.io/pod-deletion-cost": "100",
    }


def _spec(replica: Replica) -> Manifest:
    spec, added = replica.deployment.spec, replica.deployment.spec.pod_template
    pod: Manifest = {
        "serviceAccountName": replica.whose.name,
        "automountServiceAccountToken": False,
        # A Service called vllm would set VLLM_PORT to a URI, and the engine would refuse to start.
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": replica.grace.total_s,
        "securityContext": pod_security(),
        "affinity": {"nodeAffinity": _pinned(replica)},
        "tolerations": tolerations(replica.deployment, replica.platform.tolerations_for(replica.pool.offer.market)),
        "containers": [_container(replica)],
        "volumes": volumes(replica),
    }
    if added.image_pull_secrets:
        pod["imagePullSecrets"] = [{"name": secret.name} for secret in added.image_pull_secrets]
    if added.priority_class_name:
        pod["priorityClassName"] = added.priority_class_name
    if spec.placement.spot.spread and replica.pool.offer.market == "Spot":
        pod["topologySpreadConstraints"] = [_spread(replica, over) for over in sorted(spec.placement.spot.spread)]
    return pod


def _pinned(replica: Replica) -> Manifest:
    """Required, not preferred: an autoscaler left to choose bought one machine of eight GPUs for four small pods."""
    offer = replica.pool.offer
    labels = dict(offer.node_selector) | replica.deployment.spec.placement.node_selector
    if offer.zone:
        labels[ZONE] = offer.zone
    expressions = [{"key": key, "operator": "In", "values": [value]} for key, value in sorted(labels.items())]
    expressions += [term.manifest() for term in replica.platform.markets[offer.market] if term.key not in labels]
    if not expressions:
        return {}
    term = {"matchExpressions": expressions}
    return {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [term]}}


def _spread(replica: Replica, over: str) -> Manifest:
    return {
        "topologyKey": ZONE if over == "zone" else "node.kubernetes.io/instance-type",
        "maxSkew": 1,
        "whenUnsatisfiable": "ScheduleAnyway",
        "labelSelector": {"matchLabels": replica.whose.selector},
    }


def _container(replica: Replica) -> Manifest:
    written = replica.deployment.spec.engine
    container: Manifest = {
        "name": _CONTAINER,
        "image": written.image or replica.settings.engine_image,
        "imagePullPolicy": "IfNotPresent",
        "args": list(arguments(replica.engine, extra=written.args)),
        "env": _env(replica),
        "ports": [{"name": "http", "containerPort": PORT, "protocol": "TCP"}],
        "resources": _resources(replica),
        # The port is closed until the engine is ready; downloading and loading count.
        "startupProbe": _health(every_s=2, timeout_s=2, failures=max(1, replica.settings.startup_s // 2)),
        # Late is not broken: an engine that is flooded answers after many seconds, and to shut out or kill the only
        # one would lose all that it has in hand. One that is broken says 503 at once, or refuses the connection.
        "readinessProbe": _health(every_s=5, timeout_s=20, failures=2),
        "livenessProbe": _health(every_s=10, timeout_s=30, failures=6),
        "lifecycle": {"preStop": {"exec": {"command": _drain(replica.grace)}}},
        # The last lines of the log become the reason in the status when the engine fails.
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "securityContext": container_security(),
        "volumeMounts": mounts(replica),
    }
    if written.command:
        container["command"] = list(written.command)
    return container


def _health(*, every_s: int, timeout_s: int, failures: int) -> Manifest:
    probe = {"path": "/health", "port": "http"}
    return {"httpGet": probe, "periodSeconds": every_s, "timeoutSeconds": timeout_s, "failureThreshold": failures}


def _drain(split: Grace) -> list[str]:
    return [
        "python3",
        f"{ENGINE_FILES}/{DRAIN_MODULE}",
        "--at-least",
        str(split.drain_at_least_s),
        "--at-most",
        str(split.drain_at_most_s),
    ]


def _env(replica: Replica) -> list[Manifest]:
    written = {variable.name: variable for variable in replica.deployment.spec.engine.env}
    path = written.get("PYTHONPATH")
    found = {
        **environment(replica.engine),
        "HOME": "/tmp",  # noqa: S108 - the pod's own emptyDir
        # torch asks for the user's name, which an arbitrary uid has none of.
        "USER": "wharfage",
        "HF_HOME": f"{CACHE}/huggingface",
        "VLLM_CACHE_ROOT": f"{CACHE}/vllm",
        "PYTHONPATH": f"{ENGINE_FILES}:{path.value}" if path and path.value else ENGINE_FILES,
        **dict(replica.weights.env),
    }
    variables: list[Manifest] = [
        {"name": name, "value": value} for name, value in found.items() if name == "PYTHONPATH" or name not in written
    ]
    key = replica.deployment.spec.engine.api_key_secret
    if key is not None:
        # The engine reads its key from the environment only; a reference keeps it out of specs and process lists.
        variables.append({"name": "VLLM_API_KEY", "valueFrom": {"secretKeyRef": {"name": key.name, "key": key.key}}})
    return variables + [variable(row) for name, row in written.items() if name != "PYTHONPATH"]


def variable(written: Variable) -> Manifest:
    """One variable of the user's as a container has it."""
    return _kept(written)


def _kept(part: Part) -> Manifest:
    """What the API server keeps of a part of the spec: it drops an empty value, which would look like drift."""
    fields = part.model_dump(mode="json", by_alias=True, exclude_none=True)
    return {name: value for name, value in fields.items() if value != ""}


def _resources(replica: Replica) -> Manifest:
    host_memory = memory(replica.fit.host_memory_gib)
    # A tenth of each core stays with the node: no node can hand out all the cores that its machine has.
    share = _CORE_SHARE if replica.on_cpu else 1.0
    requests: Manifest = {"cpu": cpus(max(1.0, replica.fit.cores) * share), "memory": host_memory}
    if replica.on_cpu:
        # Loading holds the weights twice for a moment; the request is what stays.
        limit = memory(replica.fit.host_memory_gib + replica.fit.weights_gib + 1)
        return {"requests": requests, "limits": {"memory": limit}}
    facts = accelerator(replica.pool.offer.accelerator)
    resource = facts.resource if facts else "nvidia.com/gpu"
    count = str(replica.fit.accelerators)
    return {"requests": {**requests, resource: count}, "limits": {"memory": host_memory, resource: count}}
