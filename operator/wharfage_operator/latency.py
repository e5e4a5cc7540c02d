"""Histograms of an engine's latencies: what lies between two of them, how many requests were late, a percentile.

Edges are the engine's and coarse (1, 2.5, 5 s): at an edge a count is exact, between two edges it is a straight line.
"""

import math
from array import array
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise


def _none() -> "array[float]":
    return array("d")


@dataclass(frozen=True, slots=True)
class Histogram:
    """How many requests took at most so many seconds: `counts[i]` of them `edges[i]`; the last edge is infinite.

    Empty where nothing was told. Counts are packed, since a history holds many of them; nobody changes them.
    """

    edges: tuple[float, ...] = ()
    counts: "array[float]" = field(default_factory=_none)

    @property
    def total(self) -> float:
        """All requests."""
        return self.counts[-1] if self.counts else 0.0

    def within(self, seconds: float) -> float:
        """How many took at most so long; beyond the last finite edge nobody knows, and they count as slower."""
        place = bisect_left(self.edges, seconds)
        if place >= len(self.edges):
            return self.total
        if self.edges[place] == seconds:
            return self.counts[place]
        below, lower = (self.counts[place - 1], self.edges[place - 1]) if place else (0.0, 0.0)
        if math.isinf(self.edges[place]):
            return below
        return below + (self.counts[place] - below) * (seconds - lower) / (self.edges[place] - lower)

    def quantile(self, share: float) -> float | None:
        """Prometheus' `histogram_quantile`: linear inside a bucket; None when empty, the last edge beyond it."""
        if self.total <= 0:
            return None
        below = lower = 0.0
        for edge, count in zip(self.edges, self.counts, strict=True):
            if count >= share * self.total:
                if math.isinf(edge):
                    return lower or None
                inside = count - below
                return lower + (edge - lower) * ((share * self.total - below) / inside if inside else 1.0)
            below, lower = count, edge
        return None


EMPTY = Histogram()


def histogram(rows: Iterable[tuple[float, float]]) -> Histogram:
    """From edges and counts in any order, those of one edge added up; empty without an infinite edge.

    ValueError where a later edge has the smaller count: no histogram is like that.
    """
    sums: dict[float, float] = {}
    for edge, count in rows:
        sums[edge] = sums.get(edge, 0.0) + count
    if math.inf not in sums:
        return EMPTY
    edges = tuple(sorted(sums))
    counts = array("d", (sums[edge] for edge in edges))
    if any(after < before for before, after in pairwise(counts)):
        raise ValueError("a histogram whose counts fall")
    return Histogram(edges, counts)


def less(after: Histogram, before: Histogram) -> Histogram:
    """What came between the two; all of `after` where there was nothing before, or where the edges are others."""
    if before.edges != after.edges:
        return after
    return Histogram(after.edges, array("d", (b - a for a, b in zip(before.counts, after.counts, strict=True))))


def together(histograms: Sequence[Histogram]) -> Histogram:
    """All requests of several; where their edges differ (two releases of an engine) on all edges that there are."""
    told = [each for each in histograms if each.edges]
    if not told:
        return EMPTY
    if all(each.edges == told[0].edges for each in told):
        if len(told) == 1:
            return told[0]
        return Histogram(told[0].edges, array("d", map(sum, zip(*(each.counts for each in told), strict=True))))
    edges = tuple(sorted({edge for each in told for edge in each.edges}))
    return Histogram(
        edges,
        array("d", (sum(each.total if math.isinf(edge) else each.within(edge) for each in told) for edge in edges)),
    )


def between(before: Histogram, after: Histogram, share: float) -> Histogram:
    """What was counted by a moment between two: so large a share of what came has come by then."""
    if before.edges != after.edges:
        return after if share >= 1.0 else before
    if before is after:
        return after
    return Histogram(
        after.edges,
        array("d", (a + share * (b - a) for a, b in zip(before.counts, after.counts, strict=True))),
    )


def late(told: Histogram, limit_s: float) -> float:
    """How many took longer than the limit."""
    return max(0.0, told.total - told.within(limit_s))
