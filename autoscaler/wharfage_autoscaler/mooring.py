"""How a replica sits on the machines of a pool, and what its engine is by the capacity model.

What does not change while a pool's price and its replicas do: worked out once, and looked up at every look.
"""

from dataclasses import dataclass

from wharfage_autoscaler.accelerators import accelerator
from wharfage_autoscaler.choice import Candidate
from wharfage_autoscaler.fit import Fit, Miss, fit
from wharfage_autoscaler.model import Variant
from wharfage_autoscaler.need import Berth
from wharfage_autoscaler.offers import Offer
from wharfage_autoscaler.pace import Pace
from wharfage_autoscaler.shapes import native_quantization
from wharfage_autoscaler.sight import PoolSeen
from wharfage_autoscaler.steady import IDLE, operation
from wharfage_autoscaler.steptime import StepTime, engine_limits, step_time
from wharfage_autoscaler.traffic import Traffic


@dataclass(frozen=True, slots=True)
class Mooring:
    """A variant on the machines of one pool. `pace` is how fast such replicas answer, None where nobody knows."""

    variant: Variant
    fit: Fit
    step: StepTime
    pace: Pace | None = None

    def berth(self, pool: PoolSeen) -> Berth:
        """The pool as the optimiser sees it, at its price and rate of now."""
        return Berth(Candidate(self.variant, pool.offer, self.fit), pool.planned_rps, pool.lead_s)


def moored(
    variant: Variant, pool: PoolSeen, *, max_model_tokens: int, max_num_seqs: int = 0, pace: Pace | None = None
) -> Mooring:
    """The mooring of a variant. ValueError where it does not fit: then it is no pool to be offered."""
    found = fit(variant, pool.offer, max_model_tokens=max_model_tokens, max_num_seqs=max_num_seqs)
    if isinstance(found, Miss):
        raise ValueError(f"{pool.key} is offered as a pool, but {found.message}")
    return Mooring(variant, found, engine_step(variant, pool.offer, found), pace)


def engine_step(variant: Variant, offer: Offer, seat: Fit) -> StepTime:
    """The step times of a replica that fits, by the capacity model."""
    facts = accelerator(offer.accelerator)
    shape = variant.shape
    assert facts is not None  # noqa: S101 - it fits, so both are known
    assert shape is not None  # noqa: S101
    quantization = variant.quantization or native_quantization(variant.source)
    return step_time(shape, quantization, facts, seat.accelerators, engine_limits(seat, shape))


def engine_pace(step: StepTime, traffic: Traffic, sequences: float, requests_per_second: float) -> Pace:
    """How fast a replica answers while nobody asks, and at that rate with as many sequences; prompts included."""
    idle, full = (operation(step, traffic, each) for each in (IDLE, sequences))
    answer = traffic.output_tokens
    return Pace(idle.tpot_s + idle.ttft_s / answer, (sequences / requests_per_second + full.ttft_s) / answer)
