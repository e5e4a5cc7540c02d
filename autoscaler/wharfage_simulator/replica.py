"""Replicas that serve a trace: started, drained and killed from outside, between stops of one clock.

    replicas = Replicas(trace, [profile], slots=8)
    replicas.serve(0, profile=0)
    interval = replicas.run(15.0)      # what happened in the first 15 s
    replicas.gauges()                  # what /metrics would show now
    replicas.kill(0)                   # its requests ask again

A slot is room for one replica at a time. Times are seconds from the trace's beginning.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from wharfage_autoscaler.capacity import AtOnce

from wharfage_simulator import gated, replay
from wharfage_simulator.gateway import ALIKE, Gateway, Senders
from wharfage_simulator.profile import EngineProfile, tables
from wharfage_simulator.records import NOBODY, REPLICA, REQUEST, WORLD, State, Status
from wharfage_simulator.routing import Routing
from wharfage_simulator.tables import Floats
from wharfage_simulator.traces import RequestTrace

Ids = npt.NDArray[np.int32]
Counts = npt.NDArray[np.int64]

_MOST_REQUESTS = 1 << 31


@dataclass(frozen=True, slots=True)
class Service:
    """How requests reach replicas, and how long their clients are content to wait.

    `hold` keeps requests while nothing serves; a plain Service refuses them. Requests whose prompt nobody began to
    compute within `patience_s` are abandoned. A `gateway` takes the place of both routing and hold: it sends a replica
    no more than it carries at once, and its clients wait for as long as it lets them.
    """

    routing: Routing = Routing.RANDOM
    hold: bool = False
    patience_s: float = math.inf
    seed: int = 1
    gateway: Gateway | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Interval:
    """What happened between two stops: numbers of requests, in the order in which replicas were looked at."""

    begin_s: float
    end_s: float
    arrived: range
    started: Ids  # first token
    finished: Ids  # last token


@dataclass(frozen=True, slots=True, eq=False)
class Gauges:
    """What every slot shows at one instant; counters since the beginning, over all replicas the slot has held."""

    running: Counts
    waiting: Counts
    kv_tokens: Counts
    kv_capacity: Counts  # of the slot's present profile
    output_tokens: Counts
    prompt_tokens: Counts
    arrived: Counts
    completed: Counts
    preempted: Counts
    busy_s: Floats
    held: int = 0
    """Requests that wait in front of all replicas, at a gateway."""


class Replicas:
    """The state of one replay, and the few things that can be done to it."""

    def __init__(
        self,
        trace: RequestTrace,
        profiles: Sequence[EngineProfile],
        slots: int,
        service: Service = Service(),
        senders: Senders = ALIKE,
    ) -> None:
        if trace.requests >= _MOST_REQUESTS or not 0 < slots < 1 << 15:
            raise ValueError(f"{trace.requests} requests on {slots} slots: at most {_MOST_REQUESTS - 1} on {2**15 - 1}")
        if not profiles:
            raise ValueError("no profile: a replica needs to be of some kind")
        if service.gateway is not None and service.patience_s < math.inf:
            raise ValueError("clients of a gateway wait for as long as it holds them: leave out patience_s")
        self.profiles = tuple(profiles)
        self.gate = None if service.gateway is None else service.gateway.opened(trace.requests, slots, senders)
        coefficients, linear = tables(profiles)
        requests = np.zeros(trace.requests, dtype=REQUEST)
        requests["arrival_s"] = trace.t_s
        requests["prompt"] = trace.prompt_tokens
        requests["output"] = trace.output_tokens
        requests["cached"] = trace.cached_tokens
        requests["first_s"] = requests["finish_s"] = np.nan
        requests["next"] = requests["replica"] = NOBODY
        replicas = np.zeros(slots, dtype=REPLICA)
        world = np.zeros(1, dtype=WORLD)
        world["parked_head"] = world["parked_tail"] = NOBODY
        world["random"] = 1 + service.seed % 2147483646
        world["routing"], world["hold"], world["patience_s"] = service.routing, service.hold, service.patience_s
        most = max(profile.step.limits.sequences for profile in profiles)
        heaps = np.zeros((slots, most), dtype=np.int64)
        started, finished = (np.zeros(trace.requests, dtype=np.int32) for _ in range(2))
        self.state = State(requests, replicas, coefficients, linear, heaps, world[0], started, finished)
        for slot in range(slots):
            replay.clear(replicas[slot])

    @property
    def now_s(self) -> float:
        """The instant at which the world stands still."""
        return float(self.state.world["now_s"])

    @property
    def requests(self) -> npt.NDArray[np.void]:
        """All requests of the trace as they stand now, dtype `records.REQUEST`; not to be written to."""
        requests: npt.NDArray[np.void] = self.state.requests
        return requests

    @property
    def status(self) -> npt.NDArray[np.int64]:
        """`records.Status` of every slot."""
        status: npt.NDArray[np.int64] = self.state.replicas["status"]
        return status

    @property
    def parked(self) -> int:
        """Requests that wait for any replica to serve, or at a gateway for room on one."""
        return int(self.state.world["parked"]) + self._held()

    @property
    def load(self) -> Counts:
        """Requests that every slot has, running or waiting: a slot that drains is done at 0."""
        load: Counts = self.state.replicas["running"] + self.state.replicas["queued"]
        return load

    def serve(self, slot: int, profile: int, *, weight: float = 1.0, at_once: AtOnce | None = None) -> None:
        """Let a replica of that kind serve from now on, or serve again if it drains; `weight` counts in the routing.

        A gateway sends it at most `at_once` requests at a time; without it as many as its engine decodes.
        `ValueError` when the slot is taken by another kind, or the weight or `at_once` is not above 0.
        """
        replica = self.state.replicas[slot]
        if replica["status"] != Status.OFF and replica["profile"] != profile:
            raise ValueError(f"slot {slot} is taken by a replica of {self.profiles[int(replica['profile'])].name}")
        if not (weight > 0 and math.isfinite(weight)):
            raise ValueError(f"slot {slot}: a weight of {weight!r}; it must be above 0")
        replica["profile"] = profile
        replica["weight"] = weight
        replica["credit"] = 0.0
        replica["status"] = Status.SERVING
        if self.gate is not None:
            sequences = self.profiles[profile].step.limits.sequences
            given = AtOnce(sequences, sequences) if at_once is None else at_once
            if not 0 < given.slots <= given.burst:
                raise ValueError(f"slot {slot}: {given}; 0 < slots <= burst must hold")
            self.gate.berths[slot]["slots"], self.gate.berths[slot]["burst"] = given.slots, given.burst

    def drain(self, slot: int) -> None:
        """Send it nothing more; what it has, it finishes. Ended with `kill` once its load is 0, or before."""
        if self.state.replicas[slot]["status"] == Status.SERVING:
            self.state.replicas[slot]["status"] = Status.DRAINING

    def kill(self, slot: int, *, ask_again: bool = True) -> int:
        """End a replica now; how many requests it had. They ask again from the beginning, or are lost."""
        return int(replay.evict(slot, ask_again, self.state))

    def run(self, until_s: float) -> Interval:
        """Let everything happen that happens before `until_s`; `math.inf` serves all there is.

        `ValueError` when the clock would go back.
        """
        begin_s = self.now_s
        if not until_s >= begin_s:
            raise ValueError(f"the clock stands at {begin_s:.12g} s and does not go back to {until_s!r}")
        first = int(self.state.world["arrived"])
        if self.gate is None:
            replay.run(self.state, until_s)
        else:
            gated.run(self.state, self.gate, until_s)
        world = self.state.world
        return Interval(
            begin_s,
            until_s,
            range(first, int(world["arrived"])),
            self.state.started[: world["started"]].copy(),
            self.state.finished[: world["finished"]].copy(),
        )

    def gauges(self) -> Gauges:
        """What every slot shows now."""
        replicas = self.state.replicas
        output_tokens, kv_tokens, running, waiting = (np.zeros(len(replicas), dtype=np.int64) for _ in range(4))
        replay.gauges(self.state, output_tokens, kv_tokens, running, waiting)
        return Gauges(
            running,
            waiting,
            kv_tokens,
            self.state.profiles["kv_tokens"][replicas["profile"]],
            output_tokens,
            replicas["prompt_tokens"].copy(),
            replicas["arrived"].copy(),
            replicas["completed"].copy(),
            replicas["preempted"].copy(),
            replicas["busy_s"].copy(),
            self._held(),
        )

    def _held(self) -> int:
        return 0 if self.gate is None else int(self.gate.desk["waiting"])
