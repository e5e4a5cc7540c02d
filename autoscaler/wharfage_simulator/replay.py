"""The clock of a replay: requests arrive, are routed, and every replica is brought up to the next stop.

Replicas are advanced only when somebody looks at them: between two looks at one of them, the others stay where they
are. That is exact, because they share nothing but the router.
"""

from typing import Any

import numpy as np

from wharfage_simulator.compiled import compiled
from wharfage_simulator.engine import advance, enqueue, steps_by
from wharfage_simulator.records import ID_BITS, NOBODY, Outcome, State, Status
from wharfage_simulator.routing import choose

_ID = (1 << ID_BITS) - 1
_SERVING, _OFF = int(Status.SERVING), int(Status.OFF)
_REFUSED, _ABANDONED, _LOST = int(Outcome.REFUSED), int(Outcome.ABANDONED), int(Outcome.LOST)


@compiled
def run(state: State, t_end: float) -> None:
    """Let everything happen that happens before `t_end`; first and last tokens of this run are listed."""
    requests, world = state.requests, state.world
    world["started"] = 0
    world["finished"] = 0
    serving = _serving(state.replicas)
    if len(serving) > 0:
        _unpark(serving, state)
    i = world["arrived"]
    while i < len(requests) and requests[i]["arrival_s"] < t_end:
        t = requests[i]["arrival_s"]
        if len(serving) > 0:
            enqueue(choose(serving, state, t), state, i, t)
        elif world["hold"] > 0:
            _park(i, requests, world)
        else:
            requests[i]["outcome"] = _REFUSED
            world["refused"] += 1
        i += 1
    world["arrived"] = i
    for slot in range(len(state.replicas)):
        if state.replicas[slot]["status"] != _OFF:
            advance(slot, state, t_end)
    world["now_s"] = t_end


@compiled
def evict(slot: int, ask_again: bool, state: State) -> int:
    """End a replica at the world's instant; how many requests it had.

    They ask again from the beginning, in the order of their arrival, or are lost.
    """
    requests, replica = state.requests, state.replicas[slot]
    running = replica["running"]
    had = np.empty(running + replica["queued"], dtype=np.int64)
    for place in range(running):
        had[place] = state.heaps[slot, place] & _ID
    i = replica["head"]
    for place in range(running, len(had)):
        had[place] = i
        i = requests[i]["next"]
    had.sort()
    for i in had:
        request = requests[i]
        request["first_s"] = np.nan
        request["generated"] = 0
        request["prefilled"] = 0
        request["admitted"] = 0
        request["replica"] = NOBODY
        if ask_again:
            _park(int(i), requests, state.world)
        else:
            request["outcome"] = _LOST
    replica["output_tokens"] += steps_by(replica, state.world["now_s"]) * running
    replica["busy_s"] += max(0.0, min(state.world["now_s"], replica["end_s"]) - replica["begin_s"])
    clear(replica)
    return len(had)


@compiled
def clear(replica: Any) -> None:
    """A slot without a request; what it counted so far stays."""
    replica["status"] = _OFF
    replica["end_s"] = np.inf
    replica["steps"] = 0
    replica["running"] = 0
    replica["context"] = 0
    replica["window_read"] = 0
    replica["window_kept"] = 0
    replica["reserved"] = 0
    replica["starting"] = 0
    replica["partial"] = 0
    replica["computing"] = 0
    replica["head"] = NOBODY
    replica["tail"] = NOBODY
    replica["queued"] = 0


@compiled
def gauges(state: State, output_tokens: Any, kv_tokens: Any, running: Any, waiting: Any) -> None:
    """What each replica shows at the world's instant: tokens so far, cache in use, requests that run and that wait.

    A request whose prompt is being computed runs, as in the engine's own gauges.
    """
    for slot in range(len(state.replicas)):
        replica = state.replicas[slot]
        grown = steps_by(replica, state.world["now_s"]) * replica["running"]
        output_tokens[slot] = replica["output_tokens"] + grown
        kv_tokens[slot] = replica["context"] + replica["window_kept"] + replica["reserved"] + grown
        joined = replica["starting"] + replica["partial"]
        running[slot] = replica["running"] + joined
        waiting[slot] = replica["queued"] - joined


@compiled
def _serving(replicas: Any) -> Any:
    slots = np.empty(len(replicas), dtype=np.int64)
    count = 0
    for slot in range(len(replicas)):
        if replicas[slot]["status"] == _SERVING:
            slots[count] = slot
            count += 1
    return slots[:count]


@compiled
def _park(i: int, requests: Any, world: Any) -> None:
    """Let a request wait until some replica serves."""
    requests[i]["next"] = NOBODY
    if world["parked_head"] == NOBODY:
        world["parked_head"] = i
    else:
        requests[world["parked_tail"]]["next"] = i
    world["parked_tail"] = i
    world["parked"] += 1


@compiled
def _unpark(serving: Any, state: State) -> None:
    """Hand out what waited for a replica, first come first served."""
    requests, world = state.requests, state.world
    t = world["now_s"]
    while world["parked_head"] != NOBODY:
        i = world["parked_head"]
        world["parked_head"] = requests[i]["next"]
        if t - requests[i]["arrival_s"] > world["patience_s"]:
            requests[i]["outcome"] = _ABANDONED
            world["abandoned"] += 1
        else:
            enqueue(choose(serving, state, t), state, i, t)
    world["parked_tail"] = NOBODY
    world["parked"] = 0
