"""How long a machine takes from the order to its first own instruction, as it was measured.

A fixed lead time flatters whoever orders late: one GPU machine in ten takes more than four minutes to boot. Times are
drawn from the quantiles of measured starts. (A log-normal fitted to them, median 91 s and spread 0.67, is not refused
by a Kolmogorov-Smirnov test, p = 0.28, but says 273 s where one start in twenty takes 334 s.)
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from wharfage_simulator.tables import TraceError, number, read_texts

_FEWEST = 10


@dataclass(frozen=True, slots=True)
class BootTimes:
    """Quantiles of boot times in seconds, at equal distances from the shortest to the longest."""

    quantiles_s: tuple[float, ...]

    def __post_init__(self) -> None:
        """Refuse what is no distribution of times."""
        times = self.quantiles_s
        if not times or list(times) != sorted(times) or times[0] < 0 or not math.isfinite(times[-1]):
            raise ValueError(f"boot times must be finite, at least 0 and ascending: {times}")

    def drawn(self, uniform: float) -> float:
        """The time below which a share of `uniform` of all starts lies."""
        levels = np.linspace(0.0, 1.0, len(self.quantiles_s))
        return float(np.interp(uniform, levels, self.quantiles_s))


MEASURED = BootTimes((26, 44, 52, 63, 71, 83, 93, 111, 144, 264, 865))
"""Deciles of 103 starts of accelerated machines on five clouds: SpareCores sc-inspector-data, 2026-08, CC BY-SA 4.0."""

AT_ONCE = BootTimes((0.0,))
"""Machines that stand there already."""


def read_boots(path: Path, *, vendors: Sequence[str] = ()) -> BootTimes:
    """The accelerated machines of a SpareCores file, of these vendors or of all.

    `TraceError` for fewer than ten starts, or the row whose time is no number.
    """
    rows = read_texts(path, ["vendor", "accelerated", "ready_s"])
    chosen = [
        number(path, row, "ready_s", ready)
        for row, (vendor, accelerated, ready) in enumerate(rows)
        if accelerated == "1" and ready and (not vendors or vendor in vendors)
    ]
    if len(chosen) < _FEWEST:
        raise TraceError(f"{path}: {len(chosen)} starts of accelerated machines; a distribution needs {_FEWEST}")
    levels = np.linspace(0.0, 1.0, 21)
    return BootTimes(tuple(float(time) for time in np.quantile(np.maximum(chosen, 0.0), levels)))
