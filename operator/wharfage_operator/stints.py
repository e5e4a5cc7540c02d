"""What one engine did in half a minute: what the capacity model is calibrated with.

Two independent clocks tell how long a step took: the time by the number of steps, and the mean gap between two tokens
of a sequence, of which every step makes one for each that decodes. Where something ran at every look and both agree,
the engine was busy throughout. One that was idle for a while shows more time for each step than its gaps have; there
the gaps alone tell how long a step took, and tokens by steps how many sequences one carried. So does one that counts
wrongly: what an engine that rested cannot have counted teaches nothing. Where one clock is all there is, the engine
must have been busy, with so many sequences that an idle moment is improbable.
"""

import math
from dataclasses import dataclass

from wharfage_autoscaler.calibration import Observation
from wharfage_autoscaler.steptime import StepTime

from wharfage_operator.readings import Engine, Reading

_LENGTH = 0.5  # windows
_LONGEST = 2.0  # windows between two readings: what lies between longer ones is not known to be alike
_FEWEST_TOKENS = 20.0
_FEWEST_TOKENS_RESTED = 100.0  # one answer may have met a slow moment
_FEWEST_ALONE = 2.0  # sequences: with one clock, idle for exp(-2) of the time at most
_AGREE = 1.3
_MORE_THAN_RUN = 1.5  # gauges are of moments


@dataclass(frozen=True, slots=True)
class Stint:
    """Sums of one engine between two moments (monotonic seconds); None is what it does not tell.

    `running` and `kv_used` are means over the looks, `begun` are first tokens, which are among `tokens`. `busy` is
    whether something ran at every look.
    """

    begin_s: float
    end_s: float
    tokens: float
    begun: float
    prompt_tokens: float
    running: float
    cached_tokens: float | None = None
    steps: float | None = None
    gaps: float | None = None
    gaps_s: float | None = None
    kv_used: float | None = None
    kv_tokens: float | None = None
    busy: bool = True

    @property
    def seconds(self) -> float:
        """How long it was."""
        return self.end_s - self.begin_s


@dataclass(frozen=True, slots=True)
class Shift:
    """One pod's readings since its last whole stint, and that stint."""

    readings: tuple[Reading, ...] = ()
    last: Stint | None = None

    def told(self, seen: Reading, *, window_s: float) -> "Shift":
        """With one more reading, which is later than the others."""
        if len(seen.engines) != 1:  # each is a replica of its own
            return Shift((), self.last)
        (engine,) = seen.engines.values()
        if seen.running < 1.0 and (engine.steps is None or engine.gaps is None):  # how long it rested will not be known
            return Shift((), self.last)
        if not self.readings or not _goes_on(self.readings[-1], seen, window_s=window_s):
            return Shift((seen,), self.last)
        readings = (*self.readings, seen)
        if seen.at_s - readings[0].at_s < _LENGTH * window_s:
            return Shift(readings, self.last)
        return Shift((seen,), _between(readings))


def observation(stint: Stint, step: StepTime) -> Observation | None:
    """What a stint teaches of an engine that takes `step`; None where anything that is needed is not known.

    `step.kv_tokens` stands for the size of a cache that the engine does not tell.
    """
    decoded = stint.tokens - stint.begun
    if stint.seconds <= 0.0 or decoded < _FEWEST_TOKENS or stint.cached_tokens is None:
        return None
    by_steps = stint.seconds / stint.steps if stint.steps else None
    by_gaps = stint.gaps_s / stint.gaps if stint.gaps_s and stint.gaps and stint.gaps >= _FEWEST_TOKENS else None
    agree = by_steps is not None and by_gaps is not None and 1.0 / _AGREE <= by_steps / by_gaps <= _AGREE
    if stint.busy and (agree or by_steps is None or by_gaps is None):
        step_s = by_steps or by_gaps
        decoding = decoded / stint.seconds * (step_s or 0.0)
        enough = decoding <= _MORE_THAN_RUN * stint.running + 1.0 and (agree or decoding >= _FEWEST_ALONE)
        resident = None if stint.kv_used is None else stint.kv_used * (stint.kv_tokens or step.kv_tokens)
    else:
        step_s, decoding, resident = by_gaps, decoded / (stint.steps or math.inf), None
        enough = by_steps is not None and _may_have_rested(stint, decoded, by_steps)
        if stint.begun:  # each had its prompt, and on average half of its answer
            resident = decoding * (stint.prompt_tokens + stint.tokens / 2) / stint.begun
    if step_s is None or resident is None or not enough or decoding > step.limits.sequences:
        return None
    computed = max(0.0, stint.prompt_tokens - stint.cached_tokens)
    try:
        return Observation(
            seconds_per_step=step_s,
            decoding=decoding,
            prefill_tokens=computed / decoded * decoding,
            resident_tokens=resident,
            prompt_tokens=computed / stint.begun if stint.begun and computed else None,
        )
    except ValueError:
        return None


def _may_have_rested(stint: Stint, decoded: float, by_steps: float) -> bool:
    """Whether an engine that rested for a while can have counted so: one gap for each token, and time for all steps.

    `by_steps` are seconds of the stint for each step. Sequences that its gaps are of must have been seen to run.
    """
    if not stint.gaps or not stint.gaps_s or decoded < _FEWEST_TOKENS_RESTED:
        return False
    alike = 1.0 / _AGREE <= stint.gaps / decoded <= _AGREE
    at_once = stint.gaps_s / stint.seconds
    return alike and by_steps >= stint.gaps_s / stint.gaps / _AGREE and at_once <= _MORE_THAN_RUN * stint.running + 1.0


def _goes_on(before: Reading, after: Reading, *, window_s: float) -> bool:
    """Whether the second is the same engine, still running, and not much later."""
    if after.engines.keys() != before.engines.keys() or after.at_s - before.at_s > _LONGEST * window_s:
        return False
    (old,), (new,) = before.engines.values(), after.engines.values()
    pairs = zip(_counters(old), _counters(new), strict=True)
    return all((a is None) == (b is None) and (a is None or b is None or b >= a) for a, b in pairs)


def _counters(engine: Engine) -> tuple[float | None, ...]:
    return (
        engine.output_tokens,
        engine.prompt_tokens,
        engine.ttft.total if engine.ttft.edges else None,
        engine.cached_tokens,
        engine.steps,
        engine.gaps,
        engine.gaps_s,
    )


def _between(readings: tuple[Reading, ...]) -> Stint | None:
    """The sums between the first and the last; None where first tokens are not counted."""
    (first,), (last,) = readings[0].engines.values(), readings[-1].engines.values()
    tokens, prompt_tokens, begun, cached, steps, gaps, gaps_s = (
        None if before is None or after is None else after - before
        for before, after in zip(_counters(first), _counters(last), strict=True)
    )
    if tokens is None or prompt_tokens is None or begun is None:
        return None
    shares = [seen.kv_used for seen in readings if seen.kv_used is not None]
    return Stint(
        begin_s=readings[0].at_s,
        end_s=readings[-1].at_s,
        tokens=tokens,
        begun=begun,
        prompt_tokens=prompt_tokens,
        running=sum(seen.running for seen in readings) / len(readings),
        cached_tokens=cached,
        steps=steps,
        gaps=gaps,
        gaps_s=gaps_s,
        kv_used=sum(shares) / len(shares) if len(shares) == len(readings) else None,
        kv_tokens=last.kv_tokens,
        busy=all(seen.running >= 1.0 for seen in readings),
    )
