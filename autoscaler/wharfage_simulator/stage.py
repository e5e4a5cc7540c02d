"""One load in one setting with one seed: what every policy is replayed on.

The first half of a trace is there to learn from, its last day to be tuned on, the second half to be judged on. The
market runs along: the day before the scored half meets the spot machines of the day before.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import partial

import numpy as np
from wharfage_autoscaler.fleet import PoolKey
from wharfage_autoscaler.mooring import engine_pace
from wharfage_autoscaler.offers import Market, Offer
from wharfage_autoscaler.pace import Pace
from wharfage_autoscaler.work import Work, work

from wharfage_simulator.arrivals import Arrivals
from wharfage_simulator.boots import BootTimes
from wharfage_simulator.cluster import Kind, Supply
from wharfage_simulator.fluid import Floats
from wharfage_simulator.gateway import Gateway
from wharfage_simulator.market import NOTICE_S, Marketplace, paired
from wharfage_simulator.prices import CATALOG, Prices
from wharfage_simulator.replica import Service
from wharfage_simulator.report import LEAST_PEAK_REPLICAS
from wharfage_simulator.routing import Routing
from wharfage_simulator.run import TICK_S, ticks
from wharfage_simulator.scenario import Asked, Fleetable, ScenarioError, cheapest, fleetable
from wharfage_simulator.setting import Setting
from wharfage_simulator.spot import Availability
from wharfage_simulator.sweep import swept
from wharfage_simulator.traces import RequestTrace, halves
from wharfage_simulator.workload import REQUEST_BUDGET, Load, Scaling, requests, scaling, taken

MOST_OVER_PEAK = 3.0
"""`maxReplicas`, as a multiple of what the peak needs of the first pool: a bound for policies that run away."""
_DAY_S = 86_400.0
_HISTORY_DAYS = 4
_LENGTHS_S = 300.0  # over which lengths are averaged
_GOLDEN = 0.618033988749895  # its multiples, modulo 1, lie far from each other


class Where(StrEnum):
    """What a policy may use."""

    ONE = "one"
    """One on-demand pool: the cheapest per request."""
    ALL = "all"
    """Every on-demand pool of the catalog."""
    SPOT = "all+spot"
    """Spot as well, behind a plain Service."""
    GATEWAY = "all+spot+gateway"
    """The same behind a gateway, which sends a replica no more than it carries at once; the rest waits there."""


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

    def usd_per_hour(self, offer: Offer, at_s: float) -> float:
        """The price of that time."""
        return self.market.usd_per_hour(offer, at_s)

    def changes_at(self, offer: Offer, after_s: float) -> float:
        """When the market may next say something else."""
        return self.market.changes_at(offer, after_s)


@dataclass(frozen=True, slots=True, eq=False)
class Drawn:
    """The requests of one load with one seed: the same in every setting."""

    seed: int
    scale: Scaling
    training: RequestTrace
    """The last day of the first half."""
    history: Floats
    """Of each tick of the days before the scored half: requests, prompt tokens, output tokens."""
    scored: RequestTrace


@dataclass(frozen=True, slots=True, eq=False)
class Stage:
    """See the module's docstring."""

    where: Where
    seed: int
    scale: Scaling
    pools: Fleetable
    setting: Setting
    """Of the scored half."""
    rehearsal: Setting
    """The same a day earlier: of the training day."""
    training: RequestTrace
    history: Floats
    scored: RequestTrace
    work: Work
    """What a request is worth on the first pool, in requests of the training day, for which rates were swept."""
    paces: Mapping[PoolKey, Pace]
    """How fast each pool's replicas answer, idle and full."""
    first: Kind
    """The pool on which every replay begins."""

    @property
    def peak_replicas(self) -> float:
        """How many replicas of the first pool the busiest window of the scored half takes."""
        return self.scale.peak_req_per_s / self.first.planned_rps

    def worked(self, rows: Floats) -> Floats:
        """The work of each tick of `per_tick`, in requests of the planned kind."""
        return worked(rows, self.work)


def drawn(
    load: Load,
    *,
    seed: int,
    context_tokens: int,
    request_budget: int = REQUEST_BUDGET,
    scored_s: float = math.inf,
    arrivals: Arrivals = Arrivals.RENEWAL,
) -> Drawn:
    """Cut the load in two, make it as small as the budget asks, and draw the requests that an engine takes.

    Of the second half no more than its first `scored_s` are scored.
    """
    before, after = halves(load)
    if scored_s < after.duration_s:
        after = after.between(0.0, scored_s)
    scale = scaling(after, request_budget=request_budget)  # never more than there was
    past = before.between(max(0.0, before.duration_s - _HISTORY_DAYS * _DAY_S), before.duration_s)
    day = past.between(max(0.0, past.duration_s - _DAY_S), past.duration_s)
    placed = partial(requests, factor=scale.factor, arrivals=arrivals)
    return Drawn(
        seed=seed,
        scale=scale,
        training=taken(placed(day, seed=seed + 2), context_tokens),
        history=per_tick(taken(placed(past, seed=seed + 1), context_tokens)),
        scored=taken(placed(after, seed=seed), context_tokens),
    )


def stage(
    played: Drawn,
    offers: Sequence[Offer],
    asked: Asked,
    where: Where,
    *,
    availability: Availability | None = None,
    prices: Prices = CATALOG,
    boots: BootTimes | None = None,
    notice_s: float = NOTICE_S["aws"],
    largest_share: float = math.inf,
) -> Stage:
    """Say what may be used to serve the load. `ScenarioError` where nothing in the catalog serves what is asked.

    `prices` are dated on the load's own clock; what is chosen beforehand is chosen by those of the moment at which the
    scored half begins. `boots` are drawn from, so that half of the replicas come within the lead time; without them
    every one takes exactly that long. Machines that would carry more than `largest_share` of the peak alone are left
    out.
    """
    plain = Service(Routing.RANDOM, seed=played.seed)
    scored = prices.since(played.scored.start_s)
    modelled = undominated(fleetable(scored.at(zoned(offers, availability), 0.0), asked), scored)
    everything = swept(modelled, played.training, asked.objectives, plain)
    everything = _small(everything, largest_share * played.scale.peak_req_per_s)
    first = _divisible(everything.kinds, played.scale.peak_req_per_s)
    gateway = where is Where.GATEWAY
    service = Service(gateway=Gateway(hold_s=2.0 * asked.lead_s)) if gateway else plain
    if gateway:  # the same machines as without, which carry more
        kept = {kind.key for kind in everything.kinds}
        alike = modelled.only(kind for kind in modelled.kinds if kind.key in kept)
        everything = swept(alike, played.training, asked.objectives, service)
        first = next((kind for kind in everything.kinds if kind.key == first.key), first)
    pools = _allowed(everything, first, where)
    most = max(10, math.ceil(MOST_OVER_PEAK * played.scale.peak_req_per_s / first.planned_rps))
    market = _market(played.seed, [kind.offer for kind in pools.kinds], availability, scored, notice_s)
    setting = Setting(
        name=where,
        kinds=pools.kinds,
        profiles=pools.profiles,
        supply=_supply(market, asked.lead_s, boots),
        objectives=asked.objectives,
        traffic=asked.traffic,
        service=service,
        most=most,
        notice_s=notice_s,
        slots=3 * most + 50,  # a fleet, another that drains, and a third in between
    )
    before = _earlier(market, played.training.duration_s, prices.since(played.training.start_s))
    step = everything.profiles[first.profile].step
    of_swept = replace(  # the requests of which the rates say how many are carried
        asked.traffic,
        prompt_tokens=float(played.training.prompt_tokens.mean()),
        output_tokens=float(played.training.output_tokens.mean()),
    )
    return Stage(
        where=where,
        seed=played.seed,
        scale=played.scale,
        pools=pools,
        setting=setting,
        rehearsal=replace(setting, supply=_supply(before, asked.lead_s, boots)),
        training=played.training,
        history=played.history,
        scored=played.scored,
        work=work(step, of_swept, asked.objectives),
        paces={
            kind.key: engine_pace(pools.profiles[kind.profile].step, of_swept, kind.sequences, kind.good_rps)
            for kind in pools.kinds
        },
        first=first,
    )


def summed(rows: Floats, work: Work) -> Floats:
    """The work of each tick as a sum over its tokens: more than `worked` where lengths are short, for the oracle."""
    as_such, by_prompt, by_output = work.shares()
    requests, prompt, output = rows.T
    return np.asarray(
        as_such * requests + by_prompt * prompt / work.prompt_tokens + by_output * output / work.output_tokens
    )


def worked(rows: Floats, work: Work) -> Floats:
    """The work of each tick, by the mean lengths of the last minutes: those of one tick are chance."""
    sums = np.concatenate([np.zeros((1, rows.shape[1])), np.cumsum(rows, axis=0)])
    ends = np.arange(1, len(sums))
    requests, prompt, output = (sums[ends] - sums[np.maximum(ends - round(_LENGTHS_S / TICK_S), 0)]).T
    came = np.maximum(requests, 1.0)
    worth = [work.each(*each) for each in zip((prompt / came).tolist(), (output / came).tolist(), strict=True)]
    return np.asarray(rows[:, 0] * np.array(worth).reshape(-1))


def per_tick(trace: RequestTrace) -> Floats:
    """Of each tick: requests, prompt tokens, output tokens."""
    whole = ticks(trace)
    tick = np.minimum(np.floor_divide(trace.t_s, TICK_S).astype(np.int64), whole)  # the last may be cut short
    sums = (np.bincount(tick, each, whole + 1)[:whole] for each in (None, trace.prompt_tokens, trace.output_tokens))
    return np.stack(tuple(sums), axis=1).astype(np.float64)


def zoned(offers: Iterable[Offer], availability: Availability | None) -> tuple[Offer, ...]:
    """Spot offers of any zone as one offer for each zone of the record: a machine stands in one, and is lost there."""
    if availability is None:
        return tuple(offers)
    return tuple(
        each
        for offer in offers
        for each in (
            (replace(offer, zone=zone) for zone in sorted(availability.zones))
            if offer.market is Market.SPOT and not offer.zone
            else (offer,)
        )
    )


def undominated(pools: Fleetable, prices: Prices = CATALOG) -> Fleetable:
    """Without machines that others equal at a lower price: same accelerators, as many, in the same market and zone.

    One whose price moves is kept: what is dearer today may be cheaper tomorrow.
    """
    best: dict[tuple[int, int, Market, str, str], Kind] = {}
    for kind in pools.kinds:
        offer = kind.offer
        alone = offer.name if prices.moves(offer) else ""
        key = (kind.profile, offer.accelerators, offer.market, offer.zone, alone)
        held = best.get(key)
        if held is None or (offer.usd_per_hour, kind.key) < (held.offer.usd_per_hour, held.key):
            best[key] = kind
    kept = {kind.key for kind in best.values()}
    return pools.only(kind for kind in pools.kinds if kind.key in kept)


def _market(
    seed: int, offers: Sequence[Offer], availability: Availability | None, prices: Prices, notice_s: float
) -> Marketplace:
    """The market of a seed: another seed meets another part of the record."""
    if availability is None:
        return Marketplace(seed=seed, prices=prices, notice_s=notice_s)
    begin_s = availability.offset_s + seed * _GOLDEN % 1.0 * availability.duration_s
    spot = [offer for offer in offers if offer.market is Market.SPOT]
    return Marketplace(
        seed=seed,
        spot=replace(availability, offset_s=begin_s),
        zones=paired(spot, availability),
        prices=prices,
        notice_s=notice_s,
    ).checked(spot)


def _earlier(market: Marketplace, by_s: float, prices: Prices) -> Marketplace:
    """The same market that much earlier, at the prices of that time."""
    spot = None if market.spot is None else replace(market.spot, offset_s=market.spot.offset_s - by_s)
    return replace(market, spot=spot, prices=prices)


def _supply(market: Marketplace, lead_s: float, boots: BootTimes | None) -> Supply:
    """When what the market gives serves: after the lead time, or after a drawn boot and what the lead time leaves."""
    if boots is None:
        return FixedLead(market, lead_s)
    return replace(market, boots=boots, engine_start_s=max(0.0, lead_s - boots.median_s))


def _small(pools: Fleetable, most_rps: float) -> Fleetable:
    """Without machines that alone carry more than that; all of them, where none carries less."""
    small = [kind for kind in pools.kinds if kind.planned_rps * kind.per_machine <= most_rps]
    steady = any(kind.offer.market is Market.ON_DEMAND for kind in small)
    return pools.only(small) if steady else pools


def _divisible(kinds: Sequence[Kind], peak_rps: float) -> Kind:
    """The cheapest on-demand pool of which that peak needs at least `LEAST_PEAK_REPLICAS`, one to a machine.

    Where the peak is too small for that, the pool of the smallest replicas: a fleet of two says more about rounding
    than about a policy. `ScenarioError` where nothing is on-demand, as in a catalog of one's own racks.
    """
    steady = [kind for kind in kinds if kind.offer.market is Market.ON_DEMAND]
    if not steady:
        others = ", ".join(sorted({kind.offer.market for kind in kinds}))
        raise ScenarioError(
            f"no OnDemand offer serves the model within its objectives, only {others}: a replay begins on machines "
            "that can be had at any time; give yours an OnDemand price in the catalog"
        )
    single = [kind for kind in steady if kind.per_machine == 1] or steady
    small = [kind for kind in single if kind.planned_rps * LEAST_PEAK_REPLICAS <= peak_rps]
    return cheapest(small) if small else min(single, key=lambda kind: (kind.planned_rps, kind.key))


def _allowed(pools: Fleetable, first: Kind, where: Where) -> Fleetable:
    if where is Where.ONE:
        return pools.only([first])
    if where is Where.ALL:
        return pools.only(kind for kind in pools.kinds if kind.offer.market is Market.ON_DEMAND)
    return pools
