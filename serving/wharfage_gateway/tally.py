"""What is counted, by model, class and tenant: for /metrics, for /demand, and for the most a request may come to."""

import math
from bisect import bisect_left
from collections import Counter, deque
from dataclasses import dataclass, field

FIRST_OUTPUT_TOKENS = 256
"""What an answer is taken to come to before any was measured."""
LOOK_BACK = 512
FRESH = 32
WAIT_BOUNDS_S = (0.005, 0.025, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0)
MOST_ROWS = 1000
OTHERS = "(others)"


@dataclass(slots=True)
class Count:
    """Totals of one model, class and tenant."""

    arrivals: int = 0
    admitted: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    prompt_tokens: int = 0
    output_tokens: int = 0
    unknown_tokens: int = 0
    """Ended requests of which the log told no tokens."""


@dataclass(slots=True)
class Carried:
    """What the replicas of one model did for a tenant, whichever model it had asked for."""

    requests: int = 0
    prompt_tokens: int = 0
    output_tokens: int = 0


@dataclass(slots=True)
class Waits:
    """How long the admitted ones of a model and class had waited: a histogram over `WAIT_BOUNDS_S`."""

    buckets: list[int] = field(default_factory=lambda: [0] * (len(WAIT_BOUNDS_S) + 1))
    sum_s: float = 0.0

    def add(self, waited_s: float) -> None:
        """One more."""
        self.buckets[bisect_left(WAIT_BOUNDS_S, waited_s)] += 1
        self.sum_s += waited_s


@dataclass(slots=True)
class Outputs:
    """The lengths of a model's last answers, and the 95th percentile of them, renewed every `FRESH`th."""

    last: deque[int] = field(default_factory=lambda: deque(maxlen=LOOK_BACK))
    p95: int = FIRST_OUTPUT_TOKENS
    since: int = 0

    def add(self, tokens: int) -> None:
        """One more answer."""
        self.last.append(tokens)
        self.since += 1
        if self.since >= FRESH:
            ranked = sorted(self.last)
            self.p95, self.since = max(1, ranked[min(len(ranked) - 1, int(0.95 * len(ranked)))]), 0


@dataclass(slots=True)
class Pace:
    """How many requests a second have ended lately: an average that forgets with `WINDOW_S`."""

    per_s: float = 0.0
    at_s: float = float("-inf")

    WINDOW_S = 30.0

    def add(self, now_s: float) -> None:
        """One more has ended."""
        self.per_s = self.now(now_s) + 1.0 / self.WINDOW_S
        self.at_s = now_s

    def now(self, now_s: float) -> float:
        """The pace at a later time."""
        return self.per_s * math.exp(-max(0.0, now_s - self.at_s) / self.WINDOW_S) if self.per_s else 0.0


class Tally:
    """All counts since the start. Beyond `MOST_ROWS` of them what is new is counted as of `OTHERS`."""

    def __init__(self) -> None:
        self.counts: dict[tuple[str, str, str], Count] = {}
        self.carried: dict[tuple[str, str], Carried] = {}
        """By the model that answered and the tenant; bounded as the others."""
        self.waits: dict[tuple[str, str], Waits] = {}
        self.unrouted: Counter[str] = Counter()
        """Refused before a model was known, by reason."""

    def of(self, key: str, cls: str, tenant: str) -> Count:
        """The counts of a model, class and tenant."""
        found = self.counts.get((key, cls, tenant))
        if found is None:
            if len(self.counts) >= MOST_ROWS:
                tenant = OTHERS
            found = self.counts.setdefault((key, cls, tenant), Count())
        return found

    def carried_by(self, carrier: str, tenant: str) -> Carried:
        """What the replicas of a model did for a tenant."""
        found = self.carried.get((carrier, tenant))
        if found is None:
            if len(self.carried) >= MOST_ROWS:
                tenant = OTHERS
            found = self.carried.setdefault((carrier, tenant), Carried())
        return found

    def waited(self, key: str, cls: str, waited_s: float) -> None:
        """An admitted request had waited so long."""
        found = self.waits.get((key, cls))
        if found is None:
            found = self.waits[key, cls] = Waits()
        found.add(waited_s)
