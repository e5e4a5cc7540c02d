"""How fast the count may change, however often it is looked at: the law's own limit up, and the user's `behavior`.

The law's limits are per tick. Between ticks a deployment is looked at for every event of its pods, and each of those
looks would be allowed a whole tick's growth: so growth counts from what there was a tick ago.
"""

import math
from dataclasses import replace

from wharfage_autoscaler.behavior import Behavior, ceiling, floor
from wharfage_autoscaler.decision import Decision
from wharfage_autoscaler.guard import counted_anew
from wharfage_autoscaler.law import Law
from wharfage_autoscaler.reasons import Reason
from wharfage_autoscaler.snapshot import Memory, Snapshot
from wharfage_autoscaler.tempo import Tempo, since
from wharfage_autoscaler.words import replica_words

_ROUNDING = 1e-9
TICK_S = 15.0
"""In which the law's `up_share` and `up_least` may be added."""


def keep_pace(seen: Snapshot, memory: Memory, decision: Decision) -> Decision:
    """Let the count change no faster than the law and the user's `behavior` allow."""
    demand = decision.demand
    if demand is None:
        return decision
    now_s, held = seen.now, demand.held.replicas
    tempo = memory.tempo.of(demand.signals.unit_rps)
    known = memory.held.replicas >= 0.0 and bool(tempo.held)
    before = counted_anew(memory.held, memory.unit_rps, demand.signals.unit_rps).replicas
    if before < 0.0:
        before = demand.signals.ready + demand.signals.starting
    behavior = seen.wanted.behavior
    keep_s = TICK_S if behavior is None else max(TICK_S, behavior.longest_s)
    if not tempo.held:
        tempo = tempo.after(now_s - keep_s, held=before, asked=before, keep_s=keep_s)
    count = min(held, _most(seen.law, tempo, before, now_s)) if known and held > before else held
    if behavior is not None:
        count = _within(behavior, tempo, before, count, now_s)
    count = min(max(count, demand.signals.least), demand.signals.most)
    # What is asked for is what the load wants: the law's own slowness down is no wish for what runs.
    load = demand.wanted_rps / demand.signals.unit_rps
    asked = held if math.isnan(load) or held > before else min(held, float(math.ceil(load - _ROUNDING)))
    after = tempo.after(now_s, held=count, asked=asked, keep_s=keep_s)
    decision = replace(decision, demand=replace(demand, held=demand.held._replace(replicas=count), tempo=after))
    if count == held:
        return decision
    whose = "the largest step in 15 s" if behavior is None else "scaling.behavior, or the largest step in 15 s"
    message = f"{replica_words(int(held))} asked for, {replica_words(int(count))} held: {whose}"
    return decision.amended(decision.target, Reason.STEADY, message)


def _most(law: Law, tempo: Tempo, before: float, now_s: float) -> float:
    began = tempo.began(now_s, before)(TICK_S)
    return max(before, began + max(law.up_least, math.floor(law.up_share * began)))


def _within(behavior: Behavior, tempo: Tempo, before: float, count: float, now_s: float) -> float:
    """Up to no more than the least that was asked for within the window for up, down to no less than the most."""
    began = tempo.began(now_s, before)
    if count > before:
        lately = since(tempo.asked, now_s - behavior.up.window_s) if behavior.up.window_s > 0.0 else ()
        steady = min((count, *lately))
        return max(before, min(steady, ceiling(behavior.up, before, began)))
    if count < before:
        lately = since(tempo.asked, now_s - behavior.down.window_s) if behavior.down.window_s > 0.0 else ()
        steady = max((count, *lately))
        return min(before, max(steady, floor(behavior.down, before, began)))
    return count
