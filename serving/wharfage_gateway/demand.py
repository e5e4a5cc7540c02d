"""What the operator asks a gateway for: who came, who waits, what it all came to. Contract: design record 0023."""

import math
from typing import Any

from wharfage_gateway.board import Board
from wharfage_gateway.tally import Count

_TOTALS = ("admitted", "prompt_tokens", "output_tokens")
_WISHED = ("queue_full", "memory_full", "queue_timeout", "cold_start_timeout")
"""Refused for want of replicas, and so asked for as much as what was sent."""


def demand(board: Board, *, now_s: float, unix_s: float, began_s: float) -> dict[str, Any]:
    """The answer of `/demand`. `now_s` is the board's clock and `unix_s` everybody's, at the same moment.

    `began_s` is when the counts began, by everybody's clock as it was then.
    """
    models: dict[str, dict[str, Any]] = {}
    tenants = _tenants(board)
    for key, desk in board.desks.items():
        came = math.isfinite(desk.last_arrival_s)
        counts = [count for (of, _, _), count in board.tally.counts.items() if of == key]
        models[key] = {
            "arrivals": sum(map(_wished, counts)),
            **{name: sum(getattr(count, name) for count in counts) for name in _TOTALS},
            "refused": sum(count.refused.total() for count in counts),
            "waiting": len(desk.waiting),
            "running": sum(desk.running.values()),
            "last_arrival_s": unix_s - (now_s - desk.last_arrival_s) if came else None,
            "tenants": tenants.get(key, {}),
        }
    return {"version": board.version, "at": unix_s, "began": began_s, "models": models}


def _tenants(board: Board) -> dict[str, dict[str, tuple[int, int, int]]]:
    """By the model that answered and the tenant: requests that are over, tokens of prompts, of answers."""
    found: dict[str, dict[str, tuple[int, int, int]]] = {}
    for (carrier, tenant), each in board.tally.carried.items():
        found.setdefault(carrier, {})[tenant] = each.requests, each.prompt_tokens, each.output_tokens
    return found


def _wished(count: Count) -> int:
    """Requests that came, but for those that no replica would have served: too long, or beyond a tenant's tokens."""
    return count.arrivals - sum(times for reason, times in count.refused.items() if reason not in _WISHED)
