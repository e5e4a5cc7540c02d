"""Horizontal or vertical: more replicas of the shape that serves, or another shape altogether.

Adding a replica costs its price. Moving costs a time in which both fleets are paid, a cold cache, perhaps quality; it
is worth that only where what it saves over the hours ahead exceeds it by a margin of what is spent anyway:

    sum over the horizon of (cost now - cost then)  -  switching  >  theta x (cost now over the horizon)

Some moves are forced, because no number of replicas helps. Everything else waits: for an hour between two moves, for
alerts to end, for headroom to have both fleets through.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from wharfage_autoscaler.allotment import Allotment, spread
from wharfage_autoscaler.decision import Rejected
from wharfage_autoscaler.fleet import Fleet
from wharfage_autoscaler.need import ROUNDING
from wharfage_autoscaler.words import pools_words

HORIZON_S = 6 * 3600.0
COOLDOWN_S = 3600.0
MIN_SAVINGS = 0.05
MIN_HEADROOM = 0.15
_UNOBTAINABLE = 2.0  # lead times, before capacity that does not come counts as not to be had
_DRAIN_S = 60.0


class Forced(StrEnum):
    """Why more replicas of the same shape cannot help."""

    TOO_SLOW = "a request alone takes longer per token than the objective allows"
    TOO_SMALL = "the longest request does not fit its KV cache"
    TOO_DEAR = "its budget asks for what is cheaper"
    UNOBTAINABLE = "its machines do not come"


def forced(
    *,
    tpot_alone_s: float,
    tpot_objective_s: float,
    kv_tokens: float,
    longest_request_tokens: float,
    prefers_cheaper: bool,
    waited_s: float,
    start_s: float,
) -> Forced | None:
    """The first reason that forces a move, if there is one; `waited_s` is how long machines have been asked for."""
    if tpot_alone_s > tpot_objective_s:
        return Forced.TOO_SLOW
    if longest_request_tokens > kv_tokens:
        return Forced.TOO_SMALL
    if waited_s > _UNOBTAINABLE * start_s:
        return Forced.UNOBTAINABLE
    return Forced.TOO_DEAR if prefers_cheaper else None


@dataclass(frozen=True, slots=True)
class Ahead:
    """The demand that the horizon is judged by: requests a second to provision for, one per step of `step_s`."""

    peak_rps: Sequence[float]
    step_s: float

    @property
    def horizon_s(self) -> float:
        """How far it reaches."""
        return len(self.peak_rps) * self.step_s

    def within(self, horizon_s: float) -> "Ahead":
        """The part of it that lies within the horizon, at least one step."""
        return Ahead(self.peak_rps[: max(1, int(horizon_s // self.step_s))], self.step_s)


@dataclass(frozen=True, slots=True)
class Switch:
    """What changing over costs besides the time both fleets run: prefills done again, and quality per hour."""

    cache_usd: float = 0.0
    quality_usd_per_hour: float = 0.0
    drain_s: float = _DRAIN_S


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """Where a deployment could run instead, and what the sum of a move there needs."""

    allotment: Allotment
    ahead: Ahead
    switch: Switch = Switch()
    force: Forced | None = None
    min_savings: float = MIN_SAVINGS
    cooldown_s: float = COOLDOWN_S
    enabled: bool = True


@dataclass(frozen=True, slots=True)
class State:
    """What else may keep a move back: the last one (None: there was none), alerts, too little that is unused."""

    moved_s_ago: float | None = None
    alert_burns: bool = False
    headroom: float = 1.0


@dataclass(frozen=True, slots=True)
class Verdict:
    """Stays or moves, in dollars over the horizon; and the next best, with its price per hour now."""

    moves: bool
    forced: Forced | None
    horizon_s: float
    saves_usd: float
    switch_usd: float
    margin_usd: float
    message: str
    rejected: tuple[Rejected, ...]

    @property
    def gain_usd(self) -> float:
        """What is left of the saving after switching and the margin; a move is worth it above 0."""
        return self.saves_usd - self.switch_usd - self.margin_usd


def move(
    current: Allotment,
    candidate: Allotment | None,
    ahead: Ahead,
    *,
    state: State = State(),
    switch: Switch = Switch(),
    force: Forced | None = None,
    min_savings: float = MIN_SAVINGS,
    cooldown_s: float = COOLDOWN_S,
    enabled: bool = True,
) -> Verdict:
    """Whether to move from the current allotment to the candidate (None: there is no other shape).

    Costs are what each would be charged for the demand ahead, step by step. A forced move needs no gain and waits for
    nothing, but the sum is given; one for a budget's sake needs a gain all the same, without the margin. A candidate
    that cannot carry what the current one does is no gain.

    Raises:
        ValueError: for no demand ahead, or steps of no length.

    """
    if not ahead.peak_rps or ahead.step_s <= 0:
        raise ValueError(f"demand ahead has {len(ahead.peak_rps)} steps of {ahead.step_s} s; at least one is needed")
    seen = ahead.within(HORIZON_S)
    stays = _course(current, seen)
    margin_usd = min_savings * stays.usd
    if candidate is None or not candidate.shapes:
        message = f"stays on {stays.words}: no other shape can be had{f', although {force}' if force else ''}"
        return Verdict(False, force, seen.horizon_s, 0.0, 0.0, margin_usd, message, ())
    goes = _course(candidate, seen)
    overlap_s = switch.drain_s + max((p.start_s for p in candidate.shapes if p.pool.replicas), default=0.0)
    switch_usd = (
        stays.usd_per_hour * overlap_s / 3600.0
        + switch.cache_usd
        + switch.quality_usd_per_hour * seen.horizon_s / 3600.0
    )
    saves_usd = stays.usd - goes.usd
    sums = (
        f"saves {saves_usd:.2f} usd in {seen.horizon_s / 3600.0:.1f} h, switching costs {switch_usd:.2f}, "
        f"the margin is {margin_usd:.2f}"
    )
    if force is None:
        against = _against(stays, goes, saves_usd - switch_usd - margin_usd)
        against = against or _held(state, cooldown_s, enabled=enabled)
    else:
        against = "that is no cheaper" if force is Forced.TOO_DEAR and saves_usd <= switch_usd else None
    if against is not None:
        message = f"stays on {stays.words}: {goes.words} {sums}; {against}"
        rejected = Rejected(goes.words, goes.usd_per_hour, against)
    else:
        message = f"moves to {goes.words}: it {sums}{f'; {force}' if force else ''}"
        rejected = Rejected(stays.words, stays.usd_per_hour, str(force or f"dearer by {saves_usd:.2f} usd ahead"))
    return Verdict(against is None, force, seen.horizon_s, saves_usd, switch_usd, margin_usd, message, (rejected,))


@dataclass(frozen=True, slots=True)
class _Course:
    """An allotment over the demand ahead: the fleet now, dollars over all of it, and what it carries at each step."""

    words: str
    usd_per_hour: float
    usd: float
    carries: tuple[float, ...]


def _course(allotment: Allotment, ahead: Ahead) -> _Course:
    fleets = {rps: spread(allotment, rps) for rps in sorted(set(ahead.peak_rps))}
    charged = {rps: allotment.charged(fleet) for rps, fleet in fleets.items()}
    carries = {rps: min(rps, allotment.requests_per_second(fleet)) for rps, fleet in fleets.items()}
    first = ahead.peak_rps[0]
    return _Course(
        words=_words(fleets[first]),
        usd_per_hour=charged[first],
        usd=sum(charged[rps] for rps in ahead.peak_rps) * ahead.step_s / 3600.0,
        carries=tuple(carries[rps] for rps in ahead.peak_rps),
    )


def _against(stays: _Course, goes: _Course, gain_usd: float) -> str | None:
    if any(then < now * (1 - ROUNDING) for now, then in zip(stays.carries, goes.carries, strict=True)):
        return "it does not carry the demand within its limits"
    return None if gain_usd > 0 else "that is too little"


def _held(state: State, cooldown_s: float, *, enabled: bool) -> str | None:
    """What keeps a move back that would be worth it."""
    if not enabled:
        return "scaling.vertical.enabled is false"
    if state.moved_s_ago is not None and state.moved_s_ago < cooldown_s:
        return f"the last move was {state.moved_s_ago / 60:.0f} min ago, the cooldown is {cooldown_s / 60:.0f}"
    if state.alert_burns:
        return "an alert burns"
    if state.headroom < MIN_HEADROOM:
        return f"headroom is {state.headroom:.0%}, {MIN_HEADROOM:.0%} is needed"
    return None


def _words(fleet: Fleet) -> str:
    return " + ".join(pools_words(fleet)) or "nothing"
