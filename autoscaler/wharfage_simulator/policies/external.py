"""An HPA for each pool on a count that somebody else worked out: an external metric with an average value of 1."""

from collections.abc import Mapping

from wharfage_autoscaler.behavior import Behavior
from wharfage_autoscaler.fleet import PoolKey

from wharfage_simulator.policies.behavior import Pace
from wharfage_simulator.policies.gauge import TOLERANCE, of_all
from wharfage_simulator.policy import Seen


class External:
    """The HPAs of a deployment's pools. A pool at 0 is woken as KEDA would, and then grows by its behaviour."""

    def __init__(self, behavior: Behavior) -> None:
        self._behavior = behavior
        self._paces: dict[PoolKey, Pace] = {}

    def next(self, seen: Seen, *, wanted: Mapping[PoolKey, int], counts: Mapping[PoolKey, int]) -> dict[PoolKey, int]:
        """The next count of each pool; `counts` are those set last, by default what is there."""
        after = {}
        for pool in seen.pools:
            key, pods = pool.key, pool.ready + pool.starting
            count = of_all(pods=pods, total=float(wanted.get(key, 0)), target=1.0, tolerance=TOLERANCE)
            pace = self._paces.setdefault(key, Pace(self._behavior))
            current = counts.get(key, pods)
            after[key] = pace.next(seen.now_s, current=current, wanted=count or 0, least=0, most=seen.most)
        return after
