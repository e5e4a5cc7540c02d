"""Several models, averaged in logarithms; who erred less on held-out time weighs more, per horizon."""

from dataclasses import dataclass

import numpy as np

from wharfage_autoscaler.forecasters.model import Learned, Model
from wharfage_autoscaler.forecasters.series import Places, Series
from wharfage_autoscaler.history import DAY_S, Rates

_HELD_OUT = 0.25
_SHARPNESS = 10.0  # a tenth more error than the best: e^-1 of its weight
_MOST_ORIGINS = 500


@dataclass(frozen=True, slots=True, eq=False)
class EnsembleLearned:
    """Members, and weights of shape (members, steps) that sum to one per step."""

    members: tuple[Learned, ...]
    weights: Rates

    def paths(self, series: Series, origins: Places, steps: int) -> Rates:
        """The weighted mean of the members' paths."""
        paths = [member.paths(series, origins, steps) for member in self.members]
        return np.asarray(np.einsum("mos,ms->os", np.stack(paths), self.weights[:, :steps]))


@dataclass(frozen=True, slots=True)
class Ensemble:
    """The log-mean of its members; those that need more history than there is stay out."""

    members: tuple[Model, ...]
    name: str = "ensemble"

    @property
    def least_s(self) -> float:
        """What its most modest member needs."""
        return min(member.least_s for member in self.members)

    def learned(self, series: Series, steps: int) -> Learned:
        """Learn each member on all, after weighing them on the last quarter."""
        observed_s = float(np.count_nonzero(series.known)) * series.step_s
        able = [member for member in self.members if member.least_s <= observed_s] or [self.members[0]]
        learned = tuple(member.learned(series, steps) for member in able)
        if len(able) == 1:
            return learned[0]
        errors = _errors(able, series, steps)
        weights = np.exp(-_SHARPNESS * (errors / np.maximum(errors.min(axis=0), 1e-12) - 1.0))
        return EnsembleLearned(learned, weights / weights.sum(axis=0))


def _errors(members: list[Model], series: Series, steps: int) -> Rates:
    """Mean absolute errors on the last quarter, shape (members, steps), each averaged with its neighbours."""
    cut = max(round(len(series.z) * (1 - _HELD_OUT)), min(series.steps(2 * DAY_S), len(series.z) - 2 * steps))
    origins = np.arange(cut, len(series.z) - steps + 1)
    origins = origins[:: max(1, -(-len(origins) // _MOST_ORIGINS))]
    places = origins[:, None] + np.arange(steps)
    head = series.until(cut)
    observed = series.known[places]
    rows = []
    for member in members:
        error = np.abs(member.learned(head, steps).paths(series, origins, steps) - series.z[places])
        mean = (error * observed).sum(axis=0) / np.maximum(observed.sum(axis=0), 1)
        padded = np.pad(mean, 1, mode="edge")
        rows.append((padded[:-2] + padded[1:-1] + padded[2:]) / 3)
    return np.stack(rows)
