"""What each engine's counters and histograms have come to since its pod began, from what the replay says happened."""

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from wharfage_simulator.replica import Gauges, Interval
from wharfage_simulator.tables import Floats

Rows = npt.NDArray[np.void]

TTFT = "time_to_first_token_seconds"
ITL = "inter_token_latency_seconds"
TPOT = "request_time_per_output_token_seconds"
E2E = "e2e_request_latency_seconds"
PROMPT = "request_prompt_tokens"
GENERATION = "request_generation_tokens"

_TTFT_EDGES = (0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0, 20.0, 40.0,
               80.0, 160.0, 640.0, 2560.0)  # fmt: skip
_TOKEN_EDGES = (0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0, 20.0, 40.0,
                80.0)  # fmt: skip
_E2E_EDGES = (0.3, 0.5, 0.8, 1.0, 1.5, 2.0, 2.5, 5.0, 10.0, 15.0, 20.0, 30.0, 40.0, 50.0, 60.0, 120.0, 240.0, 480.0,
              960.0, 1920.0, 7680.0)  # fmt: skip


def edges(context_tokens: int) -> dict[str, tuple[float, ...]]:
    """The buckets of vLLM 0.32, by histogram; those of lengths go as far as the model's context."""
    lengths = tuple(
        float(step * 10**power) for power in range(9) for step in (1, 2, 5) if step * 10**power <= context_tokens
    )
    return {
        TTFT: _TTFT_EDGES,
        ITL: _TOKEN_EDGES,
        TPOT: _TOKEN_EDGES,
        E2E: _E2E_EDGES,
        PROMPT: lengths,
        GENERATION: lengths,
    }


@dataclass(frozen=True, slots=True)
class Histogram:
    """Requests by bucket, the last without an upper edge, and the sum of what was observed; one row a slot."""

    edges: Floats
    counts: Floats
    sums: Floats

    def add(self, slots: npt.NDArray[np.integer], values: Floats, weights: Floats | None = None) -> None:
        """Observe values, each `weights` times."""
        often = np.ones(len(values)) if weights is None else weights
        np.add.at(self.counts, (slots, np.searchsorted(self.edges, values)), often)
        np.add.at(self.sums, slots, values * often)


@dataclass(frozen=True, slots=True)
class Told:
    """What one engine's page is made of. Histograms are cumulative, by name: counts, and the sum."""

    running: int
    waiting: int
    kv_used: float
    kv_tokens: int
    finished: float
    prompt_tokens: float
    cached_tokens: float
    output_tokens: float
    preempted: float
    histograms: dict[str, tuple[list[float], float]]


@dataclass(slots=True)
class Tally:
    """Sums by slot. A slot that is handed to another pod begins at nothing."""

    slots: int
    context_tokens: int
    histograms: dict[str, Histogram] = field(init=False)
    _prompts: Floats = field(init=False)
    _cached: Floats = field(init=False)
    _before: dict[str, Floats] = field(init=False)

    def __post_init__(self) -> None:
        """Begin with nothing."""
        self.histograms = {
            name: Histogram(np.array(found), np.zeros((self.slots, len(found) + 1)), np.zeros(self.slots))
            for name, found in edges(self.context_tokens).items()
        }
        self._prompts, self._cached = np.zeros(self.slots), np.zeros(self.slots)
        self._before = {"output_tokens": np.zeros(self.slots), "preempted": np.zeros(self.slots)}

    def begin(self, slot: int, gauges: Gauges) -> None:
        """A pod that has done nothing yet takes the slot."""
        for each in self.histograms.values():
            each.counts[slot] = 0.0
            each.sums[slot] = 0.0
        self._prompts[slot] = self._cached[slot] = 0.0
        self._before["output_tokens"][slot] = gauges.output_tokens[slot]
        self._before["preempted"][slot] = gauges.preempted[slot]

    def add(self, interval: Interval, requests: Rows) -> None:
        """First and last tokens of an interval. The gaps of one answer are counted as all alike, at their mean."""
        begun, ended = requests[interval.started], requests[interval.finished]
        slots = begun["replica"]
        self.histograms[TTFT].add(slots, begun["first_s"] - begun["arrival_s"])
        np.add.at(self._prompts, slots, begun["prompt"])
        np.add.at(self._cached, slots, begun["cached"])
        slots = ended["replica"]
        gaps = np.maximum(ended["output"] - 1, 0).astype(np.float64)
        each = (ended["finish_s"] - ended["first_s"]) / np.maximum(gaps, 1.0)
        several = gaps > 0
        self.histograms[ITL].add(slots[several], each[several], gaps[several])
        self.histograms[TPOT].add(slots, each)
        self.histograms[E2E].add(slots, ended["finish_s"] - ended["arrival_s"])
        self.histograms[PROMPT].add(slots, ended["prompt"].astype(np.float64))
        self.histograms[GENERATION].add(slots, ended["output"].astype(np.float64))

    def told(self, slot: int, gauges: Gauges) -> Told:
        """What the engine in a slot shows."""
        capacity = max(1, int(gauges.kv_capacity[slot]))
        return Told(
            running=int(gauges.running[slot]),
            waiting=int(gauges.waiting[slot]),
            kv_used=min(1.0, float(gauges.kv_tokens[slot]) / capacity),
            kv_tokens=capacity,
            finished=float(self.histograms[TPOT].counts[slot].sum()),
            prompt_tokens=float(self._prompts[slot]),
            cached_tokens=float(self._cached[slot]),
            output_tokens=float(gauges.output_tokens[slot] - self._before["output_tokens"][slot]),
            preempted=float(gauges.preempted[slot] - self._before["preempted"][slot]),
            histograms={
                name: (np.cumsum(each.counts[slot]).tolist(), float(each.sums[slot]))
                for name, each in self.histograms.items()
            },
        )
