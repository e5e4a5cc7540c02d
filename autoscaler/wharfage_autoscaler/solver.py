"""HiGHS, by way of scipy: the one module that solves a programme, bounded by nodes and a gap, never by the clock.

Nothing that the operator's own process imports may import this one.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.optimize import Bounds, LinearConstraint, linprog, milp
from scipy.sparse import csr_array, vstack

from wharfage_autoscaler.programme import Programme

Floats = npt.NDArray[np.float64]

_OPTIMAL = 0


@dataclass(frozen=True, slots=True)
class Solved:
    """Values of the columns, what they cost, what no solution can be below, and whether the gap was reached."""

    values: Floats
    cost: float
    bound: float
    finished: bool


def solved(programme: Programme, *, gap: float, nodes: int) -> Solved | None:
    """The cheapest values within a relative gap or after so many nodes; None where no solution was found."""
    if not programme.cost:
        return Solved(np.zeros(0), 0.0, 0.0, finished=True)
    result = milp(
        np.array(programme.cost),
        integrality=np.array(programme.whole, dtype=np.int8),
        bounds=_bounds(programme),
        constraints=_rows(programme),
        options={"mip_rel_gap": gap, "node_limit": nodes},
    )
    if result.x is None:
        return None
    bound = result.fun if result.mip_dual_bound is None else min(result.fun, result.mip_dual_bound)
    return Solved(np.asarray(result.x), float(result.fun), float(bound), result.status == _OPTIMAL)


def row_prices(programme: Programme) -> Floats:
    """Per row, what the relaxed optimum would save if the row gave way by one; at least 0, for rows of one side."""
    least, most = np.array(programme.at_least), np.array(programme.at_most)
    rows = csr_array(
        (programme.factor, (programme.row_of, programme.column_of)), shape=(len(least), len(programme.cost))
    )
    equal, above, below = least == most, np.isfinite(least) & (least < most), np.isfinite(most) & (least < most)
    result = linprog(
        np.array(programme.cost),
        A_ub=vstack([-rows[above], rows[below]]),
        b_ub=np.concatenate([-least[above], most[below]]),
        A_eq=rows[equal],
        b_eq=least[equal],
        bounds=np.column_stack([np.zeros(len(programme.cost)), np.array(programme.most)]),
        method="highs",
    )
    prices = np.zeros(len(least))
    if result.x is not None:
        split = int(above.sum())
        prices[above] += np.maximum(0.0, -result.ineqlin.marginals[:split])
        prices[below] += np.maximum(0.0, -result.ineqlin.marginals[split:])
    return prices


def _bounds(programme: Programme) -> Bounds:
    most: Any = np.array(programme.most)  # scipy's own annotations know only single numbers
    return Bounds(0.0, most)


def _rows(programme: Programme) -> LinearConstraint:
    least: Any = programme.at_least
    most: Any = programme.at_most
    matrix = csr_array(
        (programme.factor, (programme.row_of, programme.column_of)), shape=(len(least), len(programme.cost))
    )
    return LinearConstraint(matrix, least, most)
