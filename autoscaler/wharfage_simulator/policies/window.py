"""What was seen lately: samples of the last so many seconds, which most autoscalers average or take the extreme of."""

import math
from collections import deque


class Window:
    """Samples that are younger than `length_s`; one of exactly that age has just left."""

    def __init__(self, length_s: float) -> None:
        self.length_s = length_s
        self._samples: deque[tuple[float, float]] = deque()

    def add(self, now_s: float, value: float) -> None:
        """Take a sample in, and let go those that have become too old. NaN is no sample."""
        if not math.isnan(value):
            self._samples.append((now_s, value))
        self.age(now_s)

    def age(self, now_s: float) -> None:
        """Let go what has become too old; with a length of 0 all but the samples of this instant."""
        while self._samples and now_s - self._samples[0][0] >= max(self.length_s, 1e-9):
            self._samples.popleft()

    @property
    def mean(self) -> float:
        """Of the samples; NaN where there is none."""
        return sum(value for _, value in self._samples) / len(self._samples) if self._samples else math.nan

    @property
    def total(self) -> float:
        """Of the samples."""
        return sum(value for _, value in self._samples)

    @property
    def most(self) -> float:
        """The largest sample; NaN where there is none."""
        return max((value for _, value in self._samples), default=math.nan)

    @property
    def least(self) -> float:
        """The smallest sample; NaN where there is none."""
        return min((value for _, value in self._samples), default=math.nan)

    def __len__(self) -> int:
        """How many samples there are."""
        return len(self._samples)
