"""What the same two hours cost with what is run elsewhere: a fixed count for the peak, and a tuned HPA. By replay.

Both get more than they could have: the count is that of the very peak to come, and of the HPA's settings the one is
taken that does best on these two hours. Both run on the cheapest on-demand pool, since neither chooses machines.
"""

import math
from dataclasses import dataclass, replace

import numpy as np
from wharfage_autoscaler.objectives import Objectives
from wharfage_autoscaler.offers import Market
from wharfage_autoscaler.traffic import Traffic
from wharfage_operator.spec import wanted
from wharfage_simulator.cluster import Kind
from wharfage_simulator.market import Marketplace
from wharfage_simulator.observer import unused
from wharfage_simulator.policies.registry import candidates, make
from wharfage_simulator.policies.scene import Scene
from wharfage_simulator.policies.static import sized
from wharfage_simulator.policy import Policy
from wharfage_simulator.replica import Service
from wharfage_simulator.result import Result
from wharfage_simulator.run import run
from wharfage_simulator.scenario import Asked, Fleetable, cheapest, fleetable
from wharfage_simulator.setting import Setting
from wharfage_simulator.stage import FixedLead
from wharfage_simulator.traces import RequestTrace

from demo.two_hours import OUTPUT_TOKENS, PROMPT_TOKENS, deployment, offers

HPA = ("hpa-running", "hpa-queue", "hpa-kv")
TOLERATED = 0.01
"""Of the minutes may be bad; a setting that keeps this is judged by its dollars, others by their bad minutes."""
_HEADROOM = 1.3  # of the count that a replay begins with
_MINUTE_S = 60.0


@dataclass(frozen=True, slots=True)
class Rivals:
    """The two hours by others."""

    static: Result
    hpa: Result


def rivals(load: RequestTrace, *, lead_s: float, since_s: float, objectives: Objectives, seed: int = 1) -> Rivals:
    """Replay the requests. A machine that is ordered serves `lead_s` later; what is before `since_s` is not judged."""
    traffic = Traffic(PROMPT_TOKENS, OUTPUT_TOKENS)
    pools, first = _pools(objectives, traffic, lead_s)
    place = Setting(
        name="one",
        kinds=pools.kinds,
        profiles=pools.profiles,
        supply=FixedLead(Marketplace(seed=seed), lead_s),
        objectives=objectives,
        traffic=traffic,
        service=Service(seed=seed),
        most=deployment().spec.scaling.max_replicas,
    )
    scene = _scene(load, pools, first)

    def replayed(policy: Policy, count: int) -> Result:
        tried = run(policy, load, place, first={first.key: count}, seed=seed, scored_from_s=since_s)
        return replace(tried, tuned=policy.name)

    static = sized(scene, share=1.0, label="static-peak")
    begin = max(1, math.ceil(_HEADROOM * scene.training_rps[0] / first.planned_rps))
    tuned = [
        replayed(make(name, scene, setting), begin) for name in HPA for setting in candidates(name, scene).values()
    ]
    return Rivals(replayed(static, static.replicas), min(tuned, key=merit))


def merit(tried: Result) -> tuple[bool, float, float]:
    """What is least of the best: within what is tolerated the cheapest, else that with the fewest bad minutes."""
    over = tried.bad_minutes > TOLERATED * tried.minutes
    return over, tried.bad_minutes if over else tried.usd, tried.usd


def _pools(objectives: Objectives, traffic: Traffic, lead_s: float) -> tuple[Fleetable, Kind]:
    """The cheapest on-demand pool alone, and what it is."""
    asked = Asked(
        variant=wanted(deployment()).variants[0],
        traffic=traffic,
        objectives=objectives,
        lead_s=lead_s,
        max_model_tokens=deployment().spec.engine.max_model_tokens,
    )
    everything = fleetable([offer for offer in offers() if offer.market is Market.ON_DEMAND], asked)
    first = cheapest(everything.kinds)
    return everything.only([first]), first


def _scene(load: RequestTrace, pools: Fleetable, first: Kind) -> Scene:
    """What a policy is made from; the minutes to come are known to it."""
    step = pools.profiles[first.profile].step
    minutes = np.bincount((load.t_s / _MINUTE_S).astype(np.int64)) / _MINUTE_S
    held = step.kv_tokens_of(Traffic(PROMPT_TOKENS, OUTPUT_TOKENS).resident_tokens)
    return Scene(
        pools=(unused(first),),
        pool=first.key,
        training_rps=tuple(float(rate) for rate in minutes),
        best_sequences=first.sequences,
        best_kv_used=first.sequences * held / step.kv_tokens,
        step=step,
    )
