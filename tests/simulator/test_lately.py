"""What the requests of late are worth follows what finishes, some minutes behind."""

import math

import pytest
from wharfage_autoscaler.objectives import Objectives
from wharfage_autoscaler.traffic import Traffic
from wharfage_autoscaler.work import Work
from wharfage_simulator.policies.lately import MEMORY_S, Lately
from wharfage_simulator.policy import Seen

BY_ANSWER = Work(0.0, 0.0, 0.01)
"""A request with a hundred tokens of answer is a planned one."""


def seen(now_s: float, *, finished_rps: float, answer_tokens: float) -> Seen:
    return Seen(
        now_s=now_s,
        pools=(),
        finished_rps_1m=finished_rps,
        prompt_tokens_per_s=0.0,
        output_tokens_per_s=finished_rps * answer_tokens,
        objectives=Objectives(),
        traffic=Traffic(100, 100),
    )


def test_a_request_is_worth_one_until_something_has_finished() -> None:
    assert Lately().worth(seen(15.0, finished_rps=math.nan, answer_tokens=500), BY_ANSWER) == 1.0
    assert Lately().worth(seen(15.0, finished_rps=0.0, answer_tokens=500), BY_ANSWER) == 1.0


def test_the_first_look_is_believed_and_later_ones_are_averaged_in() -> None:
    lately = Lately()
    assert lately.worth(seen(15.0, finished_rps=2.0, answer_tokens=100), BY_ANSWER) == pytest.approx(1.0)
    after = lately.worth(seen(15.0 + MEMORY_S, finished_rps=2.0, answer_tokens=300), BY_ANSWER)
    assert after == pytest.approx((1.0 / math.e + 3.0) / (1.0 / math.e + 1.0))


def test_the_more_finishes_the_more_it_counts_and_silence_changes_nothing() -> None:
    lately = Lately()
    lately.worth(seen(0.0, finished_rps=9.0, answer_tokens=100), BY_ANSWER)
    worth = lately.worth(seen(0.0, finished_rps=1.0, answer_tokens=200), BY_ANSWER)
    assert worth == pytest.approx(1.1)
    assert lately.worth(seen(60.0, finished_rps=0.0, answer_tokens=900), BY_ANSWER) == worth
