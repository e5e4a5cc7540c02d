"""From what users write to what a decision looks at: API objects in, core values out.

The API server has checked forms and bounds already. What is left is what only the operator can know: the
shapes of common models, the labels that a provider's nodes carry, and what this version cannot do yet.
"""

from wharfage_api.llmdeployment import LLMDeployment, LLMDeploymentSpec
from wharfage_api.model import Shape
from wharfage_api.model import Variant as WrittenVariant
from wharfage_api.offercatalog import OfferCatalog, OfferRow, Price, Provider
from wharfage_api.scaling import Scaling
from wharfage_autoscaler.model import ModelShape, Placement, SpotPolicy, Variant, Wanted
from wharfage_autoscaler.offers import Offer
from wharfage_autoscaler.reasons import Reason
from wharfage_autoscaler.shapes import shape_of

from wharfage_operator.errors import Rejected
from wharfage_operator.obtainable import INSTANCE_TYPE, Obtainability, judged

_BILLION = 1e9


def wanted(deployment: LLMDeployment, *, spot_default: SpotPolicy = SpotPolicy.FORBID, max_num_seqs: int = 0) -> Wanted:
    """What the user asked for, with every default filled in.

    A variant whose shape neither the spec nor the built-in table tells keeps `shape=None`; the decision
    says what to do about it.

    Raises:
        Rejected: for what this version understands but cannot do.

    """
    spec = deployment.spec
    _refuse_what_is_missing(spec)
    return Wanted(
        variants=_variants(spec),
        max_model_tokens=spec.engine.max_model_tokens,
        mode=spec.scaling.mode,
        replicas=spec.replicas,
        min_replicas=spec.scaling.min_replicas,
        max_replicas=spec.scaling.max_replicas,
        placement=_placement(spec, spot_default),
        quality_floor=float(spec.objectives.quality_floor),
        usd_per_hour_limit=None if spec.limits.usd_per_hour is None else float(spec.limits.usd_per_hour),
        max_num_seqs=max_num_seqs,
    )


def offers(catalog: OfferCatalog, world: Obtainability) -> tuple[Offer, ...]:
    """One offer per price of the catalog, in dollars, each with what would give it in this cluster."""
    declared = frozenset(f"{catalog.metadata.name}/{row.name}" for row in catalog.spec.offers if row.node_group)
    known = Obtainability(world.nodes, world.node_pools, world.declared | declared)
    rows = tuple(_offer(catalog, row, price) for row in catalog.spec.offers for price in row.prices)
    return judged(rows, known)


def revision(deployment: LLMDeployment, variant: str) -> str:
    """The pinned revision of a variant's weights; "" leaves it to the source."""
    written = _written(deployment.spec, variant)
    if written is None or written.source is None:
        return (written.revision if written else "") or deployment.spec.model.revision
    return written.revision


def served_name(deployment: LLMDeployment) -> str:
    """What clients write as `model`."""
    return deployment.spec.model.served_name or deployment.metadata.name


def _written(spec: LLMDeploymentSpec, name: str) -> WrittenVariant | None:
    return next((variant for variant in spec.variants if variant.name == name), None)


def _refuse_what_is_missing(spec: LLMDeploymentSpec) -> None:
    """Said by the CRD's rules as well; objects from before a rule existed come through here."""
    if spec.routing != "Service":
        raise Rejected(Reason.NOT_IMPLEMENTED, f"routing: {spec.routing} needs the gateway, which this version lacks")
    if _least(spec.scaling) < 1:
        raise Rejected(Reason.NOT_IMPLEMENTED, "minReplicas: 0 needs the gateway, which this version lacks; write 1")


def _least(scaling: Scaling) -> int:
    return scaling.min_replicas


def _variants(spec: LLMDeploymentSpec) -> tuple[Variant, ...]:
    if not spec.variants:
        return (Variant("", 1.0, "", spec.model.source, _shape(spec.model.shape, spec.model.source)),)
    return tuple(_variant(spec, written) for written in spec.variants)


def _variant(spec: LLMDeploymentSpec, written: WrittenVariant) -> Variant:
    source = written.source or spec.model.source
    own = written.shape
    shape = _shape(own, source) or (_shape(spec.model.shape, spec.model.source) if _same_model(written) else None)
    return Variant(written.name, float(written.quality), written.quantization, source, shape)


def _same_model(written: WrittenVariant) -> bool:
    """Whether the variant is the model itself, only stored otherwise: then the model's shape holds for it."""
    return written.source is None or bool(written.quantization)


def _shape(shape: Shape | None, source: str) -> ModelShape | None:
    if shape is None:
        return shape_of(source)
    parameters = float(shape.parameters_billions) * _BILLION
    active = shape.active_parameters_billions
    return ModelShape(
        parameters=parameters,
        active_parameters=parameters if active is None else float(active) * _BILLION,
        layers=shape.layers,
        hidden_size=shape.hidden_size,
        ffn_size=shape.ffn_size,
        vocabulary_size=shape.vocabulary_size,
        attention_heads=shape.attention_heads,
        kv_heads=shape.kv_heads,
        head_dimension=shape.head_dimension,
        experts_total=shape.experts.total,
        experts_active=shape.experts.active,
        expert_ffn_size=shape.experts.ffn_size,
        window_tokens=shape.window.tokens,
        window_layers=shape.window.layers,
        kv_bytes_per_token=shape.kv_bytes_per_token,
        max_context_tokens=shape.max_context_tokens,
    )


def _placement(spec: LLMDeploymentSpec, spot_default: SpotPolicy) -> Placement:
    placement = spec.placement
    return Placement(
        catalogs=placement.catalogs,
        accelerators=placement.accelerators,
        spot=placement.spot.policy or spot_default,
        max_spot_share=float(placement.spot.max_share),
        min_on_demand_share=float(placement.spot.min_on_demand_share),
        node_selector=tuple(sorted(placement.node_selector.items())),
    )


def _offer(catalog: OfferCatalog, row: OfferRow, price: Price) -> Offer:
    accelerator = row.accelerator
    memory_gib = float(accelerator.memory_gib or 0)
    if accelerator.name == "CPU":
        memory_gib = row.memory_gib / accelerator.count
    return Offer(
        catalog=catalog.metadata.name,
        name=row.name,
        market=price.market,
        zone=price.zone,
        machine=row.machine,
        accelerator=accelerator.name,
        accelerators=accelerator.count,
        accelerator_memory_gib=memory_gib,
        vcpus=float(row.vcpus),
        memory_gib=float(row.memory_gib),
        usd_per_hour=float(price.usd_per_hour * catalog.spec.usd_per_unit),
        interruptions_per_month=None if price.interruptions_per_month is None else float(price.interruptions_per_month),
        node_selector=tuple(sorted((row.node_selector or _default_selector(catalog, row)).items())),
    )


def _default_selector(catalog: OfferCatalog, row: OfferRow) -> dict[str, str]:
    """How nodes of the machine are labelled where the catalog does not say.

    The instance type is on every cloud's nodes. On GCP it does not tell the number of accelerators, which
    are attached to the machine, so their label is asked for as well.
    """
    selector = {INSTANCE_TYPE: row.machine}
    if catalog.spec.provider is Provider.GCP and row.accelerator.name != "CPU":
        selector["cloud.google.com/gke-accelerator-count"] = str(row.accelerator.count)
    return selector
