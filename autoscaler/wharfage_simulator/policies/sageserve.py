"""SageServe's hybrid: every hour a forecast says how many, and the use of the cache says when."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
from wharfage_autoscaler.fleet import PoolKey

from wharfage_simulator.policies.scene import Scene, Setting
from wharfage_simulator.policy import Seen, Target

STEP_S = 300.0
_DAY = round(86_400 / STEP_S)
_LAGS = 12
_KEPT = 14 * _DAY


def peak_ahead(history: Sequence[float], *, first: int, last: int) -> float:
    """The largest forecast rate between the `first` and the `last` step ahead; `history` has a rate per step.

    SageServe reads its ARIMA from files that somebody else made. Here it is an autoregression over an hour, of the
    differences to the day before where there are two days, fitted by least squares: ARIMA(12,0,0)(0,1,0) in its terms.
    With less than three times as many steps as lags it is the largest of the last hour.
    """
    rates = np.asarray(history, dtype=np.float64)
    if not len(rates):
        return math.nan
    season = rates[:-_DAY] if len(rates) >= 2 * _DAY else np.zeros(0)
    series = rates[_DAY:] - season if len(season) else rates
    if len(series) < 3 * _LAGS:
        return float(rates[-_LAGS:].max())
    lagged = np.lib.stride_tricks.sliding_window_view(series, _LAGS)
    rows = np.column_stack([lagged[:-1], np.ones(len(lagged) - 1)])
    weights = np.linalg.lstsq(rows, series[_LAGS:], rcond=None)[0]
    recent = series[-_LAGS:]
    most = 0.0
    for ahead in range(1, last + 1):
        value = float(np.append(recent, 1.0) @ weights)
        recent = np.append(recent[1:], value)
        base = float(rates[len(rates) - _DAY + ahead - 1]) if len(season) else 0.0
        if ahead >= first:
            most = max(most, base + value)
    return most


@dataclass(slots=True)
class SageServe:
    """shashwatj07/SageServe (POMACS 9(3), 2025), `global_arbiter.py` and `arbiter.py`: reactive, with guidance.

    Every hour the largest forecast between 20 and 60 minutes ahead gives the change that is due, one kind of machine
    leaving its integer program only a division: by `share` of what a replica carries. A replica is added or removed,
    one at a time, when such a change is due and the cache's use agrees (above `up`, below `down`); without one only in
    an emergency. While a replica starts nothing else is begun. Spot instances lent out to others are not modelled.
    Unknown use of the cache (NaN) moves nothing; an unknown rate is taken from the day before. The history begins
    with the training half.
    """

    reads_latencies: ClassVar[bool] = False

    pool: PoolKey
    training_rps: Sequence[float] = ()
    """By the minute."""
    share: float = 1.0
    up: float = 0.5
    down: float = 0.25
    emergency: float = 0.9
    period_s: float = 3600.0
    every_s: float = 15.0
    _history: list[float] = field(init=False)
    _step: list[float] = field(default_factory=list, init=False)
    _step_s: float = field(default=math.nan, init=False)
    _planned_s: float = field(default=-math.inf, init=False)
    _due: int = field(default=0, init=False)
    _replicas: int | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        """Begin with the training half as history, in steps of five minutes."""
        if not (self.share > 0 and self.down <= self.up <= self.emergency):
            raise ValueError(
                f"sageserve: share must be positive and down <= up <= emergency, found {self.share}, "
                f"{self.down}, {self.up}, {self.emergency}"
            )
        minutes = round(STEP_S / 60)
        self._history = []
        for begin in range(0, len(self.training_rps) - minutes + 1, minutes):
            self._remember(self.training_rps[begin : begin + minutes])

    @property
    def name(self) -> str:
        """`sageserve(share=1,kv=0.5/0.25/0.9)`."""
        return f"sageserve(share={self.share:g},kv={self.up:.3g}/{self.down:.3g}/{self.emergency:.3g})"

    def target(self, seen: Seen) -> Target:
        """The count of the one pool."""
        pool = seen.pool(self.pool)
        current = pool.ready + pool.starting if self._replicas is None else self._replicas
        self._observe(seen)
        if seen.now_s - self._planned_s >= self.period_s:
            self._planned_s = seen.now_s
            peak = peak_ahead(self._history, first=round(1200 / STEP_S), last=round(3600 / STEP_S))
            if not math.isnan(peak) and pool.good_rps > 0:
                self._due = math.ceil(peak / (self.share * pool.good_rps) - 1e-9) - current
        if not pool.starting:
            step = self._agreed(pool.kv_used)
            self._due -= step if self._due else 0
            current += step
        self._replicas = seen.bounded(current)
        return {self.pool: self._replicas}

    def _agreed(self, use: float) -> int:
        if self._due > 0:
            return int(use > self.up)
        if self._due < 0:
            return -int(use < self.down)
        return int(use > self.emergency)

    def _observe(self, seen: Seen) -> None:
        if math.isnan(self._step_s):
            self._step_s = seen.now_s
        if seen.now_s - self._step_s >= STEP_S:
            self._remember(self._step)
            self._step, self._step_s = [], seen.now_s
        self._step.append(seen.rps_15s)

    def _remember(self, rates: Sequence[float]) -> None:
        known = [rate for rate in rates if not math.isnan(rate)]
        if known:
            self._history.append(sum(known) / len(known))
        elif self._history:
            self._history.append(self._history[-_DAY if len(self._history) >= _DAY else -1])
        del self._history[:-_KEPT]


def settings(scene: Scene) -> tuple[Setting, ...]:
    """As published; and with thresholds as shares of what a replica uses of its cache at its best rate."""
    kv = scene.kv_used
    scaled = (
        {"share": share, "up": up * kv, "down": down * kv, "emergency": emergency * kv}
        for up, down, emergency in ((0.5, 0.25, 0.9), (0.3, 0.15, 0.6))
        for share in (1.0, 0.85, 0.7)
    )
    return ({}, *scaled)
