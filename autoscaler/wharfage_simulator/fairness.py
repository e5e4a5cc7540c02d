"""The twin of the gateway's `waiting`: classes by weight, tenants alike within a class, each in the order it came.

Start-time fair queueing of slot time on two levels, as explained there; who is next is searched for instead of kept in
a heap, since classes and tenants are few. Names are numbers here, in the order of the names.
"""

from typing import Any

from wharfage_simulator.compiled import compiled
from wharfage_simulator.gateway import Gate
from wharfage_simulator.records import NOBODY

_FIRST_COST_S, _RECENT = 0.01, 0.1  # as there


@compiled
def join(gate: Gate, i: int) -> None:
    """Come last of a tenant in a class."""
    ticket, desk = gate.tickets[i], gate.desk
    cls = gate.classes[ticket["cls"]]
    line = gate.lines[ticket["cls"], ticket["tenant"]]
    if cls["used"] == 0:
        desk["classes_used"] += 1
        cls["used"] = desk["classes_used"]
    if cls["size"] == 0:
        ahead = _next_class(gate.classes)
        level = desk["clock"] if ahead == NOBODY else min(desk["clock"], gate.classes[ahead]["start"])
        cls["start"] = max(cls["start"], level)
    if line["listed"] == 0:
        level = cls["clock"]
        if cls["size"] > 0:
            lines = gate.lines[ticket["cls"]]
            least = lines[_next_tenant(cls, lines)]["start"]
            level = min(cls["clock"], least)
        line["listed"] = 1
        line["start"] = max(line["start"], level)
    ticket["ahead"] = line["tail"]
    ticket["behind"] = NOBODY
    if line["tail"] == NOBODY:
        line["head"] = i
    else:
        gate.tickets[line["tail"]]["behind"] = i
    line["tail"] = i
    line["size"] += 1
    cls["size"] += 1
    ticket["older"] = desk["newest"]
    ticket["newer"] = NOBODY
    if desk["newest"] == NOBODY:
        desk["oldest"] = i
    else:
        gate.tickets[desk["newest"]]["newer"] = i
    desk["newest"] = i
    desk["waiting"] += 1


@compiled
def leave(gate: Gate, i: int) -> None:
    """Go away, served or not."""
    ticket, desk, tickets = gate.tickets[i], gate.desk, gate.tickets
    line = gate.lines[ticket["cls"], ticket["tenant"]]
    if ticket["ahead"] == NOBODY:
        line["head"] = ticket["behind"]
    else:
        tickets[ticket["ahead"]]["behind"] = ticket["behind"]
    if ticket["behind"] == NOBODY:
        line["tail"] = ticket["ahead"]
    else:
        tickets[ticket["behind"]]["ahead"] = ticket["ahead"]
    if ticket["older"] == NOBODY:
        desk["oldest"] = ticket["newer"]
    else:
        tickets[ticket["older"]]["newer"] = ticket["newer"]
    if ticket["newer"] == NOBODY:
        desk["newest"] = ticket["older"]
    else:
        tickets[ticket["newer"]]["older"] = ticket["older"]
    line["size"] -= 1
    gate.classes[ticket["cls"]]["size"] -= 1
    desk["waiting"] -= 1


@compiled
def first(gate: Gate) -> int:
    """Whose turn it is; NOBODY where nobody waits."""
    which = _next_class(gate.classes)
    if which == NOBODY:
        return NOBODY
    return int(gate.lines[which, _next_tenant(gate.classes[which], gate.lines[which])]["head"])


@compiled
def serve(gate: Gate, i: int) -> None:
    """Serve the one whose turn it is, whom `first` has just named; `over` tells what it came to."""
    ticket, desk = gate.tickets[i], gate.desk
    cls = gate.classes[ticket["cls"]]
    line = gate.lines[ticket["cls"], ticket["tenant"]]
    leave(gate, i)
    cost_s = _FIRST_COST_S
    if line["mean_s"] != 0.0:
        cost_s = line["mean_s"]
    elif cls["mean_s"] != 0.0:
        cost_s = cls["mean_s"]
    ticket["charged_s"] = cost_s
    desk["charged"] += 1
    line["running"] += 1
    desk["clock"] = max(desk["clock"], cls["start"])
    cls["clock"] = max(cls["clock"], line["start"])
    cls["start"] += cost_s / cls["weight"]
    line["start"] += cost_s


@compiled
def over(gate: Gate, i: int, used_s: float) -> None:
    """One that was served had its slot for so long; nothing of one that never waited."""
    ticket = gate.tickets[i]
    charged_s = ticket["charged_s"]
    if charged_s == 0.0:
        return
    ticket["charged_s"] = 0.0
    gate.desk["charged"] -= 1
    cls = gate.classes[ticket["cls"]]
    line = gate.lines[ticket["cls"], ticket["tenant"]]
    line["running"] -= 1
    line["mean_s"] = _moved(line["mean_s"], used_s)
    cls["mean_s"] = _moved(cls["mean_s"], used_s)
    cls["start"] += (used_s - charged_s) / cls["weight"]
    start = line["start"] + used_s - charged_s
    if line["listed"] != 0 or start > cls["clock"]:
        line["listed"] = 1
        line["start"] = start
    else:
        _forget(line)


@compiled
def sheds(gate: Gate, i: int) -> int:
    """Who has to go so that request `i` can come: NOBODY, it is the newcomer that cannot."""
    own, tenant = gate.tickets[i]["cls"], gate.tickets[i]["tenant"]
    fullest = own
    most = (gate.classes[own]["size"] + 1.0) / gate.classes[own]["weight"]
    for which in range(len(gate.classes)):
        held = gate.classes[which]["size"] / gate.classes[which]["weight"]
        if which != own and held > most:
            fullest, most = which, held
    return _newest_of_most(gate.lines[fullest], tenant if fullest == own else NOBODY)


@compiled
def _newest_of_most(lines: Any, newcomer: int) -> int:
    """The newest of the tenant with most, the newcomer counted; NOBODY where that is the newcomer's."""
    fullest = newcomer
    most = lines[newcomer]["size"] + 1 if newcomer != NOBODY else 0
    for tenant in range(len(lines)):
        size = lines[tenant]["size"]
        if tenant != newcomer and size > most:
            fullest, most = tenant, size
    return NOBODY if fullest == newcomer else int(lines[fullest]["tail"])


@compiled
def _next_class(classes: Any) -> int:
    """The class furthest behind; of those as far, the one that was used first."""
    best = NOBODY
    for which in range(len(classes)):
        if classes[which]["size"] > 0 and (best == NOBODY or _behind(classes[which], classes[best])):
            best = which
    return best


@compiled
def _behind(cls: Any, other: Any) -> bool:
    if cls["start"] == other["start"]:
        return bool(cls["used"] < other["used"])
    return bool(cls["start"] < other["start"])


@compiled
def _next_tenant(cls: Any, lines: Any) -> int:
    """The tenant furthest behind of a class in which somebody waits; who left the front empty is listed no more."""
    while True:
        best = NOBODY
        for tenant in range(len(lines)):
            if lines[tenant]["listed"] != 0 and (best == NOBODY or lines[tenant]["start"] < lines[best]["start"]):
                best = tenant
        if lines[best]["size"] > 0:
            return best
        cls["clock"] = max(cls["clock"], lines[best]["start"])
        lines[best]["listed"] = 0
        _forget(lines[best])


@compiled
def _forget(line: Any) -> None:
    if line["size"] == 0 and line["running"] == 0:
        line["start"] = 0.0
        line["mean_s"] = 0.0


@compiled
def _moved(mean_s: float, last_s: float) -> float:
    return mean_s + _RECENT * (last_s - mean_s) if mean_s != 0.0 else last_s
