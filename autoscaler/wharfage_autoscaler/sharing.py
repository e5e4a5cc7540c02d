"""Who of a budget's deployments gets how many of its dollars per hour: by priority, the floors first.

A multiple-choice knapsack. Each claim may be met in a few states between its floor and all that it asks for. The first
dollars above a floor are worth most (`1 - (1 - x)²` of the claim, by weight), so the states lie on a concave line, and
taking steps in the order of worth per dollar is optimal but for the last step, which those take that any amount is of
use to.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

STATES = 6


@dataclass(frozen=True, slots=True)
class Claim:
    """What one deployment costs, in dollars per hour: at its floor, and at most.

    `weight` says how much a dollar for it counts beside one for others. `unit` is a replica of a count that no load
    leads, less than which is of no use; 0 where any amount is.
    """

    floor: float
    most: float
    weight: float = 1.0
    unit: float = 0.0


@dataclass(frozen=True, slots=True)
class _Step:
    worth: float  # of each dollar
    claim: int
    usd: float


def shared(claims: Sequence[Claim], usd_per_hour: float) -> tuple[float, ...]:
    """Dollars per hour for each claim. Together no more than those given, unless the floors alone cost more."""
    parts = [min(claim.floor, claim.most) for claim in claims]
    left = usd_per_hour - sum(parts)
    steps = (step for at, claim in enumerate(claims) for step in _steps(at, claim))
    full: set[int] = set()
    for step in sorted(steps, key=lambda step: (-step.worth, step.claim)):
        if left <= 0.0:
            break
        if step.claim in full:  # its states are climbed one after the other
            continue
        if step.usd > left:
            full.add(step.claim)
            if claims[step.claim].unit > 0.0:
                continue
        taken = min(step.usd, left)
        parts[step.claim] += taken
        left -= taken
    return tuple(parts)


def _steps(at: int, claim: Claim) -> Iterator[_Step]:
    """From each state to the next."""
    span = claim.most - claim.floor
    if span <= 0.0:
        return
    before = 0.0
    for state in range(1, STATES):
        after = span * state / (STATES - 1)
        if claim.unit > 0.0:
            after = min(span, claim.unit * round(after / claim.unit))
        if after > before:
            middle = (before + after) / 2.0 / span
            yield _Step(claim.weight * 2.0 * (1.0 - middle), at, after - before)
            before = after
