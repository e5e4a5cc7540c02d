"""One policy on one stage: tuned on the training day, scored on the second half.

Each of a policy's settings is replayed on the training day, and the cheapest of those that keep the objectives (else
the one that misses them least) is scored. Where there are more than three, `screen` says which need the whole day. A
policy that chooses no more than a count is tried on each of the cheapest on-demand pools as well.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from wharfage_autoscaler.fleet import PoolKey
from wharfage_autoscaler.offers import Market

from wharfage_simulator.cluster import Kind
from wharfage_simulator.minutes import MINUTE_S
from wharfage_simulator.observer import unused
from wharfage_simulator.policies.registry import POLICIES, Chooses, candidates, make
from wharfage_simulator.policies.scene import Scene
from wharfage_simulator.policies.scene import Setting as PolicySetting
from wharfage_simulator.policies.wharfage import LEAST_TUNED_ON_S, Wharfage
from wharfage_simulator.policies.wharfage import Asked as Wishes
from wharfage_simulator.policy import Policy
from wharfage_simulator.report import OURS, TOLERATED, bad_minutes
from wharfage_simulator.result import Result
from wharfage_simulator.run import TICK_S, UNSCORED_S, run, ticks
from wharfage_simulator.scenario import Asked
from wharfage_simulator.screen import FINALISTS, Merit, busiest, sifted
from wharfage_simulator.stage import Stage, Where, per_tick, summed
from wharfage_simulator.traces import RequestTrace

USD_PER_BAD_MINUTE = (30.0, 1.0, 3.0, 10.0, 17.0, 100.0)
"""What ours is tuned by. The first is taken untried where the rehearsal is too short to tell one from the other: it is
the middle of what the whole training days of `bench-scaling` choose."""
CAREFUL = 0.5
"""Ours is to keep the objectives on another day, so of what the training day may miss it misses no more than half."""
_POOLS_TRIED = 2
_HEADROOM = 1.3  # of the count that a replay begins with
_DIGITS = 9  # eighths of a price are off by the last bit

Choice = tuple[PoolKey, PolicySetting]
"""The pool that a policy begins on, and how it is set."""
Rehearsed = dict[str, list[tuple[float, bool]]]
"""By a setting's name, the minutes that ours saw of the training day."""


@dataclass(frozen=True, slots=True)
class Trial:
    """A policy, and on what it is tried. `changed` makes another policy of it, for what a part of it is worth."""

    place: Stage
    policy: str
    asked: Asked
    tuned: str = ""
    """The name of the setting, where an earlier trial has found it."""
    changed: Callable[[Policy], Policy] | None = None


def judged(trial: Trial) -> Result:
    """What came of it."""
    place = trial.place
    choices = _choices(place, trial.policy)
    if trial.tuned:
        choices = [each for each in choices if _made(trial, *each, place.training).name == trial.tuned][:1] or choices
    rehearsed: Rehearsed = {}
    pool, setting = _tuned(trial, choices, rehearsed)
    made = _made(trial, pool, setting, place.scored)
    if isinstance(made, Wharfage):
        if made.name not in rehearsed:  # no other setting was tried
            _merit(trial, place, rehearsed)((pool, setting))
        made.minutes.extend(rehearsed[made.name])  # anybody has seen the day before
    return replace(
        _replayed(place, place.scored, made if trial.changed is None else trial.changed(made), pool),
        policy=trial.policy,
        tuned=made.name,
        factor=place.scale.factor,
        peak_replicas=place.peak_replicas,
    )


def _tuned(trial: Trial, choices: Sequence[Choice], rehearsed: Rehearsed) -> Choice:
    """The one to be scored; what ours saw of the whole day is written down."""
    part = busiest(trial.place) if len(choices) > FINALISTS else None
    on_day = _merit(trial, trial.place, rehearsed)
    return sifted(choices, on_day, None if part is None else _merit(trial, part, {}))


def _merit(trial: Trial, place: Stage, minutes: Rehearsed) -> Callable[[Choice], Merit]:
    """What a choice costs where it is rehearsed; where more minutes are bad than the whole day may have, by these."""
    day = trial.place.training
    may_miss, counted_from_s = TOLERATED * (day.duration_s - _unscored_s(day)) / MINUTE_S, 0.0
    if trial.policy == OURS:
        may_miss, counted_from_s = _may_miss(trial.place), told_from_s(place)
    there = replace(trial, place=place)

    def merit(choice: Choice) -> Merit:
        pool, setting = choice
        policy = _made(there, pool, setting, place.training)
        tried = _replayed(place, place.training, policy, pool)
        if isinstance(policy, Wharfage):
            minutes[policy.name] = policy.minutes
        before = (minute * MINUTE_S < counted_from_s for minute in bad_minutes(tried, lead_s=trial.asked.lead_s))
        bad = tried.bad_minutes - sum(before)
        over = bad > may_miss
        return over, bad if over else tried.usd, tried.usd

    return merit


def prices(place: Stage) -> tuple[float, ...]:
    """The prices of a bad minute that ours is rehearsed with: one, where not a single minute may be bad.

    Half a day has five hours that count. That none of 300 minutes was bad proves no share below 1 % (at 95 %), and one
    that was would rule out a price by chance.
    """
    return USD_PER_BAD_MINUTE if _may_miss(place) >= 1.0 else USD_PER_BAD_MINUTE[:1]


def told_from_s(place: Stage) -> float:
    """From when on the rehearsal tells of ours: its law can be tuned, and has had the time that every policy has.

    What is bad before is so at every price.
    """
    known_s = max(0, len(place.history) - ticks(place.training)) * TICK_S
    return max(0.0, LEAST_TUNED_ON_S - known_s) + _unscored_s(place.training)


def _may_miss(place: Stage) -> float:
    """Minutes of the rehearsal of ours that may be bad."""
    return CAREFUL * TOLERATED * max(0.0, place.training.duration_s - told_from_s(place)) / MINUTE_S


def scene(place: Stage, trace: RequestTrace, kind: Kind) -> Scene:
    """What a policy is made from that serves the trace on that kind of replica, if it chooses no more than a count."""
    history, replayed = place.history, ticks(place.training)
    if trace is place.training and len(history) >= 2 * replayed:  # what is replayed is no history
        history = history[:-replayed]
    minutes = history[: len(history) // 4 * 4, 0].reshape(-1, 4).sum(axis=1) / 60.0
    step, traffic = place.pools.profiles[kind.profile].step, place.setting.traffic
    return Scene(
        pools=tuple(unused(each) for each in place.pools.kinds),
        pool=kind.key,
        training_rps=tuple(float(rate) for rate in minutes),
        best_sequences=kind.sequences,
        best_kv_used=kind.sequences * step.kv_tokens_of(traffic.resident_tokens) / step.kv_tokens,
        step=step,
        arrivals=summed(per_tick(trace), place.work),
        tick_s=TICK_S,
    )


def tried_on(place: Stage) -> tuple[Kind, ...]:
    """The cheapest on-demand pools per request, each on another shape: on the smallest of equally cheap machines.

    And the pool that is cheapest in whole machines: a small load leaves most of a large one empty.
    """
    steady = [kind for kind in place.pools.kinds if kind.offer.market is Market.ON_DEMAND]
    steady.sort(
        key=lambda kind: (
            round(kind.offer.usd_per_hour / kind.per_machine / kind.planned_rps, _DIGITS),
            kind.per_machine,
            kind.key,
        )
    )
    first: dict[int, Kind] = {}
    for kind in steady:
        first.setdefault(kind.profile, kind)
    return tuple(dict.fromkeys((*tuple(first.values())[:_POOLS_TRIED], settled(place))))


def settled(place: Stage) -> Kind:
    """Where whoever chooses pools begins: the on-demand pool on which the training day's mean load costs least.

    The service has been running; nobody is to be charged for finding that out in the first minutes of a replay.
    """
    rate = float(place.worked(per_tick(place.training)).mean()) / TICK_S

    def usd_per_hour(kind: Kind) -> float:
        machines = math.ceil(_replicas(rate, kind) / kind.per_machine)
        return round(machines * kind.offer.usd_per_hour, _DIGITS)

    steady = [kind for kind in place.pools.kinds if kind.offer.market is Market.ON_DEMAND]
    return min(steady, key=lambda kind: (usd_per_hour(kind), kind.key != place.first.key, kind.key))


def _replicas(rate: float, kind: Kind) -> int:
    return max(1, math.ceil(_HEADROOM * rate / kind.planned_rps))


def _choices(place: Stage, policy: str) -> list[Choice]:
    if policy == OURS:
        return [(settled(place).key, {"usd_per_bad_minute": usd}) for usd in prices(place)]
    kinds = tried_on(place) if POLICIES[policy].chooses is Chooses.COUNT else (settled(place),)
    return [
        (kind.key, setting)
        for kind in kinds
        for setting in candidates(policy, scene(place, place.training, kind)).values()
    ]


def _made(trial: Trial, pool: PoolKey, setting: PolicySetting, trace: RequestTrace) -> Policy:
    place = trial.place
    if trial.policy != OURS:
        return make(trial.policy, scene(place, trace, _kind(place, pool)), setting)
    wishes = Wishes(
        variant=trial.asked.variant,
        shapes=3 if place.where is Where.GATEWAY else 1,
        max_model_tokens=trial.asked.max_model_tokens,
        placement=trial.asked.placement,
        **setting,
    )
    history = place.history
    if trace is place.training:  # what is replayed is no history
        history = history[: max(0, len(history) - ticks(trace))]
    return Wharfage(wishes, place.worked(history), place.work, paces=place.paces)


def _replayed(place: Stage, trace: RequestTrace, policy: Policy, pool: PoolKey) -> Result:
    rate = place.worked(per_tick(trace)[: round(1800.0 / TICK_S)]).mean() / TICK_S
    count = _replicas(rate, _kind(place, pool))
    setting = place.rehearsal if trace is place.training else place.setting
    return run(policy, trace, setting, first={pool: count}, seed=place.seed, scored_from_s=_unscored_s(trace))


def _unscored_s(trace: RequestTrace) -> float:
    """Of the beginning: every policy's start."""
    return min(UNSCORED_S, trace.duration_s / 10.0)


def _kind(place: Stage, pool: PoolKey) -> Kind:
    return next(kind for kind in place.pools.kinds if kind.key == pool)
