"""Models that were tried and do not ship; `python -m benchmarks.forecast --rejected` says why not, in numbers.

Each sees the features that ship, and its medians are calibrated like those of any other. The one in PyTorch, which is
no dependency, is in `forecast_torch.py`.
"""

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.neural_network import MLPRegressor
from wharfage_autoscaler.forecaster import Forecaster
from wharfage_autoscaler.forecasters.calibrated import Calibrated
from wharfage_autoscaler.forecasters.clock import ByTheClock
from wharfage_autoscaler.forecasters.ensemble import Ensemble
from wharfage_autoscaler.forecasters.features import EARLIEST_S, features
from wharfage_autoscaler.forecasters.profile import profile_of
from wharfage_autoscaler.forecasters.ridge import Ridge
from wharfage_autoscaler.forecasters.seasonal import SeasonalRatio
from wharfage_autoscaler.forecasters.series import Places, Series
from wharfage_autoscaler.history import DAY_S, Rates

_MOST_ROWS = 2000
_LEAST_ROWS = 400
_HORIZONS = 6  # steps ahead that trees learn from; which one is a feature
_WINDOW_S = 4 * 3600.0  # of the last values, which the network sees one by one


@dataclass(frozen=True, slots=True, eq=False)
class Learned:
    """What was learned, or nothing where there was too little; and how its rows are made."""

    model: Any
    rows: Any
    steps: int

    def paths(self, series: Series, origins: Places, steps: int) -> Rates:
        """Shape (origins, steps)."""
        now = series.z[origins - 1][:, None]
        if self.model is None:
            return np.repeat(now, steps, axis=1)
        ahead = np.asarray(self.model.predict(self.rows(series, origins, self.steps)))
        return ahead.reshape(len(origins), self.steps)[:, :steps] + now


@dataclass(frozen=True, slots=True)
class Boosting:
    """Boosted trees for the median: over the features, the time ahead, the time of day, and what is usual then."""

    name: str = "boosting"
    least_s: float = 4 * DAY_S

    def learned(self, series: Series, steps: int) -> Learned:
        """Rows are pairs of an origin and a step ahead whose target was observed."""
        origins = _origins(series, steps)
        aheads = np.unique(np.linspace(0, steps - 1, _HORIZONS).round().astype(np.int64))
        places = origins[:, None] + aheads
        observed = (series.known[places] & series.known[origins - 1][:, None]).ravel()
        if observed.sum() < _LEAST_ROWS:
            return Learned(None, _tree_rows, steps)
        target = (series.z[places] - series.z[origins - 1][:, None]).ravel()
        trees = HistGradientBoostingRegressor(
            loss="quantile",
            quantile=0.5,
            max_iter=60,
            learning_rate=0.06,
            max_leaf_nodes=15,
            min_samples_leaf=200,
            early_stopping=False,
            random_state=0,
        )
        rows = _tree_rows(series, origins, steps, aheads)
        return Learned(trees.fit(rows[observed], target[observed]), _tree_rows, steps)


@dataclass(frozen=True, slots=True)
class Network:
    """One hidden layer over the features and the last four hours, all steps at once."""

    name: str = "network"
    least_s: float = 4 * DAY_S

    def learned(self, series: Series, steps: int) -> Learned:
        """Rows are origins whose targets were all observed; a tenth of them says when to stop."""
        origins = _origins(series, steps)
        places = origins[:, None] + np.arange(steps)
        observed = series.known[places].all(axis=1) & series.known[origins - 1]
        if observed.sum() < _LEAST_ROWS:
            return Learned(None, _network_rows, steps)
        rows = _network_rows(series, origins, steps)[observed]
        target = (series.z[places] - series.z[origins - 1][:, None])[observed]
        scaled = _Scaled(rows.mean(axis=0), np.maximum(rows.std(axis=0), 1e-6))
        network = MLPRegressor(
            hidden_layer_sizes=(32,), alpha=0.1, early_stopping=True, n_iter_no_change=15, max_iter=300, random_state=0
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of a search that stops at its limit
            network.fit(scaled.of(rows), target)
        return Learned(_Pipeline(scaled, network), _network_rows, steps)


@dataclass(frozen=True, slots=True, eq=False)
class _Scaled:
    centre: Rates
    deviation: Rates

    def of(self, rows: Rates) -> Rates:
        return np.clip((rows - self.centre) / self.deviation, -5, 5)


@dataclass(frozen=True, slots=True, eq=False)
class _Pipeline:
    scaled: _Scaled
    network: MLPRegressor

    def predict(self, rows: Rates) -> Rates:
        return np.asarray(self.network.predict(self.scaled.of(rows)))


def _origins(series: Series, steps: int) -> Places:
    origins = np.arange(series.steps(EARLIEST_S), len(series.z) - steps + 1)
    return origins[:: max(1, -(-len(origins) // _MOST_ROWS))]


def _tree_rows(series: Series, origins: Places, steps: int, aheads: Places | None = None) -> Rates:
    """One row per origin and step ahead, origins first."""
    if aheads is None:
        aheads = np.arange(steps)
    seen, now = features(series, origins, steps)
    places = origins[:, None] + aheads
    usual = profile_of(series).at(places) - now[:, None]
    day = 2 * np.pi * ((series.start_s + places * series.step_s) % DAY_S) / DAY_S
    ahead = np.broadcast_to(aheads, places.shape)
    clock = np.stack([usual, ahead, np.sin(day), np.cos(day)], axis=-1).reshape(-1, 4)
    return np.concatenate([np.repeat(seen, len(aheads), axis=0), clock], axis=1)


def _network_rows(series: Series, origins: Places, steps: int) -> Rates:
    seen, now = features(series, origins, steps)
    back = np.arange(2, series.steps(_WINDOW_S) + 1)
    window = series.z[np.maximum(origins[:, None] - back, 0)] - now[:, None]
    day = 2 * np.pi * ((series.start_s + origins * series.step_s) % DAY_S) / DAY_S
    return np.column_stack([seen, window, np.sin(day), np.cos(day)])


REJECTED: tuple[Forecaster, ...] = (
    Calibrated(ByTheClock(Boosting())),
    Calibrated(ByTheClock(Network())),
    Calibrated(ByTheClock(Ensemble((SeasonalRatio(), Ridge(), Boosting()), "with boosting"))),
    Calibrated(ByTheClock(Ensemble((SeasonalRatio(), Ridge(), Network()), "with network"))),
)
