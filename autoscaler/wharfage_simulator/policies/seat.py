"""How a replica sits on the machines of a pool, and what its engine is by the capacity model."""

from dataclasses import dataclass

from wharfage_autoscaler.choice import Candidate
from wharfage_autoscaler.fit import Fit, Miss, fit
from wharfage_autoscaler.model import Variant
from wharfage_autoscaler.need import Berth, Shape
from wharfage_autoscaler.steptime import StepTime

from wharfage_simulator.policy import PoolSeen
from wharfage_simulator.scenario import engine_step


@dataclass(frozen=True, slots=True)
class Seat:
    """What does not change in a pool, whatever its price."""

    fit: Fit
    shape: Shape
    step: StepTime


def seated(variant: Variant, pool: PoolSeen, *, max_model_tokens: int) -> Seat:
    """The seat of a variant. ValueError where it does not fit: then it is no pool to be offered."""
    found = fit(variant, pool.offer, max_model_tokens=max_model_tokens)
    if isinstance(found, Miss):
        raise ValueError(f"{pool.key} is offered as a pool, but {found.message}")
    shape = Berth(Candidate(variant, pool.offer, found), pool.planned_rps, pool.lead_s).shape
    return Seat(found, shape, engine_step(variant, pool.offer, found))
