"""What known events do to a history before anything is learned from it, and to a forecast of the usual."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wharfage_autoscaler.event import Event
from wharfage_autoscaler.forecast import Forecast
from wharfage_autoscaler.history import History, Rates

Times = NDArray[np.floating[Any]]


def usual(history: History, events: Sequence[Event]) -> History:
    """The history as it would have been without events: multiples divided out, known rates a gap."""
    if not any(_touches(event, history.start_s, history.end_s) for event in events):
        return history
    times_s = history.start_s + history.step_s * np.arange(len(history.values))
    values = history.values / _multiple(events, times_s, history.step_s)
    for event in events:
        if event.rate is not None:
            values = np.where(_share(event, times_s, history.step_s) > 0, np.nan, values)
    return History(history.start_s, history.step_s, values)


def with_events(forecast: Forecast, events: Sequence[Event]) -> Forecast:
    """The forecast of the usual, multiplied; where a rate is known it is the median, and quantiles keep their ratio."""
    if not any(_touches(event, forecast.start_s, forecast.end_s) for event in events):
        return forecast
    times_s = forecast.start_s + forecast.step_s * np.arange(len(forecast.rates[0]))
    rates = np.array(forecast.rates) * _multiple(events, times_s, forecast.step_s)
    for event in events:
        if event.rate is not None:
            share = _share(event, times_s, forecast.step_s)
            median = rates[0]
            spread = np.where(median > 0, rates / np.where(median > 0, median, 1.0), 1.0)
            rates = (1 - share) * rates + share * event.rate * spread
    return replace(forecast, rates=tuple(map(tuple, rates.tolist())))


def holidays(events: Sequence[Event]) -> tuple[tuple[float, float], ...]:
    """The times that are like Sundays."""
    return tuple((event.start_s, event.end_s) for event in events if event.holiday)


def _touches(event: Event, start_s: float, end_s: float) -> bool:
    return not event.holiday and event.start_s < end_s and event.end_s > start_s


def _multiple(events: Sequence[Event], times_s: Times, step_s: float) -> Rates:
    """The product of the multipliers in force, each by the share of the step that it covers."""
    product = np.ones(len(times_s))
    for event in events:
        if event.multiplier is not None:
            product *= 1 + _share(event, times_s, step_s) * (event.multiplier - 1)
    return product


def _share(event: Event, times_s: Times, step_s: float) -> Rates:
    """The share of each step that lies within the event."""
    within = np.minimum(times_s + step_s, event.end_s) - np.maximum(times_s, event.start_s)
    return np.asarray(np.clip(within / step_s, 0.0, 1.0))
