"""What the operator asks a gateway for: who came, who waits, what it all came to. Contract: design record 0023."""

import math
from typing import Any

from wharfage_gateway.board import Board

_TOTALS = ("arrivals", "admitted", "prompt_tokens", "output_tokens")


def demand(board: Board, *, now_s: float, unix_s: float) -> dict[str, Any]:
    """The answer of `/demand`. `now_s` is the board's clock and `unix_s` everybody's, at the same moment."""
    models: dict[str, dict[str, float | None]] = {}
    for key, desk in board.desks.items():
        came = math.isfinite(desk.last_arrival_s)
        counts = [count for (of, _, _), count in board.tally.counts.items() if of == key]
        models[key] = {
            **{name: sum(getattr(count, name) for count in counts) for name in _TOTALS},
            "refused": sum(count.refused.total() for count in counts),
            "waiting": len(desk.waiting),
            "running": sum(desk.running.values()),
            "last_arrival_s": unix_s - (now_s - desk.last_arrival_s) if came else None,
        }
    return {"version": board.version, "at": unix_s, "models": models}
