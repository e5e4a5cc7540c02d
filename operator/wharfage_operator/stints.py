"""What one engine did in half a minute in which it was never idle: what the capacity model is calibrated with.

Two independent clocks tell how long a step took: the time by the number of steps, and the mean gap between two tokens
of a sequence, of which every step makes one for each that decodes. An engine that was idle between two looks shows
more time for each step than its gaps have; so does one that counts wrongly. Only where both agree is there an
observation; where one is all there is, there must be so many sequences that an idle moment is improbable.
"""

from dataclasses import dataclass

from wharfage_autoscaler.calibration import Observation
from wharfage_autoscaler.steptime import StepTime

from wharfage_operator.readings import Engine, Reading

_LENGTH = 0.5  # windows
_LONGEST = 2.0  # windows between two readings: what lies between longer ones is not known to be alike
_FEWEST_TOKENS = 20.0
_FEWEST_ALONE = 2.0  # sequences: with one clock, idle for exp(-2) of the time at most
_AGREE = 1.3
_MORE_THAN_RUN = 1.5  # gauges are of moments


@dataclass(frozen=True, slots=True)
class Stint:
    """Sums of one engine between two moments (monotonic seconds); None is what it does not tell.

    `running` and `kv_used` are means over the looks, `begun` are first tokens, which are among `tokens`.
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

    @property
    def seconds(self) -> float:
        """How long it was."""
        return self.end_s - self.begin_s


@dataclass(frozen=True, slots=True)
class Shift:
    """One pod's readings since it was last idle, and its last whole stint."""

    readings: tuple[Reading, ...] = ()
    last: Stint | None = None

    def told(self, seen: Reading, *, window_s: float) -> "Shift":
        """With one more reading, which is later than the others."""
        if len(seen.engines) != 1 or seen.running < 1.0:  # of several engines each is a replica of its own
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
    if stint.seconds <= 0.0 or decoded < _FEWEST_TOKENS or stint.cached_tokens is None or stint.kv_used is None:
        return None
    step_s, sure = _step_s(stint)
    if step_s is None:
        return None
    decoding = decoded / stint.seconds * step_s
    most = min(step.limits.sequences, _MORE_THAN_RUN * stint.running + 1.0)
    if decoding > most or (not sure and decoding < _FEWEST_ALONE):
        return None
    computed = max(0.0, stint.prompt_tokens - stint.cached_tokens)
    try:
        return Observation(
            seconds_per_step=step_s,
            decoding=decoding,
            prefill_tokens=computed / stint.seconds * step_s,
            resident_tokens=stint.kv_used * (stint.kv_tokens or step.kv_tokens),
            prompt_tokens=computed / stint.begun if stint.begun and computed else None,
        )
    except ValueError:
        return None


def _step_s(stint: Stint) -> tuple[float | None, bool]:
    """Mean seconds of a step, and whether two clocks say so."""
    by_steps = stint.seconds / stint.steps if stint.steps else None
    by_gaps = stint.gaps_s / stint.gaps if stint.gaps_s and stint.gaps and stint.gaps >= _FEWEST_TOKENS else None
    if by_steps is None or by_gaps is None:
        return by_gaps if by_steps is None else by_steps, False
    return (by_steps, True) if 1.0 / _AGREE <= by_steps / by_gaps <= _AGREE else (None, False)


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
    )
