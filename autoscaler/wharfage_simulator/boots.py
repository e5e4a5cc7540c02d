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

from wharfage_simulator.tables import TraceError, names_of, number, read_texts, wrong

_FEWEST = 10
_LONGEST_S = 86_400.0  # a day; milliseconds, or an instant in the wrong column, are longer


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

    @property
    def median_s(self) -> float:
        """Half of the starts are sooner."""
        return self.drawn(0.5)


MEASURED = BootTimes((26, 44, 52, 63, 71, 83, 93, 111, 144, 264, 865))
"""Deciles of 103 starts of accelerated machines on five clouds: SpareCores sc-inspector-data, 2026-08, CC BY-SA 4.0."""


def read_boots(path: Path, *, vendors: Sequence[str] = ()) -> BootTimes:
    """The starts of a file with a column `ready_s`, one a row; an empty field is a start that failed, and left out.

    Where there are the columns of a SpareCores file, `accelerated` and `vendor`, rows whose `accelerated` is not 1 are
    left out, and those of other vendors where some are named. `TraceError` for fewer than ten starts, or the row whose
    time is no number, negative, or absurd.
    """
    told = [name for name in ("vendor", "accelerated") if name in names_of(path)]
    if vendors and "vendor" not in told:
        raise TraceError(f"{path}: no column vendor, and starts of {', '.join(vendors)} are asked for")
    chosen = []
    for row, (ready, *facts) in enumerate(read_texts(path, ["ready_s", *told])):
        start = dict(zip(told, facts, strict=True))
        if not ready or start.get("accelerated", "1") != "1" or (vendors and start["vendor"] not in vendors):
            continue
        time_s = number(path, row, "ready_s", ready)
        if not 0 <= time_s <= _LONGEST_S:
            raise wrong(path, row, f"ready_s is {time_s:.12g}; a start takes from 0 to {_LONGEST_S:.12g} seconds")
        chosen.append(time_s)
    if len(chosen) < _FEWEST:
        raise TraceError(f"{path}: {len(chosen)} starts of accelerated machines; a distribution needs {_FEWEST}")
    levels = np.linspace(0.0, 1.0, 21)
    return BootTimes(tuple(float(time) for time in np.quantile(chosen, levels)))
