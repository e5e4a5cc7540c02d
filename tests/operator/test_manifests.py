"""The children of a deployment, whole in one case and field by field in the others."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from wharfage_autoscaler.fleet import Fleet
from wharfage_autoscaler.offers import Market, Offer
from wharfage_autoscaler.reasons import Reason
from wharfage_operator.children import DRAIN_MODULE, READER_MODULE, ChildSettings
from wharfage_operator.errors import Rejected
from wharfage_operator.manifests import manifests
from wharfage_operator.platforms import platforms
from wharfage_operator.replica import grace

from tests.builders import machine, offer, pool
from tests.operator.objects import UID, deployment

GOLDEN = Path(__file__).parent / "golden" / "chat.yaml"
L40S_SPOT = offer(
    "g6e.xlarge",
    market=Market.SPOT,
    zone="us-east-1a",
    accelerator="L40S",
    accelerator_memory_gib=48,
    node_selector=(("node.kubernetes.io/instance-type", "g6e.xlarge"),),
)
FILES = {"wharfage_drain.py": "the file of serving/wharfage_serving/drain.py"}
EVERYTHING: dict[str, Any] = {
    "model": {
        "source": "hf://Qwen/Qwen3-8B",
        "revision": "0e9e39f",
        "servedName": "qwen",
        "credentialsSecret": {"name": "hf", "key": "token"},
    },
    "engine": {
        "image": "vllm/vllm-openai:v0.33.0",
        "args": ["--enable-prefix-caching"],
        "env": [{"name": "VLLM_LOGGING_LEVEL", "value": "DEBUG"}, {"name": "PYTHONPATH", "value": "/opt/extra"}],
        "maxModelTokens": 8192,
        "apiKeySecret": {"name": "chat-key", "key": "key"},
        "weightCache": {"claim": "weights"},
        "mounts": [{"claim": "tools", "path": "/opt/engine"}],
    },
    "placement": {
        "spot": {"policy": "Allow", "spread": ["zone", "machine"]},
        "nodeSelector": {"team": "search"},
        "tolerations": [{"key": "gpu", "operator": "Exists"}],
    },
    "podTemplate": {
        "labels": {"team": "search"},
        "annotations": {"note": "ours"},
        "imagePullSecrets": [{"name": "regcred"}],
        "priorityClassName": "serving",
    },
}


def children(
    of: Offer = L40S_SPOT, *, settings: ChildSettings | None = None, platform: str = "karpenter", **spec: Any
) -> dict[str, dict[str, Any]]:
    target = Fleet((pool(of, 2, variant=spec.pop("variant", "")),))
    made = manifests(deployment(**spec), UID, target, settings or ChildSettings(), platforms()[platform])
    return {obj["kind"]: obj for obj in made}


def pod_of(of: Offer = L40S_SPOT, **spec: Any) -> dict[str, Any]:
    found: dict[str, Any] = children(of, **spec)["Deployment"]["spec"]["template"]["spec"]
    return found


def engine_of(of: Offer = L40S_SPOT, **spec: Any) -> dict[str, Any]:
    found: dict[str, Any] = pod_of(of, **spec)["containers"][0]
    return found


def option(name: str, arguments: list[str]) -> str:
    return arguments[arguments.index(name) + 1]


def variables(container: dict[str, Any]) -> dict[str, Any]:
    return {row["name"]: row.get("value", row.get("valueFrom")) for row in container["env"]}


def test_the_full_form_makes_exactly_these_objects() -> None:
    """After a wanted change: `python -m tests.operator.golden.rewrite`, and read the diff."""
    made = list(children(settings=ChildSettings(pod_monitors=True), **EVERYTHING).values())
    assert set(made[1]["data"]) == set(FILES)
    made[1]["data"] = FILES
    for obj in made:
        del obj["metadata"]["annotations"]["wharfage.dev/intent"]
    assert made == list(yaml.safe_load_all(GOLDEN.read_text()))


def test_a_model_that_nobody_knows_brings_the_reader_and_any_other_does_not() -> None:
    unknown = deployment(model={"source": "hf://acme/own-model"})
    for asked, files in ((deployment(), {DRAIN_MODULE}), (unknown, {DRAIN_MODULE, READER_MODULE})):
        made = manifests(asked, UID, Fleet(), ChildSettings(), platforms()["karpenter"])
        (config,) = [obj for obj in made if obj["kind"] == "ConfigMap"]
        assert set(config["data"]) == files


def test_the_same_wish_makes_the_same_objects() -> None:
    assert children(**EVERYTHING) == children(**EVERYTHING)


def test_every_child_is_owned_and_labelled() -> None:
    for obj in children().values():
        metadata = obj["metadata"]
        owner = {
            "apiVersion": "wharfage.dev/v1alpha1",
            "kind": "LLMDeployment",
            "name": "chat",
            "uid": UID,
            "controller": True,
        }
        assert metadata["ownerReferences"] == [owner]
        assert metadata["namespace"] == "shop"
        assert metadata["labels"]["wharfage.dev/llmdeployment"] == "chat"
        assert metadata["labels"]["app.kubernetes.io/managed-by"] == "wharfage"


def test_the_template_does_not_depend_on_price_or_provider_of_the_machine() -> None:
    dear = offer("g6e.xlarge", accelerator="L40S", accelerator_memory_gib=48, usd_per_hour=9, obtainable="node a")
    cheap = offer("g6e.xlarge", accelerator="L40S", accelerator_memory_gib=48, usd_per_hour=1, obtainable="NodePool b")
    assert children(dear) == children(cheap)


def test_the_service_selects_only_pods_that_serve_and_the_deployment_does_not_care() -> None:
    made = children()
    assert made["Service"]["spec"]["selector"] == {
        "wharfage.dev/llmdeployment": "chat",
        "wharfage.dev/serving": "true",
    }
    assert "wharfage.dev/serving" not in made["Deployment"]["spec"]["selector"]["matchLabels"]


@pytest.mark.parametrize(
    ("platform", "market", "key", "operator", "values"),
    [
        ("karpenter", Market.SPOT, "karpenter.sh/capacity-type", "In", ["spot"]),
        ("karpenter", Market.ON_DEMAND, "karpenter.sh/capacity-type", "NotIn", ["reserved", "spot"]),
        ("eks", Market.SPOT, "eks.amazonaws.com/capacityType", "In", ["SPOT"]),
        ("gke", Market.SPOT, "cloud.google.com/gke-spot", "In", ["true"]),
        ("gke", Market.ON_DEMAND, "cloud.google.com/gke-spot", "NotIn", ["true"]),
        ("aks", Market.SPOT, "kubernetes.azure.com/scalesetpriority", "In", ["spot"]),
    ],
    ids=[
        "spot of karpenter",
        "on-demand of karpenter",
        "spot of eks",
        "spot of gke",
        "on-demand of gke",
        "spot of aks",
    ],
)
def test_a_pool_is_pinned_to_machine_zone_and_market(
    platform: str, market: Market, key: str, operator: str, values: list[str]
) -> None:
    of = offer("m", market=market, zone="z", node_selector=(("node.kubernetes.io/instance-type", "m"),))
    affinity = pod_of(of, platform=platform, engine={"maxModelTokens": 8192})["affinity"]["nodeAffinity"]
    (term,) = affinity["requiredDuringSchedulingIgnoredDuringExecution"]["nodeSelectorTerms"]
    assert term["matchExpressions"] == [
        {"key": "node.kubernetes.io/instance-type", "operator": "In", "values": ["m"]},
        {"key": "topology.kubernetes.io/zone", "operator": "In", "values": ["z"]},
        {"key": key, "operator": operator, "values": values},
    ]


def test_a_gpu_engine_gets_its_share_of_device_memory_and_both_batching_limits() -> None:
    arguments = engine_of(engine={"maxModelTokens": 8192})["args"]
    assert arguments[0] == "Qwen/Qwen3-8B"
    assert option("--max-model-len", arguments) == "8192"
    assert option("--max-num-seqs", arguments) == "256"
    assert option("--max-num-batched-tokens", arguments) == "2048"
    assert option("--gpu-memory-utilization", arguments) == "0.90"
    assert "--kv-cache-memory-bytes" not in arguments


def test_a_cpu_engine_gets_an_exact_cache_one_process_and_as_many_threads_as_cores() -> None:
    shape = {"parametersBillions": "0.001", "layers": 2, "hiddenSize": 128, "ffnSize": 512, "vocabularySize": 4096}
    shape |= {"attentionHeads": 4, "kvHeads": 2, "headDimension": 32, "maxContextTokens": 4096}
    container = engine_of(machine(), model={"source": "pvc://models/tiny", "shape": shape})
    assert container["args"][0] == "/models/tiny"
    assert option("--distributed-executor-backend", container["args"]) == "uni"
    assert int(option("--kv-cache-memory-bytes", container["args"])) % 2**20 == 0
    assert "--gpu-memory-utilization" not in container["args"]
    assert variables(container)["OMP_NUM_THREADS"] == "1"
    assert variables(container)["VLLM_ENABLE_V1_MULTIPROCESSING"] == "0"
    assert container["resources"]["requests"]["cpu"] == "900m"
    assert "nvidia.com/gpu" not in container["resources"]["limits"]


def test_streams_say_their_tokens_where_a_gateway_counts_them_and_nowhere_else() -> None:
    flag = "--enable-force-include-usage"
    assert flag in engine_of(routing="Gateway")["args"]
    assert flag not in engine_of()["args"]


def test_several_accelerators_share_a_replica_and_more_shared_memory() -> None:
    made = pod_of(
        offer("p", accelerator="H100", accelerators=8, accelerator_memory_gib=80, vcpus=96, memory_gib=1024),
        model={"source": "hf://Qwen/Qwen2.5-72B-Instruct"},
        engine={"maxModelTokens": 8192},
    )
    (container,) = made["containers"]
    count = container["resources"]["limits"]["nvidia.com/gpu"]
    assert int(count) > 1
    assert option("--tensor-parallel-size", container["args"]) == count
    assert {"name": "shm", "emptyDir": {"medium": "Memory", "sizeLimit": "8Gi"}} in made["volumes"]


def test_cards_without_bfloat16_are_told_to_use_half_precision() -> None:
    t4 = offer("t", accelerator="T4", accelerator_memory_gib=16)
    assert option("--dtype", engine_of(t4, model={"source": "hf://Qwen/Qwen3-0.6B"})["args"]) == "float16"


@pytest.mark.parametrize(
    ("written", "flag"),
    [({"quantization": "fp8"}, True), ({"quantization": "awq", "source": "hf://Qwen/Qwen3-8B-AWQ"}, False)],
    ids=["weights quantised while loading", "published quantised weights say so themselves"],
)
def test_quantization_is_an_argument_only_where_the_engine_quantises(written: dict[str, str], flag: bool) -> None:
    made = engine_of(variants=[{"name": "q", "quality": "1.0", **written}], variant="q")
    assert ("--quantization" in made["args"]) is flag


@pytest.mark.parametrize(
    ("cache", "volume"),
    [
        (None, {"emptyDir": {}}),
        ({"claim": "weights"}, {"persistentVolumeClaim": {"claimName": "weights"}}),
        ({"size": "40Gi"}, {"emptyDir": {"sizeLimit": "40Gi"}}),
        ({"size": "2048Gi"}, {"emptyDir": {"sizeLimit": "2Ti"}}),
    ],
    ids=["the node's disk", "a claim", "a bounded part of the node's disk", "a size as the API server writes it back"],
)
def test_weights_are_cached_on(cache: Any, volume: dict[str, Any]) -> None:
    engine = {"maxModelTokens": 8192} | ({"weightCache": cache} if cache else {})
    assert {"name": "cache", **volume} in pod_of(engine=engine)["volumes"]


def test_an_empty_value_is_left_out_as_the_api_server_would_leave_it_out() -> None:
    made = pod_of(
        engine={"env": [{"name": "EMPTY", "value": ""}]},
        placement={"tolerations": [{"key": "gpu", "operator": "Exists", "value": ""}]},
    )
    assert {"name": "EMPTY"} in made["containers"][0]["env"]
    assert {"key": "gpu", "operator": "Exists"} in made["tolerations"]


def test_a_storage_class_gives_each_replica_a_volume_of_its_own() -> None:
    cache = {"size": "40Gi", "storageClass": "fast"}
    volumes = {volume["name"]: volume for volume in pod_of(engine={"weightCache": cache})["volumes"]}
    claim = volumes["cache"]["ephemeral"]["volumeClaimTemplate"]["spec"]
    assert claim["storageClassName"] == "fast"
    assert claim["resources"] == {"requests": {"storage": "40Gi"}}


SHAPE = {
    "parametersBillions": "1",
    "layers": 16,
    "hiddenSize": 2048,
    "ffnSize": 8192,
    "vocabularySize": 32000,
    "attentionHeads": 16,
    "kvHeads": 16,
    "headDimension": 128,
    "maxContextTokens": 4096,
}


@pytest.mark.parametrize(
    ("source", "model", "variable", "volume"),
    [
        ("hf://org/m", "org/m", "HF_TOKEN_PATH", "credentials"),
        ("s3://bucket/m", "s3://bucket/m", "AWS_SHARED_CREDENTIALS_FILE", "credentials"),
        ("gs://bucket/m", "gs://bucket/m", "GOOGLE_APPLICATION_CREDENTIALS", "credentials"),
        ("pvc://claim/a/b", "/models/a/b", "HF_HUB_OFFLINE", "models"),
        ("oci://reg/m:1", "/models", "HF_HUB_OFFLINE", "models"),
    ],
    ids=["the hub", "S3", "Google storage", "a claim", "an image"],
)
def test_weights_come_from(source: str, model: str, variable: str, volume: str) -> None:
    secret = {"name": "s", "key": "token"}
    made = pod_of(model={"source": source, "shape": SHAPE, "credentialsSecret": secret})
    (container,) = made["containers"]
    assert container["args"][0] == model
    assert variable in variables(container)
    assert volume in {row["name"] for row in made["volumes"]}
    assert volume in {row["name"] for row in container["volumeMounts"]}


def test_no_secret_value_can_appear_in_a_pod_spec() -> None:
    made = pod_of(**EVERYTHING)
    assert variables(made["containers"][0])["HF_TOKEN_PATH"] == "/etc/wharfage/credentials/token"
    assert variables(made["containers"][0])["VLLM_API_KEY"] == {"secretKeyRef": {"name": "chat-key", "key": "key"}}


def test_the_pod_is_admitted_under_the_restricted_level() -> None:
    made = pod_of(**EVERYTHING)
    (container,) = made["containers"]
    assert made["securityContext"]["runAsNonRoot"] is True
    assert made["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    allowed = {"emptyDir", "configMap", "secret", "persistentVolumeClaim", "ephemeral", "image"}
    assert {next(key for key in volume if key != "name") for volume in made["volumes"]} <= allowed


def test_spot_pods_end_within_the_platforms_notice() -> None:
    on_demand = offer("m")
    assert pod_of(on_demand, platform="gke", engine={"maxModelTokens": 8192})["terminationGracePeriodSeconds"] == 120
    assert pod_of(platform="gke")["terminationGracePeriodSeconds"] == 15


@pytest.mark.parametrize("total_s", [2, 15, 30, 40, 120, 600])
def test_a_grace_period_is_never_overdrawn(total_s: int) -> None:
    split = grace(total_s)
    assert split.drain_at_least_s <= split.drain_at_most_s
    assert split.drain_at_most_s + split.shutdown_s <= total_s
    assert split.shutdown_s >= 1


def test_a_replacing_rollout_gives_its_accelerator_back_first() -> None:
    strategy = children(rollout={"strategy": "Replace"})["Deployment"]["spec"]["strategy"]
    assert strategy["rollingUpdate"] == {"maxSurge": 0, "maxUnavailable": 1}


def test_only_allowed_images_run() -> None:
    settings = ChildSettings(allowed_image_prefixes=("registry.example/",))
    with pytest.raises(Rejected, match=r"write one that starts with registry\.example/") as refused:
        children(settings=settings, engine={"image": "docker.io/evil:1"})
    assert refused.value.reason is Reason.IMAGE_NOT_ALLOWED
    assert children(settings=settings, engine={"image": "registry.example/vllm:1"})
    assert children(settings=settings), "the operator's own default needs no permission"


@pytest.mark.parametrize(
    ("args", "words"),
    [
        pytest.param(
            ["--enable-prefix-cashing", "--zzz"],
            "spec.engine.args: vLLM 0.32.0 knows no argument --enable-prefix-cashing; "
            "did you mean --enable-prefix-caching?; vLLM 0.32.0 knows no argument --zzz",
            id="all that the engine does not know, at once",
        ),
        pytest.param(
            ["--max-model-le=4"],
            "spec.engine.args: --max-model-le is short for --max-model-len: write it in full "
            "(leave out --max-model-len: write spec.engine.maxModelTokens)",
            id="the beginning of what the operator owns, with the field to write",
        ),
        pytest.param(
            ["--load-format", "dummy"],
            "spec.engine.args: --load-format is what the operator sets itself here: leave it out",
            id="what only this source has the operator set",
        ),
    ],
)
def test_an_argument_that_the_engine_would_not_take_is_refused_with_its_reason(args: list[str], words: str) -> None:
    model = {"source": "s3://bucket/qwen", "shape": SHAPE}
    with pytest.raises(Rejected) as refused:
        children(engine={"args": args}, model=model)
    assert refused.value.reason is Reason.INVALID_SPEC
    assert refused.value.message == words
    own = children(engine={"args": args, "image": "registry.example/vllm:nightly"}, model=model)
    assert own["Deployment"], "of an image whose version nobody knows the engine says it itself"


def test_a_pool_that_cannot_hold_the_model_is_refused_with_numbers() -> None:
    with pytest.raises(Rejected, match=r"short by .* GiB") as refused:
        children(offer(accelerator="T4", accelerator_memory_gib=16))
    assert refused.value.reason is Reason.MODEL_DOES_NOT_FIT


def test_a_pool_of_a_variant_that_is_gone_is_left_out() -> None:
    assert "Deployment" not in children(variant="gone")


def test_a_pool_of_a_model_that_is_not_known_yet_is_left_as_it_is() -> None:
    made = children(model={"source": "hf://org/new"})
    assert "Deployment" not in made
    assert "ConfigMap" in made, "the pod that reads its config.json needs it"


def test_the_disruption_budget_counts_replicas_only() -> None:
    made = children()
    selected = made["PodDisruptionBudget"]["spec"]["selector"]["matchLabels"]
    assert selected.items() <= made["Deployment"]["spec"]["template"]["metadata"]["labels"].items()
    assert selected["app.kubernetes.io/name"] == "wharfage-engine"


def test_who_may_reach_the_model_port_follows_the_settings() -> None:
    def peers(settings: ChildSettings) -> Any:
        return children(settings=settings)["NetworkPolicy"]["spec"]["ingress"][0]["from"]

    assert peers(ChildSettings())[0] == {"podSelector": {}}
    named = peers(ChildSettings(client_namespaces=("ingress",)))[1]["namespaceSelector"]["matchExpressions"][0]
    assert named["values"] == ["ingress", "wharfage-system"]
    assert peers(ChildSettings(client_namespaces=("*",))) == [{"namespaceSelector": {}}]
