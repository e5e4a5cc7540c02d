"""The figures of `benchmarks.scaling` that the project set itself as goals, trace by trace, reached or not."""

from collections.abc import Sequence
from dataclasses import dataclass

from wharfage_simulator.markdown import share
from wharfage_simulator.report import ORACLE, TOLERATED, Board


@dataclass(frozen=True, slots=True)
class Goal:
    """One figure that the project set itself, on one trace."""

    trace: str
    name: str
    value: float | None
    wanted: float
    at_most: bool
    why: str = ""
    missed: str = ""
    """That ours had too many bad minutes: then nothing is reached."""

    @property
    def line(self) -> str:
        """As it is printed."""
        if self.value is None:
            return f"{self.trace:<22} {self.name:<52} not counted: {self.why}"
        reached = not self.missed and (self.value <= self.wanted if self.at_most else self.value >= self.wanted)
        because = "; ".join(filter(None, (self.why, self.missed)))
        sign = "<=" if self.at_most else ">="
        return (
            f"{self.trace:<22} {self.name:<52} {self.value:6.2f} (wanted {sign} {self.wanted:g}): "
            f"{'reached' if reached else 'NOT reached'}{'; ' + because if because else ''}"
        )


def goals(found: Sequence[Board]) -> list[Goal]:
    """The project's three, per trace."""
    made = []
    for trace in dict.fromkeys(board.trace for board in found):
        own = {board.setting: board for board in found if board.trace == trace}
        if "one" in own:
            made += _goals_of_one(own["one"])
        if "all" in own and "all+spot" in own:
            steady = [own[name] for name in ("one", "all") if name in own]
            made.append(_goal_of_spot(steady, own["all+spot"]))
    return made


def _goals_of_one(board: Board) -> list[Goal]:
    ours, oracle = board.ours, board.oracle
    over, hpa = "cost over the oracle's, one type", "cost below the tuned HPA's, one type, %"
    if ours is None:
        return []
    missed = "" if ours.kept else f"ours has {share(ours.bad_minutes_share)} bad minutes"
    if oracle is None or not oracle.kept or ours.cost_over_oracle is None:
        first = Goal(board.trace, over, None, 1.25, True, "the oracle itself misses more than 0.3 % of the minutes")
    else:
        first = Goal(board.trace, over, ours.cost_over_oracle.mean, 1.25, True, missed=missed)
    below = None if ours.cost_over_tuned_hpa is None else 100.0 * (1.0 - ours.cost_over_tuned_hpa.mean)
    tuned = next((each for each in board.standings if each.policy == board.tuned_hpa), None)
    more = "" if tuned is None or tuned.kept else f"the HPA has {share(tuned.bad_minutes_share)}"
    return [first, Goal(board.trace, hpa, below, 25.0, False, more, missed)]


def _goal_of_spot(steady: Sequence[Board], spot: Board) -> Goal:
    """Against the best of `one` and `all`: with more pools to choose from a policy may do worse."""
    name = "all types with spot below the best on-demand policy, %"
    kept = [each for board in steady for each in board.standings if each.kept and each.policy != ORACLE]
    best = min(kept, key=lambda each: each.usd.mean, default=None)
    ours = spot.ours
    if best is None or ours is None:
        return Goal(spot.trace, name, None, 35.0, False, f"no on-demand policy keeps {TOLERATED * 100:g} %")
    missed = "" if ours.kept else f"ours has {share(ours.bad_minutes_share)} bad minutes"
    below = 100.0 * (1.0 - ours.usd.mean / best.usd.mean)
    return Goal(spot.trace, name, below, 35.0, False, best.policy, missed)
