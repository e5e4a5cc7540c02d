"""SkyServe's own code and ours: the target and its two parts, and where a replica is placed."""

from random import Random

import pytest
from wharfage_autoscaler.fleet import PoolKey
from wharfage_autoscaler.offers import Market
from wharfage_simulator.policies.skyserve import Placer, RequestRate

from tests.peers.peer import peer


@pytest.mark.parametrize(
    ("policy", "ours"),
    [
        pytest.param({"dynamic_ondemand_fallback": True}, RequestRate(2.0), id="SpotHedge as it is"),
        pytest.param(
            {"dynamic_ondemand_fallback": True, "base_ondemand_fallback_replicas": 2, "num_overprovision": 1},
            RequestRate(2.0, base=2, overprovision=1),
            id="with a base and one over",
        ),
        pytest.param(
            {"base_ondemand_fallback_replicas": 1, "upscale_delay_seconds": 60, "downscale_delay_seconds": 200},
            RequestRate(2.0, base=1, dynamic=False, up_delay_s=60, down_delay_s=200),
            id="a fixed base and shorter delays",
        ),
    ],
)
def test_step_by_step_the_counts_are_the_same(policy: dict[str, float], ours: RequestRate) -> None:
    random, rate, moves = Random(3), 10.0, 0
    ours.target = 5
    spot_up = [True] * 5
    on_demand_up: list[bool] = []
    whole = {"min_replicas": 3, "max_replicas": 40, "target_qps_per_replica": 2, **policy}
    with peer("skyserve", "skyserve", {"policy": whole, "target": 5}) as theirs:
        for step in range(600):
            rate = max(0.0, rate + random.uniform(-3, 3) * (6 if step % 50 == 0 else 1))
            requests = round(rate * 60)
            replicas = [(True, up) for up in spot_up] + [(False, up) for up in on_demand_up]
            said = theirs.ask(now_s=1e6 + 20.0 * step, requests=requests, replicas=replicas)
            before = ours.target
            ours.follow(requests / 60, least=3, most=40)
            assert ours.target == said["target"], f"step {step}"
            assert ours.spot - len(spot_up) == said["spot"], f"step {step}"
            assert ours.on_demand(sum(spot_up)) - len(on_demand_up) == said["on_demand"], f"step {step}"
            moves += ours.target != before
            spot_up = _next(random, spot_up, ours.spot, loses=0.02)
            on_demand_up = _next(random, on_demand_up, len(on_demand_up) + said["on_demand"], loses=0.0)
    assert moves > 5, "a comparison in which nothing happens says nothing"


def _next(random: Random, replicas: list[bool], count: int, *, loses: float) -> list[bool]:
    """What is there at the next decision, once `count` are: some have become ready, some were lost."""
    ordered = sorted(replicas, reverse=True)[:count] + [False] * max(0, count - len(replicas))
    return [up or random.random() < 0.2 for up in ordered if random.random() >= loses]


def test_replica_by_replica_the_places_are_the_same() -> None:
    random, moves = Random(5), 0
    prices = {name: random.uniform(0.2, 2.0) for name in "abcdef"}
    keys = {name: PoolKey("cloud", "g6", Market.SPOT, name, "bf16") for name in prices}
    ours = Placer({keys[name]: usd for name, usd in prices.items()})
    used: list[str] = []
    with peer("skyserve", "skyserve", {"prices": prices}) as theirs:
        for step in range(800):
            question: dict[str, str] = {}
            if used and random.random() < 0.3:
                question["lost"] = used.pop(random.randrange(len(used)))
                ours.lost(keys[question["lost"]])
            elif used and random.random() < 0.2:
                question["got"] = random.choice(used)
                ours.got(keys[question["got"]])
            chosen = theirs.ask(used=used, **question)
            assert ours.next([keys[name] for name in used]).zone == chosen, f"step {step}: {used} {question}"
            moves += not used or chosen != used[-1]
            used = [*used, chosen][-8:]
    assert moves > 50
