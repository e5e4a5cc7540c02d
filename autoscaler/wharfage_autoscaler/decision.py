"""What was decided, and every reason on the way there."""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from wharfage_autoscaler.fleet import Fleet
from wharfage_autoscaler.law import Held, Signals
from wharfage_autoscaler.reasons import Reason
from wharfage_autoscaler.tempo import Tempo

if TYPE_CHECKING:
    from wharfage_autoscaler.allotment import Allotment


@dataclass(frozen=True, slots=True)
class Step:
    """One rule's say: why the target changed, or why it could not."""

    reason: Reason
    message: str
    before: Fleet
    after: Fleet


@dataclass(frozen=True, slots=True)
class Rejected:
    """A fleet that was considered and not taken, with its price where it has one."""

    fleet: str
    usd_per_hour: float | None
    why: str


@dataclass(frozen=True, slots=True)
class Demand:
    """What the count law saw, what it wants in requests per second, what it holds (its target), and how that went.

    `unrestricted_rps` is what it would want if no budget held dollars down; None where that is the same.
    """

    signals: Signals
    wanted_rps: float
    held: Held
    tempo: Tempo = Tempo()  # noqa: RUF009 - immutable
    unrestricted_rps: float | None = None


@dataclass(frozen=True, slots=True)
class Decision:
    """The fleet to aim for, the trail of steps that led to it, and the next best.

    `demand` is None where the count does not follow the load. `allotment` is the one that it works within: that of the
    snapshot, or another one where it `moves`, which whoever hands out allotments adopts. `advised` is what would run if
    the load decided, where the user decides. `on_trial` are the pools of the target that answer a trial's share alone.
    """

    target: Fleet
    steps: tuple[Step, ...] = ()
    rejected: tuple[Rejected, ...] = ()
    demand: Demand | None = None
    allotment: "Allotment | None" = None
    moves: bool = False
    advised: Fleet | None = None
    on_trial: Fleet = Fleet()  # noqa: RUF009 - immutable

    @property
    def serving(self) -> Fleet:
        """The target without what is on trial."""
        tried = {pool.key for pool in self.on_trial.pools}
        return Fleet(tuple(pool for pool in self.target.pools if pool.key not in tried)) if tried else self.target

    @property
    def allotted_under(self) -> frozenset[str] | None:
        """The budgets whose caps its dollars were allotted under; None where no load leads the count."""
        return None if self.demand is None or self.allotment is None else self.allotment.caps

    def amended(self, target: Fleet, reason: Reason, message: str) -> "Decision":
        """Return this decision with a new target and one more step on its trail."""
        return replace(self, target=target, steps=(*self.steps, Step(reason, message, self.target, target)))
