"""Objects the API server must refuse, each with the words that tell its writer what to write instead."""

from dataclasses import dataclass

from tests.crds.objects import (
    SHAPE,
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
class Bad:
    """What is wrong, the object, and the words the refusal must carry."""

    id: str
    item: Object
    says: str


def _argument(*arguments: str) -> Object:
    return engine(args=list(arguments))


def _variable(**fields: object) -> Object:
    return engine(env=[fields])


NAMES = (
    Bad("a name too long for its pods", deployment(name="a" * 53), "metadata.name of at most 52 characters"),
    Bad("a name with a dot", deployment(name="chat.v2"), "a metadata.name that can name a Service"),
    Bad("a name that begins with a digit", deployment(name="8ball"), "it starts with a letter"),
    Bad("a budget's name too long for a label", budget(name="b" * 64), "metadata.name of at most 63 characters"),
    Bad("a catalog's name too long for a label", catalog(name="c" * 64), "metadata.name of at most 63 characters"),
)

MODELS = (
    Bad("no model at all", {**deployment(), "spec": {}}, "spec.model: Required value"),
    Bad("a model without source", deployment(model={}), "spec.model.source: Required value"),
    Bad("a bare model name", model("Qwen/Qwen3-8B"), "hf://org/name, s3://bucket/path"),
    Bad(
        "weights over plain HTTP", model("https://example.com/weights"), "pvc://claim/path or oci://registry/image:tag"
    ),
    Bad("a revision glued to the source", model("hf://Qwen/Qwen3-8B@main"), "revision goes into spec.model.revision"),
    Bad("a Hugging Face path too deep", model("hf://Qwen/Qwen3-8B/model.bin"), "a Hugging Face model as hf://org/name"),
    Bad("a claim in capitals", model("pvc://Models/qwen"), "claim being a PersistentVolumeClaim of this namespace"),
    Bad(
        "a path that climbs out of its volume", model("pvc://models/../secret"), "the path to the weights without '..'"
    ),
    Bad("a blank in the source", model("s3://bucket/my model"), "s3://bucket/path"),
    Bad("a revision with a blank", model(revision="my branch"), "a branch, tag or commit without blanks"),
    Bad("a served name with a blank", model(servedName="my chat"), "a served name of letters, digits"),
    Bad("a token in the object", model(credentialsSecret="hf_abcdef"), "must be of type object"),
    Bad("a Secret without its key", model(credentialsSecret={"name": "hf"}), "credentialsSecret.key: Required value"),
    Bad(
        "a Secret in another namespace",
        model(credentialsSecret={"name": "hf", "key": "token", "namespace": "other"}),
        'unknown field "spec.model.credentialsSecret.namespace"',
    ),
    Bad(
        "a Secret's name in capitals",
        model(credentialsSecret={"name": "HF", "key": "k"}),
        "write the name of an object",
    ),
    Bad(
        "a Secret's key with a slash",
        model(credentialsSecret={"name": "hf", "key": "a/b"}),
        "the key inside the Secret",
    ),
)

SHAPES = (
    Bad("a size without quotes", shape(parametersBillions=8.19), "must be of type string"),
    Bad("a size of zero", shape(parametersBillions="0.0"), "write a number greater than 0"),
    Bad("a size with its unit", shape(parametersBillions="8B"), "write a decimal number in quotes"),
    Bad("a shape without its layers", model(shape={"parametersBillions": "8"}), "spec.model.shape.layers: Required"),
    Bad("more key heads than query heads", shape(kvHeads=64), "kvHeads no greater than attentionHeads"),
    Bad(
        "more active parameters than there are",
        shape(activeParametersBillions="9"),
        "activeParametersBillions no greater than parametersBillions",
    ),
    Bad("neither a feed-forward network nor experts", shape(ffnSize=0), "write ffnSize greater than 0"),
    Bad("more active experts than there are", shape(experts={"total": 8, "active": 9}), "no greater than total"),
)

VARIANTS = (
    Bad("two variants of one name", deployment(variants=[variant(), variant()]), "Duplicate value"),
    Bad(
        "the best variant last",
        deployment(variants=[variant("int4", "0.9"), variant("bf16", "1")]),
        "write variants with the best quality first",
    ),
    Bad("a variant without quality", deployment(variants=[{"name": "a"}]), "variants[0].quality: Required value"),
    Bad("a quality in percent", deployment(variants=[variant(quality="97")]), "a share from 0 to 1 in quotes"),
    Bad("a variant's name in capitals", deployment(variants=[variant("FP8")]), "lower-case letters, digits and '-'"),
    Bad(
        "a quantisation in capitals",
        deployment(variants=[variant(quantization="FP8")]),
        "the engine's word for it in lower case, such as fp8",
    ),
    Bad("nine variants", deployment(variants=[variant(f"v{n}") for n in range(9)]), "must have at most 8 items"),
    Bad(
        "a floor that no variant reaches",
        deployment(variants=[variant("fp8", "0.99")]),
        "an objectives.qualityFloor (1.0 unless written) that at least one variant's quality reaches",
    ),
    Bad(
        "two variants at once behind a Service",
        deployment(variantPolicy="Mixed"),
        "write routing: Gateway with variantPolicy: Mixed",
    ),
    Bad("a variant policy of nobody", deployment(variantPolicy="Best"), 'supported values: "One", "Mixed"'),
)

ENGINES = (
    Bad("the model as an argument", _argument("--model=Qwen/Qwen3-8B"), "write spec.model.source"),
    Bad("a revision as an argument", _argument("--revision", "main"), "write spec.model.revision"),
    Bad("a name as an argument", _argument("--served-model-name", "chat"), "write spec.model.servedName"),
    Bad("a context as an argument", _argument("--max-model-len=8192"), "write spec.engine.maxModelTokens"),
    Bad("an argument spelled with underscores", _argument("--max_model_len=8192"), "write spec.engine.maxModelTokens"),
    Bad("a quantisation as an argument", _argument("--quantization=fp8"), "the quantization of a variant"),
    Bad("a quantisation by its short name", _argument("-q", "fp8"), "the quantization of a variant"),
    Bad("an API key as an argument", _argument("--api-key=sk-1"), "write spec.engine.apiKeySecret"),
    Bad("a token as an argument", _argument("--hf-token=hf_1"), "write spec.model.credentialsSecret"),
    Bad("a cache as an argument", _argument("--download-dir=/weights"), "write spec.engine.weightCache"),
    Bad("a parallel size as an argument", _argument("--tensor-parallel-size=4"), "narrow spec.placement.accelerators"),
    Bad("a parallel size by its short name", _argument("-tp=4"), "narrow spec.placement.accelerators"),
    Bad("more than one node a replica", _argument("--nnodes", "2"), "narrow spec.placement.accelerators"),
    Bad("prompts split over accelerators", _argument("-pcp", "2"), "narrow spec.placement.accelerators"),
    Bad("a batch size as an argument", _argument("--max-num-seqs=512"), "derives them from the model's shape"),
    Bad(
        "a token budget as an argument", _argument("--max-num-batched-tokens=1"), "derives them from the model's shape"
    ),
    Bad("another port", _argument("--port=9000"), "the engine listens on port 8000"),
    Bad("another host", _argument("--host", "127.0.0.1"), "the engine listens on port 8000"),
    Bad("TLS in the engine", _argument("--ssl-keyfile=/k"), "the engine listens on port 8000"),
    Bad("another drain", _argument("--shutdown-timeout=0"), "the operator drains replicas with them"),
    Bad("another middleware", _argument("--middleware=mine.Class"), "the operator drains replicas with them"),
    Bad("arguments hidden in a file", _argument("--config=/etc/vllm.yaml"), "the arguments themselves"),
    Bad("an engine without metrics", _argument("--disable-log-stats"), "the metrics it removes"),
    Bad("an empty argument", _argument(""), "at least 1 chars long"),
    Bad("a literal Hugging Face token", _variable(name="HF_TOKEN", value="hf_1"), "spec.model.credentialsSecret"),
    Bad(
        "a literal key of a cloud",
        _variable(name="AWS_SECRET_ACCESS_KEY", value="abc"),
        "write a secret as valueFrom.secretKeyRef",
    ),
    Bad("a literal password", _variable(name="REDIS_PASSWORD", value="abc"), "a secret as valueFrom.secretKeyRef"),
    Bad("the engine's key as a variable", _variable(name="VLLM_API_KEY", value="x"), "spec.engine.apiKeySecret"),
    Bad(
        "all accelerators of the machine", _variable(name="NVIDIA_VISIBLE_DEVICES", value="all"), "the operator sets it"
    ),
    Bad("a variable without value", _variable(name="A"), "either value or valueFrom"),
    Bad(
        "a variable with two sources",
        _variable(
            name="A",
            valueFrom={"secretKeyRef": {"name": "a", "key": "b"}, "configMapKeyRef": {"name": "a", "key": "b"}},
        ),
        "either secretKeyRef or configMapKeyRef",
    ),
    Bad("a variable's name with a dash", _variable(name="MY-VAR", value="1"), "a variable's name in letters, digits"),
    Bad(
        "a path for modules out of a ConfigMap",
        _variable(name="PYTHONPATH", valueFrom={"configMapKeyRef": {"name": "a", "key": "b"}}),
        "write PYTHONPATH with a value",
    ),
    Bad("a variable twice", engine(env=[{"name": "A", "value": "1"}] * 2), "Duplicate value"),
    Bad("a cache of nothing", engine(weightCache={}), "either claim (a PersistentVolumeClaim that exists) or size"),
    Bad("a cache of two kinds", engine(weightCache={"claim": "w", "size": "40Gi"}), "either claim"),
    Bad("a cache size without unit", engine(weightCache={"size": "40"}), "write a size such as 40Gi"),
    Bad(
        "a class for a claim",
        engine(weightCache={"claim": "w", "storageClass": "ssd"}),
        "storageClass together with size",
    ),
    Bad(
        "a mount over the system",
        engine(mounts=[{"claim": "t", "path": "/etc"}]),
        "a path that is free in the container",
    ),
    Bad(
        "a mount over the operator's own files",
        engine(mounts=[{"claim": "t", "path": "/etc/wharfage/engine"}]),
        "a path that is free in the container",
    ),
    Bad("a mount over the cache", engine(mounts=[{"claim": "t", "path": "/cache"}]), "a path that is free"),
    Bad(
        "a mount over the system by a detour",
        engine(mounts=[{"claim": "t", "path": "/tmp/"}]),
        "without '/' at its end",
    ),
    Bad("a mount at a relative path", engine(mounts=[{"claim": "t", "path": "opt/x"}]), "an absolute path"),
    Bad("a mount that climbs", engine(mounts=[{"claim": "t", "path": "/opt/../etc"}]), "an absolute path without '..'"),
    Bad(
        "a mount of the host",
        engine(mounts=[{"hostPath": "/", "path": "/x"}]),
        'unknown field "spec.engine.mounts[0].hostPath"',
    ),
    Bad("an image with a blank", engine(image="vllm openai"), "an image reference without blanks"),
    Bad(
        "a privileged engine",
        engine(securityContext={"privileged": True}),
        'unknown field "spec.engine.securityContext"',
    ),
    Bad("a negative context", engine(maxModelTokens=-1), "should be greater than or equal to 0"),
)

OBJECTIVES = (
    Bad("a latency without unit", deployment(objectives={"ttft": {"p95": "1"}}), "write a duration with a unit"),
    Bad("a latency in words", deployment(objectives={"ttft": {"p95": "1 second"}}), "such as 250ms, 2s, 15m or 72h"),
    Bad("a latency of nothing", deployment(objectives={"tpot": {"p95": "0ms"}}), "a duration longer than 0"),
    Bad("an attainment in percent", deployment(objectives={"attainment": "99"}), "a share from 0 to 1 in quotes"),
    Bad("an attainment above one", deployment(objectives={"attainment": "1.01"}), 'such as "0.6" or "1"'),
    Bad(
        "a price of a minute with its sign",
        deployment(objectives={"usdPerBadMinute": "$1"}),
        "a decimal number in quotes",
    ),
    Bad(
        "a mean above the 95th percentile",
        deployment(traffic={"promptTokens": {"mean": 9, "p95": 3}}),
        "no smaller than mean",
    ),
)

ROUTES = (
    Bad("a gateway without being routed to", deployment(gateway={"hold": "1m"}), "leave out gateway"),
    Bad(
        "a trial of an unknown variant",
        deployment(gateway={"split": [{"variant": "int4", "share": "0.1"}]}),
        "write in gateway.split only names of spec.variants",
    ),
    Bad(
        "trials of more than all traffic",
        deployment(
            variants=[variant("a"), variant("b")],
            gateway={"split": [{"variant": "a", "share": "0.6"}, {"variant": "b", "share": "0.6"}]},
        ),
        "shares that add up to at most 1",
    ),
    Bad(
        "a hold that nobody waits for",
        deployment(routing="Gateway", gateway={"hold": "1h"}),
        "write a hold of at most 15m",
    ),
    Bad(
        "a fallback on itself",
        deployment(routing="Gateway", gateway={"fallback": [{"deployment": "chat"}]}),
        "another LLMDeployment than this one",
    ),
    Bad(
        "a fallback on two things at once",
        deployment(gateway={"fallback": [{"variant": "a", "deployment": "b"}]}),
        "either variant or deployment",
    ),
)

SCALINGS = (
    Bad("less than zero", scaling(minReplicas=-1), "should be greater than or equal to 0"),
    Bad("negative replicas", deployment(replicas=-1), "should be greater than or equal to 0"),
    Bad("too many replicas", scaling(maxReplicas=1001), "should be less than or equal to 1000"),
    Bad(
        "a minimum above the maximum", scaling(minReplicas=5, maxReplicas=2), "minReplicas no greater than maxReplicas"
    ),
    Bad("a minimum above the default maximum", scaling(minReplicas=11), "maxReplicas (10 unless written)"),
    Bad("a mode in lower case", scaling(mode="auto"), 'supported values: "Auto", "Recommend", "Manual"'),
    Bad("idleness in days", scaling(idleAfter="1d"), "2 days are 48h"),
    Bad("savings in percent", scaling(vertical={"minSavings": "5"}), "a share from 0 to 1 in quotes"),
    Bad("a pin without end", scaling(pin={"replicas": 3}), "spec.scaling.pin.until: Required value"),
    Bad(
        "a pin until half past 24", scaling(pin={"replicas": 3, "until": "2026-12-01T24:30:00Z"}), "with date and zone"
    ),
    Bad("a pin until tomorrow", scaling(pin={"replicas": 3, "until": "tomorrow"}), "such as 2026-12-01T08:00:00Z"),
    Bad(
        "a pin above the ceiling",
        scaling(pin={"replicas": 30, "until": "2026-12-01T08:00:00Z"}),
        "a pin between minReplicas and maxReplicas",
    ),
    Bad(
        "an event that ends before it starts",
        scaling(
            forecast={
                "events": [
                    {
                        "name": "sale",
                        "start": "2026-12-02T00:00:00Z",
                        "end": "2026-12-01T00:00:00Z",
                        "multiplier": "3",
                    }
                ]
            }
        ),
        "an end later than start",
    ),
    Bad(
        "a policy over half an hour",
        scaling(behavior={"scaleUp": {"policies": [{"type": "Pods", "value": 1, "periodSeconds": 3600}]}}),
        "should be less than or equal to 1800",
    ),
)

PLACEMENTS = (
    Bad("a use of spot of nobody", spot(policy="Always"), 'supported values: "Forbid", "Allow", "Prefer", "Require"'),
    Bad("more spot than the rest allows", spot(policy="Allow", maxShare="0.8"), "so that they add up to at most 1"),
    Bad("a share in percent", spot(maxShare="60"), 'a share from 0 to 1 in quotes, such as "0.6"'),
    Bad("a share without quotes", spot(maxShare=0.6), "must be of type string"),
    Bad("spreading over racks", spot(spread=["rack"]), 'supported values: "zone", "machine"'),
    Bad("spreading twice over zones", spot(spread=["zone", "zone"]), "Duplicate value"),
    Bad("an accelerator with a blank", placement(accelerators=["RTX 6000"]), "short name such as L4, H100 or CPU"),
    Bad("a catalog twice", placement(catalogs=["aws", "aws"]), "Duplicate value"),
    Bad("a toleration of nothing", placement(tolerations=[{"value": "x"}]), "write a key, or operator: Exists"),
    Bad(
        "a toleration of any one value",
        placement(tolerations=[{"key": "a", "operator": "Exists", "value": "x"}]),
        "leave out value with operator: Exists",
    ),
    Bad(
        "a toleration that ends although it evicts nobody",
        placement(tolerations=[{"key": "a", "operator": "Exists", "effect": "NoSchedule", "tolerationSeconds": 30}]),
        "write effect: NoExecute with tolerationSeconds",
    ),
    Bad("a taint's key with a blank", placement(tolerations=[{"key": "a b"}]), "write a label's key"),
    Bad("a node's label with a blank", placement(nodeSelector={"a b": "x"}), "write keys of letters, digits"),
    Bad("a label value with a blank", placement(nodeSelector={"pool": "my gpus"}), "label's value: letters, digits"),
    Bad("a limit without quotes", deployment(limits={"usdPerHour": 40}), "must be of type string"),
    Bad("a limit of nothing", deployment(limits={"usdPerHour": "0"}), "write dollars greater than 0"),
    Bad("a limit with its sign", deployment(limits={"usdPerHour": "$40"}), "write dollars as a decimal in quotes"),
    Bad("a limit below zero", deployment(limits={"usdPerHour": "-1"}), "write dollars as a decimal in quotes"),
    Bad("a limit per month", deployment(limits={"usdPerMonth": "900"}), 'unknown field "spec.limits.usdPerMonth"'),
    Bad("a priority out of range", deployment(priority=1001), "should be less than or equal to 1000"),
    Bad("a rollout of nobody", deployment(rollout={"strategy": "Recreate"}), 'supported values: "Surge", "Replace"'),
    Bad(
        "a label of ours",
        deployment(podTemplate={"labels": {"wharfage.dev/serving": "true"}}),
        "write keys other than wharfage.dev/... and app.kubernetes.io/...",
    ),
    Bad(
        "a pod's label with a blank", deployment(podTemplate={"labels": {"a b": "x"}}), "write keys of letters, digits"
    ),
    Bad(
        "a pod's annotation with a blank",
        deployment(podTemplate={"annotations": {"a b": "x"}}),
        "write keys of letters, digits",
    ),
    Bad(
        "a node name for the pods",
        deployment(podTemplate={"nodeName": "n1"}),
        'unknown field "spec.podTemplate.nodeName"',
    ),
    Bad("a misspelt field", deployment(modle={}), 'unknown field "spec.modle"'),
)

BUDGETS = (
    Bad("a budget without dollars", {**budget(), "spec": {}}, "spec.usd: Required value"),
    Bad("a budget of nothing", budget(usd="0.00"), "write dollars greater than 0"),
    Bad("a budget without quotes", budget(usd=12000), "must be of type string"),
    Bad("a budget with separators", budget(usd="12,000"), "write dollars as a decimal in quotes"),
    Bad("a budget per year", budget(period="Year"), 'supported values: "Hour", "Day", "Week", "Month"'),
    Bad("a zone with a blank", budget(timeZone="Central Europe"), "an IANA time zone, such as Europe/Berlin"),
    Bad("a mode of nobody", budget(mode="Warn"), 'supported values: "Enforce", "Observe"'),
    Bad("an action twice", stages(stage("Notify", "0.5"), stage("Notify", "0.9")), "Duplicate value"),
    Bad("an action of nobody", stages(stage("Delete", "1")), 'supported values: "Notify", "PreferCheaper"'),
    Bad("a stage at three times the budget", stages(stage("Floor", "3")), 'a share of the budget up to "2.0"'),
    Bad("a stage at nothing", stages(stage("Notify", "0")), "write a number greater than 0"),
    Bad("a stage in percent", stages(stage("Notify", "70%")), "write a decimal number in quotes"),
    Bad(
        "the floor before the freeze",
        stages(stage("Floor", "0.8"), stage("Freeze", "0.9")),
        "harsher stages at a higher share than milder ones",
    ),
    Bad(
        "a throttle without rate",
        stages(stage("Throttle", "1")),
        "write tokensPerSecondPerTenant with action: Throttle",
    ),
    Bad("a rate without throttle", stages(stage("Freeze", "1", burstTokens=5)), "only with action: Throttle"),
    Bad("a stop on a forecast", stages(stage("Stop", "1.1", of="Forecast")), "write of: Spent with action: Stop"),
    Bad("a stage of the other spelling", stages({"action": "Notify", "at": "0.7", "on": "Spent"}), "unknown field"),
    Bad("a webhook in the object", budget(notify={"url": "https://x"}), 'unknown field "spec.notify.url"'),
    Bad(
        "an override without reason",
        budget(override={"usd": "2000", "until": "2026-11-30T00:00:00Z"}),
        "spec.override.reason: Required value",
    ),
    Bad(
        "an override without zone",
        budget(override={"usd": "2000", "until": "2026-11-30 00:00", "reason": "launch"}),
        "a time with date and zone (RFC 3339)",
    ),
    Bad(
        "a selector without values",
        budget(selector={"matchExpressions": [{"key": "team", "operator": "In"}]}),
        "write values with In and NotIn",
    ),
)

CATALOGS = (
    Bad("a catalog without date", catalog(observedAt=None), "spec.observedAt: Required value"),
    Bad("a catalog with a date only", catalog(observedAt="2026-07-20"), "a time with date and zone (RFC 3339)"),
    Bad(
        "a catalog of the 31st of February", catalog(observedAt="2026-02-31T00:00:00Z"), "such as 2026-12-01T08:00:00Z"
    ),
    Bad(
        "a catalog of the thirteenth month", catalog(observedAt="2026-13-01T00:00:00Z"), "such as 2026-12-01T08:00:00Z"
    ),
    Bad("a provider of nobody", catalog(provider="AWS"), 'supported values: "aws", "gcp", "azure", "onprem", "other"'),
    Bad("an offer twice", catalog(offer(), offer()), "Duplicate value"),
    Bad("an offer without price", catalog(offer(prices=[])), "should have at least 1 items"),
    Bad("an offer's name with a blank", catalog(offer("my machine")), "the name as the provider writes it"),
    Bad("an accelerator without memory", catalog(offer(accelerator={"name": "L4", "count": 1})), "write memoryGiB"),
    Bad("no accelerators", catalog(offer(accelerator={"name": "L4", "count": 0, "memoryGiB": 24})), "equal to 1"),
    Bad("a machine without cores", catalog(offer(vcpus=0)), "should be greater than or equal to 1"),
    Bad("a price of nothing", priced(usdPerHour="0"), "write dollars greater than 0"),
    Bad("a price without quotes", priced(usdPerHour=1.861), "must be of type string"),
    Bad("a market of nobody", priced(market="spot"), 'supported values: "OnDemand", "Spot", "Reserved"'),
    Bad("interruptions of what is not spot", priced(interruptionsPerMonth="0.1"), "only with market: Spot"),
    Bad("a count of what is not reserved", priced(count=4), "only with market: Reserved"),
    Bad(
        "two prices for one market and zone",
        catalog(offer(prices=[{"market": "OnDemand", "usdPerHour": "1"}, {"market": "OnDemand", "usdPerHour": "2"}])),
        "Duplicate value",
    ),
    Bad("a currency worth nothing", catalog(usdPerUnit="0"), "write a number greater than 0"),
    Bad(
        "a shape with a mistake in a variant", deployment(variants=[variant(shape=SHAPE | {"layers": 0})]), "equal to 1"
    ),
)

BAD = (
    *NAMES,
    *MODELS,
    *SHAPES,
    *VARIANTS,
    *ENGINES,
    *OBJECTIVES,
    *ROUTES,
    *SCALINGS,
    *PLACEMENTS,
    *BUDGETS,
    *CATALOGS,
)
