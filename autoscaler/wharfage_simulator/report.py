"""What a comparison says: for every setting and trace the policies side by side, and in words where a peer wins.

Ratios are taken seed by seed, against the oracle and the best HPA of the same setting, trace and seed. What there is
nothing to compare with stays unknown: `null` in JSON, `-` in a table.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from wharfage_autoscaler.objectives import ATTAINMENT

from wharfage_simulator.minutes import MINUTE_S
from wharfage_simulator.result import Cause, Result, caused

OURS = "wharfage"
ORACLE = "oracle"
TOLERATED = 0.003
"""Share of bad minutes up to which policies are ranked by their cost; beyond it, by that share."""
LEAST_PEAK_REPLICAS = 20.0
"""That the busiest window should take: a fleet of two says more about rounding than about a policy."""
_BAD_OVER = 1.0 - ATTAINMENT + 1e-9


@dataclass(frozen=True, slots=True)
class Spread:
    """One figure over the seeds."""

    mean: float
    least: float
    most: float

    def changed(self, change: Callable[[float], float]) -> "Spread":
        """The same in another unit."""
        return Spread(change(self.mean), change(self.least), change(self.most))


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """One policy in one setting on one trace, over its seeds; None is not known."""

    policy: str
    seeds: int
    usd: Spread
    bad_minutes_share: Spread | None
    cost_over_oracle: Spread | None
    cost_over_tuned_hpa: Spread | None
    churn: Spread
    spot_losses: Spread
    causes: Mapping[Cause, float]
    """Bad minutes per seed."""

    @property
    def kept(self) -> bool:
        """Whether its bad minutes are few enough for its cost to count."""
        return self.bad_minutes_share is not None and self.bad_minutes_share.mean <= TOLERATED


@dataclass(frozen=True, slots=True)
class Board:
    """All policies of one setting on one trace: the bound first, then those that kept the objectives, by cost."""

    setting: str
    trace: str
    standings: tuple[Standing, ...]
    tuned_hpa: str | None
    """Which HPA the others are compared with."""
    factor: float = 1.0
    """By which the trace's rates were multiplied."""
    peak_replicas: float | None = None
    """What the busiest window takes, in replicas of the pool that every replay begins with."""

    @property
    def oracle(self) -> Standing | None:
        """The bound, if it was worked out."""
        return next((each for each in self.standings if family(each.policy) == ORACLE), None)

    @property
    def short_of_peak(self) -> bool:
        """Whether the fleet is so small that differences are those of rounding."""
        return self.peak_replicas is not None and self.peak_replicas < LEAST_PEAK_REPLICAS

    @property
    def ours(self) -> Standing | None:
        """Ours, if it took part."""
        return next((each for each in self.standings if family(each.policy) == OURS), None)

    @property
    def winners(self) -> tuple[Standing, ...]:
        """Peers that cost less than ours at no more bad minutes, the cheapest first."""
        ours = self.ours
        if ours is None:
            return ()
        ahead = (each for each in self.standings if family(each.policy) not in (OURS, ORACLE) and _beats(each, ours))
        return tuple(sorted(ahead, key=lambda each: each.usd.mean))


def family(policy: str) -> str:
    """A policy's name without what was tuned: `hpa-running` of `hpa-running(0.35)`."""
    return policy.partition("(")[0]


def rows(results: Iterable[Result]) -> list[dict[str, Any]]:
    """One row a result, for JSON; a figure that is not known is None."""
    return [
        {
            "setting": result.setting,
            "trace": result.trace,
            "policy": result.policy,
            "seed": result.seed,
            "usd": result.usd,
            "bad_minutes_share": _share(result),
            "cost_over_oracle": _ratio(result, group, oracle),
            "cost_over_tuned_hpa": _ratio(result, group, hpa),
            "churn": result.churn,
            "spot_losses": result.spot_losses,
        }
        for group, oracle, hpa in _groups(results)
        for result in group
    ]


def boards(results: Iterable[Result], *, lead_s: float = 300.0) -> tuple[Board, ...]:
    """The results by setting and trace, in the order in which these first come.

    `lead_s` is how long ago a loss of machines may lie to be the cause of a bad minute.
    """
    made = []
    for group, oracle, hpa in _groups(results):
        policies = dict.fromkeys(result.policy for result in group)
        standings = (_standing(policy, group, oracle, hpa, lead_s) for policy in policies)
        first = group[0]
        ordered = tuple(sorted(standings, key=_rank))
        made.append(Board(first.setting, first.trace, ordered, hpa, first.factor, first.peak_replicas))
    return tuple(made)


def bad_minutes(result: Result, *, lead_s: float) -> dict[int, Cause]:
    """The scored minutes that were bad, by number from the replay's beginning, each with its cause."""
    course = result.course
    unscored = np.arange(len(course.bad_share)) * MINUTE_S < result.scored_from_s
    scored = replace(course, bad_share=np.where(unscored, np.nan, course.bad_share))
    return caused(scored, bad_over=_BAD_OVER, lead_minutes=round(lead_s / MINUTE_S))


def tuned_hpa(group: Sequence[Result]) -> str | None:
    """The best HPA of one setting and trace: the cheapest that keeps the objectives, else the one nearest to it."""
    names = dict.fromkeys(result.policy for result in group if _is_hpa(result.policy))
    return min(names, key=lambda name: _merit(*_means(name, group)), default=None)


def _is_hpa(policy: str) -> bool:
    return family(policy) == "hpa" or policy.startswith("hpa-")


def _groups(results: Iterable[Result]) -> list[tuple[list[Result], str | None, str | None]]:
    """Results of one setting and trace each, with the names of their oracle and their tuned HPA."""
    found: dict[tuple[str, str], list[Result]] = {}
    for result in results:
        found.setdefault((result.setting, result.trace), []).append(result)
    return [
        (group, next((each.policy for each in group if family(each.policy) == ORACLE), None), tuned_hpa(group))
        for group in found.values()
    ]


def _share(result: Result) -> float | None:
    return result.bad_minutes_share if result.minutes else None


def _ratio(result: Result, group: Sequence[Result], reference: str | None) -> float | None:
    """Cost over that of the reference with the same seed."""
    usd = next((each.usd for each in group if each.policy == reference and each.seed == result.seed), 0.0)
    return result.usd / usd if usd > 0 else None


def _means(policy: str, group: Sequence[Result]) -> tuple[float, float | None]:
    """Dollars and share of bad minutes over the seeds."""
    own = [result for result in group if result.policy == policy]
    share = _spread([_share(result) for result in own])
    return float(np.mean([result.usd for result in own])), None if share is None else share.mean


def _merit(usd: float, share: float | None) -> tuple[int, float, float]:
    """Less is better."""
    if share is None:
        return 2, usd, 0.0
    return (0, usd, share) if share <= TOLERATED else (1, share, usd)


def _rank(standing: Standing) -> tuple[bool, tuple[int, float, float]]:
    share = standing.bad_minutes_share
    return family(standing.policy) != ORACLE, _merit(standing.usd.mean, None if share is None else share.mean)


def _beats(peer: Standing, ours: Standing) -> bool:
    if peer.bad_minutes_share is None or ours.bad_minutes_share is None:
        return False
    return peer.usd.mean < ours.usd.mean and peer.bad_minutes_share.mean <= ours.bad_minutes_share.mean


def _standing(policy: str, group: Sequence[Result], oracle: str | None, hpa: str | None, lead_s: float) -> Standing:
    own = [result for result in group if result.policy == policy]
    blamed = [list(bad_minutes(result, lead_s=lead_s).values()) for result in own]
    return Standing(
        policy=policy,
        seeds=len(own),
        usd=_known([result.usd for result in own]),
        bad_minutes_share=_spread([_share(result) for result in own]),
        cost_over_oracle=_spread([_ratio(result, group, oracle) for result in own]),
        cost_over_tuned_hpa=_spread([_ratio(result, group, hpa) for result in own]),
        churn=_known([result.churn for result in own]),
        spot_losses=_known([result.spot_losses for result in own]),
        causes={cause: sum(each.count(cause) for each in blamed) / len(own) for cause in Cause},
    )


def _known(values: Sequence[float]) -> Spread:
    least, most = float(min(values)), float(max(values))
    return Spread(min(max(float(np.mean(values)), least), most), least, most)  # three times .1 have a mean above it


def _spread(values: Sequence[float | None]) -> Spread | None:
    """None where a seed's figure is not known: a mean of the others would be of another load."""
    known = [value for value in values if value is not None]
    return _known(known) if known and len(known) == len(values) else None
