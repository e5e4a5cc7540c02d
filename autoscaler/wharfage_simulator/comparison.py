"""Policies against each other on recorded load: tuned on the first half of a trace, scored on the second.

Every policy gets the same requests, machines, lead time and search: each of its settings is replayed on the last day
of the first half, and the cheapest of those with at most 0.3 % bad minutes (else the one with the fewest) is scored.
A policy that chooses no more than a count is tried on each of the cheapest on-demand pools as well.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import cast

import numpy as np
from wharfage_autoscaler.capacity import Capacity, capacity
from wharfage_autoscaler.fleet import PoolKey
from wharfage_autoscaler.offers import Market, Offer

from wharfage_simulator.cluster import Kind
from wharfage_simulator.fluid import Floats
from wharfage_simulator.market import Marketplace
from wharfage_simulator.policies.registry import POLICIES, Chooses, candidates, make
from wharfage_simulator.policies.scene import Scene
from wharfage_simulator.policies.scene import Setting as PolicySetting
from wharfage_simulator.policies.wharfage import Asked as Wishes
from wharfage_simulator.policies.wharfage import Wharfage
from wharfage_simulator.policy import Policy, PoolSeen
from wharfage_simulator.replica import Service
from wharfage_simulator.result import Result
from wharfage_simulator.routing import Routing
from wharfage_simulator.run import TICK_S, UNSCORED_S, Setting, run
from wharfage_simulator.scenario import Asked, Fleetable, cheapest, fleetable
from wharfage_simulator.spot import Availability
from wharfage_simulator.traces import RequestTrace, halves
from wharfage_simulator.workload import REQUEST_BUDGET, Load, Scaling, requests, scaling

OURS = "wharfage"
BAD_MINUTES_ALLOWED = 0.003
LEAST_PEAK_REPLICAS = 20.0
USD_PER_BAD_MINUTE = (1.0, 3.0, 10.0, 30.0)
_DAY_S = 86_400.0
_HISTORY_DAYS = 4
_POOLS_TRIED = 2


class Where(StrEnum):
    """What a policy may use."""

    ONE = "one"
    """One on-demand pool: the cheapest per request."""
    ALL = "all"
    """Every on-demand pool of the catalog."""
    SPOT = "all+spot"
    """Spot as well, behind a plain Service."""
    GATEWAY = "all+spot+gateway"
    """The same behind a gateway that sends by capacity."""


@dataclass(frozen=True, slots=True)
class FixedLead:
    """A market whose machines serve a fixed time after they were given."""

    market: Marketplace
    lead_s: float

    def given(self, offer: Offer, at_s: float) -> bool:
        """Whether a machine could be had then."""
        return self.market.given(offer, at_s)

    def start_s(self, offer: Offer, number: int) -> float:
        """The lead time."""
        return self.lead_s


@dataclass(frozen=True, slots=True, eq=False)
class Stage:
    """One load in one setting with one seed: what every policy is replayed on."""

    where: Where
    seed: int
    scale: Scaling
    pools: Fleetable
    setting: Setting
    training: RequestTrace
    """The last day of the first half."""
    history: Floats
    """Requests per tick of the days before the scored half."""
    scored: RequestTrace
    first: Kind
    """The pool on which every replay begins."""


def compare(
    loads: Sequence[Load],
    offers: Sequence[Offer],
    asked: Asked,
    *,
    settings: Sequence[str],
    policies: Sequence[str],
    seeds: Sequence[int],
    availability: Availability | None = None,
    workers: int = 1,
    progress: Callable[[int, int], None] | None = None,
    request_budget: int = REQUEST_BUDGET,
) -> list[Result]:
    """Every policy on every load in every setting with every seed; in that order, whatever ran first.

    `progress` is told how many of how many replays are done. ValueError for a name that is none, and where nothing
    in the catalog serves what is asked.
    """
    unknown = [name for name in policies if name not in POLICIES and name != OURS]
    if unknown:
        raise ValueError(f"no policy {', '.join(unknown)}; there are {', '.join((OURS, *POLICIES))}")
    places = [Where(name) for name in settings]
    work = [
        (load, offers, asked, where, seed, policy, availability, request_budget)
        for load in loads
        for where in places
        for seed in seeds
        for policy in policies
    ]
    results: list[Result] = []
    for result in _each(_judge, work, workers):
        results.append(result)
        if progress is not None:
            progress(len(results), len(work))
    return results


_Work = tuple[Load, Sequence[Offer], Asked, Where, int, str, Availability | None, int]


def _each(call: Callable[[_Work], Result], work: Sequence[_Work], workers: int) -> Iterator[Result]:
    """The results in order, each as soon as it and those before it are there."""
    if workers == 1:
        return map(call, work)
    from joblib import Parallel, delayed

    made = Parallel(n_jobs=workers, return_as="generator")(delayed(call)(item) for item in work)
    return cast("Iterator[Result]", made)


def _judge(item: _Work) -> Result:
    load, offers, asked, where, seed, policy, availability, budget = item
    place = stage(load, offers, asked, where, seed=seed, availability=availability, request_budget=budget)
    return judged(place, policy, asked)


def stage(
    load: Load,
    offers: Sequence[Offer],
    asked: Asked,
    where: Where,
    *,
    seed: int,
    availability: Availability | None = None,
    request_budget: int = REQUEST_BUDGET,
) -> Stage:
    """Cut, scale and draw a load, and say what may be used."""
    before, after = halves(load)
    everything = fleetable(offers, asked)
    scale = scaling(after, request_budget=request_budget)  # never more than there was
    first = _divisible(everything.kinds, scale.peak_req_per_s)
    pools = _allowed(everything, first, where)
    scored = requests(after, seed=seed, factor=scale.factor)
    past = before.between(max(0.0, before.duration_s - _HISTORY_DAYS * _DAY_S), before.duration_s)
    drawn = requests(past, seed=seed + 1, factor=scale.factor)
    day = past.between(max(0.0, past.duration_s - _DAY_S), past.duration_s)
    gateway = where is Where.GATEWAY
    return Stage(
        where=where,
        seed=seed,
        scale=scale,
        pools=pools,
        setting=Setting(
            name=where,
            kinds=pools.kinds,
            profiles=pools.profiles,
            supply=FixedLead(Marketplace(seed=seed, spot=availability), asked.lead_s),
            objectives=asked.objectives,
            traffic=asked.traffic,
            service=Service(Routing.LEAST_LOADED if gateway else Routing.RANDOM, hold=gateway, seed=seed),
            weighted=gateway,
        ),
        training=requests(day, seed=seed + 2, factor=scale.factor),
        history=per_tick(drawn),
        scored=scored,
        first=first,
    )


def judged(place: Stage, policy: str, asked: Asked) -> Result:
    """One policy, tuned on the training day and scored on the second half."""
    best: tuple[tuple[bool, float, float], PoolKey, PolicySetting] | None = None
    choices = _choices(place, policy)
    for pool, setting in choices if len(choices) > 1 else ():
        tried = _replayed(place, place.training, _made(place, policy, pool, setting, asked, place.training), pool)
        over = tried.bad_minutes_share > BAD_MINUTES_ALLOWED
        rank = (over, tried.bad_minutes_share if over else tried.usd, tried.usd)
        if best is None or rank < best[0]:
            best = rank, pool, setting
    pool, setting = choices[0] if best is None else best[1:]
    made = _made(place, policy, pool, setting, asked, place.scored)
    return replace(
        _replayed(place, place.scored, made, pool), policy=policy, tuned=made.name, factor=place.scale.factor
    )


def per_tick(trace: RequestTrace) -> Floats:
    """Requests in each tick."""
    ticks = math.floor(trace.duration_s / TICK_S)
    return np.histogram(trace.t_s, bins=np.arange(ticks + 1) * TICK_S)[0].astype(np.float64)


def _choices(place: Stage, policy: str) -> list[tuple[PoolKey, PolicySetting]]:
    if policy == OURS:
        return [(place.first.key, {"usd_per_bad_minute": usd}) for usd in USD_PER_BAD_MINUTE]
    kinds = [place.first]
    if POLICIES[policy].chooses is Chooses.COUNT:
        kinds = sorted(
            (kind for kind in place.pools.kinds if kind.offer.market is Market.ON_DEMAND),
            key=lambda kind: (kind.offer.usd_per_hour / kind.per_machine / kind.planned_rps, kind.key),
        )[:_POOLS_TRIED]
    return [
        (kind.key, setting)
        for kind in kinds
        for setting in candidates(policy, scene(place, place.training, kind)).values()
    ]


def _made(
    place: Stage, policy: str, pool: PoolKey, setting: PolicySetting, asked: Asked, trace: RequestTrace
) -> Policy:
    if policy != OURS:
        return make(policy, scene(place, trace, _kind(place, pool)), setting)
    wishes = Wishes(
        variant=asked.variant,
        shapes=3 if place.where is Where.GATEWAY else 1,
        max_model_tokens=asked.max_model_tokens,
        **setting,
    )
    history = place.history
    if trace is place.training:  # what is replayed is no history
        history = history[: max(0, len(history) - len(per_tick(trace)))]
    return Wharfage(wishes, history)


def _replayed(place: Stage, trace: RequestTrace, policy: Policy, pool: PoolKey) -> Result:
    rate = per_tick(trace)[: round(1800.0 / TICK_S)].mean() / TICK_S
    kind = _kind(place, pool)
    count = max(1, math.ceil(1.3 * rate / kind.planned_rps))
    unscored_s = min(UNSCORED_S, trace.duration_s / 10.0)
    return run(policy, trace, place.setting, first={pool: count}, seed=place.seed, scored_from_s=unscored_s)


def _kind(place: Stage, pool: PoolKey) -> Kind:
    return next(kind for kind in place.pools.kinds if kind.key == pool)


def scene(place: Stage, trace: RequestTrace, kind: Kind) -> Scene:
    """What a policy is made from that serves the trace on that kind of replica, if it chooses no more than a count."""
    history, replayed = place.history, len(per_tick(place.training))
    if trace is place.training and len(history) >= 2 * replayed:  # what is replayed is no history
        history = history[:-replayed]
    minutes = history[: len(history) // 4 * 4].reshape(-1, 4).sum(axis=1) / 60.0
    step, traffic = place.pools.profiles[kind.profile].step, place.setting.traffic
    carried = capacity(step, traffic, place.setting.objectives)
    sequences = carried.sequences if isinstance(carried, Capacity) else math.nan
    return Scene(
        pools=tuple(_seen(each) for each in place.pools.kinds),
        pool=kind.key,
        training_rps=tuple(float(rate) for rate in minutes),
        best_sequences=sequences,
        best_kv_used=sequences * step.kv_tokens_of(traffic.resident_tokens) / step.kv_tokens,
        step=step,
        arrivals=per_tick(trace),
        tick_s=TICK_S,
    )


def _seen(kind: Kind) -> PoolSeen:
    return PoolSeen(
        offer=kind.offer,
        variant=kind.variant,
        accelerators=kind.accelerators,
        good_rps=kind.good_rps,
        planned_rps=kind.planned_rps,
        slots=kind.slots,
        kv_tokens=kind.kv_tokens,
        lead_s=kind.lead_s,
    )


def _divisible(kinds: Sequence[Kind], peak_rps: float) -> Kind:
    """The cheapest on-demand pool of which that peak needs at least `LEAST_PEAK_REPLICAS`, one to a machine.

    Where the peak is too small for that, the pool of the smallest replicas: a fleet of two says more about rounding
    than about a policy.
    """
    steady = [kind for kind in kinds if kind.offer.market is Market.ON_DEMAND]
    single = [kind for kind in steady if kind.per_machine == 1] or steady
    small = [kind for kind in single if kind.planned_rps * LEAST_PEAK_REPLICAS <= peak_rps]
    return cheapest(small) if small else min(single, key=lambda kind: (kind.planned_rps, kind.key))


def _allowed(pools: Fleetable, first: Kind, where: Where) -> Fleetable:
    if where is Where.ONE:
        return pools.only([first])
    if where is Where.ALL:
        return pools.only(kind for kind in pools.kinds if kind.offer.market is Market.ON_DEMAND)
    return pools
