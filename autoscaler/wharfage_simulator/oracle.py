"""The least that following a load can cost when the future is known: a lower bound for every policy.

It needs as long to start a replica as everybody else, and pays for that time; it only knows what will come. A
replica whose rest would be shorter than its start is kept, which the maximum over the lead time does by itself.
"""

import math

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from wharfage_simulator.fluid import Floats

MINUTE_S = 60.0


def targets(arrivals: Floats, *, rps: float, lead_s: float, tick_s: float = 15.0, least: float = 1.0) -> Floats:
    """The count to aim for at the end of each tick, when each replica is given `rps` at most.

    `arrivals` are requests per tick. Load is taken minute by minute, as minutes are judged. ValueError for a rate
    per replica that is not positive.
    """
    if not rps > 0.0:
        raise ValueError(f"{rps} requests per second and replica: nothing could ever be served")
    per_minute = max(1, round(MINUTE_S / tick_s))
    minutes = -(-len(arrivals) // per_minute)
    padded = np.zeros(minutes * per_minute)
    padded[: len(arrivals)] = arrivals
    needed = np.repeat(np.ceil(padded.reshape(minutes, per_minute).mean(axis=1) / tick_s / rps - 1e-9), per_minute)
    needed = np.maximum(needed[: len(arrivals)], least)
    lead_ticks = math.ceil(lead_s / tick_s - 1e-9)
    ahead = np.concatenate([needed[1:], np.full(lead_ticks + 1, needed[-1] if len(needed) else least)])
    return np.asarray(sliding_window_view(ahead, lead_ticks + 1).max(axis=1)[: len(arrivals)], dtype=np.float64)
