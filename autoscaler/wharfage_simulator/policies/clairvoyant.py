"""The oracle behind the same interface: the least that following the load costs when the future is known."""

from dataclasses import dataclass, field
from typing import ClassVar

from wharfage_autoscaler.fleet import PoolKey

from wharfage_simulator.fluid import Floats
from wharfage_simulator.oracle import targets
from wharfage_simulator.policies.scene import Scene, Setting
from wharfage_simulator.policy import Seen, Target


@dataclass(slots=True)
class Clairvoyant:
    """`oracle.targets` for one pool: a lower bound for every policy that needs as long to start a replica.

    `arrivals` are the requests of each tick of the replay, from its beginning; `rps` is what a replica is given at
    most. It knows everything, so nothing that is missing from `Seen` matters to it.
    """

    reads_latencies: ClassVar[bool] = False

    pool: PoolKey
    arrivals: Floats
    rps: float
    lead_s: float
    tick_s: float = 15.0
    _targets: Floats = field(init=False)

    def __post_init__(self) -> None:
        """Work out all targets at once."""
        self._targets = targets(self.arrivals, rps=self.rps, lead_s=self.lead_s, tick_s=self.tick_s)

    @property
    def name(self) -> str:
        """`oracle(1.25 rps)`."""
        return f"oracle({self.rps:.3g} rps)"

    @property
    def every_s(self) -> float:
        """The ticks of the arrivals."""
        return self.tick_s

    def target(self, seen: Seen) -> Target:
        """The count of the one pool. Before the first tick has ended the first tick's holds, after the last its own."""
        if not len(self._targets):
            return {self.pool: seen.bounded(0)}
        tick = min(max(round(seen.now_s / self.tick_s) - 1, 0), len(self._targets) - 1)
        return {self.pool: seen.bounded(float(self._targets[tick]))}


def foreseen(scene: Scene, *, share: float = 1.0) -> Clairvoyant:
    """For the scene's pool, each replica given that share of what it carries within the objectives.

    ValueError where the scene does not hold the future.
    """
    if scene.arrivals is None:
        raise ValueError("oracle: the scene holds no arrivals of the replay; it cannot know what comes")
    seen = scene.seen
    return Clairvoyant(scene.pool, scene.arrivals, share * seen.good_rps, seen.lead_s, scene.tick_s)


def settings(scene: Scene) -> tuple[Setting, ...]:
    """All that a replica carries, and less of it: replicas that are full are late now and then."""
    return tuple({"share": share} for share in (1.0, 0.95, 0.9, 0.85, 0.8, 0.75, 0.7, 0.6))
