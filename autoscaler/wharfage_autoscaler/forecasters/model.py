"""What a forecaster's inside is: a path of medians, learned from the past of one series.

Quantiles are not its business: `conformal.py` measures how far a path errs. So paths are asked for at many past
origins at once, which is what calibration, weights and backtests live on.
"""

from typing import Protocol

from wharfage_autoscaler.forecasters.series import Places, Series
from wharfage_autoscaler.history import Rates


class Learned(Protocol):
    """What a model knows after it has seen a series."""

    def paths(self, series: Series, origins: Places, steps: int) -> Rates:
        """Medians of z, shape (origins, steps): row i sees `z[:origins[i]]` only, column k is step origins[i] + k.

        `steps` is at most what was learned for; an origin is at least 1.
        """
        ...


class Model(Protocol):
    """A way to learn such paths. Pure."""

    @property
    def name(self) -> str:
        """How reports call it."""
        ...

    @property
    def least_s(self) -> float:
        """How many observed seconds it needs."""
        ...

    def learned(self, series: Series, steps: int) -> Learned:
        """Learn to look `steps` ahead."""
        ...
