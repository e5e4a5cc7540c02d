"""How the last four days of a deployment went, tick by tick, and the minutes of four weeks: what its law is tuned on.

Rates are halves of floats: .05 % at most, less than a rate of 15 seconds is certain, and 55 kB for a deployment. None
of it survives a restart; rows of five minutes do, and stand in for the days before.
"""

import math
import struct
from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from wharfage_autoscaler.tide import Minute

from wharfage_operator.history import STEP_S

TICK_S = 15.0
LEVELS = (0.9, 0.95, 0.97, 0.99)
"""Quantiles of the forecast that a tuned law may go by: those of `wharfage_simulator.tuning`."""
PER_STEP = round(STEP_S / TICK_S)
STEPS = round(4 * 86_400 / STEP_S)
_LARGEST = 65_000.0
_RECORD = struct.Struct(f"<{PER_STEP + len(LEVELS)}e")
_UNSAID = (math.nan,) * len(LEVELS)
_NOTHING = _RECORD.pack(*[math.nan] * PER_STEP, *_UNSAID)


@dataclass(slots=True)
class Diary:
    """A record for each five minutes of the clock: the ticks, and what was then expected for the lead time's end."""

    _step: int = -1
    _ticks: list[float] = field(default_factory=list)
    _said: tuple[float, ...] = _UNSAID
    _records: bytearray = field(default_factory=bytearray)

    def note(self, now_s: float, rps: float, said: Sequence[float] = _UNSAID) -> None:
        """The work that came in the last tick (planned requests per second), and the quantiles of now at `LEVELS`."""
        step = int(now_s // STEP_S)
        if step != self._step:
            self._turn_to(step)
        self._ticks[int(now_s % STEP_S // TICK_S)] = min(rps, _LARGEST)
        if not math.isnan(said[0]):
            self._said = tuple(min(each, _LARGEST) for each in said)

    def _turn_to(self, step: int) -> None:
        """Close the record of the last step; where days lie between, or time went back, all begins anew."""
        skipped = step - self._step - 1
        if self._step >= 0 and 0 <= skipped < STEPS:
            self._records += _RECORD.pack(*self._ticks, *self._said) + _NOTHING * skipped
            del self._records[: -STEPS * _RECORD.size]
        else:
            self._records.clear()
        self._step, self._ticks, self._said = step, [math.nan] * PER_STEP, _UNSAID

    def course(self, rows: Mapping[int, float]) -> "Course":
        """The last four days up to the step that is not over; `rows` are mean rates by step, for those of before.

        What is not known between is as it was before: of that which is missing nobody says that it is zero.
        """
        first = self._step - len(self._records) // _RECORD.size
        arrivals, said = array("f"), [array("f") for _ in LEVELS]
        last = math.nan
        for step in range(self._step - STEPS, self._step):
            ticks, quantiles = self._record(step - first) if step >= first else _flat(rows.get(step, math.nan))
            for rps in ticks:
                last = last if math.isnan(rps) else rps
                if not math.isnan(last):
                    arrivals.append(last * TICK_S)
                    for level, quantile in zip(said, quantiles, strict=True):
                        level.append(quantile)
        return Course(arrivals, dict(zip(LEVELS, said, strict=True)), (self._step - first) * STEP_S)

    def _record(self, place: int) -> tuple[tuple[float, ...], tuple[float, ...]]:
        found = _RECORD.unpack_from(self._records, place * _RECORD.size)
        return found[:PER_STEP], found[PER_STEP:]


def _flat(rps: float) -> tuple[tuple[float, ...], tuple[float, ...]]:
    return (rps,) * PER_STEP, _UNSAID


@dataclass(frozen=True, slots=True)
class Course:
    """Requests of each tick, and by level what the forecast of the time said; as `errands.Tuning` has them.

    Of `seen_s`, the last part of it, every tick was seen: what comes from rows is flat over five minutes.
    """

    arrivals: "array[float]"
    said: "dict[float, array[float]]"
    seen_s: float

    @property
    def known_s(self) -> float:
        """How long it is."""
        return len(self.arrivals) * TICK_S


_FULLEST, _PER_FULL = 3.0, 50
_REMEMBERED_DAYS = 28.0


def _counts() -> "array[float]":
    return array("f", bytes(4 * (round(_FULLEST * _PER_FULL) + 1)))


@dataclass(slots=True)
class Minutes:
    """Counts of good and of bad minutes by how full the replicas were, to 2 %; they fade within four weeks."""

    _counts: "tuple[array[float], array[float]]" = field(default_factory=lambda: (_counts(), _counts()))
    _day: int = -1

    def note(self, now_s: float, ended: Minute) -> None:
        """A minute that ended."""
        day = int(now_s // 86_400.0)
        if day != self._day:
            for counts in self._counts:
                counts[:] = array("f", [count * (1.0 - 1.0 / _REMEMBERED_DAYS) for count in counts])
            self._day = day
        filled = min(_FULLEST, max(0.0, ended.filled))
        self._counts[ended.bad][round(filled * _PER_FULL)] += 1.0

    def listed(self) -> "tuple[array[float], list[bool]]":
        """How full the replicas were in each, and whether it was bad; in no order."""
        filled, outcomes = array("f"), []
        for bad, counts in enumerate(self._counts):
            for place, count in enumerate(counts):
                filled.extend([place / _PER_FULL] * round(count))
                outcomes += [bool(bad)] * round(count)
        return filled, outcomes
