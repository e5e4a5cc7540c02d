"""Arrival times inside windows whose rates were measured.

A window's count is the one that was measured; where in the window its requests fall follows from gaps drawn from the
fitted distribution and scaled together so that they fill the window. Nothing is interpolated between windows and no
noise is added: what fluctuates is what the clients were seen to do.

A trace is made smaller by keeping each request with one probability. That is a smaller service, and exact: the count
is then binomial, and a gap is the sum of a geometric number of the client's gaps. (Stretching the gaps instead keeps
bursts of the same size in a fraction of the load: at a fiftieth of ServeGen's m-large the variance of a minute's count
is 6.1 times its mean, against 1.2 for the smaller service.) A trace is made larger by shortening every gap.
"""

import math
from enum import StrEnum

import numpy as np
import numpy.typing as npt

from wharfage_simulator.clients import Gap
from wharfage_simulator.tables import Floats

Ints = npt.NDArray[np.int64]


_BURSTIER = 2.0
_LEAST = 1e-300  # a gap that underflows is short, not absent: a sum of gaps is never 0


class Arrivals(StrEnum):
    """How requests are placed inside a window; how much results differ between them is what the choice is worth.

    `STRETCHED` makes a trace smaller by longer gaps, as ServeGen's own generator does: bursts keep their size.
    `BURSTY` has gaps of twice the coefficient of variation that was fitted, Gamma whatever they were.
    """

    RENEWAL = "renewal"
    STRETCHED = "stretched"
    POISSON = "poisson"
    BURSTY = "bursty"


def placed(
    measured: Floats,
    factor: float,
    family: npt.NDArray[np.int8],
    shape: Floats,
    how: Arrivals,
    draw: np.random.Generator,
) -> tuple[Ints, Floats]:
    """Cell numbers and places in [0, 1) for requests, cell after cell and in order within each.

    `measured` requests per cell are kept with probability `factor`, or multiplied by it where it is above 1. A fraction
    of a request is the chance of one. Under `POISSON` the count is a Poisson number and the places are uniform.
    """
    if how is Arrivals.POISSON:
        counts = draw.poisson(measured * factor).astype(np.int64)
        cells = np.repeat(np.arange(len(counts)), counts)
        uniform = draw.random(len(cells))
        return cells, uniform[np.lexsort((uniform, cells))]
    if how is Arrivals.BURSTY:
        family, shape = np.full_like(family, Gap.GAMMA), _twice_as_uneven(family, shape)
    kept = 1.0 if how is Arrivals.STRETCHED else min(1.0, factor)
    grown = measured * (factor / kept)
    whole = np.floor(grown)
    counts = (whole + (draw.random(len(grown)) < grown - whole)).astype(np.int64)
    if kept < 1.0:
        counts = draw.binomial(counts, kept).astype(np.int64)
    cells = np.repeat(np.arange(len(counts)), counts)
    return cells, _filled(counts, kept, family, shape, draw)


def _filled(
    counts: Ints, kept: float, family: npt.NDArray[np.int8], shape: Floats, draw: np.random.Generator
) -> Floats:
    """Places of `counts` requests per cell: gaps over their sum.

    Before the first request and after the last one lies part of a gap: a length-biased one, cut at random.
    """
    used = counts > 0
    counts, family, shape = counts[used], family[used], shape[used]
    ends = np.cumsum(counts + 1)
    starts = ends - counts - 1
    every_family, every_shape = np.repeat(family, counts + 1), np.repeat(shape, counts + 1)
    joined = draw.geometric(kept, len(every_shape)) if kept < 1.0 else np.ones(len(every_shape), dtype=np.int64)
    edges = np.concatenate((starts, ends - 1))
    joined[edges] -= 1  # of these the first is cut below
    gaps = _sums(joined, every_family, every_shape, draw)
    gaps[edges] += _cut_gaps(np.tile(family, 2), np.tile(shape, 2), draw)
    np.maximum(gaps, _LEAST, out=gaps)
    gaps /= np.repeat(np.add.reduceat(gaps, starts), counts + 1)
    passed = np.cumsum(gaps)
    passed -= np.repeat(passed[starts] - gaps[starts], counts + 1)
    inner = np.ones(len(gaps), dtype=np.bool_)
    inner[ends - 1] = False
    return np.clip(passed[inner], 0.0, np.nextafter(1.0, 0.0))


def _sums(joined: Ints, family: npt.NDArray[np.int8], shape: Floats, draw: np.random.Generator) -> Floats:
    """Sums of `joined` gaps of unit scale each; exponential gaps are Gamma gaps of shape 1.

    Gamma gaps add up to a Gamma variable of the summed shape. Several Weibull gaps are taken for the Gamma variable of
    the same mean and variance.
    """
    sums = np.zeros(len(shape))
    weibull = family == Gap.WEIBULL
    gamma = ~weibull & (joined > 0)
    sums[gamma] = draw.standard_gamma(shape[gamma] * joined[gamma])
    single, several = weibull & (joined == 1), weibull & (joined > 1)
    sums[single] = draw.weibull(shape[single])
    mean, squared_cv = _weibull_moments(shape[several])
    sums[several] = draw.standard_gamma(joined[several] / squared_cv) * mean * squared_cv
    return sums


def _weibull_moments(shape: Floats) -> tuple[Floats, Floats]:
    """Mean and squared coefficient of variation of Weibull gaps of unit scale."""
    kinds, which = np.unique(shape, return_inverse=True)
    first = np.array([math.gamma(1.0 + 1.0 / kind) for kind in kinds])
    second = np.array([math.gamma(1.0 + 2.0 / kind) for kind in kinds])
    return first[which], (second / (first * first) - 1.0)[which]


def _twice_as_uneven(family: npt.NDArray[np.int8], shape: Floats) -> Floats:
    """The shapes of Gamma gaps with twice the coefficient of variation."""
    squared_cv = 1.0 / shape
    weibull = family == Gap.WEIBULL
    squared_cv[weibull] = _weibull_moments(shape[weibull])[1]
    return 1.0 / (_BURSTIER * _BURSTIER * squared_cv)


def _cut_gaps(family: npt.NDArray[np.int8], shape: Floats, draw: np.random.Generator) -> Floats:
    """What is left of the gap that a random instant falls into.

    Such a gap is length-biased: Gamma(k) becomes Gamma(k + 1), of a Weibull gap X it is X^k ~ Gamma(1 + 1/k).
    """
    weibull = family == Gap.WEIBULL
    biased = np.empty(len(shape))
    biased[weibull] = draw.standard_gamma(1.0 + 1.0 / shape[weibull]) ** (1.0 / shape[weibull])
    biased[~weibull] = draw.standard_gamma(shape[~weibull] + 1.0)
    return biased * draw.random(len(shape))
