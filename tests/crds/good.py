"""Objects the API server must take: each field is used in at least one of them."""

from dataclasses import dataclass

from tests.crds.objects import (
    Object,
    budget,
    catalog,
    deployment,
    engine,
    model,
    offer,
    placement,
    priced,
    scaling,
    shape,
    spot,
    stage,
    stages,
    variant,
)


@dataclass(frozen=True, slots=True)
class Good:
    """What the object shows, and the object."""

    id: str
    item: Object


MODELS = (
    Good("four lines", deployment()),
    Good("a name of 52 characters", deployment(name="a" * 52)),
    Good("a name with digits", deployment(name="llama-4-scout")),
    Good("a Hugging Face model of no organisation", model("hf://gpt2")),
    Good("weights in S3", model("s3://models/qwen3-8b/")),
    Good("weights in Google Cloud Storage", model("gs://models/qwen3-8b")),
    Good("weights on a claim", model("pvc://models/qwen3-8b")),
    Good("a whole claim of weights", model("pvc://models")),
    Good("weights as an image by digest", model("oci://ghcr.io/org/model@sha256:" + "a" * 64)),
    Good("a pinned revision", model(revision="0e9e39f")),
    Good("a served name with a slash", model(servedName="Qwen/Qwen3-8B")),
    Good("a token from a Secret", model(credentialsSecret={"name": "hf", "key": "token"})),
    Good("a shape", shape(maxContextTokens=40960)),
    Good(
        "a mixture of experts",
        shape(
            parametersBillions="30.5",
            activeParametersBillions="3.3",
            experts={"total": 128, "active": 8, "ffnSize": 768},
        ),
    ),
    Good("experts in every layer", shape(ffnSize=0, experts={"total": 8, "active": 2, "ffnSize": 14336})),
    Good("sliding windows", shape(window={"tokens": 4096, "layers": 18})),
    Good("latent attention", shape(kvBytesPerToken=70272)),
    Good(
        "variants, best first",
        deployment(
            variants=[
                variant(),
                variant("fp8", "0.995", quantization="fp8"),
                variant("int4", "0.97", source="hf://org/model-awq", quantization="awq", revision="v2"),
            ],
            objectives={"qualityFloor": "0.97"},
        ),
    ),
    Good("equal variants", deployment(variants=[variant("a"), variant("b")])),
    Good("one variant at a time, said aloud", deployment(variantPolicy="One")),
)

ENGINES = (
    Good("an argument that is free", engine(args=["--enable-prefix-caching", "--kv-cache-memory-bytes=4M"])),
    Good("an argument that only begins like ours", engine(args=["--model-impl=vllm", "--max-num-partial-prefills=2"])),
    Good("another engine", engine(image="ghcr.io/org/vllm:v1", command=["/opt/engine/bin/vllm", "serve"])),
    Good(
        "a variable that only contains a secret's word", engine(env=[{"name": "TOKENIZERS_PARALLELISM", "value": "0"}])
    ),
    Good(
        "variables from a Secret and a ConfigMap",
        engine(
            env=[
                {"name": "AWS_SECRET_ACCESS_KEY", "valueFrom": {"secretKeyRef": {"name": "aws", "key": "secret"}}},
                {"name": "AWS_REGION", "valueFrom": {"configMapKeyRef": {"name": "aws", "key": "region"}}},
            ]
        ),
    ),
    Good("a context and a key", engine(maxModelTokens=8192, apiKeySecret={"name": "chat-key", "key": "key"})),
    Good("weights kept on a claim", engine(weightCache={"claim": "weights"})),
    Good("weights kept on a volume of each replica", engine(weightCache={"size": "40Gi", "storageClass": "local-ssd"})),
    Good("a mounted tool", engine(mounts=[{"claim": "tools", "path": "/opt/engine", "readOnly": True}])),
)

BEHAVIOUR = (
    Good("tight objectives", deployment(objectives={"ttft": {"p95": "500ms"}, "tpot": {"p95": "0.02s"}})),
    Good("a minute that costs nothing", deployment(objectives={"usdPerBadMinute": "0", "attainment": "0.999"})),
    Good(
        "expected traffic",
        deployment(
            traffic={
                "promptTokens": {"mean": 900, "p95": 3000},
                "outputTokens": {"mean": 220, "p95": 800},
                "peakRequestsPerSecond": "12",
            }
        ),
    ),
    Good("a plain Service, said aloud", deployment(routing="Service")),
    Good("variants mixed behind the gateway", deployment(routing="Gateway", variantPolicy="Mixed")),
    Good("a count of one's own", deployment(replicas=3, scaling={"mode": "Manual"})),
    Good("advice only", scaling(mode="Recommend")),
    Good("scale to zero", scaling(minReplicas=0, idleAfter="5m")),
    Good("none by hand", deployment(replicas=0, scaling={"mode": "Manual"})),
    Good("exactly two replicas", scaling(minReplicas=2, maxReplicas=2)),
    Good("a thousand replicas", scaling(maxReplicas=1000)),
    Good("a compound duration", scaling(idleAfter="1h30m", vertical={"cooldown": "0s", "enabled": False})),
    Good(
        "a sale that is known",
        scaling(
            forecast={
                "history": "336h",
                "events": [
                    {
                        "name": "sale",
                        "start": "2026-12-01T00:00:00Z",
                        "end": "2026-12-02T00:00:00+01:00",
                        "multiplier": "3",
                    }
                ],
            }
        ),
    ),
    Good(
        "the behaviour of an autoscaler",
        scaling(
            behavior={
                "scaleUp": {"policies": [{"type": "Percent", "value": 100, "periodSeconds": 60}]},
                "scaleDown": {
                    "stabilizationWindowSeconds": 300,
                    "selectPolicy": "Min",
                    "policies": [{"type": "Pods", "value": 1, "periodSeconds": 600}],
                },
            }
        ),
    ),
    Good("a pin", scaling(pin={"replicas": 6, "until": "2026-12-01T08:00:00Z", "reason": "launch"})),
    Good("old before new", deployment(rollout={"strategy": "Replace"})),
)

PLACEMENTS = (
    Good("spot with the default shares", spot(policy="Allow")),
    Good("spot with shares of one's own", spot(policy="Prefer", maxShare="0.8", minOnDemandShare="0.2")),
    Good("only spot, whatever the shares", spot(policy="Require", maxShare="1")),
    Good("spot spread out", spot(policy="Allow", spread=["zone", "machine"])),
    Good(
        "two catalogs and three accelerators", placement(catalogs=["aws", "gcp"], accelerators=["L4", "A100-80", "CPU"])
    ),
    Good(
        "labels and taints of one's own",
        placement(
            nodeSelector={"example.com/pool": "gpus"},
            tolerations=[
                {"key": "gpus", "value": "true", "effect": "NoSchedule"},
                {"operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 60},
            ],
        ),
    ),
    Good("a limit in dollars and cents", deployment(limits={"usdPerHour": "40.50"}, priority=0)),
    Good(
        "additions to the pods",
        deployment(
            podTemplate={
                "labels": {"team": "search"},
                "annotations": {"example.com/note": "a, b: c"},
                "imagePullSecrets": [{"name": "regcred"}],
                "priorityClassName": "high",
            }
        ),
    ),
)

BUDGETS = (
    Good("dollars per month", budget()),
    Good("dollars per week in Berlin, watched only", budget(period="Week", timeZone="Europe/Berlin", mode="Observe")),
    Good("a zone of three parts", budget(timeZone="America/Argentina/Buenos_Aires")),
    Good(
        "the whole ladder",
        stages(
            stage("Notify", "0.70"),
            stage("PreferCheaper", "1.00", of="Forecast"),
            stage("Throttle", "1.05", of="Forecast", tokensPerSecondPerTenant=500, burstTokens=5000),
            stage("Freeze", "0.95"),
            stage("Floor", "1.00"),
            stage("Stop", "1.10"),
        ),
    ),
    Good("a notice after the floor", stages(stage("Floor", "0.9"), stage("Notify", "1"))),
    Good(
        "selected deployments",
        budget(
            namespaceSelector={"matchLabels": {"kubernetes.io/metadata.name": "shop"}},
            selector={
                "matchExpressions": [
                    {"key": "team", "operator": "In", "values": ["search", "ads"]},
                    {"key": "trial", "operator": "DoesNotExist"},
                ]
            },
        ),
    ),
    Good(
        "a webhook and an override",
        budget(
            notify={"secretRef": {"name": "finops-webhook"}},
            override={"usd": "15000", "until": "2026-11-30T00:00:00Z", "reason": "launch week"},
        ),
    ),
)

CATALOGS = (
    Good("an empty catalog", catalog()),
    Good("one machine", catalog(offer())),
    Good("a machine of cores", catalog(offer("laptop", accelerator={"name": "CPU", "count": 8}), provider="other")),
    Good(
        "three markets and a zone",
        catalog(
            offer(
                prices=[
                    {"market": "OnDemand", "usdPerHour": "1.861"},
                    {"market": "Spot", "zone": "us-east-1a", "usdPerHour": "0.78", "interruptionsPerMonth": "0.10"},
                    {"market": "Spot", "zone": "us-east-1b", "usdPerHour": "0.81"},
                    {"market": "Reserved", "usdPerHour": "1.10", "count": 4},
                ]
            ),
            region="us-east-1",
        ),
    ),
    Good("labels and a node group", catalog(offer(nodeSelector={"example.com/m": "x"}, nodeGroup="gpus-l40s"))),
    Good("prices in euros", catalog(offer(), usdPerUnit="1.08")),
    Good("a price of a fraction of a cent", priced(usdPerHour="0.0095")),
    Good("512 offers", catalog(*(offer(f"machine-{n}") for n in range(512)))),
)

GOOD = (*MODELS, *ENGINES, *BEHAVIOUR, *PLACEMENTS, *BUDGETS, *CATALOGS)
