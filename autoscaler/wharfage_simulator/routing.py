"""Which replica a request goes to.

A Kubernetes Service picks at random or in turn and knows no load; a gateway looks at how much each replica has, in
relation to what it can carry. A replica's load is that of the very instant, not of the last scrape.
"""

from enum import IntEnum
from typing import Any

from wharfage_simulator.compiled import compiled
from wharfage_simulator.engine import advance, load_of
from wharfage_simulator.records import State


class Routing(IntEnum):
    """How a replica is chosen. Weights count in all of them; equal weights are a plain Service."""

    RANDOM = 0  # in proportion to the weights: kube-proxy's choice per connection
    ROUND_ROBIN = 1  # in turn, as often as the weights say
    POWER_OF_TWO = 2  # of two at random the one with less load per weight: Envoy's LEAST_REQUEST
    LEAST_LOADED = 3  # of all the one with least load per weight


_RANDOM, _ROUND_ROBIN, _POWER_OF_TWO = int(Routing.RANDOM), int(Routing.ROUND_ROBIN), int(Routing.POWER_OF_TWO)


@compiled
def choose(serving: Any, state: State, t: float) -> int:
    """The slot, of those `serving`, that a request arriving at `t` goes to; advanced to `t`."""
    count = len(serving)
    replicas, world = state.replicas, state.world
    if count == 1:
        slot = serving[0]
    elif world["routing"] == _RANDOM:
        slot = _at_random(serving, replicas, world)
    elif world["routing"] == _ROUND_ROBIN:
        slot = _in_turn(serving, replicas)
    elif world["routing"] == _POWER_OF_TWO:
        return _of_two(serving, state, t)
    else:
        return _of_all(serving, state, t)
    advance(slot, state, t)
    return int(slot)


@compiled
def _of_two(serving: Any, state: State, t: float) -> int:
    count = len(serving)
    first = draw(state.world) % count
    one = serving[first]
    other = serving[(first + 1 + draw(state.world) % (count - 1)) % count]
    advance(one, state, t)
    advance(other, state, t)
    here, there = state.replicas[one], state.replicas[other]
    if load_of(there) * here["weight"] < load_of(here) * there["weight"]:
        return int(other)
    return int(one)


@compiled
def _of_all(serving: Any, state: State, t: float) -> int:
    """Equals are taken in turn, beginning anywhere: the first of them would else get all of a small load."""
    count = len(serving)
    offset = draw(state.world) % count
    best = serving[offset]
    least = -1.0
    for place in range(count):
        slot = serving[(offset + place) % count]
        replica = state.replicas[slot]
        if replica["end_s"] < t:
            advance(slot, state, t)
        load = load_of(replica) / replica["weight"]
        if least < 0.0 or load < least:
            best, least = slot, load
    return int(best)


@compiled
def draw(world: Any) -> int:
    """The next number of a sequence (Lehmer, modulus 2^31 - 1): the same in machine code and in plain Python."""
    world["random"] = world["random"] * 48271 % 2147483647
    return int(world["random"])


@compiled
def _at_random(serving: Any, replicas: Any, world: Any) -> int:
    total = 0.0
    for slot in serving:
        total += replicas[slot]["weight"]
    left = draw(world) / 2147483647.0 * total
    for slot in serving:
        left -= replicas[slot]["weight"]
        if left < 0.0:
            return int(slot)
    return int(serving[-1])


@compiled
def _in_turn(serving: Any, replicas: Any) -> int:
    """The smooth weighted round robin of nginx: each earns its weight, the richest pays the sum."""
    total = 0.0
    best = serving[0]
    for slot in serving:
        replica = replicas[slot]
        replica["credit"] += replica["weight"]
        total += replica["weight"]
        if replica["credit"] > replicas[best]["credit"]:
            best = slot
    replicas[best]["credit"] -= total
    return int(best)
