"""One policy on one stage: tuned on the training day, scored on the second half.

Each of a policy's settings is replayed on the training day, and the cheapest of those that keep the objectives (else
the one that misses them least) is scored. A policy that chooses no more than a count is tried on each of the cheapest
on-demand pools as well.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from wharfage_autoscaler.fleet import PoolKey
from wharfage_autoscaler.offers import Market

from wharfage_simulator.cluster import Kind
from wharfage_simulator.fluid import Floats
from wharfage_simulator.observer import unused
from wharfage_simulator.policies.registry import POLICIES, Chooses, candidates, make
from wharfage_simulator.policies.scene import Scene
from wharfage_simulator.policies.scene import Setting as PolicySetting
from wharfage_simulator.policies.wharfage import Asked as Wishes
from wharfage_simulator.policies.wharfage import Wharfage
from wharfage_simulator.policy import Policy
from wharfage_simulator.report import OURS, TOLERATED
from wharfage_simulator.result import Result
from wharfage_simulator.run import TICK_S, UNSCORED_S, run, ticks
from wharfage_simulator.scenario import Asked
from wharfage_simulator.stage import Stage, Where, per_tick
from wharfage_simulator.traces import RequestTrace

USD_PER_BAD_MINUTE = (10.0, 1.0, 3.0, 30.0, 100.0)
"""What ours is tuned by. The first is taken where the training day does not tell: its law is not tuned before it has
seen six hours, so on traces of a day all cost the same."""
_POOLS_TRIED = 2


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
    best: tuple[tuple[bool, float, float], PoolKey, PolicySetting] | None = None
    choices = _choices(place, trial.policy)
    if trial.tuned:
        choices = [each for each in choices if _made(trial, *each, place.training).name == trial.tuned][:1] or choices
    for pool, setting in choices if len(choices) > 1 else ():
        tried = _replayed(place, place.training, _made(trial, pool, setting, place.training), pool)
        over = tried.bad_minutes_share > TOLERATED
        rank = (over, tried.bad_minutes_share if over else tried.usd, tried.usd)
        if best is None or rank < best[0]:
            best = rank, pool, setting
    pool, setting = choices[0] if best is None else best[1:]
    made = _made(trial, pool, setting, place.scored)
    return replace(
        _replayed(place, place.scored, made if trial.changed is None else trial.changed(made), pool),
        policy=trial.policy,
        tuned=made.name,
        factor=place.scale.factor,
        peak_replicas=place.peak_replicas,
    )


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
        arrivals=_worked(place, per_tick(trace)),
        tick_s=TICK_S,
    )


def _choices(place: Stage, policy: str) -> list[tuple[PoolKey, PolicySetting]]:
    if policy == OURS:
        return [(place.first.key, {"usd_per_bad_minute": usd}) for usd in USD_PER_BAD_MINUTE]
    kinds = [place.first]
    if POLICIES[policy].chooses is Chooses.COUNT:
        kinds = sorted(
            (kind for kind in place.pools.kinds if kind.offer.market is Market.ON_DEMAND),
            key=lambda kind: (kind.offer.usd_per_hour / kind.per_machine / kind.planned_rps, kind.key),
        )[:_POOLS_TRIED]
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
        **setting,
    )
    history = place.history
    if trace is place.training:  # what is replayed is no history
        history = history[: max(0, len(history) - ticks(trace))]
    return Wharfage(wishes, _worked(place, history), place.work)


def _worked(place: Stage, rows: Floats) -> Floats:
    """The work of each tick, in requests of the planned kind."""
    return np.asarray(place.work.of(rows[:, 0], rows[:, 1], rows[:, 2]))  # type: ignore[arg-type]


def _replayed(place: Stage, trace: RequestTrace, policy: Policy, pool: PoolKey) -> Result:
    rate = _worked(place, per_tick(trace)[: round(1800.0 / TICK_S)]).mean() / TICK_S
    kind = _kind(place, pool)
    count = max(1, math.ceil(1.3 * rate / kind.planned_rps))
    unscored_s = min(UNSCORED_S, trace.duration_s / 10.0)
    setting = place.rehearsal if trace is place.training else place.setting
    return run(policy, trace, setting, first={pool: count}, seed=place.seed, scored_from_s=unscored_s)


def _kind(place: Stage, pool: PoolKey) -> Kind:
    return next(kind for kind in place.pools.kinds if kind.key == pool)
