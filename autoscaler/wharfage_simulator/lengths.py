"""Distributions of prompt and output lengths, drawn from the few quantiles that are published of them.

Every distribution is one row of token counts at the same levels; between two levels the logarithm of the length is
linear in the level. One row per client and time makes drawing a million lengths a matter of two array look-ups.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from wharfage_simulator.tables import Floats

LEVELS: Floats = np.concatenate((np.linspace(0.0, 0.95, 39), [0.96, 0.97, 0.98, 0.99, 0.995, 0.999, 1.0]))
"""Shares of requests at or below each knot."""

_MIDDLE, _P90, _P99 = (int(np.argmin(np.abs(LEVELS - level))) for level in (0.5, 0.9, 0.99))
_BENDS = np.geomspace(16.0, 1.0, 32)
_TAILS = np.geomspace(1.0, 32.0, 64)


@dataclass(frozen=True, slots=True, eq=False)
class Lengths:
    """Rows of distributions; `log_tokens[r, j]` is the logarithm of row r's length at `LEVELS[j]`."""

    log_tokens: Floats

    @property
    def means(self) -> Floats:
        """The mean length of every row, without rounding: the integral of its quantile function."""
        return _means(self.log_tokens)

    def drawn(self, rows: npt.NDArray[np.int64], uniform: Floats) -> npt.NDArray[np.int32]:
        """A length for each row number and each uniform number in [0, 1); at least one token."""
        knot = np.searchsorted(LEVELS, uniform, side="right") - 1
        low, high = self.log_tokens[rows, knot], self.log_tokens[rows, knot + 1]
        share = (uniform - LEVELS[knot]) / (LEVELS[knot + 1] - LEVELS[knot])
        tokens = np.rint(np.exp(low + (high - low) * share))
        drawn: npt.NDArray[np.int32] = np.maximum(tokens, 1).astype(np.int32)
        return drawn


def of_quantiles(mean: Floats, p50: Floats, p90: Floats, p99: Floats) -> Lengths:
    """One row per mean and three quantiles; all are met, the mean as nearly as the quantiles allow.

    The lower half mirrors the upper one on the logarithmic scale, as in a log-normal distribution. A mean above what
    follows makes the lengths beyond the 99th percentile longer, up to 32 times it; a mean below bends the curve between
    the quantiles down.
    """
    p50 = np.maximum(p50, 1.0)
    p90 = np.maximum(p90, p50)
    p99 = np.maximum(p99, p90)
    p01, p10 = np.maximum(p50 * p50 / p99, 1.0), np.maximum(p50 * p50 / p90, 1.0)
    knots = np.log(np.stack([p01, p10, p50, p90, p99], axis=1))
    candidates = [(bend, 1.0) for bend in _BENDS] + [(1.0, tail) for tail in _TAILS]
    best, error = _curves(knots, *candidates[0]), np.full(len(knots), np.inf)
    for bend, tail in candidates:
        curves = _curves(knots, bend, tail)
        off = np.abs(_means(curves) - mean)
        closer = off < error
        best[closer], error[closer] = curves[closer], off[closer]
    return Lengths(best)


def of_histogram(tokens_from: Floats, tokens_below: Floats, probability: Floats) -> Lengths:
    """One row for a histogram whose bins follow one another, lengths spread evenly on the logarithmic scale in each."""
    full = probability > 0
    edges = np.maximum(np.concatenate((tokens_from[full][:1], tokens_below[full])), 1.0)
    below = np.concatenate(([0.0], np.cumsum(probability[full])))
    return Lengths(np.interp(LEVELS, below / below[-1], np.log(edges))[np.newaxis, :])


def joined(first: Lengths, second: Lengths) -> Lengths:
    """The rows of both, the second's after the first's."""
    return Lengths(np.concatenate((first.log_tokens, second.log_tokens)))


def log_normal(mean: Floats, cv: float, normal: Floats) -> npt.NDArray[np.int32]:
    """A length per mean and standard normal number, log-normal with that coefficient of variation; at least 1 token."""
    spread = np.sqrt(np.log1p(cv * cv))
    tokens = np.rint(mean * np.exp(spread * normal - spread * spread / 2))
    drawn: npt.NDArray[np.int32] = np.maximum(tokens, 1).astype(np.int32)
    return drawn


def _curves(knots: Floats, bend: float, tail: float) -> Floats:
    """Rows through the knots at 0.01, 0.1, 0.5, 0.9 and 0.99; flat below, on a line to `tail` times the last above."""
    p50, p90, p99 = (knots[:, [at]] for at in (2, 3, 4))
    lower = [np.interp(LEVELS[:_MIDDLE], [0.01, 0.1, 0.5], knot) for knot in np.eye(3)]
    parts = (
        knots[:, :3] @ np.stack(lower),
        p50 + (p90 - p50) * _share(_MIDDLE, _P90)[:-1] ** bend,
        p90 + (p99 - p90) * _share(_P90, _P99)[:-1] ** bend,
        p99 + np.log(tail) * _share(_P99, len(LEVELS) - 1),
    )
    return np.concatenate(parts, axis=1)


def _share(first: int, last: int) -> Floats:
    """How far each level is from the first to the last one of a stretch."""
    levels = LEVELS[first : last + 1]
    share: Floats = (levels - levels[0]) / (levels[-1] - levels[0])
    return share


def _means(rows: Floats) -> Floats:
    """Integral of exp(linear) piece by piece: width x (b - a) / ln(b / a)."""
    low, high = rows[:, :-1], rows[:, 1:]
    rise = high - low
    steep = np.where(rise < 1e-9, 1.0, rise)
    each = np.where(rise < 1e-9, np.exp(low), (np.exp(high) - np.exp(low)) / steep)
    means: Floats = each @ np.diff(LEVELS)
    return means
