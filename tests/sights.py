"""Sights of a deployment, and its charter, with boring defaults: a test names only what it is about."""

import math

from wharfage_autoscaler.charter import Charter
from wharfage_autoscaler.model import Mode, Placement, SpotPolicy
from wharfage_autoscaler.mooring import moored
from wharfage_autoscaler.objectives import Objectives
from wharfage_autoscaler.offers import Market
from wharfage_autoscaler.pace import Pace
from wharfage_autoscaler.purse import Budget
from wharfage_autoscaler.sight import PoolSeen, Sight
from wharfage_autoscaler.traffic import Traffic
from wharfage_autoscaler.work import HEADS, Work

from tests.builders import offer, variant, wanted

OBJECTIVES = Objectives(ttft_p95_s=2.0, tpot_p95_s=0.05)
TRAFFIC = Traffic(prompt_tokens=600, output_tokens=200)


def pool(
    name: str = "g6.xlarge",
    *,
    accelerator: str = "L4",
    market: Market = Market.ON_DEMAND,
    zone: str = "",
    usd_per_hour: float = 1.0,
    good_rps: float = 2.0,
    slots: float = 64.0,
    kv_tokens: float = 50_000.0,
    lead_s: float = 300.0,
    obtainable: bool = True,
    ready: int = 0,
    starting: int = 0,
    running: float = 0.0,
    waiting: float = 0.0,
    kv_used: float = 0.0,
) -> PoolSeen:
    """A pool of single L4s on demand, empty; planned for 85 % of what is good."""
    return PoolSeen(
        offer=offer(name, accelerator=accelerator, market=market, zone=zone, usd_per_hour=usd_per_hour),
        variant="bf16",
        accelerators=1,
        good_rps=good_rps,
        planned_rps=0.85 * good_rps,
        slots=slots,
        kv_tokens=kv_tokens,
        lead_s=lead_s,
        obtainable=obtainable,
        ready=ready,
        starting=starting,
        running=running,
        waiting=waiting,
        kv_used=kv_used,
    )


def sight(
    *pools: PoolSeen,
    now_s: float = 15.0,
    rps: float = math.nan,
    finished_rps: float = math.nan,
    answer_tokens: float = 200.0,
    tpot_p50_s: float = math.nan,
    bad: float = math.nan,
) -> Sight:
    """What is seen of those pools; `rps` is the rate over every window, and `bad` the share."""
    return Sight(
        now_s=now_s,
        pools=pools or (pool(),),
        traffic=TRAFFIC,
        rps_15s=rps,
        rps_1m=rps,
        rps_5m=rps,
        finished_rps_1m=finished_rps,
        prompt_tokens_per_s=0.0,
        output_tokens_per_s=finished_rps * answer_tokens,
        tpot_p50_s=tpot_p50_s,
        bad_1m=bad,
        bad_5m=bad,
        bad_30m=bad,
    )


def charter(
    *pools: PoolSeen,
    max_model_tokens: int = 8192,
    max_replicas: int = 40,
    work: Work = HEADS,
    pace: Pace | None = None,
    budget: Budget | None = None,
) -> Charter:
    """Qwen3-8B on those pools, one replica at least."""
    served = variant()
    return Charter(
        key=("shop", "chat"),
        wanted=wanted(
            variants=(served,),
            max_model_tokens=max_model_tokens,
            mode=Mode.AUTO,
            max_replicas=max_replicas,
            placement=Placement(spot=SpotPolicy.ALLOW),
        ),
        objectives=OBJECTIVES,
        moorings={
            each.key: moored(served, each, max_model_tokens=max_model_tokens, pace=pace) for each in pools or (pool(),)
        },
        work=work,
        budget=budget,
    )
