"""The twin of the gateway's `admit` and `board`: what happens to requests on arrival, at an end, and as time passes.

Whoever had waited and is told something now is listed in `Gate.called`; the caller empties the list.
"""

from wharfage_simulator.buckets import measured, missing_s, most_tokens, reserve, settle
from wharfage_simulator.compiled import compiled
from wharfage_simulator.fairness import first, join, leave, over, serve, sheds
from wharfage_simulator.gateway import Gate, Standing
from wharfage_simulator.placement import place
from wharfage_simulator.records import NOBODY

_WAITING, _ADMITTED = int(Standing.WAITING), int(Standing.ADMITTED)
_TOO_LONG, _EXHAUSTED = int(Standing.TOO_LONG), int(Standing.TOKENS_EXHAUSTED)
_FULL, _TIMEOUT, _COLD = int(Standing.QUEUE_FULL), int(Standing.QUEUE_TIMEOUT), int(Standing.COLD_START_TIMEOUT)


@compiled
def arrive(gate: Gate, i: int, prompt: int, t: float) -> int:
    """Request `i` comes at `t` with a prompt of so many tokens: its `Standing` from then on."""
    ticket, desk = gate.tickets[i], gate.desk
    ticket["asked_s"] = t
    ticket["slot"] = NOBODY
    waiting = desk["waiting"]
    full = waiting >= desk["most_waiting"]
    pushed = sheds(gate, i) if full else NOBODY
    tokens = most_tokens(gate, i, prompt)
    slot = place(gate) if waiting == 0 else NOBODY
    if desk["most_prompt"] != NOBODY and prompt > desk["most_prompt"]:
        ticket["standing"] = _TOO_LONG
    elif missing_s(gate, i, tokens, t) > 0.0:
        ticket["standing"] = _EXHAUSTED
    elif slot != NOBODY:
        reserve(gate, i, tokens, t)
        _run(gate, i, slot, t)
    elif full and pushed == NOBODY:
        ticket["standing"] = _FULL
    else:
        reserve(gate, i, tokens, t)
        if pushed != NOBODY:
            _refuse(gate, pushed, _FULL, t)
        ticket["standing"] = _WAITING
        join(gate, i)
    return int(ticket["standing"])


@compiled
def ended(gate: Gate, i: int, prompt: int, output: int, t: float) -> None:
    """A request that was let in is over, and came to so many tokens: who waits is let in where that makes room."""
    measured(gate, output)
    settle(gate, i, float(prompt + output), t)
    over(gate, i, t - gate.tickets[i]["admitted_s"])
    gate.berths[gate.tickets[i]["slot"]]["running"] -= 1
    pump(gate, t)


@compiled
def pump(gate: Gate, t: float) -> None:
    """Let in who waits, as long as there is room."""
    while gate.desk["waiting"] > 0:
        i = first(gate)
        slot = place(gate)
        if slot == NOBODY:
            break
        serve(gate, i)
        _run(gate, i, slot, t)
        _call(gate, i)


@compiled
def expire(gate: Gate, t: float) -> None:
    """Refuse who has waited too long; the oldest has waited longest."""
    desk = gate.desk
    while desk["oldest"] != NOBODY and t - gate.tickets[desk["oldest"]]["asked_s"] >= desk["hold_s"]:
        _refuse(gate, desk["oldest"], _COLD if _at_zero(gate) else _TIMEOUT, t)


@compiled
def _run(gate: Gate, i: int, slot: int, t: float) -> None:
    ticket = gate.tickets[i]
    ticket["standing"] = _ADMITTED
    ticket["slot"] = slot
    ticket["admitted_s"] = t
    gate.berths[slot]["running"] += 1


@compiled
def _refuse(gate: Gate, i: int, reason: int, t: float) -> None:
    leave(gate, i)
    settle(gate, i, 0.0, t)
    gate.tickets[i]["standing"] = reason
    _call(gate, i)


@compiled
def _call(gate: Gate, i: int) -> None:
    gate.called[gate.desk["called"]] = i
    gate.desk["called"] += 1


@compiled
def _at_zero(gate: Gate) -> bool:
    opened = 0
    for slot in range(gate.desk["reach"]):
        opened += gate.berths[slot]["open"]
    return bool(opened == 0)
