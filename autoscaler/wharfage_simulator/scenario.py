"""From a catalog and a model to what a replay runs on: each pool that may be used, what it carries, and its engine."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

from wharfage_autoscaler.capacity import Capacity, Infeasible, capacity
from wharfage_autoscaler.fit import Fit, Miss, fit, named
from wharfage_autoscaler.model import Placement, SpotPolicy, Variant
from wharfage_autoscaler.mooring import engine_step
from wharfage_autoscaler.objectives import Objectives
from wharfage_autoscaler.offers import Market, Offer
from wharfage_autoscaler.traffic import Traffic

from wharfage_simulator.cluster import Kind
from wharfage_simulator.profile import EngineProfile

SPOT_ALLOWED = Placement(spot=SpotPolicy.ALLOW)
"""Within the API's default shares: at most 60 % of the capacity, at least 40 % of the usual load on-demand."""
_SHOWN = 3  # reasons: enough to act on


class ScenarioError(ValueError):
    """Nothing in the catalog can serve the model as asked; the message has the reasons, nearest first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What is to be served, how well, and how much of it ours may put on spot machines, where there are some."""

    variant: Variant
    traffic: Traffic
    objectives: Objectives
    lead_s: float = 300.0
    max_model_tokens: int = 8192
    placement: Placement = SPOT_ALLOWED


@dataclass(frozen=True, slots=True)
class Fleetable:
    """The pools that may be used, and the engines that `Kind.profile` numbers."""

    kinds: tuple[Kind, ...]
    profiles: tuple[EngineProfile, ...]

    def only(self, kinds: Iterable[Kind]) -> "Fleetable":
        """The same with fewer pools."""
        return Fleetable(tuple(kinds), self.profiles)


def fleetable(offers: Iterable[Offer], asked: Asked) -> Fleetable:
    """Every offer on which the variant fits and meets its objectives, as one pool; equal machines share an engine.

    Raises:
        ScenarioError: where there is none.

    """
    kinds: list[Kind] = []
    profiles: dict[tuple[str, int, float], EngineProfile] = {}
    reasons: dict[tuple[bool, float, str], str] = {}  # those that hold the model first, each by how much it misses
    for offer in offers:
        seat = fit(asked.variant, offer, max_model_tokens=asked.max_model_tokens)
        if isinstance(seat, Miss):
            reasons[True, seat.short_by_gib, seat.message] = seat.message
            continue
        step = engine_step(asked.variant, offer, seat)
        carried = capacity(step, asked.traffic, asked.objectives)
        if isinstance(carried, Infeasible):
            miss = abs(math.log(carried.nearest / carried.asked)) if carried.nearest > 0 else math.inf
            told = f"{named(offer, seat.accelerators)}: {carried.message}"
            same = (False, miss, f"{offer.accelerator} x{seat.accelerators}: {carried.message}")
            reasons[same] = min(told, reasons.get(same, told))  # once for all machines with the same accelerators
            continue
        machine = (offer.accelerator, seat.accelerators, offer.accelerator_memory_gib)
        profile = profiles.setdefault(machine, EngineProfile(f"{offer.accelerator} x{seat.accelerators}", step))
        kinds.append(_kind(asked, offer, seat, carried, list(profiles).index(machine), profile.step.kv_tokens))
    if not kinds:
        why = "; ".join(reasons[reason] for reason in sorted(reasons)[:_SHOWN]) or "the catalog is empty"
        if len(reasons) > _SHOWN:
            why += f"; and {len(reasons) - _SHOWN} more"
        raise ScenarioError(f"no offer serves {asked.variant.source} within its objectives: {why}")
    return Fleetable(tuple(kinds), tuple(profiles.values()))


def cheapest(kinds: Iterable[Kind], market: Market = Market.ON_DEMAND) -> Kind:
    """The pool of that market whose planned request costs least; by name where two cost the same.

    Raises:
        ScenarioError: where there is none of that market.

    """
    ordered = sorted(
        (kind for kind in kinds if kind.offer.market is market),
        key=lambda kind: (kind.offer.usd_per_hour / kind.per_machine / kind.planned_rps, kind.key),
    )
    if not ordered:
        raise ScenarioError(f"the catalog has no {market} offer that serves the model")
    return ordered[0]


def _kind(asked: Asked, offer: Offer, seat: Fit, carried: Capacity, profile: int, kv_tokens: int) -> Kind:
    return Kind(
        offer=offer,
        variant=asked.variant.name,
        accelerators=seat.accelerators,
        profile=profile,
        good_rps=carried.requests_per_second,
        planned_rps=carried.planned(),
        slots=float(seat.max_num_seqs),
        kv_tokens=float(kv_tokens),
        lead_s=asked.lead_s,
        sequences=carried.sequences,
    )
