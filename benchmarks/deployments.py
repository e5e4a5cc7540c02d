"""A hundred deployments over a real catalog, as the benchmarks of speed see them.

Six kinds of load over the shipped catalog of AWS us-east-1: models of 8 to 70 billion parameters in 16 and 8 bit, on
one to eight accelerators a replica, each with what the capacity model says it carries within the kind's objectives.
Every spot price is offered in three zones, and some large machines are reserved. Demands are drawn, log-normal around
what one of the fastest replicas carries.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import numpy as np
from wharfage_autoscaler.accelerators import accelerator
from wharfage_autoscaler.capacity import Capacity, capacity
from wharfage_autoscaler.choice import Candidate
from wharfage_autoscaler.fit import Fit, fit, tensor_parallel_sizes
from wharfage_autoscaler.model import Placement, SpotPolicy, Variant
from wharfage_autoscaler.need import Berth, Need
from wharfage_autoscaler.objectives import Objectives
from wharfage_autoscaler.offers import Market, Offer
from wharfage_autoscaler.shapes import KNOWN
from wharfage_autoscaler.steptime import engine_limits, step_time
from wharfage_autoscaler.supply import OfferKey
from wharfage_autoscaler.traffic import Traffic
from wharfage_cli.simulation.question import catalogs, offers

CATALOG = Path(__file__).resolve().parents[1] / "examples" / "catalogs" / "aws-us-east-1.yaml"
ZONES = {"a": 1.0, "b": 1.04, "c": 0.97}  # of the catalog's spot price, which is one for the region
RESERVED = {"g6e.12xlarge": (6, 0.55), "p5.48xlarge": (2, 0.6)}  # machines, and their price as a part of on-demand
START_S = {Market.ON_DEMAND: 420.0, Market.SPOT: 420.0, Market.RESERVED: 120.0}
USUAL_SHARE = 1 / 1.35  # of the peak
SECOND_BIT_USD_PER_HOUR = 0.05  # what avoiding a replica of the quantised variant is worth


@dataclass(frozen=True, slots=True)
class Load:
    """A model, its requests, and how fast they must be answered."""

    model: str
    prompt_tokens: float
    output_tokens: float
    ttft_p95_s: float
    tpot_p95_s: float


LOADS = (
    Load("meta-llama/Llama-3.1-8B-Instruct", 600, 250, 1.0, 0.05),
    Load("Qwen/Qwen3-14B", 1200, 200, 1.0, 0.05),
    Load("Qwen/Qwen3-32B", 900, 300, 1.0, 0.05),
    Load("meta-llama/Llama-3.3-70B-Instruct", 1000, 300, 1.0, 0.06),
    Load("meta-llama/Llama-3.1-8B-Instruct", 3000, 60, 0.6, 0.03),
    Load("meta-llama/Llama-3.3-70B-Instruct", 2000, 500, 10.0, 0.2),
)


def needs(count: int, *, shapes: int, seed: int = 0) -> tuple[Need, ...]:
    """So many deployments, the six kinds in turn; `shapes` may serve together (1: behind a plain Service)."""
    draw = np.random.default_rng(seed)
    return tuple(
        _need(number, LOADS[number % len(LOADS)], shapes, float(draw.lognormal(0.3, 0.8))) for number in range(count)
    )


def reserved_machines() -> dict[OfferKey, int]:
    """How many machines of each reserved offer there are."""
    return {each.key: RESERVED[each.name][0] for each in _rows() if each.market is Market.RESERVED}


def _need(number: int, load: Load, shapes: int, times: float) -> Need:
    berths = _berths(load)
    peak_rps = times * max(berth.requests_per_second for berth in berths)
    return Need(
        key=("bench", f"d{number:03}"),
        berths=berths,
        peak_rps=peak_rps,
        usual_rps=USUAL_SHARE * peak_rps,
        max_replicas=200,
        shapes=shapes,
        placement=Placement(spot=SpotPolicy.ALLOW),
    )


@lru_cache
def _rows() -> tuple[Offer, ...]:
    found = []
    for each in offers(catalogs([CATALOG])):
        if each.market is Market.SPOT:
            found += [replace(each, zone=zone, usd_per_hour=each.usd_per_hour * part) for zone, part in ZONES.items()]
            continue
        found.append(each)
        if each.name in RESERVED:
            held = replace(each, market=Market.RESERVED, usd_per_hour=each.usd_per_hour * RESERVED[each.name][1])
            found.append(held)
    return tuple(found)


@lru_cache
def _berths(load: Load) -> tuple[Berth, ...]:
    shape = KNOWN[load.model].shape
    variants = (
        Variant("bf16", 1.0, "", f"hf://{load.model}", shape),
        Variant("fp8", 0.99, "fp8", f"hf://{load.model}", shape),
    )
    found = []
    for variant in variants:
        for offer in _rows():
            for seat in _seats(variant, offer):
                carried = _carried(load, variant, offer.accelerator, seat)
                if carried is not None:
                    penalty = SECOND_BIT_USD_PER_HOUR if variant.quantization else 0.0
                    found.append(Berth(Candidate(variant, offer, seat), carried, START_S[offer.market], penalty))
    return tuple(found)


def _seats(variant: Variant, offer: Offer) -> Iterator[Fit]:
    """The smallest way a replica sits there, and with more accelerators, as far as they can split the model."""
    least, facts = fit(variant, offer, max_model_tokens=8192), accelerator(offer.accelerator)
    if not isinstance(least, Fit) or facts is None or variant.shape is None:
        return
    for size in tensor_parallel_sizes(variant.shape, facts, offer.accelerators):
        if size >= least.accelerators:
            yield replace(least, accelerators=size)


@lru_cache
def _carried(load: Load, variant: Variant, card: str, seat: Fit) -> float | None:
    facts = accelerator(card)
    if facts is None or variant.shape is None:
        return None
    step = step_time(variant.shape, variant.quantization, facts, seat.accelerators, engine_limits(seat, variant.shape))
    asked = Objectives(ttft_p95_s=load.ttft_p95_s, tpot_p95_s=load.tpot_p95_s)
    found = capacity(step, Traffic(load.prompt_tokens, load.output_tokens), asked)
    return found.planned() if isinstance(found, Capacity) else None
