"""From a wanted rate to a count that does not flap: dead band, window, limits of speed, and what is not known."""

import math
from dataclasses import replace

from wharfage_autoscaler.decision import Decision
from wharfage_autoscaler.law import Held, Law, Signals
from wharfage_autoscaler.reasons import Reason
from wharfage_autoscaler.snapshot import Memory, Snapshot
from wharfage_autoscaler.words import replica_words

_ROUNDING = 1e-9  # three replicas of 0.1 carry 0.3
_STRETCHES = 5  # the window is kept as so many maxima, and a sixth that is still filling


def steadied(law: Law, signals: Signals, held: Held, wanted_rps: float) -> Held:
    """The next target, as `Held.replicas`, and what to remember.

    Up at once, within `up_share`; down no lower than the most that was wanted within the window, a tenth a minute.
    Without measurement nothing goes down. In a panic (load or queue beyond twice what is ready) neither.
    The vocabulary is that of the HorizontalPodAutoscaler's `behavior`; the panic is Knative's.
    """
    current = held.replicas
    if current < 0.0:
        current = float(math.ceil(signals.ready + signals.starting - _ROUNDING))
    blind = math.isnan(signals.rps_1m)
    raw = current
    exact = current
    if not math.isnan(wanted_rps):
        exact = wanted_rps / signals.unit_rps
        raw = float(math.ceil(exact - _ROUNDING))
        if blind and raw < current:
            raw = current
            exact = current

    panic_until_s = held.panic_until_s
    served = signals.ready * signals.unit_rps
    if signals.rps_15s > law.panic_ratio * served or signals.waiting > law.panic_ratio * signals.slots * signals.ready:
        panic_until_s = signals.now_s + law.panic_s

    width_s = law.down_window_s / _STRETCHES
    recent, stretch_s = held.recent, held.stretch_s
    if signals.now_s - stretch_s >= (_STRETCHES + 1) * width_s:
        recent = (0.0, 0.0, 0.0, 0.0, 0.0, 0.0)
        stretch_s = signals.now_s
    while width_s > 0.0 and signals.now_s - stretch_s >= width_s:
        recent = (0.0, recent[0], recent[1], recent[2], recent[3], recent[4])
        stretch_s += width_s
    recent = (max(recent[0], raw), recent[1], recent[2], recent[3], recent[4], recent[5])
    most_wanted = raw
    if width_s > 0.0:
        most_wanted = max(recent[0], recent[1], recent[2], recent[3], recent[4], recent[5])

    count = current
    lowered_s = held.lowered_s
    if raw > current:
        if exact > current * (1.0 + law.dead_band) or signals.now_s < panic_until_s:
            count = min(raw, current + max(law.up_least, math.floor(law.up_share * current)))
    elif raw < current and signals.now_s >= panic_until_s:
        due = signals.now_s - lowered_s >= law.down_every_s
        if due and exact < current * (1.0 - law.dead_band) and most_wanted < current:
            step = max(law.down_least, math.ceil(law.down_share * current))
            count = max(most_wanted, current - step)
            lowered_s = signals.now_s
    count = min(max(count, signals.least), signals.most)

    swing_rps, mark_rps, mark_s = held.swing_rps, held.mark_rps, held.mark_s
    if not math.isnan(signals.rps_5m) and signals.now_s - mark_s >= signals.lead_s:
        if not math.isnan(mark_rps):
            weight = min(1.0, signals.lead_s / law.swing_memory_s)
            swing_rps += weight * (abs(signals.rps_5m - mark_rps) - swing_rps)
        mark_rps, mark_s = signals.rps_5m, signals.now_s
    return Held(count, recent, stretch_s, panic_until_s, lowered_s, swing_rps, mark_rps, mark_s)


def hold_steady(seen: Snapshot, memory: Memory, decision: Decision) -> Decision:
    """Make a count of what is wanted; nothing where the count does not follow the load."""
    demand = decision.demand
    if demand is None:
        return decision
    before = counted_anew(memory.held, memory.unit_rps, demand.signals.unit_rps)
    held = steadied(seen.law, demand.signals, before, demand.wanted_rps)
    decision = replace(decision, demand=replace(demand, held=held))
    asked = demand.wanted_rps / demand.signals.unit_rps
    if math.isnan(asked) or held.replicas == math.ceil(asked - _ROUNDING):
        return decision
    message = f"{asked:.1f} replicas asked for, {replica_words(int(held.replicas))} held: {_why(seen.law, held, asked)}"
    return decision.amended(decision.target, Reason.STEADY, message)


def counted_anew(held: Held, before_rps: float, unit_rps: float) -> Held:
    """The same capacity in replicas that carry another rate; as it is where one of the rates is not known."""
    if before_rps == unit_rps or before_rps <= 0.0 or unit_rps <= 0.0 or held.replicas < 0.0:
        return held
    ratio = before_rps / unit_rps
    a, b, c, d, e, f = (float(round(count * ratio)) for count in held.recent)
    return held._replace(replicas=max(1.0, float(round(held.replicas * ratio))), recent=(a, b, c, d, e, f))


def _why(law: Law, held: Held, asked: float) -> str:
    if asked > held.replicas:
        return f"within the dead band of {100 * law.dead_band:.0f} %, or the largest step up"
    return f"down only after {law.down_window_s:.0f} s, by {100 * law.down_share:.0f} % in {law.down_every_s:.0f} s"
