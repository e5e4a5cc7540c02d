"""What a deployment was asked to do over days or weeks: mean rates over equal steps, and where nobody looked.

A gap is NaN and stays NaN: an outage of the metrics is never read as an outage of the demand.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

DAY_S = 86_400.0
_MOST_STEPS = 10_000_000  # 19 years of minutes: beyond that a time stamp is wrong, not a history long

Rates = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class History:
    """Rates per second; `values[i]` is the mean over `step_s` seconds from `start_s + i * step_s` (Unix seconds)."""

    start_s: float
    step_s: float
    values: Rates  # one dimension, read-only, NaN = gap

    def __post_init__(self) -> None:
        values = np.array(self.values, dtype=np.float64)
        if not np.isfinite(self.start_s):
            raise ValueError(f"history: starts at {self.start_s}; a Unix time in seconds is needed")
        if not (np.isfinite(self.step_s) and self.step_s > 0):
            raise ValueError(f"history: step of {self.step_s} s; it must be positive")
        if values.ndim != 1 or not values.size:
            raise ValueError(f"history: values of shape {values.shape}; one dimension with at least one row is needed")
        if (wrong := np.flatnonzero((values < 0) | np.isinf(values))).size:
            row = int(wrong[0])
            raise ValueError(f"history: row {row} is {values[row]:g} per second; a rate is finite and not negative")
        values.setflags(write=False)
        object.__setattr__(self, "values", values)

    @property
    def end_s(self) -> float:
        """The end of the last step, gap or not."""
        return self.start_s + self.step_s * len(self.values)

    @property
    def known_s(self) -> float:
        """How many seconds were observed."""
        return float(np.count_nonzero(~np.isnan(self.values))) * self.step_s

    def recent(self, steps: int) -> "History":
        """The last `steps` steps, or all where there are fewer."""
        kept = min(max(1, steps), len(self.values))
        return History(self.end_s - kept * self.step_s, self.step_s, self.values[-kept:])

    def until(self, end_s: float) -> "History":
        """The steps that were over at `end_s`; ValueError where none was."""
        kept = min(len(self.values), int(np.floor((end_s - self.start_s) / self.step_s + 1e-9)))
        if kept < 1:
            raise ValueError(f"history: starts at {self.start_s:g}, so no step was over at {end_s:g}")
        return History(self.start_s, self.step_s, self.values[:kept])

    def extended(self, later: "History") -> "History":
        """Both on this one's grid; where both know a step `later` is right, and between them is a gap.

        ValueError where the steps differ (`resampled` first) or `later` ends before this begins.
        """
        if abs(later.step_s - self.step_s) > 1e-6 * self.step_s:
            raise ValueError(f"history: steps of {self.step_s:g} s and {later.step_s:g} s; resample one of them first")
        offset = round((later.start_s - self.start_s) / self.step_s)
        if offset < 0:
            later, offset = later.recent(len(later.values) + offset), 0
            if later.end_s <= self.start_s:
                raise ValueError(
                    f"history: begins at {self.start_s:g}, after the {later.end_s:g} it is to be extended by"
                )
        length = max(len(self.values), offset + len(later.values))
        if length > _MOST_STEPS:
            raise ValueError(
                f"history: {length} steps from {self.start_s:g} to {later.end_s:g}; is a time stamp wrong?"
            )
        values = np.full(length, np.nan)
        values[: len(self.values)] = self.values
        window = values[offset : offset + len(later.values)]
        np.copyto(window, later.values, where=~np.isnan(later.values))
        return History(self.start_s, self.step_s, values)

    def resampled(self, step_s: float) -> "History":
        """The same on steps of another length; a step of which less than half was observed is a gap.

        Each new step holds the mean over what was observed of it. Steps are counted from `start_s`; the rest
        that does not fill a step is dropped, unless it would be all.
        """
        if step_s == self.step_s:
            return self
        if not (np.isfinite(step_s) and step_s > 0):
            raise ValueError(f"history: step of {step_s} s; it must be positive")
        count = max(1, int(np.floor(len(self.values) * self.step_s / step_s + 1e-9)))
        edges = np.arange(count + 1) * (step_s / self.step_s)
        known = ~np.isnan(self.values)
        inner = np.arange(len(self.values) + 1)
        amount = np.diff(np.interp(edges, inner, np.append(0.0, np.cumsum(np.where(known, self.values, 0.0)))))
        seen = np.diff(np.interp(edges, inner, np.append(0.0, np.cumsum(known))))
        enough = seen >= 0.5 * step_s / self.step_s - 1e-9
        # Rounding in the running sum can leave a tiny negative amount where all rates are zero.
        values = np.where(enough, np.maximum(amount, 0.0) / np.where(enough, seen, 1.0), np.nan)
        return History(self.start_s, step_s, values)


def history_of(
    times_s: Sequence[float] | Rates, rates: Sequence[float] | Rates, *, step_s: float | None = None
) -> History:
    """A history from rows of (start of a step, mean rate over it); steps without a row are gaps.

    `step_s` is the median distance between rows unless given; rows that fall into one step are averaged.
    ValueError names the first row that is wrong: unequal lengths, fewer than two rows, times that do not
    increase, negative or infinite rates, and NaN alone.
    """
    times, values = np.asarray(times_s, dtype=np.float64), np.asarray(rates, dtype=np.float64)
    if times.ndim != 1 or times.shape != values.shape:
        raise ValueError(f"history: {times.shape} times and {values.shape} rates; one rate per time is needed")
    if len(times) < 2:
        raise ValueError(f"history: {len(times)} rows; at least two are needed to know the step")
    if (wrong := np.flatnonzero(~np.isfinite(times))).size:
        raise ValueError(f"history: the time of row {wrong[0]} is {times[wrong[0]]}; a number of seconds is needed")
    distances = np.diff(times)
    if (wrong := np.flatnonzero(distances <= 0)).size:
        row = int(wrong[0]) + 1
        raise ValueError(
            f"history: row {row} is at {times[row]:g} s, after {times[row - 1]:g} s; sort the rows, one for each time"
        )
    if (wrong := np.flatnonzero((values < 0) | np.isinf(values))).size:
        row = int(wrong[0])
        raise ValueError(
            f"history: row {row} (at {times[row]:g} s) is {values[row]:g} per second; a rate is finite and not negative"
        )
    if np.isnan(values).all():
        raise ValueError(f"history: all {len(values)} rows are NaN; nothing was observed")
    step = float(np.median(distances)) if step_s is None else step_s
    if not (np.isfinite(step) and step > 0):
        raise ValueError(f"history: step of {step} s; it must be positive")
    places = np.floor((times - times[0]) / step + 0.5).astype(np.int64)
    length = int(places[-1]) + 1
    if length > _MOST_STEPS:
        raise ValueError(f"history: {length} steps of {step:g} s up to {times[-1]:g} s; is a time stamp wrong?")
    known = ~np.isnan(values)
    rows = np.bincount(places[known], minlength=length)
    sums = np.bincount(places[known], weights=values[known], minlength=length)
    return History(float(times[0]), step, np.where(rows > 0, sums / np.maximum(rows, 1), np.nan))
