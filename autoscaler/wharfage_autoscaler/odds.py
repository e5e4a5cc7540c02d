"""How likely a minute is bad, given how full the replicas are on average: learned from the minutes that were seen.

Replicas behind a plain Service are never equally full: a few long prompts go to one of them, and its requests are
late while there is capacity for the whole. How soon that begins differs from load to load (between 60 and 70 % of the
capacity 3.9 % of the minutes were bad on ServeGen's m-large, none of 356 on m-small), so it is no constant:

    ln(p / (1 - p)) = full + slope x ln(load / capacity)

Two numbers, by penalised likelihood around a prior. The prior is what keeps quiet weeks from being taken for a proof
that replicas may be filled to the brim: minutes move the curve where they were seen, and little elsewhere.
"""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

_SPREAD = (3.0, 4.0)  # of the prior: standard deviations of `full` and `slope` over loads
_LEAST_SLOPE = 1.0  # a fuller fleet is never a safer one
_ROUNDS = 50
_FARTHEST = 2.0  # a step of Newton's, at most
_CLOSE = 1e-6
_CERTAIN = 40.0  # logits; beyond it nothing is left to say in 64 bits


class Odds(NamedTuple):
    """Of a minute being bad at a given load. A tuple of floats, since the simulator compiles `chance` as it stands."""

    full: float = 0.0
    """Logarithm of the odds where the load is all that the replicas carry within their objectives."""
    slope: float = 10.0
    """By which it grows with the logarithm of the load."""


PRIOR = Odds()
"""Before anything was seen: .1 % of the minutes at half of the capacity, 3 % at .7, half of them at all of it."""
EVEN = Odds(-_CERTAIN, 1e6)
"""All replicas equally full: no minute is bad below the capacity."""


def chance(odds: Odds, filled: float) -> float:
    """That a minute is bad in which the load is `filled` times what the replicas carry within their objectives."""
    if filled <= 0.0:
        return 0.0
    logit = odds.full + odds.slope * math.log(filled)
    return 0.0 if logit <= -_CERTAIN else 1.0 / (1.0 + math.exp(-min(_CERTAIN, logit)))


def learned(filled: ArrayLike, bad: ArrayLike, prior: Odds = PRIOR) -> Odds:
    """The odds after so many minutes: how full each was, and whether it was bad. Minutes without load say nothing.

    ValueError where there are not as many of one as of the other.
    """
    shares, came = np.asarray(filled, dtype=np.float64), np.asarray(bad, dtype=np.float64)
    if shares.shape != came.shape:
        raise ValueError(f"{shares.size} loads and {came.size} outcomes; every minute has one of each")
    known = np.isfinite(shares) & (shares > 0.0) & np.isfinite(came)
    rows = np.stack([np.ones(int(known.sum())), np.log(shares[known])], axis=1)
    outcome = came[known]
    expected, weight = np.array(prior), np.diag(np.power(_SPREAD, -2.0))
    found = expected.copy()
    for _ in range(_ROUNDS):
        likely = 1.0 / (1.0 + np.exp(-np.clip(rows @ found, -_CERTAIN, _CERTAIN)))
        uphill = rows.T @ (outcome - likely) - weight @ (found - expected)
        bend = (rows * (likely * (1.0 - likely))[:, None]).T @ rows + weight
        step = np.linalg.solve(bend, uphill)
        found += step * min(1.0, _FARTHEST / max(float(np.abs(step).max()), _CLOSE))
        if float(np.abs(step).max()) < _CLOSE:
            break
    return Odds(float(found[0]), max(_LEAST_SLOPE, float(found[1])))
