"""What was held and what was asked for lately, as steps: limits of speed and stabilisation windows look back on it."""

from collections.abc import Callable
from dataclasses import dataclass, replace

Steps = tuple[tuple[float, float], ...]
"""Since when (Unix seconds) which value has held, oldest first; the first one held before as well."""


@dataclass(frozen=True, slots=True)
class Tempo:
    """Counts of replicas that carry `unit_rps` each: of others nothing is known here."""

    unit_rps: float = 0.0
    held: Steps = ()
    asked: Steps = ()

    def of(self, unit_rps: float) -> "Tempo":
        """The same where replicas carry that; begun anew where they do not."""
        return self if unit_rps == self.unit_rps else Tempo(unit_rps)

    def began(self, now_s: float, otherwise: float) -> Callable[[float], float]:
        """How many there were at the start of a period of so many seconds that ends now; `behavior.Began`."""
        return lambda period_s: at(self.held, now_s - period_s, otherwise)

    def after(self, now_s: float, *, held: float, asked: float, keep_s: float) -> "Tempo":
        """With what holds and is asked for from now on; what ended more than `keep_s` ago goes."""
        return replace(
            self,
            held=_noted(self.held, now_s, held, keep_s),
            asked=_noted(self.asked, now_s, asked, keep_s),
        )


def at(steps: Steps, moment_s: float, otherwise: float) -> float:
    """What held then; before the first step is known, what the first says."""
    found = steps[0][1] if steps else otherwise
    for since_s, value in steps:
        if since_s > moment_s:
            break
        found = value
    return found


def since(steps: Steps, moment_s: float) -> tuple[float, ...]:
    """All that held at some time after that moment; nothing where nothing is known."""
    ends = [each for each, _ in steps[1:]] + [float("inf")]
    return tuple(value for (_, value), end_s in zip(steps, ends, strict=True) if end_s > moment_s)


def _noted(steps: Steps, now_s: float, value: float, keep_s: float) -> Steps:
    if steps and steps[-1][1] == value and steps[0][0] > now_s - keep_s:
        return steps
    if not steps or steps[-1][1] != value:
        steps = (*(step for step in steps if step[0] < now_s), (now_s, value))
    gone = 0
    while gone + 1 < len(steps) and steps[gone + 1][0] <= now_s - keep_s:
        gone += 1
    return steps[gone:]
