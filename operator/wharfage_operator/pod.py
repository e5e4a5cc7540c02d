"""The engine's pod: what one replica of a pool looks like.

Why each part is there is told in docs/explanation/pods.md. Nothing in the template may depend on what
changes by itself (prices, node names, the operator's version): a changed template restarts every replica.
"""

import math
from dataclasses import dataclass
from typing import Any

from wharfage_api.engine import Variable
from wharfage_api.llmdeployment import LLMDeployment
from wharfage_autoscaler.accelerators import accelerator
from wharfage_autoscaler.fit import UTILIZATION, Fit
from wharfage_autoscaler.fleet import Pool
from wharfage_autoscaler.model import Variant
from wharfage_serving.arguments import PORT, Engine, arguments, environment

from wharfage_operator.children import DRAIN_MODULE, SERVING, ChildSettings, Identity
from wharfage_operator.obtainable import ZONE
from wharfage_operator.platforms import Platform
from wharfage_operator.pools import POOL, pool_hash
from wharfage_operator.spec import revision, served_name
from wharfage_operator.weights import CACHE, Weights, weights

ENGINE = "engine"
ENGINE_FILES = "/etc/wharfage/engine"
USER = 65532
_MIB = 2**20
_TEARDOWN_S = 10  # an engine that has drained still takes 5 to 6 s to end
_KEEP_ALIVE_S = 6  # 5 s of the engine's own, and one for the endpoint's way to every node

Manifest = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Grace:
    """How the seconds between the first notice and SIGKILL are spent."""

    total_s: int
    drain_at_least_s: int
    drain_at_most_s: int
    shutdown_s: int


def grace(total_s: int) -> Grace:
    """Split a grace period: most of it drains, what still streams gets up to 30 s, the rest is teardown."""
    teardown_s = min(_TEARDOWN_S, total_s // 3)
    shutdown_s = max(1, min(30, (total_s - teardown_s) // 3))
    at_most_s = max(1, total_s - teardown_s - shutdown_s)
    return Grace(total_s, min(_KEEP_ALIVE_S, at_most_s), at_most_s, shutdown_s)


@dataclass(frozen=True, slots=True)
class Replica:
    """All that one replica's pod is made of."""

    deployment: LLMDeployment
    whose: Identity
    pool: Pool
    variant: Variant
    fit: Fit
    settings: ChildSettings
    platform: Platform

    @property
    def on_cpu(self) -> bool:
        """Whether it runs without an accelerator."""
        return self.pool.offer.accelerator == "CPU"

    @property
    def grace(self) -> Grace:
        """On spot no longer than the platform warns."""
        total_s = self.settings.grace_s
        if self.pool.offer.market == "Spot":
            total_s = min(total_s, self.platform.spot_notice_s)
        return grace(total_s)

    @property
    def weights(self) -> Weights:
        """Where its model comes from."""
        secret = self.deployment.spec.model.credentials_secret
        return weights(self.variant.source, credentials=(secret.name, secret.key) if secret else None)

    @property
    def engine(self) -> Engine:
        """What its engine is started with."""
        facts = accelerator(self.pool.offer.accelerator)
        half = facts is not None and "bfloat16" not in facts.dtypes
        return Engine(
            model=self.weights.model,
            served_name=served_name(self.deployment),
            revision=revision(self.deployment, self.variant.name),
            load_format=self.weights.load_format,
            quantization=self.variant.quantization,
            dtype="float16" if half else "",
            max_model_tokens=self.fit.max_model_tokens,
            max_num_seqs=self.fit.max_num_seqs,
            max_num_batched_tokens=self.fit.max_num_batched_tokens,
            tensor_parallel=1 if self.on_cpu else self.fit.accelerators,
            memory_utilization=UTILIZATION,
            kv_cache_bytes=math.floor(self.fit.kv_gib * 1024) * _MIB if self.on_cpu else 0,
            cores=max(1, math.floor(self.fit.cores)) if self.on_cpu else 0,
            shutdown_timeout_s=self.grace.shutdown_s,
        )


def selector(replica: Replica) -> dict[str, str]:
    """What tells the pods of this pool from all others; immutable on a Deployment."""
    return {**replica.whose.selector, POOL: pool_hash(replica.pool.key)}


def template(replica: Replica) -> Manifest:
    """The pod template of the pool's Deployment."""
    added = replica.deployment.spec.pod_template
    labels = {**added.labels, **replica.whose.labels, **selector(replica), SERVING: "true"}
    return {"metadata": {"labels": labels, "annotations": {**added.annotations, **_annotations(replica)}}, "spec": _spec(replica)}


def _annotations(replica: Replica) -> dict[str, str]:
    slots = max(1, min(replica.fit.max_sequences, replica.fit.max_num_seqs))
    return {
        "wharfage.dev/slots": str(slots),
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
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": USER,
            "runAsGroup": USER,
            "fsGroup": USER,
            "fsGroupChangePolicy": "OnRootMismatch",
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "affinity": {"nodeAffinity": _pinned(replica)},
        "tolerations": _tolerations(replica),
        "containers": [_container(replica)],
        "volumes": _volumes(replica),
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


def _tolerations(replica: Replica) -> list[Manifest]:
    of_platform = [dict(row) for row in replica.platform.tolerations_for(replica.pool.offer.market)]
    of_user = [
        row.model_dump(mode="json", by_alias=True, exclude_none=True)
        for row in replica.deployment.spec.placement.tolerations
    ]
    return of_platform + [row for row in of_user if row not in of_platform]


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
        "name": ENGINE,
        "image": written.image or replica.settings.engine_image,
        "imagePullPolicy": "IfNotPresent",
        "args": list(arguments(replica.engine, extra=written.args)),
        "env": _env(replica),
        "ports": [{"name": "http", "containerPort": PORT, "protocol": "TCP"}],
        "resources": _resources(replica),
        # The port is closed until the engine is ready; downloading and loading count.
        "startupProbe": _health(every_s=2, timeout_s=2, failures=max(1, replica.settings.startup_s // 2)),
        "readinessProbe": _health(every_s=5, timeout_s=5, failures=2),
        "livenessProbe": _health(every_s=10, timeout_s=5, failures=6),
        "lifecycle": {"preStop": {"exec": {"command": _drain(replica.grace)}}},
        # The last lines of the log become the reason in the status when the engine fails.
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "volumeMounts": _mounts(replica),
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
    variables = [{"name": name, "value": value} for name, value in found.items() if name == "PYTHONPATH" or name not in written]
    key = replica.deployment.spec.engine.api_key_secret
    if key is not None:
        # The engine reads its key from the environment only; a reference keeps it out of specs and process lists.
        variables.append({"name": "VLLM_API_KEY", "valueFrom": {"secretKeyRef": {"name": key.name, "key": key.key}}})
    return variables + [_variable(variable) for name, variable in written.items() if name != "PYTHONPATH"]


def _variable(variable: Variable) -> Manifest:
    return variable.model_dump(mode="json", by_alias=True, exclude_none=True)


def _resources(replica: Replica) -> Manifest:
    memory = quantity(replica.fit.host_memory_gib)
    requests: Manifest = {"cpu": str(max(1, math.floor(replica.fit.cores))), "memory": memory}
    if replica.on_cpu:
        # Loading holds the weights twice for a moment; the request is what stays.
        limit = quantity(replica.fit.host_memory_gib + replica.fit.weights_gib + 1)
        return {"requests": requests, "limits": {"memory": limit}}
    facts = accelerator(replica.pool.offer.accelerator)
    resource = facts.resource if facts else "nvidia.com/gpu"
    count = str(replica.fit.accelerators)
    return {"requests": {**requests, resource: count}, "limits": {"memory": memory, resource: count}}


def quantity(gib: float) -> str:
    """Memory as the API server writes it back: whole Gi where it is whole, else Mi."""
    mib = math.ceil(gib * 1024)
    return f"{mib // 1024}Gi" if mib % 1024 == 0 else f"{mib}Mi"


def _volumes(replica: Replica) -> list[Manifest]:
    # NCCL keeps its rings in shared memory; one process alone needs little.
    shm_gib = 8 if not replica.on_cpu and replica.fit.accelerators > 1 else 1
    return [
        {"name": "tmp", "emptyDir": {}},
        {"name": "shm", "emptyDir": {"medium": "Memory", "sizeLimit": quantity(shm_gib)}},
        {"name": "cache", **_cache(replica)},
        {"name": "engine", "configMap": {"name": f"{replica.whose.name}-engine"}},
        *replica.weights.volumes,
        *(
            {"name": f"mount-{number}", "persistentVolumeClaim": {"claimName": mount.claim} | _read_only(mount.read_only)}
            for number, mount in enumerate(replica.deployment.spec.engine.mounts)
        ),
    ]


def _cache(replica: Replica) -> Manifest:
    """A shared claim, a volume per replica, or the node's disk for as long as the pod lives."""
    written = replica.deployment.spec.engine.weight_cache
    if written is None:
        return {"emptyDir": {}}
    if written.claim:
        return {"persistentVolumeClaim": {"claimName": written.claim}}
    if not written.storage_class:
        return {"emptyDir": {"sizeLimit": written.size}}
    claim = {
        "accessModes": ["ReadWriteOnce"],
        "storageClassName": written.storage_class,
        "resources": {"requests": {"storage": written.size}},
    }
    return {"ephemeral": {"volumeClaimTemplate": {"metadata": {"labels": replica.whose.labels}, "spec": claim}}}


def _mounts(replica: Replica) -> list[Manifest]:
    return [
        {"name": "tmp", "mountPath": "/tmp"},  # noqa: S108 - the pod's own emptyDir
        {"name": "shm", "mountPath": "/dev/shm"},  # noqa: S108
        {"name": "cache", "mountPath": CACHE},
        {"name": "engine", "mountPath": ENGINE_FILES, "readOnly": True},
        *replica.weights.mounts,
        *(
            {"name": f"mount-{number}", "mountPath": mount.path} | _read_only(mount.read_only)
            for number, mount in enumerate(replica.deployment.spec.engine.mounts)
        ),
    ]


def _read_only(wanted: bool) -> Manifest:
    """The field only where it is true: the API server drops a false one, which would look like drift."""
    return {"readOnly": True} if wanted else {}
