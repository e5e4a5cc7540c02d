"""Views of a deployment with boring defaults: a test names only what it is about."""

import math
from collections.abc import Iterable
from dataclasses import replace

from wharfage_autoscaler.accelerators import ACCELERATORS
from wharfage_autoscaler.fleet import PoolKey
from wharfage_autoscaler.footprint import EngineLimits
from wharfage_autoscaler.sight import PoolSeen
from wharfage_autoscaler.steptime import StepTime, step_time
from wharfage_autoscaler.traffic import Traffic
from wharfage_simulator.policy import Policy, ReplicaSeen, Seen

from tests.builders import QWEN3_8B
from tests.sights import OBJECTIVES, TRAFFIC, pool

POOL = pool()
KEY = POOL.key


def seen(
    *pools: PoolSeen,
    now_s: float = 0.0,
    least: int = 1,
    most: int = 1000,
    rps: float = math.nan,
    replicas: Iterable[ReplicaSeen] = (),
    ttft_p90_s: float = math.nan,
    tpot_p90_s: float = math.nan,
    prompt_tokens_per_s: float = math.nan,
    output_tokens_per_s: float = math.nan,
    traffic: Traffic = TRAFFIC,
) -> Seen:
    """What is seen of those pools; `rps` is the rate over every window."""
    return Seen(
        now_s=now_s,
        pools=pools or (POOL,),
        replicas=tuple(replicas),
        rps_15s=rps,
        rps_1m=rps,
        rps_5m=rps,
        finished_rps_1m=rps,
        ttft_p90_s=ttft_p90_s,
        tpot_p90_s=tpot_p90_s,
        prompt_tokens_per_s=prompt_tokens_per_s,
        output_tokens_per_s=output_tokens_per_s,
        objectives=OBJECTIVES,
        traffic=traffic,
        least=least,
        most=most,
    )


def counts(policy: Policy, views: Iterable[Seen], key: PoolKey = KEY) -> list[int]:
    """What the policy wants of one pool, view after view; nothing that it wants is ever ready."""
    return [policy.target(view).get(key, 0) for view in views]


def followed(policy: Policy, views: Iterable[Seen]) -> list[int]:
    """What the policy wants in total, view after view, when all that it wanted the time before now serves."""
    totals: list[int] = []
    wanted: dict[PoolKey, int] | None = None
    for view in views:
        if wanted is not None:
            at = wanted
            view = replace(view, pools=tuple(replace(p, ready=at.get(p.key, 0), starting=0) for p in view.pools))
        wanted = dict(policy.target(view))
        totals.append(sum(wanted.values()))
    return totals


def step() -> StepTime:
    """Of an 8B model in 16 bit on one L40S."""
    return step_time(QWEN3_8B, "", ACCELERATORS["L40S"], 1, EngineLimits(256, 2048))
