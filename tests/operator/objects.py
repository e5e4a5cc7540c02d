"""Raw objects of the API server with boring defaults: a test names only what it is about."""

from typing import Any

from wharfage_api.llmdeployment import LLMDeployment
from wharfage_api.offercatalog import OfferCatalog

UID = "11111111-2222-3333-4444-555555555555"
Object = dict[str, Any]


def deployment(name: str = "chat", *, generation: int = 1, **spec: Any) -> LLMDeployment:
    """Qwen3-8B from the hub, everything else by default."""
    raw = {
        "metadata": {"name": name, "namespace": "shop", "uid": UID, "generation": generation},
        "spec": {"model": {"source": "hf://Qwen/Qwen3-8B"}, **spec},
    }
    return LLMDeployment.model_validate(raw)


def catalog(*rows: Object, name: str = "cloud", provider: str = "aws", **spec: Any) -> OfferCatalog:
    """A catalog of these offers."""
    raw = {
        "metadata": {"name": name},
        "spec": {"provider": provider, "observedAt": "2026-07-20T00:00:00Z", "offers": list(rows), **spec},
    }
    return OfferCatalog.model_validate(raw)


def row(name: str = "g6.xlarge", *, accelerator: str = "L4", count: int = 1, **fields: Any) -> Object:
    """A machine with one L4 at one dollar."""
    chip: Object = {"name": accelerator, "count": count}
    if accelerator != "CPU":
        chip["memoryGiB"] = 24
    return {
        "name": name,
        "machine": name,
        "accelerator": chip,
        "vcpus": 4,
        "memoryGiB": 16,
        "prices": [{"market": "OnDemand", "usdPerHour": "1.00"}],
        **fields,
    }


def node(name: str = "gpu-1", *, labels: dict[str, str] | None = None, ready: str = "True", **fields: Any) -> Object:
    """A ready node with one GPU."""
    return {
        "metadata": {"name": name, "labels": labels or {}},
        "spec": {},
        "status": {
            "conditions": [{"type": "Ready", "status": ready}],
            "allocatable": {"cpu": "4", "nvidia.com/gpu": "1"},
        },
        **fields,
    }


def node_pool(name: str = "gpu", *requirements: tuple[str, str, list[str]], limits: Object | None = None) -> Object:
    """A Karpenter NodePool with these requirements."""
    rows = [{"key": key, "operator": operator, "values": values} for key, operator, values in requirements]
    return {
        "metadata": {"name": name},
        "spec": {"template": {"spec": {"requirements": rows}}, "limits": limits or {}},
        "status": {},
    }


def pool_object(
    wanted: int = 1, ready: int = 0, *, conditions: tuple[Object, ...] = (), name: str = "chat-0"
) -> Object:
    """A pool's Deployment as far as status is concerned."""
    return {
        "kind": "Deployment",
        "metadata": {"name": name, "generation": 1},
        "spec": {"replicas": wanted},
        "status": {
            "observedGeneration": 1,
            "readyReplicas": ready,
            "updatedReplicas": wanted,
            "conditions": list(conditions),
        },
    }


def pod(name: str = "chat-0-a", *, created: str = "2026-11-22T10:00:00Z", **status: Any) -> Object:
    """A pod that is not ready; `status` says why."""
    return {"metadata": {"name": name, "creationTimestamp": created}, "spec": {}, "status": status}


def replica(name: str, address: str, *, version: int = 1, ready: str = "True") -> Object:
    """A pod of the deployment `shop/chat` that serves at an address."""
    return {
        "metadata": {
            "name": name,
            "namespace": "shop",
            "uid": f"uid-{name}",
            "resourceVersion": str(version),
            "labels": {"wharfage.dev/llmdeployment": "chat"},
        },
        "status": {"podIP": address, "conditions": [{"type": "Ready", "status": ready}]},
    }


def container(*, started: bool = False, restarts: int = 0, last: Object | None = None, **state: Any) -> Object:
    """The status of an engine's container; keyword arguments are its state."""
    found: Object = {
        "name": "engine",
        "image": "vllm/vllm-openai:v0.32.0",
        "restartCount": restarts,
        "started": started,
    }
    found["state"] = state
    if last is not None:
        found["lastState"] = {"terminated": last}
    return found


def event(
    reason: str, message: str, *, about: str = "chat-0-a", source: str = "kubelet", at: str = "10:00:00"
) -> Object:
    """A core/v1 Event about a pod."""
    return {
        "metadata": {"name": f"{about}.{at}"},
        "involvedObject": {"kind": "Pod", "name": about},
        "reason": reason,
        "message": message,
        "lastTimestamp": f"2026-11-22T{at}Z",
        "source": {"component": source},
        "reportingComponent": source,
    }
