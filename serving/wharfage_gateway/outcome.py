"""How the answers of each variant ended, with confidence intervals: what a trial on real traffic is judged by.

Shares have Wilson's interval (1927), which holds for few requests and for none that failed; means the normal one.
"""

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

Z = 1.96
"""Intervals hold in 95 of 100 trials."""
ANSWERED, ABORTED, FAILED, REJECTED = "answered", "aborted", "failed", "rejected"
"""To its end; left by its client; broken off or answered by an error; with an error that is the client's own."""


@dataclass(slots=True)
class Sample:
    """A quantity's mean and spread, as it comes (Welford 1962)."""

    count: int = 0
    mean: float = 0.0
    squares: float = 0.0

    def add(self, value: float) -> None:
        """One more."""
        self.count += 1
        off = value - self.mean
        self.mean += off / self.count
        self.squares += off * (value - self.mean)

    def told(self) -> dict[str, float | None]:
        """Mean and interval; None where too few were seen."""
        if not self.count:
            return {"mean": None, "low": None, "high": None}
        if self.count == 1:
            return {"mean": self.mean, "low": None, "high": None}
        half = Z * math.sqrt(self.squares / (self.count - 1) / self.count)
        return {"mean": self.mean, "low": self.mean - half, "high": self.mean + half}


@dataclass(slots=True)
class Outcome:
    """The requests of one variant that are over. `by_length` counts answers that ended at the limit of their tokens.

    `repeated` counts answers whose client asked the same again (`repeats`), `ratings` are what clients thought of them.
    """

    endings: Counter[str] = field(default_factory=Counter)
    by_length: int = 0
    repeated: int = 0
    seconds: Sample = field(default_factory=Sample)
    output_tokens: Sample = field(default_factory=Sample)
    ratings: Sample = field(default_factory=Sample)

    def add(self, ending: str, seconds: float | None, output_tokens: int | None, most: int | None) -> None:
        """One more; durations and lengths count of answers that came to their end."""
        self.endings[ending] += 1
        if ending != ANSWERED:
            return
        if seconds is not None:
            self.seconds.add(seconds)
        if output_tokens is not None:
            self.output_tokens.add(output_tokens)
            self.by_length += most is not None and output_tokens >= most

    def told(self) -> dict[str, Any]:
        """All of it, as JSON."""
        over = self.endings.total() - self.endings[REJECTED]
        return {
            "requests": over,
            "failed": share(self.endings[FAILED], over),
            "aborted": share(self.endings[ABORTED], over),
            "by_length": share(self.by_length, self.output_tokens.count),
            "repeated": share(min(self.repeated, over), over),
            "seconds": self.seconds.told(),
            "output_tokens": self.output_tokens.told(),
            "rating": {"count": self.ratings.count, **self.ratings.told()},
        }


def share(times: int, of: int) -> dict[str, float | None]:
    """How large a share is, and between what; None where nothing was seen."""
    if not of:
        return {"share": None, "low": None, "high": None}
    found, z2 = times / of, Z * Z
    middle = (found + z2 / (2 * of)) / (1 + z2 / of)
    half = Z / (1 + z2 / of) * math.sqrt(found * (1 - found) / of + z2 / (4 * of * of))
    return {"share": found, "low": max(0.0, middle - half), "high": min(1.0, middle + half)}


def told(outcomes: Mapping[tuple[str, str], Outcome]) -> dict[str, dict[str, Any]]:
    """All of them by model and variant."""
    found: dict[str, dict[str, Any]] = {}
    for (key, variant), outcome in sorted(outcomes.items()):
        found.setdefault(key, {})[variant] = outcome.told()
    return found
