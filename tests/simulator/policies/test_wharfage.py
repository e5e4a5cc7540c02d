"""Ours: what it writes down of what it sees."""

import math
from dataclasses import replace

import numpy as np
import pytest
from wharfage_autoscaler.model import Variant
from wharfage_simulator.policies.wharfage import LEAST_TUNED_ON_S, Asked, Wharfage

from tests.builders import QWEN3_8B
from tests.sights import pool
from tests.simulator.policies.views import seen

ASKED = Asked(variant=Variant("bf16", 1.0, "", "hf://Qwen/Qwen3-8B", QWEN3_8B))

OUTCOMES = [
    pytest.param((0.0, 0.2), [(0.5, False), (0.5, True)], id="how full it was and whether it was bad"),
    pytest.param((math.nan, 0.05), [(0.5, False)], id="nothing where nobody measured"),
]


@pytest.mark.parametrize(("shares", "written"), OUTCOMES)
def test_of_every_minute_is_written_down(shares: tuple[float, float], written: list[tuple[float, bool]]) -> None:
    policy = Wharfage(ASKED, np.zeros(0))
    for tick in range(8):
        view = seen(
            pool(ready=4, good_rps=2.0),
            now_s=15.0 * (tick + 1),
            rps=4.0,
            prompt_tokens_per_s=2400.0,
            output_tokens_per_s=800.0,
        )
        policy.target(replace(view, bad_1m=shares[tick // 4]))
    assert policy.minutes == written


def test_the_law_is_tuned_as_soon_as_a_quarter_of_a_day_is_known() -> None:
    policy = Wharfage(ASKED, np.full(round(LEAST_TUNED_ON_S / 15.0) - 2, 60.0))
    tuned = []
    for at_s in (15.0, 30.0):
        policy.target(seen(pool(ready=4, good_rps=2.0), now_s=at_s, rps=4.0))
        tuned.append(policy.experience.tuned_s)
    assert tuned == [-math.inf, 30.0]


def test_many_small_machines_are_not_replaced_by_as_many_large_ones() -> None:
    small = pool("g5.xlarge", accelerator="L4", ready=60, good_rps=0.2)
    large = pool("g6e.xlarge", accelerator="L40S", usd_per_hour=2.0, good_rps=8.0)
    policy = Wharfage(ASKED, np.zeros(0))
    most = 0
    for tick in range(240):
        at_s = 15.0 * (tick + 1)
        view = seen(small, large, now_s=at_s, rps=6.0, prompt_tokens_per_s=3600.0, output_tokens_per_s=1200.0)
        target = policy.target(view)
        most = max(most, target.get(large.key, 0))
        small, large = (replace(each, ready=target.get(each.key, 0)) for each in (small, large))
    assert 0 < most <= 4
    assert small.ready == 0
