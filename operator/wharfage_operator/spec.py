"""From what users write to what a decision looks at: API objects in, core values out.

The API server has checked forms and bounds already. What is left is what only the operator can know: the
shapes of common models, the labels that a provider's nodes carry, and what this version cannot do yet.
"""

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

from wharfage_api.gateway import Routing
from wharfage_api.llmdeployment import LLMDeployment, LLMDeploymentSpec
from wharfage_api.model import Shape
from wharfage_api.model import Variant as WrittenVariant
from wharfage_api.offercatalog import OfferCatalog
from wharfage_api.priced import priced
from wharfage_api.scaling import Behavior as WrittenBehavior
from wharfage_api.scaling import Pin, ScalingRules
from wharfage_autoscaler.behavior import Behavior, Direction, Limit, Select, Unit
from wharfage_autoscaler.event import Event
from wharfage_autoscaler.model import Mode, ModelShape, Placement, SpotPolicy, Variant, Wanted
from wharfage_autoscaler.offers import Market, Offer
from wharfage_autoscaler.reasons import Reason
from wharfage_autoscaler.shapes import shape_of
from wharfage_autoscaler.supply import OfferKey
from wharfage_autoscaler.traffic import Traffic
from wharfage_autoscaler.trials import Trial, trials_of

from wharfage_operator.errors import Rejected
from wharfage_operator.obtainable import Obtainability, judged
from wharfage_operator.origin import Learned, Origin

Known = Mapping[Origin, Learned]

NOTHING: Known = MappingProxyType({})
_BILLION = 1e9


def wanted(
    deployment: LLMDeployment,
    *,
    spot_default: SpotPolicy = SpotPolicy.FORBID,
    max_num_seqs: int = 0,
    learned: Known = NOTHING,
) -> Wanted:
    """What the user asked for, with every default filled in.

    A variant whose shape neither the spec nor the built-in table tells has the one that was `learned` from its
    origin; without that it keeps `shape=None`, and the decision says what to do about it.

    Raises:
        Rejected: for what this version understands but cannot do.

    """
    spec = deployment.spec
    return Wanted(
        variants=_variants(spec, learned),
        max_model_tokens=spec.engine.max_model_tokens,
        mode=spec.scaling.mode,
        replicas=spec.replicas,
        min_replicas=max(1, spec.scaling.min_replicas),
        rests=spec.scaling.min_replicas < 1,
        max_replicas=spec.scaling.max_replicas,
        placement=_placement(spec, spot_default),
        quality_floor=float(spec.objectives.quality_floor),
        usd_per_hour_limit=None if spec.limits.usd_per_hour is None else float(spec.limits.usd_per_hour),
        max_num_seqs=max_num_seqs,
        behavior=_behavior(spec.scaling.behavior),
    )


def pinned(seen: Wanted, pin: Pin | None, *, now: float) -> Wanted:
    """With the count that is pinned until some time after `now` (Unix seconds), and the words for it."""
    if pin is None or pin.until.timestamp() <= now:
        return seen
    why = f" ({pin.reason})" if pin.reason else ""
    return replace(seen, replicas=pin.replicas, pinned=f"pinned until {pin.until:%Y-%m-%d %H:%M:%S} UTC{why}")


def expected_traffic(deployment: LLMDeployment) -> Traffic | None:
    """The lengths that the user expects, where both are written."""
    written = deployment.spec.traffic
    if written is None or written.prompt_tokens is None or written.output_tokens is None:
        return None
    return Traffic(float(written.prompt_tokens.mean), float(written.output_tokens.mean))


def expected_peak(deployment: LLMDeployment) -> float | None:
    """Requests per second of the busiest hour that the user expects, where it is written and forecasts are allowed."""
    written = deployment.spec.traffic
    if written is None or written.peak_requests_per_second is None or not deployment.spec.scaling.forecast.enabled:
        return None
    return float(written.peak_requests_per_second)


def expected_events(deployment: LLMDeployment) -> tuple[Event, ...]:
    """The changes of demand that the user knows of; times are Unix seconds of the wall."""
    return tuple(
        Event(each.name, each.start.timestamp(), each.end.timestamp(), multiplier=float(each.multiplier))
        for each in deployment.spec.scaling.forecast.events
    )


def offers(catalog: OfferCatalog, world: Obtainability) -> tuple[Offer, ...]:
    """One offer per price of the catalog, in dollars, each with what would give it in this cluster."""
    declared = frozenset(f"{catalog.metadata.name}/{row.name}" for row in catalog.spec.offers if row.node_group)
    known = Obtainability(world.nodes, world.node_pools, world.declared | declared)
    return judged(priced(catalog), known)


def counted(catalog: OfferCatalog) -> dict[OfferKey, int]:
    """How many machines are reserved, of the prices that say it."""
    return {
        (catalog.metadata.name, row.name, price.market, price.zone): price.count
        for row in catalog.spec.offers
        for price in row.prices
        if price.market is Market.RESERVED and price.count
    }


def revision(deployment: LLMDeployment, variant: str) -> str:
    """The pinned revision of a variant's weights; "" leaves it to the source."""
    written = _written(deployment.spec, variant)
    if written is None or written.source is None:
        return (written.revision if written else "") or deployment.spec.model.revision
    return written.revision


def on_trial(deployment: LLMDeployment) -> tuple[Trial, ...]:
    """The variants that the gateway sends a share of the requests; nothing is tried without one, and none is sent 0."""
    spec = deployment.spec
    if spec.routing is not Routing.GATEWAY or spec.gateway is None:
        return ()
    shares = tuple((each.variant, float(each.share)) for each in spec.gateway.split)
    return trials_of(shares, _variants(spec, NOTHING), float(spec.objectives.quality_floor))


def served_name(deployment: LLMDeployment) -> str:
    """What clients write as `model`."""
    return deployment.spec.model.served_name or deployment.metadata.name


def _written(spec: LLMDeploymentSpec, name: str) -> WrittenVariant | None:
    return next((variant for variant in spec.variants if variant.name == name), None)


def _behavior(written: WrittenBehavior | None) -> Behavior | None:
    return None if written is None else Behavior(_direction(written.scale_up), _direction(written.scale_down))


def _direction(written: ScalingRules | None) -> Direction:
    """What is not written limits nothing: the law's own limits hold beside it."""
    if written is None:
        return Direction()
    limits = (Limit(Unit(each.type), float(each.value), float(each.period_seconds)) for each in written.policies)
    return Direction(tuple(limits), float(written.stabilization_window_seconds or 0), Select(written.select_policy))


def refuse_zero(deployment: LLMDeployment) -> None:
    """Pass unless nothing is to run at some time, and neither a gateway nor the operator's settings could wake it.

    Raises:
        Rejected: else, with what to do.

    """
    spec = deployment.spec
    asked = {"scaling.minReplicas": spec.scaling.min_replicas} | (
        {} if spec.scaling.mode is Mode.AUTO else {"replicas": spec.replicas}
    )
    for field, count in asked.items():
        if count < 1:
            raise Rejected(
                Reason.NOT_IMPLEMENTED,
                f"{field}: 0 needs something that holds requests and wakes it: write 1 or more, or routing: Gateway "
                "(or have the operator started with scale_to_zero: Annotation: tests and demos only, since a request "
                "at zero is then not held but refused)",
            )


def untold(deployment: LLMDeployment) -> tuple[Origin, ...]:
    """The origins whose shape neither the spec nor the built-in table tells, of the variants that may be served."""
    spec = deployment.spec
    if not spec.variants:
        own = _stated(spec.model.shape, spec.model.source)
        return () if own else (Origin(spec.model.source, spec.model.revision),)
    floor = spec.objectives.quality_floor
    served = (written for written in spec.variants if written.quality >= floor)
    return tuple(dict.fromkeys(_origin(spec, written) for written in served if _told(spec, written) is None))


def _variants(spec: LLMDeploymentSpec, learned: Known) -> tuple[Variant, ...]:
    if not spec.variants:
        source, origin = spec.model.source, Origin(spec.model.source, spec.model.revision)
        return (_sized(Variant("", 1.0, "", source, _stated(spec.model.shape, source)), origin, learned),)
    return tuple(
        _sized(
            Variant(
                written.name,
                float(written.quality),
                written.quantization,
                written.source or spec.model.source,
                _told(spec, written),
            ),
            _origin(spec, written),
            learned,
        )
        for written in spec.variants
    )


def _sized(variant: Variant, origin: Origin, learned: Known) -> Variant:
    """The variant with what its origin's own files told, where nothing else tells its shape."""
    found = learned.get(origin)
    if variant.shape is not None or found is None:
        return variant
    return replace(variant, shape=_shape(found.shape), stored=found.quantization)


def _told(spec: LLMDeploymentSpec, written: WrittenVariant) -> ModelShape | None:
    """A variant's shape by spec or built-in table."""
    own = _stated(written.shape, written.source or spec.model.source)
    return own or (_stated(spec.model.shape, spec.model.source) if _same_model(written) else None)


def _origin(spec: LLMDeploymentSpec, written: WrittenVariant) -> Origin:
    """Whose files tell a variant's shape: those of the model itself wherever the shape is the model's."""
    if written.source is None:
        return Origin(spec.model.source, written.revision or spec.model.revision)
    if _same_model(written):
        return Origin(spec.model.source, spec.model.revision)
    return Origin(written.source, written.revision)


def _same_model(written: WrittenVariant) -> bool:
    """Whether the variant is the model itself, only stored otherwise: then the model's shape holds for it."""
    return written.source is None or bool(written.quantization)


def _stated(shape: Shape | None, source: str) -> ModelShape | None:
    return shape_of(source) if shape is None else _shape(shape)


def _shape(shape: Shape) -> ModelShape:
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
