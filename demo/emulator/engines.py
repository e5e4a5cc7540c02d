"""Which engine runs in a fake pod: the model of its deployment on the accelerators of its pool.

What a replay may run on must be known when it begins, so every machine of the catalogs that holds a variant of the
model gets its profile, and a pod is one of them by the annotation of its pool.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from wharfage_api import LLMDeployment, OfferCatalog
from wharfage_api.priced import priced
from wharfage_autoscaler.fit import Miss, fit
from wharfage_autoscaler.fleet import Pool
from wharfage_autoscaler.model import Variant
from wharfage_autoscaler.mooring import engine_step
from wharfage_autoscaler.objectives import Objectives
from wharfage_autoscaler.offers import Market, Offer
from wharfage_autoscaler.shapes import shape_of
from wharfage_operator.gather import objectives
from wharfage_operator.pools import observed_fleet
from wharfage_operator.spec import served_name, wanted
from wharfage_simulator.profile import EngineProfile

_ANY_MODEL = "hf://Qwen/Qwen3-8B"

Object: TypeAlias = dict[str, Any]
Machine: TypeAlias = tuple[str, str, int, float]
"""What engines differ by: variant, accelerator, how many of it, memory of one in GiB."""


class NoEngineError(ValueError):
    """The model cannot run on any machine of the catalogs; the message says why."""


@dataclass(frozen=True, slots=True)
class Engines:
    """The engines that a deployment's pods may be, and what its clients call the model."""

    model: str
    context_tokens: int
    """That each of them takes."""
    objectives: Objectives
    profiles: tuple[EngineProfile, ...]
    places: Mapping[Machine, int]
    """Where in `profiles` a machine's engine is."""

    def of(self, pool: Object) -> int | None:
        """The profile of the pods of a pool, which is a Deployment; None where it says nothing that is known here."""
        fleet = observed_fleet([pool], ())
        return self.places.get(_machine(fleet.pools[0])) if fleet.pools else None


def engines(deployment: Object, catalogs: Iterable[Object]) -> Engines:
    """All engines of an LLMDeployment. NoEngineError where none of the catalogs' machines holds its model."""
    written = LLMDeployment.model_validate({name: part for name, part in deployment.items() if name != "status"})
    asked = wanted(written)
    profiles: list[EngineProfile] = []
    places: dict[Machine, int] = {}
    contexts: list[int] = []
    why = "there is no catalog"
    for offer in (offer for raw in catalogs for offer in priced(_catalog(raw))):
        for variant in asked.variants:
            if variant.shape is None:
                why = f"the shape of {variant.source} is not known: write spec.model.shape"
                continue
            seat = fit(variant, offer, max_model_tokens=written.spec.engine.max_model_tokens)
            if isinstance(seat, Miss):
                why = seat.message
                continue
            machine = _machine(Pool(offer, variant.name, 1, seat.accelerators))
            if machine not in places:
                places[machine] = len(profiles)
                contexts.append(seat.max_model_tokens)
                name = f"{offer.accelerator} x{seat.accelerators} {variant.name}".rstrip()
                profiles.append(EngineProfile(name, engine_step(variant, offer, seat)))
    if not profiles:
        raise NoEngineError(f"{written.metadata.namespace}/{written.metadata.name}: no engine: {why}")
    return Engines(served_name(written), min(contexts), objectives(written), tuple(profiles), places)


def any_engine() -> Engines:
    """An engine that is like any other, to try things with."""
    variant = Variant("", 1.0, "", _ANY_MODEL, shape_of(_ANY_MODEL))
    offer = Offer(
        catalog="any",
        name="any",
        market=Market.ON_DEMAND,
        zone="",
        machine="any",
        accelerator="L4",
        accelerators=1,
        accelerator_memory_gib=24.0,
        vcpus=8.0,
        memory_gib=32.0,
        usd_per_hour=1.0,
    )
    seat = fit(variant, offer, max_model_tokens=8192)
    assert not isinstance(seat, Miss)
    profile = EngineProfile("any", engine_step(variant, offer, seat))
    return Engines("any", seat.max_model_tokens, Objectives(), (profile,), {})


def _machine(pool: Pool) -> Machine:
    return (pool.variant, pool.offer.accelerator, pool.accelerators, pool.offer.accelerator_memory_gib)


def _catalog(raw: Object) -> OfferCatalog:
    return OfferCatalog.model_validate({name: part for name, part in raw.items() if name != "status"})
