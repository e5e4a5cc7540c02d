"""Ours: the shipping `allot` and `decide`, asked as the operator asks them; law and forecast learn every night."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from wharfage_autoscaler.allot import allot
from wharfage_autoscaler.allotment import Allotment, Allotments
from wharfage_autoscaler.choice import Candidate
from wharfage_autoscaler.decide import decide
from wharfage_autoscaler.fleet import Fleet, Pool, PoolKey
from wharfage_autoscaler.law import Law
from wharfage_autoscaler.load import Load
from wharfage_autoscaler.model import Mode, Placement, Variant, Wanted
from wharfage_autoscaler.move import HORIZON_S, Ahead, Elsewhere, Forced
from wharfage_autoscaler.need import Berth, Need, Shape
from wharfage_autoscaler.odds import learned
from wharfage_autoscaler.offers import Market
from wharfage_autoscaler.pace import Pace, together
from wharfage_autoscaler.snapshot import ClusterSnapshot, Memory, Snapshot
from wharfage_autoscaler.spot import SpotPool, spot_pool
from wharfage_autoscaler.unrest import Regions
from wharfage_autoscaler.work import HEADS, Work

from wharfage_simulator.fluid import Floats, Plant
from wharfage_simulator.minutes import ATTAINMENT
from wharfage_simulator.outlook import Outlook
from wharfage_simulator.policies.lately import Lately
from wharfage_simulator.policies.purse import Budget, Purse
from wharfage_simulator.policies.seat import Seat, seated
from wharfage_simulator.policies.unfit import Unfit
from wharfage_simulator.policy import PoolSeen, Seen, Target
from wharfage_simulator.scenario import SPOT_ALLOWED
from wharfage_simulator.tuning import LEVELS, cheapest, grid, tried

KEY = ("replay", "model")
DAY_S = 86_400.0
ALLOT_EVERY_S = 300.0
_AHEAD_STEP_S = 1800.0
TUNED_ON_DAYS = 4
_TICK_S = 15.0
_PER_MINUTE = 4
MINUTES_KEPT = 28 * 1440
_LONGEST_ANSWER = 60  # minutes
_SATURATED = 1.1  # of what a replica carries within its objectives, before its queue grows


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What the user wrote, as far as a decision looks at it."""

    variant: Variant
    usd_per_bad_minute: float = 1.0
    placement: Placement = SPOT_ALLOWED
    shapes: int = 1
    """1 behind a plain Service, 3 behind the gateway."""
    max_model_tokens: int = 8192
    budget: Budget | None = None


@dataclass(slots=True)
class Wharfage:
    """Allots every five minutes and when the market changes, decides every tick, tunes its law every night.

    `history` holds the work of each tick before the replay, in requests of the planned kind, of which `work` says what
    others are worth; what comes is added to it. What would have been expected on each day of it was worked out from
    the days before. What is allotted stays with the shapes that serve; where others would be cheaper, the decision
    weighs the move, and what it moves to is allotted from then on. It is forced where more of a shape cannot help, as
    `unfit` learns it, and where the budget asks for what is cheaper; where its machines stop coming it is undone.

    `minutes` are those of the last four weeks, how full the replicas were and whether it was bad: what the odds of a
    bad minute are learned from every night. Those of earlier replays may be given. `paces` say how fast the replicas
    of each pool answer while they are idle and while they are full.
    """

    asked: Asked
    history: Floats
    work: Work = HEADS
    paces: Mapping[PoolKey, Pace] = field(default_factory=dict)
    law: Law = field(default_factory=Law)
    tunes: bool = True
    hears_losses: bool = True
    """Whether it expects more losses of spot after one."""
    minutes: list[tuple[float, bool]] = field(default_factory=list)
    _filled: list[float] = field(default_factory=list)
    _lately: Lately = field(default_factory=Lately)
    _arrived: list[float] = field(default_factory=list)
    _outlook: Outlook | None = None
    _tuned_s: float = -math.inf
    _allotment: Allotment | None = None
    _elsewhere: Elsewhere | None = None
    _allotted_s: float = -math.inf
    _given: tuple[bool, ...] = ()
    _regions: Regions | None = None
    _before: dict[bool, Allotments] = field(default_factory=dict)
    _memory: Memory = field(default_factory=Memory)
    _seats: dict[PoolKey, Seat] = field(default_factory=dict)
    _unfit: Unfit = field(init=False)
    _purse: Purse | None = field(init=False)
    _missing: bool = False
    _moving: frozenset[Shape] = frozenset()
    """Where it moves to, as long as nothing serves there."""

    def __post_init__(self) -> None:
        """Nothing was learned or spent yet."""
        self._unfit = Unfit(self.asked.max_model_tokens)
        self._purse = None if self.asked.budget is None else Purse(self.asked.budget)

    @property
    def reads_latencies(self) -> bool:
        """Whether the next look is to have percentiles: they take time, and matter where objectives are missed."""
        return self._missing

    @property
    def every_s(self) -> float:
        """As the operator decides."""
        return _TICK_S

    @property
    def name(self) -> str:
        """`wharfage(1 usd per bad minute)`."""
        return f"wharfage({self.asked.usd_per_bad_minute:g} usd per bad minute)"

    def target(self, seen: Seen) -> Target:
        """What the operator would aim for."""
        worth = self._lately.worth(seen, self.work, self._pace(seen))
        self._arrived.append(0.0 if math.isnan(seen.rps_15s) else worth * seen.rps_15s * _TICK_S)
        self._judge(seen, worth)
        if self._outlook is None:
            lead_s = max((pool.lead_s for pool in seen.pools), default=0.0)
            self._outlook = Outlook(lead_s, LEVELS, start_s=-len(self.history) * _TICK_S)
            self._outlook.hear(self.history)
        self._outlook.hear(self._arrived[-1:])
        fleet = _fleet(seen.pools)
        given = tuple(pool.obtainable for pool in seen.pools)
        self._learn(seen, fleet)
        self._regions = (self._regions or Regions(seen.now_s)).heard(seen.now_s, _away(seen.pools))
        if self._allotment is None or seen.now_s - self._allotted_s >= ALLOT_EVERY_S or given != self._given:
            self._allotment, self._elsewhere = self._allotted(seen, fleet)
            self._allotted_s, self._given = seen.now_s, given
        if self.tunes and seen.now_s - self._tuned_s >= DAY_S:
            self.law = self._tuned(seen, self._outlook)
            self._tuned_s = seen.now_s
        decision, self._memory = decide(self._snapshot(seen, fleet), self._memory)
        if decision.moves:
            self._allotment, self._elsewhere = decision.allotment, None
            there = {pool.key for pool in decision.target.pools} - {pool.key for pool in fleet.pools}
            self._moving = frozenset(self._seat(pool).shape for pool in seen.pools if pool.key in there)
        return {pool.key: pool.replicas for pool in decision.target.pools}

    def _learn(self, seen: Seen, fleet: Fleet) -> None:
        """What the engines show of themselves, what is spent, and whether a move was in vain."""
        if self._purse is not None:
            self._purse.spend(fleet.usd_per_hour, seen.now_s)
        self._missing = seen.bad_1m > 1.0 - ATTAINMENT
        self._unfit.look(seen, {self._seat(pool).shape: self._seat(pool).step for pool in seen.pools if pool.ready})
        there = [pool for pool in seen.pools if self._moving and self._seat(pool).shape in self._moving]
        if any(pool.ready for pool in there):
            self._moving = frozenset()
        elif there and not any(pool.obtainable for pool in there):
            self._unfit.gone(self._moving, seen.now_s)
            self._moving, self._allotment = frozenset(), None

    def _judge(self, seen: Seen, worth: float) -> None:
        """Write down how the last minute was, once it is over.

        What finished in it has run for a while: it was late if replicas were too full at any time of that.
        """
        room = sum(pool.ready * pool.good_rps for pool in seen.pools)
        if len(self._arrived) % _PER_MINUTE == 0 and room > 0.0 and not math.isnan(seen.bad_1m):
            self._filled.append(worth * seen.rps_1m / room)
            answered = 1 + _minutes_of_an_answer(seen)
            self.minutes.append((max(self._filled[-answered:]), seen.bad_1m > 1.0 - ATTAINMENT))
            del self._filled[:-_LONGEST_ANSWER], self.minutes[:-MINUTES_KEPT]

    def _pace(self, seen: Seen) -> Pace | None:
        """Of what serves; None where that is not known of all of it."""
        serving = [pool for pool in seen.pools if pool.ready]
        if any(pool.key not in self.paces for pool in serving):
            return None
        return together((pool.ready * pool.good_rps, self.paces[pool.key]) for pool in serving)

    def _snapshot(self, seen: Seen, fleet: Fleet) -> Snapshot:
        return Snapshot(
            now=seen.now_s,
            key=KEY,
            wanted=Wanted(
                variants=(self.asked.variant,),
                max_model_tokens=self.asked.max_model_tokens,
                mode=Mode.AUTO,
                min_replicas=seen.least,
                max_replicas=seen.most,
                placement=self.asked.placement,
            ),
            offers=tuple(replace(pool.offer, obtainable="market" if pool.obtainable else "") for pool in seen.pools),
            fleet=fleet,
            load=_load(seen, self._lately.worth_now),
            allotment=self._allotment,
            forecast=None if self._outlook is None else self._outlook.forecast,
            law=self.law,
            elsewhere=self._elsewhere,
        )

    def _allotted(self, seen: Seen, fleet: Fleet) -> tuple[Allotment, Elsewhere | None]:
        """The pools for the demand of now on the shapes that serve, and what would be taken if nothing ran yet.

        The demand is what the law holds, or the load with its headroom before it held any. Shapes of which more cannot
        help serve until others do, and are taken where there are no others.
        """
        usual = self._lately.worth_now * max(0.0, seen.rps_5m) if not math.isnan(seen.rps_5m) else 0.0
        held = self._memory.held.replicas
        unit = max((pool.planned_rps for pool in seen.pools if pool.ready), default=0.0)
        peak = max(usual * self.law.headroom, held * unit)
        obtainable = tuple(self._berth(pool) for pool in seen.pools if pool.obtainable)
        unfit = self._reasons(seen)
        fitting = tuple(berth for berth in obtainable if berth.shape not in unfit)
        need = Need(
            key=KEY,
            berths=fitting or obtainable,
            peak_rps=peak,
            usual_rps=usual,
            min_replicas=seen.least,
            max_replicas=seen.most,
            shapes=self.asked.shapes,
            placement=self.asked.placement,
            restless=self._restless(seen),
            usd_per_bad_minute=self.asked.usd_per_bad_minute,
            fleet=fleet,
        )
        best = self._solved(need, serving=False)
        shapes = {berth.pool: berth.shape for berth in obtainable}
        served = _shapes(self._allotment, shapes) if self._allotment else _running(fleet, shapes)
        kept = tuple(berth for berth in obtainable if berth.shape in served)
        if not kept or _shapes(best, shapes) <= served:
            return best, None
        current = self._solved(replace(need, berths=kept), serving=True)
        force = next((unfit[shape] for shape in sorted(served) if shape in unfit), None)
        if force is None and current.short.peak > best.short.peak:
            force = Forced.UNOBTAINABLE
        if force is None and self._purse is not None and self._purse.prefers_cheaper:
            force = Forced.TOO_DEAR
        return current, Elsewhere(best, self._ahead(peak), force=force)

    def _reasons(self, seen: Seen) -> dict[Shape, Forced]:
        """The shapes that are not to be moved to, each with why."""
        seats = {self._seat(pool).shape: (self._seat(pool), pool) for pool in seen.pools}
        found = {shape: self._unfit.reason(shape, seat.step, pool, seen) for shape, (seat, pool) in seats.items()}
        return {shape: reason for shape, reason in found.items() if reason is not None}

    def _restless(self, seen: Seen) -> dict[str, float]:
        """How much oftener than on average spot is lost just now."""
        regions = self._regions
        if regions is None or not self.hears_losses:
            return {}
        catalogs = sorted({pool.offer.catalog for pool in seen.pools})
        return {catalog: regions.restless(catalog, seen.now_s) for catalog in catalogs}

    def _solved(self, need: Need, *, serving: bool) -> Allotment:
        self._before[serving] = allot(ClusterSnapshot((need,)), self._before.get(serving))
        return self._before[serving].by_key[KEY]

    def _ahead(self, peak_rps: float) -> Ahead:
        """Six hours like those that followed this time of yesterday; of now, where yesterday is not known."""
        per_step, day = round(_AHEAD_STEP_S / _TICK_S), round(DAY_S / _TICK_S)
        heard = self._heard()
        hours = heard[-day:][: round(HORIZON_S / _TICK_S)] if len(heard) >= day else heard[:0]
        rates = hours[: len(hours) // per_step * per_step].reshape(-1, per_step).mean(axis=1) / _TICK_S
        likely = tuple(float(rate) * self.law.headroom for rate in rates)
        return Ahead(likely or (peak_rps,) * round(HORIZON_S / _AHEAD_STEP_S), _AHEAD_STEP_S)

    def _heard(self) -> Floats:
        """The work of each tick up to now."""
        return np.concatenate([self.history, np.array(self._arrived)])

    def _berth(self, pool: PoolSeen) -> Berth:
        seat = self._seat(pool).fit
        return Berth(Candidate(self.asked.variant, pool.offer, seat), pool.planned_rps, pool.lead_s)

    def _seat(self, pool: PoolSeen) -> Seat:
        """How a replica sits on the pool's machines, worked out once."""
        if pool.key not in self._seats:
            self._seats[pool.key] = seated(self.asked.variant, pool, max_model_tokens=self.asked.max_model_tokens)
        return self._seats[pool.key]

    def _tuned(self, seen: Seen, outlook: Outlook) -> Law:
        """The law that would have cost least over the last days on what is allotted now, heard forecasts included."""
        kept = round(TUNED_ON_DAYS * DAY_S / _TICK_S)
        arrivals = self._heard()[-kept:]
        allotted = self._allotment
        if allotted is None or not allotted.shapes or len(arrivals) * _TICK_S < DAY_S / 4:
            return self.law
        portion = max(allotted.shapes, key=lambda each: each.pool.replicas)
        pool = next(pool for pool in seen.pools if pool.key == portion.pool.key)
        plant = Plant(
            planned_rps=pool.planned_rps,
            good_rps=pool.good_rps,
            saturated_rps=_SATURATED * pool.good_rps,
            slots=pool.slots,
            lead_s=pool.lead_s,
            ttft_s=seen.objectives.ttft_p95_s,
            least=float(seen.least),
            most=float(seen.most),
            odds=learned([filled for filled, _ in self.minutes], [bad for _, bad in self.minutes]),
        )
        expected = {level: rates[-kept:] for level, rates in outlook.said().items()}
        rows = tried(arrivals, plant, grid((0.0, *LEVELS)), expected)
        return cheapest(
            rows,
            usd_per_replica_hour=pool.usd_per_hour,
            usd_per_bad_minute=self.asked.usd_per_bad_minute,
        ).law


def _shapes(allotment: Allotment, shapes: Mapping[PoolKey, Shape]) -> set[Shape]:
    """Those that it runs on; a pool that cannot be had at present has none."""
    return {shapes[each.pool.key] for each in allotment.shapes if each.pool.replicas and each.pool.key in shapes}


def _running(fleet: Fleet, shapes: Mapping[PoolKey, Shape]) -> set[Shape]:
    """Those that run before anything was allotted."""
    return {shapes[pool.key] for pool in fleet.pools if pool.key in shapes}


def _away(pools: Sequence[PoolSeen]) -> set[SpotPool]:
    """Spot pools that cannot be had."""
    return {spot_pool(pool.offer) for pool in pools if pool.offer.market is Market.SPOT and not pool.obtainable}


def _fleet(pools: Sequence[PoolSeen]) -> Fleet:
    return Fleet(
        tuple(
            Pool(pool.offer, pool.variant, pool.ready + pool.starting, pool.accelerators, ready=pool.ready)
            for pool in pools
            if pool.ready or pool.starting
        )
    )


def _minutes_of_an_answer(seen: Seen) -> int:
    """How long a request takes, by Little's law, rounded up; at most an hour."""
    if not seen.rps_1m > 0.0:
        return _LONGEST_ANSWER if seen.running > 0.0 else 0
    return min(_LONGEST_ANSWER, math.ceil(seen.running / seen.rps_1m / 60.0))


def _load(seen: Seen, worth: float) -> Load | None:
    if math.isnan(seen.rps_1m):
        return None
    return Load(
        window_s=60.0,
        requests_per_second=seen.rps_1m,
        prompt_tokens_per_second=seen.prompt_tokens_per_s,
        output_tokens_per_second=seen.output_tokens_per_s,
        running=seen.running,
        waiting=seen.waiting,
        requests_per_second_15s=seen.rps_15s,
        requests_per_second_5m=seen.rps_5m,
        bad_share_5m=_known(seen.bad_5m),
        bad_share_30m=_known(seen.bad_30m),
        work_per_request=worth,
    )


def _known(value: float) -> float | None:
    return None if math.isnan(value) else value
