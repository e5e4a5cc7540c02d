"""Ours: the pilot, `allot` and `decide` that ship, asked as the operator asks; law and forecast learn every night."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from wharfage_autoscaler.allot import allot
from wharfage_autoscaler.allotment import Allotment, Allotments
from wharfage_autoscaler.charter import Charter
from wharfage_autoscaler.decide import decide
from wharfage_autoscaler.enquiry import AHEAD_STEP_S, answered, due, enquiry
from wharfage_autoscaler.experience import Experience
from wharfage_autoscaler.fleet import PoolKey
from wharfage_autoscaler.law import Law
from wharfage_autoscaler.model import Mode, Placement, Variant, Wanted
from wharfage_autoscaler.mooring import Mooring, moored
from wharfage_autoscaler.move import HORIZON_S
from wharfage_autoscaler.need import Need
from wharfage_autoscaler.odds import learned
from wharfage_autoscaler.pace import SATURATED, Pace
from wharfage_autoscaler.pilot import decided, heard, snapshot
from wharfage_autoscaler.purse import Budget
from wharfage_autoscaler.sight import PoolSeen
from wharfage_autoscaler.snapshot import ClusterSnapshot
from wharfage_autoscaler.work import HEADS, Work

from wharfage_simulator.fluid import Floats, Plant
from wharfage_simulator.outlook import Outlook
from wharfage_simulator.policy import Seen, Target
from wharfage_simulator.scenario import SPOT_ALLOWED
from wharfage_simulator.tuning import LEVELS, tuned

KEY = ("replay", "model")
DAY_S = 86_400.0
TUNED_ON_DAYS = 4
LEAST_TUNED_ON_S = DAY_S / 4
MINUTES_KEPT = 28 * 1440
_TICK_S = 15.0


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

    What it knows is its `experience`, and how that grows is the core's business (`wharfage_autoscaler.pilot`). Here are
    the record of the load and what learns from it: solver, forecast and tuning, which the operator runs elsewhere.

    `history` holds the work of each tick before the replay, in requests of the planned kind, of which `work` says what
    others are worth; what comes is added to it. What would have been expected on each day of it was worked out from
    the days before. `minutes` are those of the last four weeks, how full the replicas were and whether it was bad: what
    the odds of a bad minute are learned from every night. Those of earlier replays may be given. `paces` say how fast
    the replicas of each pool answer while they are idle and while they are full.
    """

    asked: Asked
    history: Floats
    work: Work = HEADS
    paces: Mapping[PoolKey, Pace] = field(default_factory=dict)
    tunes: bool = True
    hears_losses: bool = True
    """Whether it expects more losses of spot after one."""
    minutes: list[tuple[float, bool]] = field(default_factory=list)
    experience: Experience = field(default_factory=Experience)
    _arrived: list[float] = field(default_factory=list)
    _outlook: Outlook | None = None
    _before: dict[bool, Allotments] = field(default_factory=dict)
    """The optimiser's last answers, which it begins from."""
    _charter: Charter | None = None

    @property
    def reads_latencies(self) -> bool:
        """Whether the next look is to have percentiles: they take time, and matter where objectives are missed."""
        return self.experience.missed

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
        charter = self._chartered(seen)
        known, entry = heard(self.experience, seen, charter)
        self._arrived.append(0.0 if math.isnan(entry.rps) else entry.rps * _TICK_S)
        if entry.minute is not None:
            self.minutes.append(entry.minute)
            del self.minutes[:-MINUTES_KEPT]
        outlook = self._heard_outlook(seen)
        if due(known, seen):
            known = self._allotted(known, seen, charter)
        if self.tunes and seen.now_s - known.tuned_s >= DAY_S:
            law = self._tuned(known, seen, outlook)
            if law is not None:
                known = replace(known, law=law, tuned_s=seen.now_s)
        decision, memory = decide(snapshot(known, seen, charter, outlook.forecast), known.memory)
        self.experience = decided(known, seen, charter, decision, memory)
        return {pool.key: pool.replicas for pool in decision.target.pools}

    def _chartered(self, seen: Seen) -> Charter:
        """What is asked, on the pools that are seen: in a replay neither they nor the bounds ever change."""
        if self._charter is None:
            asked = self.asked
            self._charter = Charter(
                key=KEY,
                wanted=Wanted(
                    variants=(asked.variant,),
                    max_model_tokens=asked.max_model_tokens,
                    mode=Mode.AUTO,
                    min_replicas=seen.least,
                    max_replicas=seen.most,
                    placement=asked.placement,
                ),
                objectives=replace(seen.objectives, usd_per_bad_minute=asked.usd_per_bad_minute),
                moorings={pool.key: self._moored(pool) for pool in seen.pools},
                work=self.work,
                shapes=asked.shapes,
                budget=asked.budget,
            )
        return self._charter

    def _moored(self, pool: PoolSeen) -> Mooring:
        pace = self.paces.get(pool.key)
        return moored(self.asked.variant, pool, max_model_tokens=self.asked.max_model_tokens, pace=pace)

    def _heard_outlook(self, seen: Seen) -> Outlook:
        """The forecasts, of what has come up to now."""
        if self._outlook is None:
            lead_s = max((pool.lead_s for pool in seen.pools), default=0.0)
            self._outlook = Outlook(lead_s, LEVELS, start_s=-len(self.history) * _TICK_S)
            self._outlook.hear(self.history)
        self._outlook.hear(self._arrived[-1:])
        return self._outlook

    def _allotted(self, known: Experience, seen: Seen, charter: Charter) -> Experience:
        """The optimiser asked, and asked again for what serves where it names something else."""
        question = enquiry(known, seen, charter)
        if not self.hears_losses:
            question = replace(question, need=replace(question.need, restless={}))
        best = self._solved(question.need, serving=False)
        here = question.here(best)
        if here is None:
            return answered(known, seen, question, best)
        return answered(known, seen, question, best, self._solved(here, serving=True), self._yesterday_rps())

    def _solved(self, need: Need, *, serving: bool) -> Allotment:
        self._before[serving] = allot(ClusterSnapshot((need,)), self._before.get(serving))
        return self._before[serving].by_key[KEY]

    def _yesterday_rps(self) -> list[float]:
        """Half-hourly means of the six hours that followed this time of yesterday; empty where that is not known."""
        per_step, day = round(AHEAD_STEP_S / _TICK_S), round(DAY_S / _TICK_S)
        record = self._record()
        hours = record[-day:][: round(HORIZON_S / _TICK_S)] if len(record) >= day else record[:0]
        means = hours[: len(hours) // per_step * per_step].reshape(-1, per_step).mean(axis=1) / _TICK_S
        return [float(mean) for mean in means]

    def _record(self) -> Floats:
        """The work of each tick up to now."""
        return np.concatenate([self.history, np.array(self._arrived)])

    def _tuned(self, known: Experience, seen: Seen, outlook: Outlook) -> Law | None:
        """The law that would have cost least over the last days on what is allotted now, heard forecasts included.

        None before a quarter of a day of load is known: it is tuned as soon as it is, not a day later.
        """
        kept = round(TUNED_ON_DAYS * DAY_S / _TICK_S)
        arrivals = self._record()[-kept:]
        answer = known.answer
        if answer is None or not answer.allotment.shapes or len(arrivals) * _TICK_S < LEAST_TUNED_ON_S:
            return None
        portion = max(answer.allotment.shapes, key=lambda each: each.pool.replicas)
        pool = seen.pool(portion.pool.key)
        plant = Plant(
            planned_rps=pool.planned_rps,
            good_rps=pool.good_rps,
            saturated_rps=SATURATED * pool.good_rps,
            slots=pool.slots,
            lead_s=pool.lead_s,
            ttft_s=seen.objectives.ttft_p95_s,
            least=float(seen.least),
            most=float(seen.most),
            odds=learned([filled for filled, _ in self.minutes], [bad for _, bad in self.minutes]),
        )
        expected = {level: rates[-kept:] for level, rates in outlook.said().items()}
        return tuned(
            arrivals,
            plant,
            expected,
            usd_per_replica_hour=pool.usd_per_hour,
            usd_per_bad_minute=self.asked.usd_per_bad_minute,
        )
