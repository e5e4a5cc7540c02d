"""Why a minute was bad."""

import math

import numpy as np
import pytest
from wharfage_simulator.result import Cause, Course, causes


def course(*, carried: float, ordered: float, lost: tuple[float, ...] = (0, 0, 0), before: float = 0.0) -> Course:
    """Three minutes of ten requests per second, of which the last one is bad."""
    return Course(
        demand_rps=np.array([10.0, 10.0, 10.0]),
        carried_rps=np.array([before, before, carried]),
        ordered_rps=np.array([ordered] * 3),
        usd_per_hour=np.zeros(3),
        usd_per_hour_spot=np.zeros(3),
        bad_share=np.array([0.0, math.nan, 0.06]),
        lost=np.array(lost),
    )


CASES = [
    pytest.param(course(carried=12, ordered=12), Cause.UNEVEN, id="enough for the whole"),
    pytest.param(course(carried=8, ordered=12), Cause.LATE, id="enough was on its way"),
    pytest.param(course(carried=8, ordered=9), Cause.SHORT, id="not even that"),
    pytest.param(course(carried=8, ordered=12, lost=(0, 2, 0), before=12), Cause.LOSS, id="enough before a loss"),
    pytest.param(course(carried=8, ordered=9, lost=(0, 2, 0), before=9), Cause.SHORT, id="too little before it, too"),
]


@pytest.mark.parametrize(("seen", "cause"), CASES)
def test_a_bad_minute_has_one_cause(seen: Course, cause: Cause) -> None:
    found = causes(seen, bad_over=0.05, lead_minutes=5)
    assert {which for which, count in found.items() if count} == {cause}
    assert sum(found.values()) == 1


def test_a_loss_longer_ago_than_the_lead_time_is_no_excuse() -> None:
    seen = course(carried=8, ordered=9, lost=(2, 0, 0), before=12)
    assert causes(seen, bad_over=0.05, lead_minutes=1)[Cause.SHORT] == 1
