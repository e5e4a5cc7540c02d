"""One look at one budget: how its period will end, which stages are in force, what may be spent per hour for that."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from wharfage_autoscaler.projection import HOUR_S, Profile, Projection, allowance, projection
from wharfage_autoscaler.stages import HARSH, Action, Outlook, Stage, Standing, climbed

RESERVE = 0.005
"""Of the budget, given to nobody: what the last replicas drain for, and caps that follow in steps, come out of it."""
RESTRICTING = HARSH | {Action.PREFER_CHEAPER, Action.FREEZE}
"""Stages that hold dollars down."""


@dataclass(frozen=True, slots=True)
class Terms:
    """What a budget says: dollars of this period, its stages, whether they act or only report."""

    usd: float
    stages: tuple[Stage, ...]
    enforced: bool
    begins_s: float
    ends_s: float


@dataclass(frozen=True, slots=True)
class Spending:
    """What its deployments spend, in dollars and dollars per hour.

    `ordered` is what runs, starts or drains; `wished` is what would be ordered if no budget held anything down. `floor`
    is what the least replicas cost, which are paid for whatever a budget says.
    """

    spent_usd: float
    ordered: float
    wished: float
    profile: Profile = field(default_factory=Profile)
    """Of the unrestricted course."""
    floor: float = 0.0


@dataclass(frozen=True, slots=True)
class Reckoning:
    """Where a budget stands, and what its next look needs to know of this one.

    `forecast` is of the whole period. `allowance` is dollars per hour that make the rest last. `frozen` is what was
    ordered when `Freeze` began, None while it is not in force.
    """

    outlook: Outlook
    forecast: Projection
    allowance: float
    standing: Standing
    frozen: float | None = None

    def cap(self, *, enforced: bool) -> float | None:
        """Dollars per hour that no decision may cross but for the floors; None where nothing is held down."""
        in_force = self.standing.actions
        if not enforced or not in_force & RESTRICTING:
            return None
        if in_force & HARSH:
            return 0.0
        cap = self.allowance if Action.PREFER_CHEAPER in in_force else math.inf
        return min(cap, math.inf if self.frozen is None else self.frozen)


def reckoned(terms: Terms, spending: Spending, before: Reckoning | Standing, now_s: float) -> Reckoning:
    """The next look, after that of before; after a restart a `Standing` is all that is known of it."""
    ahead = projection(spending.profile, rate=spending.wished, now_s=now_s, ends_s=terms.ends_s)
    forecast = ahead.beyond(spending.spent_usd)
    outlook = Outlook(
        usd=terms.usd,
        spent_usd=spending.spent_usd,
        forecast_usd=forecast.mid,
        period_begins_s=terms.begins_s,
        period_s=terms.ends_s - terms.begins_s,
    )
    if isinstance(before, Reckoning):
        raised, known, frozen = terms.usd > before.outlook.usd, before.standing, before.frozen
    else:
        raised, known, frozen = False, before, None
    standing = climbed(terms.stages, known, outlook, now_s, raised=raised)
    if Action.FREEZE not in standing.actions:
        frozen = None
    elif frozen is None and (isinstance(before, Reckoning) or spending.ordered > 0.0):
        frozen = spending.ordered  # after a restart nobody knows it before something is decided
    left_usd, left_h = max(0.0, (1.0 - RESERVE) * terms.usd - spending.spent_usd), (terms.ends_s - now_s) / HOUR_S
    allowed = allowance(left_usd, ahead.mid, spending.wished, min(spending.floor, spending.wished), left_h)
    return Reckoning(outlook, forecast, allowed, standing, frozen)


def news(before: Sequence[float | None], now: Sequence[float | None], *, share: float = 0.02) -> bool:
    """Whether caps differ by so much that what was allotted under them is to be allotted anew."""
    if len(before) != len(now):
        return True
    return any(_differs(old, new, share) for old, new in zip(before, now, strict=True))


def _differs(old: float | None, new: float | None, share: float) -> bool:
    if old is None or new is None:
        return old is not new
    return abs(new - old) > share * max(old, new, 1e-9)
