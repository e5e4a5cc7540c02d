"""A purse says when its budget would not last."""

import pytest
from wharfage_autoscaler.purse import Budget, Purse

HOUR_S = 3600.0
STAGES = [
    pytest.param(10.0, [1.0] * 8, [False] * 8, id="a budget that lasts"),
    pytest.param(
        10.0, [1.0] * 2 + [4.0] * 6, [False, False, True, True, True, True, True, True], id="one that does not"
    ),
    pytest.param(
        100.0, [14.0, 14.0, 9.0, 9.0, 9.0, 9.0, 9.0, 9.0], [True, True] + [False] * 6, id="one that lasts again"
    ),
    pytest.param(10.0, [1.3, 1.18, 1.21, 1.2], [True, True, True, True], id="it does not flap"),
]


@pytest.mark.parametrize("begins_s", [0.0, 1_790_000_000.0], ids=["since a replay began", "since a Unix time"])
@pytest.mark.parametrize(("usd", "hourly", "stages"), STAGES)
def test_it_prefers_what_is_cheaper_while_the_period_would_cost_too_much(
    usd: float, hourly: list[float], stages: list[bool], begins_s: float
) -> None:
    budget = Budget(usd=usd, period_s=8 * HOUR_S, begins_s=begins_s)
    purse, found = Purse(), []
    for hour, usd_per_hour in enumerate(hourly):
        purse = purse.spent(budget, usd_per_hour, begins_s + HOUR_S * (hour + 1))
        found.append(purse.prefers_cheaper)
    assert found == stages
    assert purse.spent_usd == pytest.approx(sum(hourly))


def test_one_that_a_ledger_has_filled_accounts_for_no_more_than_the_time_since() -> None:
    purse = Purse(spent_usd=5.0, at_s=4 * HOUR_S).spent(Budget(usd=100.0, period_s=8 * HOUR_S), 2.0, 5 * HOUR_S)
    assert purse.spent_usd == pytest.approx(7.0)
