"""How long a step of an engine takes, as Dynamo's planner learns it: a plane through steps that were seen.

ai-dynamo 1.1.1, `planner/core/perf_model/{base,agg}.py`.
"""

import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

Sample = tuple[float, float, float]
"""Prefill tokens, decode tokens in the cache, seconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One engine's last step, Dynamo's `ForwardPassMetrics`: what it worked on, what waited, and how long it took.

    Counts may be fractions where they stand for the mean of many steps.
    """

    prefill_tokens: float = 0.0
    prefills: float = 0.0
    decode_tokens: float = 0.0
    """In the caches of the sequences that decode."""
    decodes: float = 0.0
    queued_prefill_tokens: float = 0.0
    queued_decode_tokens: float = 0.0
    """Of sequences that lost their place in the cache."""
    seconds: float = 0.0


class MovingMean:
    """Of the last values; zeros before the first other one are skipped."""

    def __init__(self, length: int) -> None:
        self._values = deque[float](maxlen=length)
        self._begun = False

    def add(self, value: float) -> None:
        """The next value."""
        self._begun = self._begun or value != 0.0
        if self._begun:
            self._values.append(value)

    @property
    def value(self) -> float:
        """0 before there was one."""
        return sum(self._values) / len(self._values) if self._values else 0.0


class StepModel:
    """Seconds of a step over (prefill tokens, decode tokens in the cache), for engines that do both.

    Samples fall into buckets, four by four over the range seen; beyond `kept` the oldest of the fullest bucket goes, so
    that long operation at one point does not push out what is known of others. A plane that falls in either direction
    is refused: the model is then not ready.
    """

    def __init__(self, *, kept: int = 64, least: int = 5, buckets: int = 16) -> None:
        self._kept, self._least, self._per_axis = kept, least, math.isqrt(buckets)
        self._buckets: dict[tuple[int, int], deque[Sample]] = {}
        self._low, self._high = [math.inf, math.inf], [-math.inf, -math.inf]
        self._plane: Sample | None = None
        self._fitted = False
        self._samples = 0
        self._prompt, self._context, self._prefill = MovingMean(kept), MovingMean(kept), MovingMean(kept)

    def add(self, step: Step) -> None:
        """A step that was seen; one that took no time changes only the means."""
        if step.prefills > 0:
            self._prompt.add(step.prefill_tokens / step.prefills)
        if step.decodes > 0:
            self._context.add(step.decode_tokens / step.decodes)
        self._prefill.add(step.prefill_tokens)
        if step.seconds == 0.0:
            return
        sample = (step.prefill_tokens, step.decode_tokens, step.seconds)
        if self._widened(sample):
            self._regroup()
        self._put(sample)
        self._samples += 1
        if self._samples > self._kept:
            fullest = max(self._buckets, key=lambda key: len(self._buckets[key]))
            self._buckets[fullest].popleft()
            self._samples -= 1
            if not self._buckets[fullest]:
                del self._buckets[fullest]
        self._fitted = False

    @property
    def samples(self) -> int:
        """How many are kept."""
        return self._samples

    @property
    def informed(self) -> bool:
        """Whether there are enough samples to fit anything."""
        return self.samples >= self._least

    def ttft_s(self, *, queued_prefill_tokens: float, batched_tokens: float, decode_tokens: float) -> float | None:
        """Until a prompt of mean length behind those that wait is computed, chunk by chunk; None while not ready."""
        if self._fit() is None or batched_tokens <= 0:
            return None
        left, seconds = queued_prefill_tokens + self._prompt.value, 0.0
        for _ in range(math.ceil(max(0.0, left) / batched_tokens)):
            chunk = min(left, batched_tokens)
            seconds += self._seconds(chunk, decode_tokens)
            left -= chunk
        return seconds

    def itl_s(self, *, decode_tokens: float, queued_decode_tokens: float) -> float | None:
        """Of a step with one sequence of mean length more, and the mean prefill; None while not ready."""
        if self._fit() is None:
            return None
        return self._seconds(self._prefill.value, decode_tokens + queued_decode_tokens + self._context.value)

    def best_rps(
        self, *, prompt_tokens: float, output_tokens: float, batched_tokens: float, ttft_s: float, itl_s: float
    ) -> float:
        """The most requests per second of one engine within both objectives; 0 while not ready.

        Batch sizes are tried up to twice what the step's token budget holds of whole contexts, which is far less than
        an engine decodes at once; the first that breaks an objective ends it. If one sequence already does, its rate
        counts nevertheless.
        """
        if self._fit() is None or prompt_tokens <= 0 or output_tokens <= 0 or batched_tokens <= 0:
            return 0.0
        context, best = prompt_tokens + output_tokens / 2.0, 0.0
        for batch in range(1, max(1, int(batched_tokens / max(1, context))) * 2 + 1):
            decode_tokens = batch * context
            prefill = min(batch * prompt_tokens / max(1.0, output_tokens), batched_tokens)
            seconds = self._seconds(prefill, decode_tokens)
            first_s = self.ttft_s(
                queued_prefill_tokens=int(prefill), batched_tokens=batched_tokens, decode_tokens=int(decode_tokens)
            )
            if seconds > itl_s or (first_s or 0.0) > ttft_s:
                return best or 1.0 / (output_tokens * seconds)
            best = batch / (output_tokens * seconds)
        return best

    def _seconds(self, prefill_tokens: float, decode_tokens: float) -> float:
        base, per_prefill, per_decode = self._plane or (0.0, 0.0, 0.0)
        return max(1e-6, base + per_prefill * prefill_tokens + per_decode * decode_tokens)

    def _fit(self) -> Sample | None:
        if not self._fitted:
            rows = [sample for bucket in self._buckets.values() for sample in bucket]
            self._plane = _plane(rows) if len(rows) >= self._least else None
            self._fitted = self._plane is not None
        return self._plane

    def _key(self, sample: Sample) -> tuple[int, int]:
        def place(axis: int) -> int:
            low, high = self._low[axis], self._high[axis]
            if high <= low:
                return 0
            return max(0, min(int((sample[axis] - low) / (high - low) * self._per_axis), self._per_axis - 1))

        return place(0), place(1)

    def _put(self, sample: Sample) -> None:
        self._buckets.setdefault(self._key(sample), deque()).append(sample)

    def _widened(self, sample: Sample) -> bool:
        before = (*self._low, *self._high)
        for axis in (0, 1):
            self._low[axis] = min(self._low[axis], sample[axis])
            self._high[axis] = max(self._high[axis], sample[axis])
        return before != (*self._low, *self._high)

    def _regroup(self) -> None:
        kept = [sample for bucket in self._buckets.values() for sample in bucket]
        self._buckets = {}
        for sample in kept:
            self._put(sample)


def _plane(rows: Sequence[Sample]) -> Sample | None:
    """Ordinary least squares: intercept and both slopes; None where a slope is negative."""
    table = np.asarray(rows, dtype=np.float64)
    means = table.mean(axis=0)
    centred = table - means
    slopes = np.linalg.lstsq(centred[:, :2], centred[:, 2], rcond=None)[0]
    if np.any(slopes < 0):
        return None
    first, second = float(slopes[0]), float(slopes[1])
    return float(means[2]) - first * float(means[0]) - second * float(means[1]), first, second
