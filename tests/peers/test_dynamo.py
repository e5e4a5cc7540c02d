"""Dynamo's own planner and ours, through the same engines' steps and the same traffic."""

from dataclasses import asdict, replace
from random import Random

import pytest
from wharfage_simulator.policies.planner import Aim, Came, Plan, Planner
from wharfage_simulator.policies.regression import Step

from tests.peers.peer import peer

BATCHED_TOKENS, KV_TOKENS = 4096, 60_000


def _step(random: Random, load: float) -> Step:
    """An engine's last step under a load of 0 to 1 and beyond, with some noise in its time."""
    decodes = random.randint(0, max(1, round(100 * load)))
    decode_tokens = decodes * random.randint(400, 900)
    prefills = random.choice((0, 0, 0, 1, 2)) if load > 0 else 0
    prefill_tokens = prefills * random.randint(100, 1500)
    seconds = 0.008 + 30e-6 * prefill_tokens + 0.35e-6 * decode_tokens + random.uniform(0, 0.002)
    return Step(
        prefill_tokens=prefill_tokens,
        prefills=prefills,
        decode_tokens=decode_tokens,
        decodes=decodes,
        queued_prefill_tokens=random.randint(0, 20_000) if load > 0.9 else 0,
        queued_decode_tokens=random.choice((0, 0, 3_000)) if load > 1.0 else 0,
        seconds=seconds,
    )


@pytest.mark.parametrize(
    ("settings", "plan"),
    [
        pytest.param({"optimization_target": "throughput"}, Plan(aim=Aim.THROUGHPUT), id="by the cache: throughput"),
        pytest.param({"optimization_target": "latency"}, Plan(aim=Aim.LATENCY), id="by the cache: latency"),
        pytest.param(
            {"optimization_target": "sla", "load_predictor": "constant"},
            Plan(aim=Aim.SLA, predictor="constant"),
            id="by objectives: throughput alone, last value",
        ),
        pytest.param(
            {"optimization_target": "sla", "load_predictor": "kalman", "enable_load_scaling": True},
            Plan(aim=Aim.SLA, predictor="kalman", by_load=True),
            id="by objectives: both, filtered",
        ),
        pytest.param(
            {
                "optimization_target": "sla",
                "load_predictor": "constant",
                "enable_load_scaling": True,
                "enable_throughput_scaling": False,
                "ttft": 50.0,
                "itl": 40.0,
            },
            Plan(aim=Aim.SLA, predictor="constant", by_load=True, by_throughput=False, ttft_ms=50.0, itl_ms=40.0),
            id="by objectives: load alone, tighter",
        ),
    ],
)
def test_step_by_step_the_decisions_are_the_same(settings: dict[str, object], plan: Plan) -> None:
    random, ready, expected, requests, load, decisions = Random(11), 3, 3, 900.0, 0.5, set()
    engine = {"max_num_batched_tokens": BATCHED_TOKENS, "max_kv_tokens": KV_TOKENS}
    ours = Planner(replace(plan, batched_tokens=BATCHED_TOKENS, kv_tokens=KV_TOKENS))
    with peer("dynamo", "dynamo_planner", {**settings, "engine": engine}) as theirs:
        for tick in range(1, 1200):
            now_s = 5.0 * tick
            load = min(1.4, max(0.0, load + random.uniform(-0.12, 0.12)))
            steps = [_step(random, load) for _ in range(ready if tick % 17 else max(0, ready - 1))]
            question = {"now_s": now_s, "ready": ready, "expected": expected, "steps": [asdict(each) for each in steps]}
            wanted = ours.load(steps, ready=ready, expected=expected)
            if tick % 36 == 0:
                requests = max(0.0, requests + random.uniform(-300, 330))
                came = Came(180.0, requests, random.uniform(300, 900), random.uniform(80, 300))
                question["traffic"] = {
                    "duration_s": 180.0,
                    "num_req": came.requests,
                    "isl": came.prompt_tokens,
                    "osl": came.output_tokens,
                }
                foreseen = ours.throughput(came)
                wanted = foreseen if wanted is None else wanted
            assert wanted == theirs.ask(**question), f"tick {tick}: {question}"
            decisions.add(wanted)
            expected = expected if wanted is None else min(12, wanted)
            ready = expected if random.random() < 0.3 else ready
    assert len(decisions) > 3, "a comparison in which nothing happens says nothing"
