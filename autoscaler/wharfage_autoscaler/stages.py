"""The graduated response of a budget: which of its stages are in force.

A stage begins when its dollars reach its share of the budget, and recedes once they were 0.05 below it for a while.
Stages on spent dollars begin anew with each period; those on the forecast are judged on what would be spent without
wharfage's own restrictions, or what they save would end them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from types import MappingProxyType

HYSTERESIS = 0.05
"""Of the budget, below which a stage recedes."""
DWELL_S = 1800.0
"""For so long it must have been there; in short periods for a tenth of them."""
DWELL_SHARE = 0.1


class Action(StrEnum):
    """What a stage does, mildest first; the values are the API's."""

    NOTIFY = "Notify"
    PREFER_CHEAPER = "PreferCheaper"
    THROTTLE = "Throttle"
    FREEZE = "Freeze"
    FLOOR = "Floor"
    STOP = "Stop"

    @property
    def rank(self) -> int:
        """0 for the mildest."""
        return list(Action).index(self)


HARSH = frozenset({Action.FLOOR, Action.STOP})
"""Those that leave no dollars beside the floors."""


@dataclass(frozen=True, slots=True)
class Stage:
    """One step: what it does, and from which share of the budget on."""

    action: Action
    at: float
    of_forecast: bool = False


@dataclass(frozen=True, slots=True)
class Outlook:
    """A budget at one moment: its dollars, those spent in the period, those of its whole period as it is expected."""

    usd: float
    spent_usd: float
    forecast_usd: float
    period_begins_s: float
    period_s: float

    def share(self, stage: Stage) -> float:
        """Of the budget, by what the stage looks at; infinite of a budget of nothing once anything is spent."""
        usd = self.forecast_usd if stage.of_forecast else self.spent_usd
        if self.usd > 0.0:
            return usd / self.usd
        return float("inf") if usd > 0.0 else 0.0


@dataclass(frozen=True, slots=True)
class Standing:
    """Which stages are in force in a period, and since when those were below their share that may recede."""

    period_begins_s: float = 0.0
    below_since_s: Mapping[Action, float | None] = field(default_factory=lambda: MappingProxyType({}))
    """An entry for each stage in force; None while it is not below."""

    @property
    def actions(self) -> frozenset[Action]:
        """What is in force."""
        return frozenset(self.below_since_s)

    @property
    def harshest(self) -> Action | None:
        """The harshest of them."""
        return max(self.below_since_s, key=lambda action: action.rank, default=None)


def climbed(
    stages: Sequence[Stage], standing: Standing, outlook: Outlook, now_s: float, *, raised: bool = False
) -> Standing:
    """The stages in force after one more look.

    Where somebody has `raised` the dollars those that may recede do so at once: that is what was wanted.
    """
    new_period = outlook.period_begins_s != standing.period_begins_s
    dwell_s = 0.0 if raised else min(DWELL_S, DWELL_SHARE * outlook.period_s)
    found: dict[Action, float | None] = {}
    for stage in stages:
        share = outlook.share(stage)
        in_force = stage.action in standing.below_since_s and (stage.of_forecast or not new_period)
        if share >= stage.at:
            found[stage.action] = None
        elif in_force:
            since_s = _below_since_s(stage, share, standing.below_since_s[stage.action], now_s)
            if since_s is None or now_s - since_s < dwell_s:
                found[stage.action] = since_s
    return Standing(outlook.period_begins_s, MappingProxyType(found))


def resumed(stages: Sequence[Stage], harshest: Action | None, outlook: Outlook) -> Standing:
    """The stages that an earlier process had in force, as far as its harshest one and the dollars of now tell.

    A stage that has begun to recede begins to anew: half an hour at most is lost.
    """
    if harshest is None:
        return Standing(outlook.period_begins_s)
    kept = [
        stage.action
        for stage in stages
        if stage.action.rank <= harshest.rank
        and (stage.action is harshest or outlook.share(stage) >= stage.at - HYSTERESIS)
    ]
    return replace(Standing(outlook.period_begins_s), below_since_s=MappingProxyType(dict.fromkeys(kept)))


def _below_since_s(stage: Stage, share: float, since_s: float | None, now_s: float) -> float | None:
    if share >= stage.at - HYSTERESIS:
        return None
    return now_s if since_s is None or since_s > now_s else since_s
