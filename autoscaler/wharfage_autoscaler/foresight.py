"""One deployment's forecaster through the days: chosen and fitted every night, brought up to date every hour.

Whoever keeps the record keeps this beside it, in a replay or in the operator's worker, and asks it with every step.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

from wharfage_autoscaler.event import Event
from wharfage_autoscaler.forecast import Forecast
from wharfage_autoscaler.forecaster import Fitted
from wharfage_autoscaler.forecasters.selection import named, selected
from wharfage_autoscaler.history import DAY_S, History

STEP_S = 300.0
"""Of the record."""
RECENT_S = 7200.0
"""What a fitted forecaster is told: all since it was last brought up to date, and more."""
_UPDATED_EVERY_S = 3600.0
_JUDGED_BY = 0.95  # the level at which forecasters are compared


@dataclass(frozen=True, slots=True)
class Foresight:
    """`fitted` is None until two hours were observed; it knows of `events`. Times are on the clock of the record."""

    forecaster: str = "ensemble"
    fitted: Fitted | None = None
    learned_s: float = -math.inf
    updated_s: float = -math.inf
    events: tuple[Event, ...] = ()

    def due(self, now_s: float) -> bool:
        """Whether it is to be learned from all that is known."""
        return not 0.0 <= now_s - self.learned_s < DAY_S  # a clock may be set back

    def after(self, recent: History, whole: Callable[[], History] | None, now_s: float) -> "Foresight":
        """Learned anew if it is time for that, else told how the last hours went if it is time for that.

        `whole` gives all that is known, None where nobody has it at hand: then what was learned goes on, and is due.
        """
        if self.due(now_s) and whole is not None:
            return self._learned(whole(), now_s)
        if self.fitted is None or 0.0 <= now_s - self.updated_s < _UPDATED_EVERY_S:
            return self
        return replace(self, fitted=self.fitted.updated(recent), updated_s=now_s)

    def told(self, events: tuple[Event, ...], whole: History, now_s: float) -> "Foresight":
        """With other events than it was fitted for: fitted again, without choosing, where anything was."""
        told = replace(self, events=events)
        if self.fitted is None:
            return told
        again = told.refitted(self.forecaster, whole, now_s)
        return told._learned(whole, now_s) if again is told else again

    def refitted(self, name: str, whole: History, now_s: float) -> "Foresight":
        """What was lost is fitted again: the forecaster that was chosen then, without choosing; 0.1 s instead of 2.

        The same as it was where the history is too short for a choice, or nobody has that name.
        """
        chosen = named(name, whole)
        return self if chosen is None else Foresight(name, chosen.fit(whole, self.events), now_s, now_s, self.events)

    def expected(self, recent: History, lead_s: float) -> Forecast | None:
        """As far as a replica started two steps later needs it; None while nothing is learned."""
        return None if self.fitted is None else self.fitted.predict(recent, math.ceil(lead_s / STEP_S) + 2)

    def _learned(self, history: History, now_s: float) -> "Foresight":
        chosen = selected(history, level=_JUDGED_BY, current=self.forecaster, events=self.events)
        if chosen is None:
            return self
        fitted = chosen.forecaster.fit(history, self.events)
        return Foresight(chosen.forecaster.name, fitted, now_s, now_s, self.events)
