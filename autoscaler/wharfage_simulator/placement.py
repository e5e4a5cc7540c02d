"""The twin of the gateway's `place`, for requests of which no prefix is known: emptiest first."""

import math
from typing import Any

from wharfage_simulator.compiled import compiled
from wharfage_simulator.gateway import Gate
from wharfage_simulator.records import NOBODY


@compiled
def limit(burst: float) -> int:
    """How many requests a gateway alone may have at once on a replica that takes so many in a burst."""
    return max(1, math.floor(burst + 1e-9))


@compiled
def place(gate: Gate) -> int:
    """The slot of the replica that takes a request now; NOBODY where none has room."""
    best = NOBODY
    for slot in range(gate.desk["reach"]):
        berth = gate.berths[slot]
        has_room = berth["open"] != 0 and berth["running"] < limit(berth["burst"])
        if has_room and (best == NOBODY or _emptier(berth, gate.berths[best])):
            best = slot
    return best


@compiled
def _emptier(berth: Any, other: Any) -> bool:
    filled, least = berth["running"] / berth["slots"], other["running"] / other["slots"]
    return bool(filled < least or (filled == least and berth["slots"] > other["slots"]))
