"""Scale to zero: when to do without the last replica, and what has to be remembered for it.

A warm replica costs its price for as long as nobody asks. Without one the next request meets a cold start, all of whose
minutes are bad. So zero pays once

    E[silence left | silence so far] x usd per hour  >  usd per bad minute x minutes of a cold start

which for requests that come at random is the same as: the chance of a request within a cold start, times what that
costs, is less than the idle dollars of that time (`algorithms.md` 3.2). Where nothing is known, as much again is
expected: that is the break-even rule of renting skis, which never costs more than twice what the best of hindsight does
(Karlin, Manasse, Rudolph, Sleator: Competitive snoopy caching, Algorithmica 3, 1988). Every silence of before that
lasted longer than this one has counts beside that guess, which itself counts as twenty of them: silences of one
deployment differ so much that their mean alone may be worse (docs/design/0022-zero.md).
"""

import math
from dataclasses import dataclass, replace

_SHORTEST_S = 60.0  # rates are over a minute: shorter silences are not seen as such
_MOST = 64
_GUESS = 20.0  # silences that "as much again" counts as


@dataclass(frozen=True, slots=True)
class Silence:
    """Since when nobody asked, how long such times lasted before (oldest first), and whether it was put to sleep.

    Seconds are those of whoever looks, last at `heard_s`. A time of which nothing is known is none of silence.
    """

    since_s: float = -math.inf
    lasted_s: tuple[float, ...] = ()
    asleep: bool = False
    heard_s: float = -math.inf

    def heard(self, now_s: float, silent_s: float | None, *, woken_s: float, after_s: float) -> "Silence":
        """After one more look: for `silent_s` at least nobody has asked; 0 where somebody does, None if nobody knows.

        `woken_s` is when somebody last wished it awake, -inf for never; that holds for `after_s`, and a time that is
        still to come for as long as until then.
        """
        woken_s = min(woken_s, now_s)
        if silent_s and now_s - self.heard_s > silent_s:
            silent_s = None  # of what was between the two looks nothing is known
        return replace(self._after(now_s, silent_s, woken_s, after_s), heard_s=now_s)

    def _after(self, now_s: float, silent_s: float | None, woken_s: float, after_s: float) -> "Silence":
        if self.asleep:
            # One that is newer than all that was heard counts however old it is: nobody may have looked at that time.
            wished = now_s < woken_s + after_s or -math.inf < self.since_s < woken_s
            return replace(self._ended(max(woken_s, self.since_s)), asleep=False) if wished else self
        if silent_s is None:
            return replace(self, since_s=now_s)
        if not silent_s:
            return self._ended(now_s)
        return replace(self, since_s=max(self.since_s, woken_s))

    def left_s(self, now_s: float) -> float:
        """How much longer it is expected to last."""
        so_far_s = self.so_far_s(now_s)
        longer = [lasted_s - so_far_s for lasted_s in self.lasted_s if lasted_s > so_far_s]
        return (sum(longer) + _GUESS * so_far_s) / (len(longer) + _GUESS)

    def so_far_s(self, now_s: float) -> float:
        """How long it has lasted."""
        return 0.0 if math.isinf(self.since_s) else max(0.0, now_s - self.since_s)

    def _ended(self, at_s: float) -> "Silence":
        lasted_s = at_s - self.since_s
        if not _SHORTEST_S <= lasted_s < math.inf:
            return replace(self, since_s=at_s)
        return replace(self, since_s=at_s, lasted_s=(*self.lasted_s, lasted_s)[-_MOST:])


@dataclass(frozen=True, slots=True)
class Idle:
    """What doing without the last replica is weighed by, at one instant."""

    so_far_s: float
    """Of silence."""
    left_s: float
    """As expected."""
    after_s: float
    """What the user calls idle: nothing is given up before."""
    lead_s: float
    """From an order to the first answer."""
    usd_per_bad_minute: float
    asleep: bool
    """Whether nothing is to run until somebody wakes it."""
    woken: bool = False
    """Whether somebody has done so lately."""

    @property
    def cold_start_usd(self) -> float:
        """What the next request's wait costs."""
        return self.usd_per_bad_minute * self.lead_s / 60.0

    def warm_usd(self, usd_per_hour: float) -> float:
        """What it costs to stay as it is for as long as nobody is expected."""
        return self.left_s * usd_per_hour / 3600.0

    def pays(self, usd_per_hour: float) -> bool:
        """Whether zero costs less than what runs at that price."""
        return self.so_far_s >= self.after_s and self.warm_usd(usd_per_hour) > self.cold_start_usd
