"""What a metrics system would know of the replay: rates over windows, latencies of the last minute, bad shares."""

import math
from collections import deque
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from wharfage_autoscaler.objectives import Objectives

from wharfage_simulator.replica import Interval, Replicas

_MINUTE_S, _FIVE_S, _HALF_HOUR_S = 60.0, 300.0, 1800.0
_ENOUGH = 5  # finished requests in a minute, before a percentile of them means anything


@dataclass(frozen=True, slots=True)
class Latencies:
    """Percentiles in seconds over a minute's finished requests; NaN where too few finished."""

    p50: float = math.nan
    p90: float = math.nan
    p95: float = math.nan


@dataclass(frozen=True, slots=True)
class _Stretch:
    """One interval between two stops."""

    seconds: float
    arrived: int
    finished: int
    bad: int
    prompt_tokens: int
    output_tokens: int
    ids: NDArray[np.int32]


class Recorder:
    """Keeps the last half hour of intervals."""

    def __init__(self, replicas: Replicas, objectives: Objectives) -> None:
        self._requests = replicas.requests
        self._objectives = objectives
        self._stretches: deque[_Stretch] = deque()
        self._kept_s = 0.0

    def add(self, interval: Interval) -> None:
        """One more interval."""
        rows = self._requests[interval.finished]
        ttft_s, tpot_s = latencies(rows)
        missed = (ttft_s > self._objectives.ttft_p95_s) | (tpot_s > self._objectives.tpot_p95_s)
        self._stretches.append(
            _Stretch(
                interval.end_s - interval.begin_s,
                len(interval.arrived),
                len(rows),
                int(missed.sum()),
                int(rows["prompt"].sum()),
                int(rows["output"].sum()),
                interval.finished,
            )
        )
        self._kept_s += self._stretches[-1].seconds
        while self._kept_s - self._stretches[0].seconds >= _HALF_HOUR_S:
            self._kept_s -= self._stretches.popleft().seconds

    def arrived_rps(self, window_s: float) -> float:
        """Requests per second that arrived over the window; NaN before anything was recorded."""
        window = self._window(window_s)
        seconds = sum(each.seconds for each in window)
        return sum(each.arrived for each in window) / seconds if seconds > 0 else math.nan

    def finished_rps(self) -> float:
        """Requests per second that finished over a minute."""
        window = self._window(_MINUTE_S)
        seconds = sum(each.seconds for each in window)
        return sum(each.finished for each in window) / seconds if seconds > 0 else math.nan

    def tokens_per_s(self) -> tuple[float, float]:
        """Prompt and output tokens per second of the requests that finished over a minute."""
        window = self._window(_MINUTE_S)
        seconds = sum(each.seconds for each in window)
        if seconds <= 0:
            return math.nan, math.nan
        prompt = sum(each.prompt_tokens for each in window)
        return prompt / seconds, sum(each.output_tokens for each in window) / seconds

    def bad_share(self, window_s: float) -> float:
        """Share of the requests finished over the window that missed an objective; NaN without any."""
        window = self._window(window_s)
        finished = sum(each.finished for each in window)
        return sum(each.bad for each in window) / finished if finished else math.nan

    def latencies(self) -> tuple[Latencies, Latencies]:
        """TTFT and TPOT over the last minute."""
        ids = [each.ids for each in self._window(_MINUTE_S)]
        rows = self._requests[np.concatenate(ids)] if ids else self._requests[:0]
        if len(rows) < _ENOUGH:
            return Latencies(), Latencies()
        first, later = latencies(rows)
        return _percentiles(first), _percentiles(later)

    def _window(self, window_s: float) -> list[_Stretch]:
        found: list[_Stretch] = []
        seconds = 0.0
        for each in reversed(self._stretches):
            if seconds >= window_s - 1e-9:
                break
            found.append(each)
            seconds += each.seconds
        return found


def latencies(rows: NDArray[np.void]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """TTFT and TPOT in seconds of requests (`records.REQUEST`), NaN for those that did not get that far.

    TPOT is the mean over a request's own tokens after the first; 0 for an answer of one token.
    """
    ttft_s = rows["first_s"] - rows["arrival_s"]
    tpot_s = (rows["finish_s"] - rows["first_s"]) / np.maximum(rows["output"] - 1, 1)
    return ttft_s, tpot_s


def _percentiles(values: NDArray[np.float64]) -> Latencies:
    p50, p90, p95 = np.percentile(values, (50, 90, 95))
    return Latencies(float(p50), float(p90), float(p95))
