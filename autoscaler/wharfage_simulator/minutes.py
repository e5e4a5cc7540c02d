"""Judges a replay minute by minute: how many of the requests that came in it were answered as promised.

A request is good when it was finished, its first token came within the objective for TTFT, and its further tokens
within that for TPOT on average. One that was refused, abandoned or lost is bad; so is one that is not finished yet, if
it is late already. Those of which nothing can be said yet are not counted.
"""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from wharfage_autoscaler.objectives import ATTAINMENT

from wharfage_simulator.records import Outcome
from wharfage_simulator.tables import Floats

MINUTE_S = 60.0


@dataclass(frozen=True, slots=True, eq=False)
class Minutes:
    """One value a minute of arrival, from the trace's beginning."""

    requests: npt.NDArray[np.int64]
    bad: npt.NDArray[np.int64]

    @property
    def bad_share(self) -> Floats:
        """Share of the minute's requests that were bad; NaN in a minute without any."""
        return np.where(self.requests > 0, self.bad / np.maximum(self.requests, 1), np.nan)

    def bad_minutes(self, attainment: float = ATTAINMENT, *, since_s: float = 0.0) -> tuple[int, int]:
        """Minutes with fewer good requests than that share, and all minutes with a request, from `since_s` on.

        `ValueError` for a share outside (0, 1].
        """
        if not 0 < attainment <= 1:
            raise ValueError(f"an attainment of {attainment!r}; it is a share above 0 and at most 1")
        first = math.ceil(since_s / MINUTE_S)
        requests, bad = self.requests[first:], self.bad[first:]
        failed = bad > (1.0 - attainment) * requests + 1e-9 * requests
        return int((failed & (requests > 0)).sum()), int((requests > 0).sum())


def minutes(
    requests: npt.NDArray[np.void], now_s: float, *, ttft_s: float, tpot_s: float, duration_s: float
) -> Minutes:
    """Judge the requests of a replay (dtype `records.REQUEST`) that has come to `now_s`."""
    good, known = judged(requests, now_s, ttft_s=ttft_s, tpot_s=tpot_s)
    count = max(1, math.ceil(duration_s / MINUTE_S))
    minute = np.minimum((requests["arrival_s"] / MINUTE_S).astype(np.int64), count - 1)
    return Minutes(np.bincount(minute[known], minlength=count), np.bincount(minute[known & ~good], minlength=count))


def judged(
    requests: npt.NDArray[np.void], now_s: float, *, ttft_s: float, tpot_s: float
) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
    """Which requests are good, and of which it is known whether they are."""
    waited = requests["first_s"] - requests["arrival_s"]
    each = tpot(requests)
    finished = requests["outcome"] == Outcome.FINISHED
    # A comparison with NaN is false: no first token is not within the objective, one token has no TPOT to miss.
    good = finished & (waited <= ttft_s) & ~(each > tpot_s)
    late = np.where(np.isnan(waited), now_s - requests["arrival_s"] > ttft_s, waited > ttft_s)
    open_ = requests["outcome"] == Outcome.PENDING
    arrived = requests["arrival_s"] < now_s
    return good, arrived & (~open_ | late)


def tpot(requests: npt.NDArray[np.void]) -> Floats:
    """Seconds per token after the first; NaN where there is none, or the request is not finished."""
    more = requests["output"] - 1
    spent: Floats = requests["finish_s"] - requests["first_s"]
    return np.where(more > 0, spent / np.maximum(more, 1), np.nan)
