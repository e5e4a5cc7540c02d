"""What replicas of variants on trial carry, so that their share of the load gets enough of them.

A trial is drawn on a chart of its own: the chart of what serves, and all that is worked out from it, is the same with
and without a trial.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from wharfage_autoscaler.capacity import AtOnce
from wharfage_autoscaler.choice import Candidate
from wharfage_autoscaler.fleet import Fleet, PoolKey
from wharfage_autoscaler.model import Variant
from wharfage_autoscaler.need import Key
from wharfage_autoscaler.offers import Offer
from wharfage_autoscaler.snapshot import Snapshot
from wharfage_autoscaler.steptime import Theta
from wharfage_autoscaler.trials import Trial

from wharfage_operator.charts import Chart, Charts, Terms


@dataclass(frozen=True, slots=True)
class _Drawn:
    """The chart of all variants on trial, what it was drawn beside, and for whom."""

    beside: Chart
    ground: tuple[frozenset[str], frozenset[PoolKey]]
    chart: Chart


class Trials:
    """The trials of all deployments whose count follows their load."""

    def __init__(self, charts: Charts) -> None:
        self._charts = charts
        self._drawn: dict[Key, _Drawn] = {}

    def rated(
        self,
        seen: Snapshot,
        beside: Chart,
        theta: Callable[[Candidate], Theta],
        obtainable: Callable[[Offer], bool],
    ) -> tuple[Trial, ...]:
        """The trials with what a replica carries in each pool that can be had, or serves.

        `beside` is the chart of what serves: lengths and objectives are the same.
        """
        if not seen.trials:
            self.forget(seen.key)
            return ()
        names = frozenset(trial.variant for trial in seen.trials)
        running = frozenset(pool.key for pool in seen.fleet.pools if pool.variant in names)
        drawn = self._drawn.get(seen.key)
        if drawn is None or drawn.beside is not beside or drawn.ground != (names, running):
            variants = tuple(each for each in seen.wanted.variants if each.name in names)
            drawn = _Drawn(beside, (names, running), self._chart(seen, beside, variants, theta))
            self._drawn[seen.key] = drawn
        serves = {pool.key for pool in seen.fleet.pools if pool.ready}
        rates = {
            pool.key: pool.planned_rps
            for pool in drawn.chart.pools
            if pool.key in serves or (pool.obtainable and obtainable(pool.offer))
        }
        return tuple(
            replace(trial, rates=tuple((key, rate) for key, rate in rates.items() if key.variant == trial.variant))
            for trial in seen.trials
        )

    def slots(self, key: Key) -> Mapping[PoolKey, AtOnce]:
        """Requests that a replica of each pool on trial carries at once."""
        drawn = self._drawn.get(key)
        return {} if drawn is None else drawn.chart.slots

    def forget(self, key: Key) -> None:
        """The deployment is gone, tries nothing any more, or its count does not follow the load."""
        self._drawn.pop(key, None)

    def _chart(
        self, seen: Snapshot, beside: Chart, variants: tuple[Variant, ...], theta: Callable[[Candidate], Theta]
    ) -> Chart:
        return self._charts.drawn(
            seen.key,
            replace(seen.wanted, variants=variants),
            beside.charter.objectives,
            beside.traffic,
            seen.offers,
            seen.fleet,
            Terms(),
            theta,
        )


def with_trials(told: Snapshot, seen: Snapshot, trials: tuple[Trial, ...]) -> Snapshot:
    """What was told of what serves, and what was `seen` of what is tried beside it."""
    names = {trial.variant for trial in trials}
    tried = tuple(pool for pool in seen.fleet.pools if pool.variant in names)
    return replace(told, wanted=seen.wanted, fleet=Fleet((*told.fleet.pools, *tried)), trials=trials)
