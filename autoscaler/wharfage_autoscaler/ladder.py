"""Counts over pools, one replica up or down at a time, such that every row holds for as much demand as it can.

What a fleet is worth is the demand it supports: the largest for which it makes the peak, keeps its on-demand floor
and survives each loss it must. Steps do not depend on the demand aimed for, so fleets for more demand contain those
for less: a rising demand takes no replica away.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from wharfage_autoscaler.need import ROUNDING
from wharfage_autoscaler.spot import SpotPool

Counts = tuple[int, ...]
Price = Callable[[int, Counts], float | None]
"""Dollars per hour of one more replica in that lot beside those counts; None where it must not be."""


@dataclass(frozen=True, slots=True)
class Lot:
    """A pool as counting sees it: what a replica carries, and what it is lost with (None: it is not spot)."""

    requests_per_second: float
    spot: SpotPool | None
    most: int


@dataclass(frozen=True, slots=True)
class Shares:
    """What must hold per request of peak demand: a steady part, a part that is left after each of these losses.

    `max_spot` is the largest part of all capacity that may be spot.
    """

    floor: float
    survive: float
    max_spot: float
    lost: tuple[frozenset[SpotPool], ...]


def supports(lots: Sequence[Lot], counts: Counts, shares: Shares) -> float:
    """The largest peak demand for which those counts keep every row, in requests a second."""
    return min(_rows(lots, counts, shares))


def within_spot_share(lots: Sequence[Lot], counts: Counts, shares: Shares) -> bool:
    """Whether spot stays within its share of all capacity."""
    carried = [count * lot.requests_per_second for lot, count in zip(lots, counts, strict=True)]
    spot = sum(rps for lot, rps in zip(lots, carried, strict=True) if lot.spot is not None)
    return spot <= shares.max_spot * sum(carried) * (1 + ROUNDING)


def attainable(lots: Sequence[Lot], shares: Shares) -> Shares:
    """The rows that these lots could keep at all: no floor without steady lots, no survival of the loss of all."""
    able = [lot for lot in lots if lot.most > 0]
    steady = any(lot.spot is None for lot in able)
    lost = tuple(pools for pools in shares.lost if any(lot.spot is None or lot.spot not in pools for lot in able))
    return Shares(shares.floor if steady else 0.0, shares.survive, shares.max_spot, lost)


def grown(
    lots: Sequence[Lot], counts: Counts, shares: Shares, rps: float, *, price: Price, max_replicas: int
) -> Counts:
    """More replicas, until the counts support that demand or no more may be added."""
    while sum(counts) < max_replicas and supports(lots, counts, shares) < rps * (1 - ROUNDING):
        step = _best_step(lots, counts, shares, price)
        if step is None:
            break
        counts = _with(counts, step, 1)
    return counts


def filled(lots: Sequence[Lot], counts: Counts, shares: Shares, replicas: int, *, price: Price) -> Counts:
    """More replicas, the cheapest first, until there are that many or no more may be added."""
    while sum(counts) < replicas:
        steps = [(usd, at) for at, usd in _steps(lots, counts, shares, price)]
        if not steps:
            break
        counts = _with(counts, min(steps)[1], 1)
    return counts


def shrunk(
    lots: Sequence[Lot], counts: Counts, shares: Shares, rps: float, *, usd: Sequence[float], min_replicas: int
) -> Counts:
    """Fewer replicas, as long as the rest supports that demand; of equal removals the dearest first."""
    while sum(counts) > min_replicas:
        steps = [
            (supports(lots, fewer, shares), usd[at], at)
            for at, count in enumerate(counts)
            if count and within_spot_share(lots, fewer := _with(counts, at, -1), shares)
        ]
        if not steps or max(steps)[0] < rps * (1 - ROUNDING):
            break
        counts = _with(counts, max(steps)[2], -1)
    return counts


def _rows(lots: Sequence[Lot], counts: Counts, shares: Shares) -> list[float]:
    total = steady = 0.0
    by_pool: dict[SpotPool, float] = {}
    for lot, count in zip(lots, counts, strict=True):
        rps = count * lot.requests_per_second
        total += rps
        if lot.spot is None:
            steady += rps
        else:
            by_pool[lot.spot] = by_pool.get(lot.spot, 0.0) + rps
    rows = [total]
    if shares.floor > 0:
        rows.append(steady / shares.floor)
    if shares.survive > 0:
        rows.append(total / shares.survive)
        rows += [
            (total - sum(rps for pool, rps in by_pool.items() if pool in pools)) / shares.survive
            for pools in shares.lost
        ]
    return rows


def _steps(lots: Sequence[Lot], counts: Counts, shares: Shares, price: Price) -> list[tuple[int, float]]:
    found = []
    for at, lot in enumerate(lots):
        if counts[at] >= lot.most:
            continue
        if lot.spot is not None and not within_spot_share(lots, _with(counts, at, 1), shares):
            continue
        usd = price(at, counts)
        if usd is not None:
            found.append((at, usd))
    return found


def _best_step(lots: Sequence[Lot], counts: Counts, shares: Shares, price: Price) -> int | None:
    """The replica that supports most more demand per dollar; where none alone does, the one that lifts the rows."""
    now = supports(lots, counts, shares)
    ranked = []
    for at, usd in _steps(lots, counts, shares, price):
        rows = sorted(_rows(lots, _with(counts, at, 1), shares))
        gain = rows[0] - now
        per_usd = math.inf if gain > 0 and usd <= 0 else gain / usd if usd > 0 else 0.0
        ranked.append((per_usd, rows, -usd, -at))
    return -max(ranked)[3] if ranked else None


def _with(counts: Counts, at: int, more: int) -> Counts:
    return (*counts[:at], counts[at] + more, *counts[at + 1 :])
