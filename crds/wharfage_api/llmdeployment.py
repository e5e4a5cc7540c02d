"""`LLMDeployment`: one served model; what, how fast, and how much at most."""

from typing import Literal

from pydantic import ConfigDict, Field

from wharfage_api.engine import Engine
from wharfage_api.gateway import Gateway, Routing
from wharfage_api.llmdeployment_status import LLMDeploymentStatus
from wharfage_api.metadata import Metadata
from wharfage_api.model import ServedModel, Variant, VariantPolicy
from wharfage_api.objectives import Objectives, Traffic
from wharfage_api.part import Part, Rule, also, keyed, rules
from wharfage_api.placement import Limits, Placement, Rollout
from wharfage_api.podtemplate import PodTemplate
from wharfage_api.scaling import Scaling

_FLOOR_REACHABLE = Rule(
    "!has(self.variants) || size(self.variants) == 0"
    " || self.variants.exists(v, double(v.quality) >= double(self.objectives.qualityFloor))",
    "write an objectives.qualityFloor (1.0 unless written) that at least one variant's quality reaches",
    field=".objectives.qualityFloor",
)
_GATEWAY_ROUTED = Rule(
    "!has(self.gateway) || self.routing == 'Gateway'",
    "leave out gateway: its settings need routing: Gateway",
    field=".gateway",
)
_MIX_ROUTED = Rule(
    "self.variantPolicy != 'Mixed' || self.routing == 'Gateway'",
    "write routing: Gateway with variantPolicy: Mixed: a Service sends each replica as much as any other",
    field=".variantPolicy",
)
_SPLIT_KNOWN = Rule(
    "!has(self.gateway) || !has(self.gateway.split) || self.gateway.split.all(s,"
    " has(self.variants) && self.variants.exists(v, v.name == s.variant))",
    "write in gateway.split only names of spec.variants",
    field=".gateway.split",
)
_FALLBACK_KNOWN = Rule(
    "!has(self.gateway) || !has(self.gateway.fallback) || self.gateway.fallback.all(f, !has(f.variant)"
    " || (has(self.variants) && self.variants.exists(v, v.name == f.variant)))",
    "write in gateway.fallback only names of spec.variants",
    field=".gateway.fallback",
)
_BEST_FIRST = Rule("self.map(v, 0.0 - double(v.quality)).isSorted()", "write variants with the best quality first")


class LLMDeploymentSpec(Part):
    """What to serve, how well, and for how much at most."""

    model_config = ConfigDict(
        json_schema_extra=rules(_FLOOR_REACHABLE, _GATEWAY_ROUTED, _MIX_ROUTED, _SPLIT_KNOWN, _FALLBACK_KNOWN)
    )

    model: ServedModel = Field(description="The weights, the name they are served under, and their shape.")
    variants: tuple[Variant, ...] = Field(
        default=(),
        max_length=8,
        description="The same service from other weights, best quality first; default: the model itself, quality 1.",
        json_schema_extra=also(keyed("name"), rules(_BEST_FIRST)),
    )
    variant_policy: VariantPolicy = Field(
        default=VariantPolicy.ONE,
        description="One: one variant serves, two only during a move. Mixed: several at once where that is cheaper, "
        "none below objectives.qualityFloor (needs routing: Gateway).",
    )
    engine: Engine = Field(default=Engine(), description="The inference engine and what it is started with.")
    objectives: Objectives = Field(
        default=Objectives(), description="What good means: latency, attainment and quality."
    )
    traffic: Traffic | None = Field(default=None, description="What to expect before there is history.")
    routing: Routing = Field(
        default=Routing.SERVICE,
        description="Service: a Kubernetes Service of its own. Gateway: the gateway of the namespace, which sends by "
        "measured capacity, holds requests at zero and knows tenants; it must be installed there.",
    )
    gateway: Gateway | None = Field(default=None, description="Settings of the gateway; only with routing: Gateway.")
    replicas: int = Field(
        default=1,
        ge=0,
        le=1000,
        description="Replicas to run in the modes Manual and Recommend; ignored in Auto. Written by kubectl scale. "
        "0 needs routing: Gateway, or the operator's setting scale_to_zero.",
    )
    scaling: Scaling = Field(default=Scaling(), description="How many replicas, decided by whom, within which bounds.")
    rollout: Rollout = Field(default=Rollout(), description="How replicas are replaced when the spec changes.")
    placement: Placement = Field(default=Placement(), description="Where replicas may run.")
    limits: Limits = Field(default=Limits(), description="Ceilings in dollars that no decision may cross.")
    priority: int = Field(
        default=100,
        ge=0,
        le=1000,
        description="Rank among deployments that share a budget or reserved capacity; higher goes first.",
    )
    pod_template: PodTemplate = Field(default=PodTemplate(), description="Additions to the pods.")


class LLMDeployment(Part):
    """One served model: what, how fast, and how much at most."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            Rule(
                "size(self.metadata.name) <= 52",
                "write a metadata.name of at most 52 characters, so that the names of its pods fit",
            ),
            Rule(
                "self.metadata.name.matches('^[a-z]([-a-z0-9]*[a-z0-9])?$')",
                "write a metadata.name that can name a Service: it starts with a letter, then lower-case letters, "
                "digits and '-', no '.'",
            ),
            Rule(
                "!has(self.spec.gateway) || !has(self.spec.gateway.fallback) || self.spec.gateway.fallback.all(f,"
                " !has(f.deployment) || f.deployment != self.metadata.name)",
                "write in gateway.fallback another LLMDeployment than this one",
                field=".spec.gateway.fallback",
            ),
        )
    )

    api_version: Literal["wharfage.dev/v1alpha1"] = "wharfage.dev/v1alpha1"
    kind: Literal["LLMDeployment"] = "LLMDeployment"
    metadata: Metadata
    spec: LLMDeploymentSpec = Field(description="What to serve, how well, and for how much at most.")
    status: LLMDeploymentStatus = Field(
        default=LLMDeploymentStatus(), description="What the operator last observed and decided."
    )
