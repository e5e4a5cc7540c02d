"""The clock of a replay behind a gateway: what has no room waits in front of the replicas, and not in them.

As long as nobody waits and nothing is charged or reserved, replicas are brought up to an arrival whenever that is, as
in `replay`. Otherwise every end matters to somebody: then ends happen one by one, in the order of time. A slot is free
at the instant at which its engine has made the last token; what is let in then meets the step after the one that begins
there.
"""

import math
from typing import Any

import numpy as np

from wharfage_simulator.admission import arrive, ended, expire, pump
from wharfage_simulator.buckets import settle
from wharfage_simulator.compiled import compiled
from wharfage_simulator.engine import advance, enqueue, load_of, step
from wharfage_simulator.fairness import over
from wharfage_simulator.gateway import Gate, Standing
from wharfage_simulator.records import NOBODY, Outcome, State, Status

TICK_S = 0.1
"""How often a gateway looks who has waited too long."""
_OFF, _SERVING = int(Status.OFF), int(Status.SERVING)
_PENDING, _REFUSED = int(Outcome.PENDING), int(Outcome.REFUSED)
_WAITING, _ADMITTED = int(Standing.WAITING), int(Standing.ADMITTED)


@compiled
def run(state: State, gate: Gate, t_end: float) -> None:
    """Let everything happen that happens before `t_end`; first and last tokens of this run are listed."""
    requests, world = state.requests, state.world
    world["started"] = 0
    world["finished"] = 0
    there = _seen(state, gate)
    pump(gate, world["now_s"])
    _hand_over(state, gate, world["now_s"])
    _ask_again(state, gate)
    i = world["arrived"]
    while i < len(requests) and requests[i]["arrival_s"] < t_end:
        t = requests[i]["arrival_s"]
        _until(state, gate, there, t)
        _come(state, gate, i, t)
        i += 1
        world["arrived"] = i
    _until(state, gate, there, t_end)
    world["now_s"] = t_end


@compiled
def _seen(state: State, gate: Gate) -> Any:
    """What replicas there are now, for the gateway; their slots."""
    there = np.empty(len(state.replicas), dtype=np.int64)
    count = 0
    gate.desk["reach"] = 0
    for slot in range(len(state.replicas)):
        replica = state.replicas[slot]
        gate.berths[slot]["open"] = 1 if replica["status"] == _SERVING else 0
        gate.berths[slot]["running"] = load_of(replica)
        if replica["status"] != _OFF:
            there[count] = slot
            count += 1
            gate.desk["reach"] = slot + 1
    return there[:count]


@compiled
def _ask_again(state: State, gate: Gate) -> None:
    """Those whose replica ended come anew, in the order in which they came first."""
    requests, world, t = state.requests, state.world, state.world["now_s"]
    i = world["parked_head"]
    while i != NOBODY:
        settle(gate, i, 0.0, t)
        over(gate, i, t - gate.tickets[i]["admitted_s"])
        i = requests[i]["next"]
    i = world["parked_head"]
    world["parked_head"] = world["parked_tail"] = NOBODY
    world["parked"] = 0
    while i != NOBODY:
        behind = requests[i]["next"]
        _come(state, gate, i, t)
        i = behind


@compiled
def _come(state: State, gate: Gate, i: int, t: float) -> None:
    standing = arrive(gate, i, state.requests[i]["prompt"], t)
    if standing != _WAITING:
        gate.called[gate.desk["called"]] = i
        gate.desk["called"] += 1
    _hand_over(state, gate, t)


@compiled
def _until(state: State, gate: Gate, there: Any, t: float) -> None:
    """Let everything happen in replicas and queue that happens before `t`."""
    while gate.desk["waiting"] > 0 or gate.desk["charged"] > 0 or gate.desk["throttled"] != 0:
        slot, end_s = _next_end(state.replicas, there)
        late_s = _next_refusal_s(gate)
        if late_s < t and late_s <= end_s:
            expire(gate, late_s)
            _hand_over(state, gate, late_s)
        elif end_s < t:
            _step(state, gate, slot, end_s)
        else:
            break
    for slot in there:
        if state.replicas[slot]["end_s"] < t:
            advance(slot, state, t)
            gate.berths[slot]["running"] = load_of(state.replicas[slot])


@compiled
def _next_end(replicas: Any, there: Any) -> tuple[int, float]:
    """Which replica's step or stretch ends first, and when; infinite where all are idle."""
    first, first_s = NOBODY, math.inf
    for slot in there:
        if replicas[slot]["end_s"] < first_s:
            first, first_s = slot, replicas[slot]["end_s"]
    return first, first_s


@compiled
def _next_refusal_s(gate: Gate) -> float:
    """The look at which the oldest of those that wait has waited too long."""
    oldest = gate.desk["oldest"]
    if oldest == NOBODY or math.isinf(gate.desk["hold_s"]):
        return math.inf
    asked_s, hold_s = gate.tickets[oldest]["asked_s"], gate.desk["hold_s"]
    look = math.ceil((asked_s + hold_s) / TICK_S)
    while look * TICK_S - asked_s < hold_s:  # the sum is rounded
        look += 1
    return float(look * TICK_S)


@compiled
def _step(state: State, gate: Gate, slot: int, end_s: float) -> None:
    """A replica's step ends: each request that is over makes room."""
    before = state.world["finished"]
    step(slot, state)
    for place in range(before, state.world["finished"]):
        i = state.finished[place]
        ended(gate, i, state.requests[i]["prompt"], state.requests[i]["output"], end_s)
        _hand_over(state, gate, end_s)


@compiled
def _hand_over(state: State, gate: Gate, t: float) -> None:
    """Those who were told something go to their engines, or away; who can never fit there is over at once."""
    place = 0
    while place < gate.desk["called"]:
        i = gate.called[place]
        place += 1
        if gate.tickets[i]["standing"] == _ADMITTED:
            enqueue(gate.tickets[i]["slot"], state, i, t)
            if state.requests[i]["outcome"] != _PENDING:
                ended(gate, i, 0, 0, t)
        else:
            state.requests[i]["outcome"] = _REFUSED
            state.world["refused"] += 1
    gate.desk["called"] = 0
