"""What a metrics system would know of the replay: rates over windows, latencies of the last minute, bad shares."""

import math
from bisect import bisect_right
from collections import deque
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from wharfage_autoscaler.objectives import Objectives

from wharfage_simulator.compiled import compiled
from wharfage_simulator.replica import Interval, Replicas

_Sums = tuple[int, int, int, int, int]
_ARRIVED, _FINISHED, _BAD, _PROMPT, _OUTPUT = range(5)

_MINUTE_S, _SAME_S = 60.0, 1e-9
_ENOUGH = 5  # finished requests in a minute, before a percentile of them means anything


@dataclass(frozen=True, slots=True)
class Latencies:
    """Percentiles in seconds over a minute's finished requests; NaN where too few finished."""

    p50: float = math.nan
    p90: float = math.nan
    p95: float = math.nan


class Recorder:
    """Sums up intervals as they come; what is asked for is the difference of two sums."""

    def __init__(self, replicas: Replicas, objectives: Objectives) -> None:
        self._requests = replicas.requests
        self._objectives = objectives
        self._ends_s = [replicas.now_s]
        self._sums: list[_Sums] = [(0, 0, 0, 0, 0)]
        self._finished: deque[tuple[float, NDArray[np.int32]]] = deque()
        """Of the last minute: when each interval ended, and what finished in it."""

    def add(self, interval: Interval) -> None:
        """One more interval."""
        bad, prompt, output = _tallied(
            self._requests, interval.finished, self._objectives.ttft_p95_s, self._objectives.tpot_p95_s
        )
        before = self._sums[-1]
        self._sums.append(
            (
                before[0] + len(interval.arrived),
                before[1] + len(interval.finished),
                before[2] + bad,
                before[3] + prompt,
                before[4] + output,
            )
        )
        self._ends_s.append(interval.end_s)
        self._finished.append((interval.end_s, interval.finished))
        while self._finished[0][0] <= interval.end_s - _MINUTE_S + _SAME_S:
            self._finished.popleft()

    def arrived_rps(self, window_s: float) -> float:
        """Requests per second that arrived over the window; NaN before anything was recorded."""
        seconds, sums = self._over(window_s)
        return sums[_ARRIVED] / seconds if seconds > 0 else math.nan

    def finished_rps(self) -> float:
        """Requests per second that finished over a minute."""
        seconds, sums = self._over(_MINUTE_S)
        return sums[_FINISHED] / seconds if seconds > 0 else math.nan

    def tokens_per_s(self) -> tuple[float, float]:
        """Prompt and output tokens per second of the requests that finished over a minute."""
        seconds, sums = self._over(_MINUTE_S)
        return (sums[_PROMPT] / seconds, sums[_OUTPUT] / seconds) if seconds > 0 else (math.nan, math.nan)

    def bad_share(self, window_s: float) -> float:
        """Share of the requests finished over the window that missed an objective; NaN without any."""
        _, sums = self._over(window_s)
        return sums[_BAD] / sums[_FINISHED] if sums[_FINISHED] else math.nan

    def latencies(self) -> tuple[Latencies, Latencies]:
        """TTFT and TPOT over the last minute."""
        ids = [each for _, each in self._finished]
        rows = self._requests[np.concatenate(ids)] if ids else self._requests[:0]
        if len(rows) < _ENOUGH:
            return Latencies(), Latencies()
        first, later = latencies(rows)
        return _percentiles(first), _percentiles(later)

    def _over(self, window_s: float) -> tuple[float, _Sums]:
        """Seconds of the intervals that cover the window, or of all there were, and what happened in them."""
        since = max(0, bisect_right(self._ends_s, self._ends_s[-1] - window_s + _SAME_S) - 1)
        first, last = self._sums[since], self._sums[-1]
        return self._ends_s[-1] - self._ends_s[since], (
            last[0] - first[0],
            last[1] - first[1],
            last[2] - first[2],
            last[3] - first[3],
            last[4] - first[4],
        )


@compiled
def _tallied(requests: Any, ids: Any, ttft_s: float, tpot_s: float) -> tuple[int, int, int]:
    """How many of the finished requests missed an objective, and the tokens of their prompts and answers."""
    bad = prompt = output = 0
    for i in ids:
        request = requests[i]
        each = (request["finish_s"] - request["first_s"]) / max(request["output"] - 1, 1)
        if request["first_s"] - request["arrival_s"] > ttft_s or each > tpot_s:
            bad += 1
        prompt += request["prompt"]
        output += request["output"]
    return bad, prompt, output


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
