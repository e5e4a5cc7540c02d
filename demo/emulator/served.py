"""One deployment's load on the pods that it has: which replica stands behind which pod, and what they do with it."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

import numpy as np
from wharfage_autoscaler.capacity import Infeasible, capacity
from wharfage_autoscaler.objectives import Objectives
from wharfage_autoscaler.steptime import StepTime
from wharfage_autoscaler.traffic import Traffic
from wharfage_simulator.gauges import Recorder
from wharfage_simulator.minutes import Minutes, minutes
from wharfage_simulator.records import Outcome
from wharfage_simulator.replica import Gauges, Replicas, Service
from wharfage_simulator.traces import RequestTrace

from demo.emulator.engines import Engines
from demo.emulator.page import page
from demo.emulator.tally import Tally, edges

_SLOTS = 512  # pods that serve or drain at one time
_LIE = 1e6
_NONE = np.zeros(1, dtype=np.int64)
_NOTHING = Gauges(_NONE, _NONE, _NONE, _NONE, _NONE, _NONE, _NONE, _NONE, _NONE, np.zeros(1))


@dataclass(frozen=True, slots=True)
class Moment:
    """A deployment at an instant; rates per second over the last minute, None where nothing arrived or finished."""

    now_s: float
    arrived_rps: float | None
    bad_share: float | None
    running: int
    waiting: int
    pods: int
    """That are sent requests."""
    carried_rps: float
    """What these carry within the objectives, by the capacity model."""


class Served:
    """A trace that is served by whatever pods there are. Pods are known by their uids; times are the trace's own."""

    def __init__(self, trace: RequestTrace, engines: Engines, *, seed: int = 1) -> None:
        """Nothing has arrived yet. A plain Service: pods are chosen at random, and without any a request fails."""
        self._engines = engines
        self._trace = trace
        self.replicas = Replicas(trace, engines.profiles, _SLOTS, Service(seed=seed))
        self._recorder = Recorder(self.replicas, engines.objectives)
        self._tally = Tally(_SLOTS, engines.context_tokens)
        self._edges = edges(engines.context_tokens)
        self._slots: dict[str, int] = {}
        self._free = list(range(_SLOTS - 1, -1, -1))
        self._receiving: frozenset[str] = frozenset()
        self._gauges = self.replicas.gauges()
        self._good_rps = [_good_rps(each.step, trace, engines.objectives) for each in engines.profiles]
        self._carried_rps = 0.0

    @property
    def pods(self) -> Collection[str]:
        """Those with an engine, sent requests or not."""
        return self._slots.keys()

    def step(self, until_s: float, receiving: Mapping[str, int], existing: Collection[str]) -> None:
        """Let the engines run to `until_s` on the pods of now.

        `receiving` are the pods in the endpoints, with their profiles. Others that exist finish what they have; what a
        pod that is gone had is asked again, elsewhere.
        """
        for uid in [uid for uid in self._slots if uid not in existing]:
            slot = self._slots.pop(uid)
            self.replicas.kill(slot)
            self._free.append(slot)
        for uid, slot in self._slots.items():
            if uid not in receiving:
                self.replicas.drain(slot)
        for uid, profile in receiving.items():
            if uid not in self._slots:
                self._slots[uid] = slot = self._free.pop()
                self._tally.begin(slot, self.replicas.gauges())
            self.replicas.serve(self._slots[uid], profile)
        self._receiving = frozenset(receiving)
        # A Service sends each the same: all of them carry what the weakest does.
        self._carried_rps = len(receiving) * min((self._good_rps[each] for each in receiving.values()), default=0.0)
        interval = self.replicas.run(max(until_s, self.replicas.now_s))
        self._tally.add(interval, self.replicas.requests)
        self._recorder.add(interval)
        self._gauges = self.replicas.gauges()

    def idle(self, uid: str) -> bool:
        """Whether a pod has no request."""
        return uid not in self._slots or int(self.replicas.load[self._slots[uid]]) == 0

    def page(self, uid: str, *, lying: bool = False) -> str:
        """What a pod's engine shows; one that nobody was sent to has served nobody. A liar counts a million times."""
        slot = self._slots.get(uid)
        if slot is None:
            told = Tally(1, self._engines.context_tokens).told(0, _NOTHING)
        else:
            told = self._tally.told(slot, self._gauges)
        if lying:
            told = replace(told, prompt_tokens=_LIE * told.prompt_tokens, output_tokens=_LIE * told.output_tokens)
        return page(self._engines.model, told, self._edges)

    def moment(self) -> Moment:
        """How it goes."""
        slots = list(self._slots.values())
        return Moment(
            self.replicas.now_s,
            _known(self._recorder.arrived_rps(60.0)),
            _known(self._recorder.bad_share(60.0)),
            int(self._gauges.running[slots].sum()),
            int(self._gauges.waiting[slots].sum()) + self.replicas.parked,
            len(self._receiving),
            self._carried_rps,
        )

    def state_of(self, uid: str) -> np.void | None:
        """The replica behind a pod, dtype `records.REPLICA`; not to be written to. None where nobody was sent to it."""
        slot = self._slots.get(uid)
        found: np.void | None = None if slot is None else self.replicas.state.replicas[slot]
        return found

    def minutes(self) -> Minutes:
        """Every minute since the beginning, by its requests that were bad."""
        limits = self._engines.objectives
        now_s = self.replicas.now_s
        return minutes(
            self.replicas.requests, now_s, ttft_s=limits.ttft_p95_s, tpot_s=limits.tpot_p95_s, duration_s=now_s
        )

    def failed(self) -> int:
        """Requests that nobody served: no pod was there, or they can never fit."""
        return int(np.isin(self.replicas.requests["outcome"], (Outcome.REFUSED, Outcome.ABANDONED, Outcome.LOST)).sum())


def warm(engines: Engines) -> None:
    """Compile what a replay runs, where no cache has it: ten seconds and more that no load should wait for."""
    lengths = np.full(2, 2, dtype=np.int32)
    load = RequestTrace("warm", 0.0, 2.0, np.array([0.0, 1.0]), lengths, lengths, np.zeros(2, dtype=np.int32))
    served = Served(load, engines)
    served.step(0.5, {"a": 0, "b": 0}, {"a", "b"})
    served.step(3.0, {"a": 0}, {"a"})
    served.moment()
    served.minutes()


def _good_rps(step: StepTime, trace: RequestTrace, objectives: Objectives) -> float:
    """What an engine carries of such requests; 0 where it misses the objectives whatever it is sent."""
    prompt = float(trace.prompt_tokens.mean())
    mix = Traffic(
        prompt_tokens=prompt,
        output_tokens=max(1.0, float(trace.output_tokens.mean())),
        prefix_hit_share=float(trace.cached_tokens.mean()) / prompt,
        prompt_cv=float(trace.prompt_tokens.std()) / prompt,
    )
    carried = capacity(step, mix, objectives)
    return 0.0 if isinstance(carried, Infeasible) else carried.requests_per_second


def _known(value: float) -> float | None:
    return None if np.isnan(value) else float(value)
