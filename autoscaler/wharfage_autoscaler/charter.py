"""What a deployment is asked to do, and with what: all that a decision looks at and no look at the cluster changes."""

from collections.abc import Mapping
from dataclasses import dataclass

from wharfage_autoscaler.fleet import PoolKey
from wharfage_autoscaler.model import Wanted
from wharfage_autoscaler.mooring import Mooring
from wharfage_autoscaler.move import COOLDOWN_S, MIN_SAVINGS
from wharfage_autoscaler.need import Berth, Key
from wharfage_autoscaler.objectives import Objectives
from wharfage_autoscaler.pace import Pace, together
from wharfage_autoscaler.purse import Budget
from wharfage_autoscaler.sight import PoolSeen, Sight
from wharfage_autoscaler.work import HEADS, Work


@dataclass(frozen=True, slots=True, kw_only=True)
class Charter:
    """The user's wishes, what requests are worth in planned ones, and a mooring for every pool that may be seen."""

    key: Key
    wanted: Wanted
    objectives: Objectives
    moorings: Mapping[PoolKey, Mooring]
    work: Work = HEADS
    shapes: int = 1
    """That may serve together: 1 behind a plain Service, 3 behind the gateway."""
    variants: int = 1
    """That may serve together, in these shapes."""
    budget: Budget | None = None
    economises: bool = False
    """Whether a budget has it move to what is cheaper, whatever its own purse says."""
    priority: int = 100
    """Among deployments that share machines or dollars."""
    moves: bool = True
    """Whether it may move to other shapes for money's sake."""
    min_savings: float = MIN_SAVINGS
    cooldown_s: float = COOLDOWN_S

    def berth(self, pool: PoolSeen) -> Berth:
        """The pool as the optimiser sees it. KeyError where it has no mooring."""
        return self.moorings[pool.key].berth(pool)

    def pace(self, sight: Sight) -> Pace | None:
        """Of what serves; None where that is not known of all of it."""
        parts = []
        for pool in sight.pools:
            if not pool.ready:
                continue
            pace = self.moorings[pool.key].pace
            if pace is None:
                return None
            parts.append((pool.ready * pool.good_rps, pace))
        return together(parts)
