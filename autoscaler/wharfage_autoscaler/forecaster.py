"""What makes a forecast: learns from a history once a day, follows it every hour, and is asked whenever one likes.

The forecasters behind the protocol live in `forecasters/`; only they import more than numpy.
"""

from collections.abc import Sequence
from typing import Protocol

from wharfage_autoscaler.event import Event
from wharfage_autoscaler.forecast import Forecast
from wharfage_autoscaler.history import History


class Fitted(Protocol):
    """What was learned from one history. A value: it is pickled, and asking it changes nothing."""

    def predict(self, recent: History, steps: int) -> Forecast:
        """The `steps` steps after `recent`, which continues or repeats the history that was learned from."""
        ...

    def updated(self, recent: History) -> "Fitted":
        """The same model, its quantiles adjusted to how it did since; hourly is often enough, and takes 10 ms."""
        ...


class Forecaster(Protocol):
    """A way to learn from a history. Pure: the same history and events always give the same forecasts."""

    @property
    def name(self) -> str:
        """How status, reports and benchmarks call it."""
        ...

    @property
    def least_s(self) -> float:
        """How many observed seconds it needs."""
        ...

    def fit(self, history: History, events: Sequence[Event] = ()) -> Fitted:
        """Learn; ValueError where less than `least_s` of the history was observed."""
        ...
