"""A count that follows recommendations within the `behavior` of a HorizontalPodAutoscaler.

Whoever drives a Deployment through one (KEDA, llm-d, WVA) inherits it.
"""

from wharfage_autoscaler.behavior import KUBERNETES, Behavior, ceiling, floor

from wharfage_simulator.policies.window import Window


class Pace:
    """A count that follows recommendations within a behaviour."""

    def __init__(self, behavior: Behavior = KUBERNETES) -> None:
        self._behavior = behavior
        self._recent_up, self._recent_down = Window(behavior.up.window_s), Window(behavior.down.window_s)
        periods = [limit.period_s for way in (behavior.up, behavior.down) for limit in way.limits]
        self._raised = {period_s: Window(period_s) for period_s in periods}
        self._lowered = {period_s: Window(period_s) for period_s in periods}
        self._begun = False

    def next(self, now_s: float, *, current: int, wanted: int, least: int, most: int) -> int:
        """The count to set now.

        Up no higher than the least that was recommended within the window for up, down no lower than the most
        within the window for down. The first call counts `current` as recommended.
        """
        windows = (self._recent_up, self._recent_down)
        if not self._begun:
            self._begun = True
            for window in windows:
                if window.length_s > 0:
                    window.add(now_s, current)
        for window in windows:
            window.add(now_s, wanted)
        steady = current
        if steady < self._recent_up.least:
            steady = int(self._recent_up.least)
        if steady > self._recent_down.most:
            steady = int(self._recent_down.most)
        for window in (*self._raised.values(), *self._lowered.values()):
            window.age(now_s)

        def began(period_s: float) -> float:
            return current - self._raised[period_s].total + self._lowered[period_s].total

        if steady > current:
            steady = int(min(steady, ceiling(self._behavior.up, current, began)))
        elif steady < current:
            steady = int(max(steady, floor(self._behavior.down, current, began)))
        count = min(max(steady, least), most)
        if count != current:
            for window in (self._raised if count > current else self._lowered).values():
                window.add(now_s, abs(count - current))
        return count
