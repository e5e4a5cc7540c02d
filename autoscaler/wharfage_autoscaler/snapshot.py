"""All a decision may look at, at one instant; and what it remembers from the instant before."""

from dataclasses import dataclass

from wharfage_autoscaler.decision import Decision
from wharfage_autoscaler.fleet import Fleet, PoolKey
from wharfage_autoscaler.load import Load
from wharfage_autoscaler.model import Wanted
from wharfage_autoscaler.need import Need
from wharfage_autoscaler.offers import Offer
from wharfage_autoscaler.supply import Supply

Key = tuple[str, str]  # namespace, name


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One deployment and its world at `now` (Unix seconds)."""

    now: float
    key: Key
    wanted: Wanted
    offers: tuple[Offer, ...]  # all catalogs' rows, obtainable or not
    fleet: Fleet  # observed
    load: Load | None = None  # None: no data, which is never zero


@dataclass(frozen=True, slots=True)
class Memory:
    """What one decision leaves for the next: the pools it last aimed for, and since when."""

    target: tuple[PoolKey, ...] = ()
    since: float = 0.0

    def after(self, decision: Decision, now: float) -> "Memory":
        """The memory to hand to the next decision."""
        keys = tuple(pool.key for pool in decision.target.pools)
        return self if keys == self.target else Memory(keys, now)


@dataclass(frozen=True, slots=True)
class ClusterSnapshot:
    """All deployments at one instant, and what they share."""

    needs: tuple[Need, ...]
    supply: Supply = Supply()  # noqa: RUF009 - immutable
