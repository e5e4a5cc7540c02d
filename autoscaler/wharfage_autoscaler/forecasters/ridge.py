"""One linear map from the recent past and the usual to every coming step: direct, not step by step.

It shrinks strongly, and always as much. Leave-one-out, RidgeCV's way to choose, is fooled here: neighbouring rows share
most of their target, so the row left out is all but known. Choosing by a split in time was worse than not choosing.

The map is scikit-learn's `Ridge` to the last bit (a test), solved by the same routine of LAPACK: nothing else of that
library is needed, and importing it takes 50 MiB of the operator's worker and half of its start.
"""

from dataclasses import dataclass

import numpy as np
from scipy import linalg

from wharfage_autoscaler.forecasters.features import EARLIEST_S, features
from wharfage_autoscaler.forecasters.series import Places, Series
from wharfage_autoscaler.history import DAY_S, Rates

_SHRINKING = 3.0  # per row, on features scaled to a variance of one
_MOST_ROWS = 2000
_LEAST_ROWS = 16
_LEAST_DEVIATION = 0.02  # a feature that moves less is scaled as if it moved so much


@dataclass(frozen=True, slots=True, eq=False)
class RidgeLearned:
    """Coefficients of shape (features, steps)."""

    steps: int
    centre: Rates
    coefficients: Rates
    intercept: Rates

    def paths(self, series: Series, origins: Places, steps: int) -> Rates:
        """Shape (origins, steps)."""
        seen, now = features(series, origins, self.steps)
        ahead = (seen - self.centre) @ self.coefficients + self.intercept
        return ahead[:, :steps] + now[:, None]


@dataclass(frozen=True, slots=True)
class Ridge:
    """Direct multi-step ridge regression."""

    name: str = "ridge"
    least_s: float = 3 * DAY_S

    def learned(self, series: Series, steps: int) -> RidgeLearned:
        """Rows are origins whose targets were all observed, thinned evenly to at most 2,000."""
        origins = np.arange(series.steps(EARLIEST_S), len(series.z) - steps + 1)
        ahead = np.arange(steps)
        unknown = np.append(0, np.cumsum(~series.known))
        origins = origins[unknown[origins + steps] == unknown[origins - 1]]
        origins = origins[:: max(1, -(-len(origins) // _MOST_ROWS))]
        if len(origins) < _LEAST_ROWS:
            width = len(features(series, np.array([len(series.z)]), steps)[0][0])
            return RidgeLearned(steps, np.zeros(width), np.zeros((width, steps)), np.zeros(steps))
        seen, now = features(series, origins, steps)
        target = series.z[origins[:, None] + ahead] - now[:, None]
        centre, deviation = seen.mean(axis=0), np.maximum(seen.std(axis=0), _LEAST_DEVIATION)
        scaled = (seen - centre) / deviation
        coefficients, intercept = shrunk(scaled, target, _SHRINKING * len(scaled))
        return RidgeLearned(steps, centre, coefficients / deviation[:, None], intercept)


def shrunk(rows: Rates, targets: Rates, shrinking: float) -> tuple[Rates, Rates]:
    """The map from rows (n x features) to targets (n x steps) with the least squares of errors and coefficients.

    Coefficients (features x steps), of which the squares count `shrinking` times, and an intercept for each step.
    """
    middle, level = rows.mean(axis=0), targets.mean(axis=0)
    seen = rows - middle
    gram = seen.T @ seen
    gram.flat[:: len(gram) + 1] += shrinking
    coefficients = np.asarray(linalg.solve(gram, seen.T @ (targets - level), assume_a="pos"))
    return coefficients, np.asarray(level - middle @ coefficients)
