"""llm-d's SLO-aware law. Objectives here: TTFT 2 s, TPOT 50 ms."""

import math

import pytest
from wharfage_simulator.policies.llmd import SloAware
from wharfage_simulator.policy import Seen

from tests.sights import pool
from tests.simulator.policies.views import KEY, counts, seen


def steady(saturation: float, *, ready: int = 10, starting: int = 0, ticks: int = 4) -> list[Seen]:
    return [
        seen(pool(ready=ready, starting=starting), now_s=15.0 * tick, ttft_p90_s=2.0 * saturation, tpot_p90_s=0.001)
        for tick in range(ticks)
    ]


@pytest.mark.parametrize(
    ("saturation", "ready", "starting", "count"),
    [
        pytest.param(0.5, 10, 0, 10, id="within the band nothing moves"),
        pytest.param(0.66, 10, 0, 12, id="a fifth above: a fifth more"),
        pytest.param(0.56, 20, 0, 20, id="one more than twenty is within the HPA's tolerance"),
        pytest.param(0.56, 4, 0, 5, id="one more than four is not"),
        pytest.param(9.0, 10, 0, 20, id="clamped at twice the objective, and by the limit of 100 %"),
        pytest.param(1.1, 5, 5, 10, id="what warms up is credited: half of twice is enough"),
        pytest.param(2.0, 5, 5, 19, id="beyond it, more: 10 x (2 x .5 / .55)"),
    ],
)
def test_saturation_gives_the_count(saturation: float, ready: int, starting: int, count: int) -> None:
    assert counts(SloAware(KEY), steady(saturation, ready=ready, starting=starting))[-1] == count


def test_the_worse_of_the_two_latencies_counts() -> None:
    views = [seen(pool(ready=10), now_s=15.0 * t, ttft_p90_s=0.1, tpot_p90_s=0.0330) for t in range(4)]
    assert counts(SloAware(KEY), views)[-1] == 12
    assert counts(SloAware(KEY, tpot_s=0.1), views)[-1] == 10, "of a laxer objective a smaller part"


def test_it_rises_after_thirty_seconds_and_falls_by_one_in_two_minutes_after_three() -> None:
    assert counts(SloAware(KEY), steady(0.66)) == [10, 10, 12, 12]
    course = counts(SloAware(KEY), steady(0.2, ticks=30))
    assert course[:12] == [10] * 12
    assert course[12:20] == [9] * 8
    assert course[20:28] == [8] * 8


def test_spikes_are_averaged_over_45_s() -> None:
    spike = seen(pool(ready=10), now_s=45.0, ttft_p90_s=40.0, tpot_p90_s=0.001)
    after = [seen(pool(ready=10), now_s=45.0 + 15 * t, ttft_p90_s=0.9, tpot_p90_s=0.001) for t in range(1, 6)]
    views = [*steady(0.45, ticks=3), spike, *after]
    course = counts(SloAware(KEY), views)
    assert max(course) == 18, "(2 + .45 + .45) / 3 is .97 of the objective: 10 x .97 / .55"


def test_no_measurement_reads_as_no_traffic() -> None:
    views = [seen(pool(ready=10), now_s=15.0 * tick, ttft_p90_s=math.nan) for tick in range(13)]
    assert counts(SloAware(KEY), views)[-1] == 9


def test_a_band_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="down <= up < clamp"):
        SloAware(KEY, up=0.3, down=0.4)
