"""How far forecasts of other deployments erred: what stands in until a new one has errors of its own."""

from dataclasses import dataclass

import numpy as np

from wharfage_autoscaler.history import Rates


@dataclass(frozen=True, slots=True)
class Pool:
    """Errors in z: `shape` holds evenly spaced quantiles, which grow with the time ahead as `scales` at `aheads_s`."""

    aheads_s: tuple[float, ...]
    scales: tuple[float, ...]
    shape: tuple[float, ...]

    def rows(self, steps: int, step_s: float) -> Rates:
        """Errors, shape (quantiles, steps)."""
        aheads_s = np.arange(1, steps + 1) * step_s
        return np.outer(self.shape, np.interp(aheads_s, self.aheads_s, self.scales))
