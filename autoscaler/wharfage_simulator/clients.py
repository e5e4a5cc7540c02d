"""Load as the sum of clients, each with its own rate, its own burstiness and its own lengths over time.

What a replica sees inside ten minutes is decided by how its clients send: one that fires a batch every minute loads
it otherwise than a thousand people who type. ServeGen publishes, per client and window, the rate and the fitted
distribution of the gaps between requests; arrivals are drawn from that and superposed.
"""

from dataclasses import dataclass, replace
from enum import IntEnum

import numpy as np
import numpy.typing as npt

from wharfage_simulator.lengths import Lengths
from wharfage_simulator.tables import Floats, TraceError
from wharfage_simulator.traces import RateTrace


class Gap(IntEnum):
    """The family of the distribution of gaps between one client's requests."""

    EXPONENTIAL = 0
    GAMMA = 1
    WEIBULL = 2


@dataclass(frozen=True, slots=True, eq=False)
class ClientTrace:
    """Cells of one client in one window, with load; window k covers [k, k + 1) x `window_s`.

    `shape` is the parameter of the gaps' family (1 for exponential ones); their mean follows from the rate.
    `prompt_row` and `output_row` say which rows of `prompts` and `outputs` a cell's lengths are drawn from.
    """

    name: str
    start_s: float
    window_s: float
    windows: int
    client: npt.NDArray[np.int32]
    window: npt.NDArray[np.int32]
    rate: Floats
    family: npt.NDArray[np.int8]
    shape: Floats
    prompts: Lengths
    outputs: Lengths
    prompt_row: npt.NDArray[np.int64]
    output_row: npt.NDArray[np.int64]
    bridged: int = 0

    @property
    def duration_s(self) -> float:
        """From the first window's start to the last one's end."""
        return self.windows * self.window_s

    @property
    def middle_s(self) -> float:
        """The edge of a window in the middle, or before it."""
        return self.windows // 2 * self.window_s

    @property
    def req_per_s(self) -> Floats:
        """Requests per second of all clients together, window by window."""
        return np.bincount(self.window, weights=self.rate, minlength=self.windows).astype(np.float64)

    @property
    def clients(self) -> int:
        """How many clients there are."""
        return len(np.unique(self.client))

    def rates(self) -> RateTrace:
        """The same load without its clients: what a forecaster or a dashboard sees."""
        total = self.req_per_s
        shares = np.maximum(total, 1e-12)
        prompt = np.bincount(self.window, self.rate * self.prompts.means[self.prompt_row], self.windows) / shares
        output = np.bincount(self.window, self.rate * self.outputs.means[self.output_row], self.windows) / shares
        return RateTrace(self.name, self.start_s, self.window_s, total, prompt, output, self.bridged)

    def between(self, begin_s: float, end_s: float) -> "ClientTrace":
        """The windows that lie wholly inside; `TraceError` when there is none."""
        kept = RateTrace(self.name, 0.0, self.window_s, self.req_per_s).between(begin_s, end_s)
        first = round(kept.start_s / self.window_s)
        last = first + len(kept.req_per_s)
        inside = (self.window >= first) & (self.window < last)
        return replace(
            self.where(inside),
            start_s=self.start_s + kept.start_s,
            windows=last - first,
            window=self.window[inside] - np.int32(first),
        )

    def where(self, kept: npt.NDArray[np.bool_]) -> "ClientTrace":
        """Only the cells that are marked; `TraceError` when none is."""
        if not kept.any():
            raise TraceError(f"{self.name}: no client sends anything there")
        return replace(
            self,
            client=self.client[kept],
            window=self.window[kept],
            rate=self.rate[kept],
            family=self.family[kept],
            shape=self.shape[kept],
            prompt_row=self.prompt_row[kept],
            output_row=self.output_row[kept],
        )
