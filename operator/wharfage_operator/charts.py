"""The chart of one deployment: where its replicas could run, what each would carry there, and what a request is worth.

All of it follows from the spec, the catalogs and the lengths that are planned for, so it is drawn once and looked up at
every look. What a replica carries takes a millisecond to work out; deployments of the same model share it.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from wharfage_autoscaler.capacity import AtOnce, Capacity, Infeasible, at_once, capacity
from wharfage_autoscaler.charter import Charter
from wharfage_autoscaler.choice import Candidate, options
from wharfage_autoscaler.fleet import Fleet, PoolKey
from wharfage_autoscaler.model import Variant, Wanted
from wharfage_autoscaler.mooring import Mooring, engine_pace, engine_step
from wharfage_autoscaler.move import COOLDOWN_S, MIN_SAVINGS
from wharfage_autoscaler.need import Key
from wharfage_autoscaler.objectives import Objectives
from wharfage_autoscaler.offers import Offer
from wharfage_autoscaler.pace import Pace
from wharfage_autoscaler.sight import PoolSeen
from wharfage_autoscaler.steptime import StepTime, Theta
from wharfage_autoscaler.traffic import Traffic
from wharfage_autoscaler.work import HEADS, Work, work

from wharfage_operator.history import Row, Rows
from wharfage_operator.lessons import MODEL

USUAL = Traffic(prompt_tokens=900.0, output_tokens=220.0)
"""Planned for where neither the spec nor four weeks of measurements say anything."""

LEAD_S = 300.0
"""From order to first answer, before any replica has shown it."""

ENOUGH_ROWS = 36
"""Three hours of five minutes: from then on the load itself says what to plan for."""

_STEP = 1.1  # lengths are planned for in steps of a tenth: nothing is worked out anew for less
_MOST_ENGINES = 4096


@dataclass(frozen=True, slots=True)
class Terms:
    """What the user wrote about moves, its rank among others, how many may serve together; what its budgets ask."""

    priority: int = 100
    moves: bool = True
    min_savings: float = MIN_SAVINGS
    cooldown_s: float = COOLDOWN_S
    shapes: int = 1
    variants: int = 1
    economises: bool = False


@dataclass(frozen=True, slots=True)
class Chart:
    """Where a deployment's replicas could run: `pools` without any replica, in a fixed order, each with its mooring.

    `refused` says why the others that hold the model are no use: the objectives are out of their reach; nearest first.
    """

    charter: Charter
    pools: tuple[PoolSeen, ...]
    traffic: Traffic
    refused: tuple[str, ...] = ()
    slots: Mapping[PoolKey, AtOnce] = field(default_factory=dict)
    """Requests that a replica has at once when it carries as much as the objectives allow."""


@dataclass(frozen=True, slots=True)
class _Engine:
    """What one replica of a variant carries on some machine, at which pace; None: the objectives are out of reach."""

    step: StepTime
    carried: Capacity | None
    pace: Pace | None
    refused: str = ""
    missed_by: float = 0.0
    """Of the objective, the ratio of what is nearest to what was asked."""


class Charts:
    """Draws charts; remembers what replicas carry."""

    def __init__(self) -> None:
        self._engines: dict[tuple[object, ...], _Engine] = {}
        self._works: dict[tuple[StepTime, Traffic, Objectives], Work] = {}

    def drawn(
        self,
        key: Key,
        wanted: Wanted,
        objectives: Objectives,
        traffic: Traffic,
        offers: Sequence[Offer],
        fleet: Fleet,
        terms: Terms,
        theta: Callable[[Candidate], Theta] = lambda _: MODEL,
    ) -> Chart:
        """The chart of a deployment among these offers; what it runs on is on it, offered or not.

        `theta` is what live engines have taught of such an engine. What a request is worth goes by the model alone, so
        that demand counts in the same unit whatever is learned.
        """
        pools: list[PoolSeen] = []
        moorings: dict[PoolKey, Mooring] = {}
        refused: dict[str, float] = {}
        slots: dict[PoolKey, AtOnce] = {}
        units: list[tuple[float, PoolKey, StepTime]] = []
        for candidate in _candidates(wanted, offers, fleet):
            engine = self._engine(candidate, traffic, objectives, theta(candidate))
            if engine.carried is None:
                words = f"{candidate.offer.accelerator} x{candidate.fit.accelerators}: {engine.refused}"
                refused[words] = engine.missed_by
                continue
            pool = _pool(candidate, engine, engine.carried)
            pools.append(pool)
            slots[pool.key] = _slots(candidate, engine.carried)
            moorings[pool.key] = Mooring(candidate.variant, candidate.fit, engine.step, engine.pace)
            model = self._engine(candidate, traffic, objectives, MODEL)
            if model.carried is not None:
                units.append((pool.usd_per_hour / model.carried.planned(), pool.key, model.step))
        pools.sort(key=lambda pool: pool.key)
        charter = Charter(
            key=key,
            wanted=wanted,
            objectives=objectives,
            moorings=moorings,
            work=self._work(units, traffic, objectives),
            priority=terms.priority,
            moves=terms.moves,
            min_savings=terms.min_savings,
            cooldown_s=terms.cooldown_s,
            shapes=terms.shapes,
            variants=terms.variants,
            economises=terms.economises,
        )
        return Chart(
            charter, tuple(pools), traffic, tuple(sorted(refused, key=lambda words: (refused[words], words))), slots
        )

    def _engine(self, candidate: Candidate, traffic: Traffic, objectives: Objectives, theta: Theta) -> _Engine:
        offer = candidate.offer
        machine = (offer.accelerator, offer.accelerator_memory_gib, offer.vcpus, offer.memory_gib, offer.accelerators)
        asked = (candidate.variant, machine, candidate.fit, traffic, objectives, theta)
        known = self._engines.get(asked)
        if known is None:
            known = _worked_out(candidate, traffic, objectives, theta)
            if len(self._engines) >= _MOST_ENGINES:
                self._engines.clear()
            self._engines[asked] = known
        return known

    def _work(self, units: Iterable[tuple[float, PoolKey, StepTime]], traffic: Traffic, objectives: Objectives) -> Work:
        """What a request is worth on the pool that carries one for the least money."""
        first = min(units, key=lambda each: each[:2], default=None)
        if first is None:
            return HEADS
        asked = first[2], traffic, objectives
        if asked not in self._works:
            if len(self._works) >= _MOST_ENGINES:
                self._works.clear()
            self._works[asked] = work(*asked)
        return self._works[asked]


def planned_traffic(written: Traffic | None, rows: Rows) -> Traffic:
    """The lengths to plan for: those of the last weeks, before there are any those that the user expects."""
    prior = written or USUAL
    known = [row for row in rows if row is not None and row.requests > 0.0]
    if len(known) < ENOUGH_ROWS:
        return prior
    requests = sum(row.requests for row in known)
    return replace(
        prior,
        prompt_tokens=_stepped(_mean(known, requests, "prompt_tokens")),
        output_tokens=_stepped(_mean(known, requests, "output_tokens")),
    )


def _mean(rows: Iterable[Row], requests: float, figure: str) -> float:
    return max(1.0, sum(float(getattr(row, figure)) for row in rows) / requests)


def _stepped(tokens: float) -> float:
    return round(_STEP ** round(math.log(tokens) / math.log(_STEP)), 1)


def _candidates(wanted: Wanted, offers: Sequence[Offer], fleet: Fleet) -> list[Candidate]:
    """What fits and can be had, spot within its shares included; and what runs, as long as it still fits."""
    there = {offer.key for offer in offers}
    running = {pool.key for pool in fleet.pools}
    others = [pool.offer for pool in fleet.pools if pool.offer.key not in there]
    found: dict[PoolKey, Candidate] = {}
    for variant in _served(wanted):
        sorted_out = options(wanted, variant, (*offers, *others))
        for candidate in (*sorted_out.admitted, *sorted_out.against_shares):
            found[candidate.pool(0).key] = candidate
        for candidate in sorted_out.unobtainable:
            if candidate.pool(0).key in running:
                found[candidate.pool(0).key] = candidate
    return list(found.values())


def _served(wanted: Wanted) -> Iterable[Variant]:
    return (each for each in wanted.variants if each.quality >= wanted.quality_floor and each.shape is not None)


def _worked_out(candidate: Candidate, traffic: Traffic, objectives: Objectives, theta: Theta) -> _Engine:
    step = engine_step(candidate.variant, candidate.offer, candidate.fit)
    if theta != step.theta:
        step = step.scaled(theta)
    carried = capacity(step, traffic, objectives)
    if isinstance(carried, Infeasible):
        return _Engine(step, None, None, carried.message, carried.nearest / carried.asked)
    pace = engine_pace(step, traffic, carried.sequences, carried.requests_per_second)
    return _Engine(step, carried, pace)


def _pool(candidate: Candidate, engine: _Engine, carried: Capacity) -> PoolSeen:
    return PoolSeen(
        offer=candidate.offer,
        variant=candidate.variant.name,
        accelerators=candidate.fit.accelerators,
        good_rps=carried.requests_per_second,
        planned_rps=carried.planned(),
        slots=float(candidate.fit.max_num_seqs),
        kv_tokens=float(engine.step.kv_tokens),
        lead_s=LEAD_S,
        obtainable=bool(candidate.offer.obtainable),
    )


def _slots(candidate: Candidate, carried: Capacity) -> AtOnce:
    """What a gateway may send one replica of it at a time."""
    return at_once(carried.sequences, carried.requests_per_second, carried.ttft_p95_s, candidate.fit.max_num_seqs)
