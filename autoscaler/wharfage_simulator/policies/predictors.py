"""What the next value of a series will be, as Dynamo's planner predicts it: one step, one series, one number.

ai-dynamo 1.1.1, `planner/core/load/predictors.py`. All of them skip the zeros before the first traffic, and read NaN
as 0.
"""

import math
from typing import Protocol

import numpy as np


class Predictor(Protocol):
    """One series. Values are added as they become known; a prediction changes nothing."""

    def add(self, value: float) -> None:
        """The next value."""
        ...

    def next(self) -> float:
        """What comes next; 0 before there was anything."""
        ...


class Constant:
    """`constant`: the last value."""

    def __init__(self) -> None:
        self._last = 0.0

    def add(self, value: float) -> None:
        """The next value."""
        self._last = 0.0 if math.isnan(value) else value

    def next(self) -> float:
        """The last one."""
        return self._last


class Kalman:
    """`kalman`: a local linear trend, filtered; level and trend wander with the given variances."""

    def __init__(self, *, level: float = 1.0, trend: float = 0.1, noise: float = 10.0) -> None:
        self._q_level, self._q_trend, self._r = level, trend, noise
        self._level, self._trend = 0.0, 0.0
        self._p = (1000.0, 0.0, 1000.0)
        """Variance of the level, covariance, variance of the trend."""
        self._begun = False

    def add(self, value: float) -> None:
        """The next value."""
        value = 0.0 if math.isnan(value) else value
        if not self._begun:
            if value != 0.0:
                self._level, self._begun = value, True
            return
        self._level, self._p = self._level + self._trend, self._ahead()
        a, b, c = self._p
        gain_level, gain_trend = a / (a + self._r), b / (a + self._r)
        surprise = value - self._level
        self._level += gain_level * surprise
        self._trend += gain_trend * surprise
        self._p = ((1 - gain_level) * a, (1 - gain_level) * b, c - gain_trend * b)

    def next(self) -> float:
        """Level and trend, one step on. It may be negative: the planner takes it as it is."""
        return self._level + self._trend if self._begun else 0.0

    def _ahead(self) -> tuple[float, float, float]:
        a, b, c = self._p
        return a + 2 * b + c + self._q_level, b + c, c + self._q_trend


class Autoregressive:
    """In place of `arima` (Dynamo's default): differences of the series on their last few, by least squares.

    Dynamo lets pmdarima choose an order once, on the first five values or on the trace it is warmed with, and updates
    its parameters later. Which order that is decides everything and says little; here it is ARIMA(p,1,0), p up to 5 by
    Akaike's criterion, fitted anew to the last `kept` values each time. Below 20 values it is the last one.
    """

    def __init__(self, *, orders: int = 5, kept: int = 960) -> None:
        self._orders, self._kept = orders, kept
        self._values: list[float] = []

    def add(self, value: float) -> None:
        """The next value."""
        value = 0.0 if math.isnan(value) else value
        if value != 0.0 or self._values:
            self._values.append(value)
            del self._values[: -self._kept]

    def next(self) -> float:
        """One step on, not below 0."""
        if len(self._values) < 20:
            return self._values[-1] if self._values else 0.0
        steps = np.diff(np.asarray(self._values))
        wanted = steps[self._orders :]
        best, forecast = math.inf, 0.0
        for order in range(self._orders + 1):
            columns = [steps[self._orders - lag : len(steps) - lag] for lag in range(1, order + 1)]
            lags = np.array(columns, dtype=np.float64).reshape(order, len(wanted)).T
            weights = np.linalg.lstsq(lags, wanted, rcond=None)[0] if order else np.zeros(0)
            residue = wanted - lags @ weights
            squares = max(float(residue @ residue), 1e-12)
            criterion = len(wanted) * math.log(squares / len(wanted)) + 2 * (order + 1)
            if criterion < best - 1e-9:
                best = criterion
                forecast = float(steps[-1 : -order - 1 : -1] @ weights)
        return max(0.0, self._values[-1] + forecast)


PREDICTORS: dict[str, type[Constant] | type[Kalman] | type[Autoregressive]] = {
    "constant": Constant,
    "kalman": Kalman,
    "ar": Autoregressive,
}
