"""The twin of the gateway's `tokens`, `allowance` and `tally.Outputs`: reserve the most, give back what is left."""

import math
from typing import Any

import numpy as np

from wharfage_simulator.compiled import compiled
from wharfage_simulator.gateway import LOOK_BACK, Gate
from wharfage_simulator.records import NOBODY

_FRESH = 32  # answers between two looks at the percentile


@compiled
def most_tokens(gate: Gate, i: int, prompt: int) -> float:
    """The most that a request may come to, in tokens: prompt, and its own limit or what answers come to."""
    own, most = gate.tickets[i]["most_output"], gate.desk["most_output"]
    expected = gate.desk["output_p95"] if own == NOBODY else own
    return float(prompt + (expected if most == NOBODY else min(expected, most)))


@compiled
def missing_s(gate: Gate, i: int, tokens: float, t: float) -> float:
    """How long until its tenant may use so many tokens; 0 for now, infinite where nothing flows."""
    desk = gate.desk
    if desk["throttled"] == 0:
        return 0.0
    bucket = _refilled(gate, i, t)
    short = min(tokens, desk["burst_tokens"]) - bucket["level"]
    if short <= 1e-9:
        return 0.0
    return float(short / desk["tokens_per_s"]) if desk["tokens_per_s"] > 0.0 else math.inf


@compiled
def reserve(gate: Gate, i: int, tokens: float, t: float) -> None:
    """Take so many out of its tenant's bucket, where there are buckets."""
    gate.tickets[i]["reserved"] = 0.0
    if gate.desk["throttled"] != 0:
        _refilled(gate, i, t)["level"] -= tokens
        gate.tickets[i]["reserved"] = tokens


@compiled
def settle(gate: Gate, i: int, used: float, t: float) -> None:
    """Give back what a request reserved and did not use, or take what it used beyond."""
    reserved = gate.tickets[i]["reserved"]
    if gate.desk["throttled"] != 0 and reserved > 0.0:
        bucket = _refilled(gate, i, t)
        bucket["level"] = min(gate.desk["burst_tokens"], bucket["level"] + reserved - used)
    gate.tickets[i]["reserved"] = 0.0


@compiled
def measured(gate: Gate, output: int) -> None:
    """One more answer of that many tokens. Nobody asks for it where nothing is reserved."""
    desk = gate.desk
    if output <= 0 or desk["throttled"] == 0:
        return
    gate.outputs[desk["outputs"] % LOOK_BACK] = output
    desk["outputs"] += 1
    desk["since"] += 1
    if desk["since"] >= _FRESH:
        count = min(desk["outputs"], LOOK_BACK)
        ranked = np.sort(gate.outputs[:count])
        desk["output_p95"] = max(1, ranked[min(count - 1, int(0.95 * count))])
        desk["since"] = 0


@compiled
def _refilled(gate: Gate, i: int, t: float) -> Any:
    """Its tenant's bucket as it is at `t`; a first one is full."""
    desk, bucket = gate.desk, gate.buckets[gate.tickets[i]["tenant"]]
    if bucket["known"] == 0:
        bucket["known"] = 1
        bucket["level"] = desk["burst_tokens"]
        bucket["at_s"] = t
    came = max(0.0, t - bucket["at_s"]) * desk["tokens_per_s"]
    bucket["level"] = min(desk["burst_tokens"], bucket["level"] + came)
    bucket["at_s"] = max(t, bucket["at_s"])
    return bucket
