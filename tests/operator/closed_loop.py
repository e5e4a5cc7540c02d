"""The operator's loop in virtual time around emulated engines, whose steps may take longer than the model says."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from wharfage_api.labels import POOL
from wharfage_autoscaler.allot import allot
from wharfage_autoscaler.allotment import Allotment, Allotments
from wharfage_autoscaler.experience import Experience
from wharfage_autoscaler.fit import Miss, fit
from wharfage_autoscaler.fleet import Fleet
from wharfage_autoscaler.load import Load
from wharfage_autoscaler.model import SpotPolicy
from wharfage_autoscaler.mooring import engine_step
from wharfage_autoscaler.need import Key
from wharfage_autoscaler.objectives import Objectives
from wharfage_autoscaler.offers import Offer
from wharfage_autoscaler.snapshot import ClusterSnapshot, Snapshot
from wharfage_autoscaler.steptime import StepTime, Theta
from wharfage_autoscaler.supply import Supply
from wharfage_operator.archive import Before
from wharfage_operator.calibrations import Calibrations
from wharfage_operator.clock import Clock
from wharfage_operator.errands import Foreseeing, Foreseen, Tuning
from wharfage_operator.expectations import Expectations
from wharfage_operator.gather import Subject, objectives
from wharfage_operator.history import Rows
from wharfage_operator.kinds import Object
from wharfage_operator.laws import Laws
from wharfage_operator.lessons import NOTHING, Lessons
from wharfage_operator.measured import load
from wharfage_operator.pilotage import TICK_S, Pilotage
from wharfage_operator.pools import pool_hash
from wharfage_operator.readings import Reading, reading
from wharfage_operator.rounds import Rounds
from wharfage_operator.spec import wanted
from wharfage_operator.stints import Shift, Stint
from wharfage_operator.track import Track, begun, told
from wharfage_simulator.profile import EngineProfile
from wharfage_simulator.traces import RequestTrace

from demo.emulator.engines import Engines
from demo.emulator.served import Served
from tests.builders import offer
from tests.operator.objects import UID, deployment

L4 = offer("g6.xlarge", usd_per_hour=0.8)
NOW = 1_790_000_000.0
WINDOW_S = 60.0
PROMPT, OUTPUT = 900, 220
SPEC = {
    "scaling": {"minReplicas": 4, "maxReplicas": 60},
    "objectives": {"ttft": {"p95": "4s"}, "tpot": {"p95": "200ms"}},
}


BEGIN_S, RISE_S, SWING_S, SWING = 120.0, 600.0, 900.0, 0.35


def moving(rps: float, minutes: int, *, seed: int = 1) -> RequestTrace:
    """Poisson arrivals of usual lengths: from the third minute on they rise for ten, and swing by a third."""
    draw = np.random.default_rng(seed)
    most = 1.0 + SWING
    times = np.cumsum(draw.exponential(1.0 / (most * rps), int(2 * 60 * most * rps * minutes)))
    times = times[times < 60.0 * minutes]
    since_s = times - BEGIN_S
    rate = np.clip(since_s / RISE_S, 0.0, 1.0) * (1.0 + SWING * np.sin(2 * np.pi * since_s / SWING_S))
    times = times[draw.random(len(times)) < rate / most]
    prompts, outputs = (
        np.clip(draw.lognormal(np.log(mean) - 0.125, 0.5, len(times)), 4, 4 * mean).astype(np.int32)
        for mean in (PROMPT, OUTPUT)
    )
    return RequestTrace("moving", 0.0, 60.0 * minutes, times, prompts, outputs, np.zeros(len(times), dtype=np.int32))


def model_step(machine: Offer = L4) -> StepTime:
    """What the operator takes an engine on that machine for."""
    asked = wanted(deployment(), spot_default=SpotPolicy.FORBID)
    (variant,) = asked.variants
    seat = fit(variant, machine, max_model_tokens=asked.max_model_tokens)
    assert not isinstance(seat, Miss)
    return engine_step(variant, machine, seat)


@dataclass(frozen=True, slots=True)
class Stepped:
    """What an engine has counted of its steps: the slot's at its beginning, and since then."""

    first: float
    steps: float = 0.0
    busy_s: float = 0.0
    gaps: float = 0.0
    gaps_s: float = 0.0


@dataclass(slots=True)
class Loop:
    """One deployment on L4, whose orders are filled `lead` ticks later, under a load that moves."""

    theta: Theta
    trace: RequestTrace
    spec: dict[str, Any] = field(default_factory=lambda: SPEC)
    lead: int = 4
    lying: frozenset[int] = frozenset()
    """Places of pods whose counters of tokens are a million times what they did."""
    lessons: Lessons = NOTHING
    deaf: bool = False
    """Whether it learns nothing."""
    counts_steps: bool = False
    """Whether pages tell steps as well, and gaps as they happen: the emulator knows them when an answer ends."""
    now_s: float = 0.0
    fleet: Fleet = field(default_factory=Fleet)
    tracks: dict[str, Track] = field(default_factory=dict)
    shifts: dict[str, Shift] = field(default_factory=dict)
    counts: list[int] = field(default_factory=list)
    served: Served = field(init=False)
    calibrations: Calibrations = field(init=False)
    pilotage: Pilotage = field(init=False)
    rounds: Rounds = field(init=False)
    _before: dict[str, Allotments] = field(default_factory=dict)
    _ordered: list[Fleet] = field(default_factory=list)
    _pods: dict[str, Object] = field(default_factory=dict)
    _stepped: dict[str, Stepped] = field(default_factory=dict)

    def __post_init__(self) -> None:
        profile = EngineProfile("L4", model_step().scaled(self.theta))
        wished = objectives(deployment(**self.spec))
        self.served = Served(self.trace, Engines("chat", 8192, wished, (profile,), {}))
        self.rounds = Rounds(self._solve, Supply, answered=lambda key: None)
        self.start()

    def start(self) -> None:
        """The operator's process begins, with what was written down."""
        clock = Clock()
        self.calibrations = Calibrations(self._stints, image="engine")
        self.pilotage = Pilotage(
            self.rounds,
            clock,
            rows=lambda key: Rows(),
            expectations=Expectations(_nobody_knows, lambda key: Rows(), clock),
            laws=Laws(_never_tuned, lambda key: Rows(), clock),
            market=self,
            calibrations=self.calibrations,
            before=lambda key, uid: Before(Experience(), measured=False, lessons=self.lessons),
        )

    def lead_s(self, offer: Offer, owner: Key) -> float:
        return self.lead * TICK_S

    def machine_s(self, offer: Offer) -> float:
        return 0.0

    def obtainable(self, offer: Offer) -> bool:
        return True

    @property
    def replicas(self) -> int:
        return self.counts[-1]

    def minutes(self, count: int) -> None:
        """Let so many pass."""
        for _ in range(round(count * 60.0 / TICK_S)):
            self.tick()

    def tick(self) -> None:
        """A quarter of a minute: engines, pages, decision, orders."""
        self.now_s += TICK_S
        ready = [uid for uid, pod in self._pods.items() if not pod["gone"]]
        self.served.step(self.now_s, dict.fromkeys(ready, 0), [*ready, *self._draining()])
        for place, uid in enumerate(ready):
            self._read(uid, lying=place in self.lying)
        asked = deployment(**self.spec)
        pods = tuple(self._pods[uid] for uid in ready)
        subject = Subject({"metadata": {"uid": UID}}, asked, (), pods, self._load(ready, objectives(asked)))
        seen = Snapshot(
            now=NOW + self.now_s,
            key=subject.key,
            wanted=wanted(asked, spot_default=SpotPolicy.FORBID),
            offers=(L4,),
            fleet=self.fleet,
            load=subject.load,
        )
        decision = self.pilotage.decision(subject, seen)
        asyncio.run(self.rounds.hold())
        self._ordered.append(decision.target)
        self.counts.append(decision.target.replicas)
        self.fleet = self._filled(decision.target)

    def _draining(self) -> list[str]:
        return [uid for uid, pod in self._pods.items() if pod["gone"] and not self.served.idle(uid)]

    def _read(self, uid: str, *, lying: bool) -> None:
        seen = reading(self.served.page(uid, lying=lying), at_s=self.now_s)
        assert seen is not None
        if self.counts_steps:
            seen = self._with_steps(uid, seen)
        track = told(self.tracks.get(uid, begun(self.now_s - TICK_S)), seen, window_s=WINDOW_S)
        self.tracks[uid] = track or Track()
        self.shifts[uid] = Shift() if track is None else self.shifts.get(uid, Shift()).told(seen, window_s=WINDOW_S)

    def _with_steps(self, uid: str, seen: Reading) -> Reading:
        """The reading with what the replica counts; each gap of an interval as long as its mean step."""
        ((name, engine),) = seen.engines.items()
        row = self.served.state_of(uid)
        if row is None:
            return seen
        steps, busy_s = float(row["step"]), float(row["busy_s"])
        before = self._stepped.get(uid, Stepped(steps, steps, busy_s))
        gaps = max(before.gaps, engine.output_tokens - engine.ttft.total)
        step_s = (busy_s - before.busy_s) / (steps - before.steps) if steps > before.steps else 0.0
        gaps_s = before.gaps_s + (gaps - before.gaps) * step_s
        self._stepped[uid] = Stepped(before.first, steps, busy_s, gaps, gaps_s)
        engine = replace(engine, steps=steps - before.first, gaps=gaps, gaps_s=gaps_s)
        return replace(seen, engines={name: engine})

    def _load(self, ready: list[str], wished: Objectives) -> Load | None:
        return load(self.tracks, ready, wished, now_s=self.now_s, window_s=WINDOW_S, stale_s=3 * TICK_S)

    def _stints(self, key: Key) -> Mapping[str, Stint]:
        told = {uid: shift.last for uid, shift in self.shifts.items() if shift.last is not None}
        return {} if self.deaf else told

    def _filled(self, target: Fleet) -> Fleet:
        """What runs: of each pool what was wanted all along for as long as it takes to come."""
        lately = self._ordered[-self.lead :]
        pools = []
        for pool in target.pools:
            least = min((each.pool(pool.key) or replace(pool, replicas=0)).replicas for each in lately)
            running = self.fleet.pool(pool.key)
            ready = least if len(lately) == self.lead else min(least, running.ready if running else 0)
            pools.append(replace(pool, ready=ready))
            self._stand(pool_hash(pool.key), ready)
        return Fleet(tuple(pools))

    def _stand(self, pool: str, ready: int) -> None:
        """So many pods serve: those that came last go first."""
        serving = [uid for uid, pod in self._pods.items() if not pod["gone"]]
        for uid in serving[ready:]:
            self._pods[uid]["gone"] = True
        for _ in range(ready - len(serving)):
            uid = f"pod-{len(self._pods)}"
            self._pods[uid] = {"metadata": {"uid": uid, "labels": {POOL: pool}}, "gone": False}

    async def _solve(self, seen: ClusterSnapshot, chain: str) -> Mapping[Key, Allotment]:
        self._before[chain] = allot(seen, self._before.get(chain))
        return self._before[chain].by_key


async def _nobody_knows(errand: Foreseeing) -> Foreseen:
    return Foreseen(None, wants_whole=False)


async def _never_tuned(errand: Tuning) -> Any:
    raise AssertionError("a law of ticks that nobody knows yet")
