"""Buckets of tokens: never more than burst and rate allow, and nothing lost either."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from wharfage_gateway.tokens import Bucket, full, missing_s, portion, refilled, reserved, settled
from wharfage_gateway.view import Throttle

SLOW = Throttle(tokens_per_s=20.0, burst_tokens=200.0)


def test_a_bucket_starts_full_and_refills_at_its_rate_up_to_its_burst() -> None:
    bucket = reserved(full(SLOW, 0.0), SLOW, 200.0, 0.0)
    assert refilled(bucket, SLOW, 5.0).level == 100.0
    assert refilled(bucket, SLOW, 1e6).level == 200.0


def test_what_was_reserved_and_not_used_goes_back() -> None:
    bucket = reserved(full(SLOW, 0.0), SLOW, 150.0, 0.0)
    assert settled(bucket, SLOW, 150.0, 30.0, 0.0).level == 170.0


def test_what_was_used_beyond_the_reserve_is_owed() -> None:
    bucket = settled(reserved(full(SLOW, 0.0), SLOW, 150.0, 0.0), SLOW, 150.0, 300.0, 0.0)
    assert bucket.level == -100.0
    assert missing_s(bucket, SLOW, 20.0, 0.0) == 6.0


@pytest.mark.parametrize(
    ("bucket", "throttle", "tokens", "after_s"),
    [
        pytest.param(Bucket(50.0, 0.0), SLOW, 50.0, 0.0, id="enough"),
        pytest.param(Bucket(50.0, 0.0), SLOW, 60.0, 0.5, id="ten short at twenty a second"),
        pytest.param(Bucket(200.0, 0.0), SLOW, 900.0, 0.0, id="more than a bucket holds is let in by a full one"),
        pytest.param(Bucket(190.0, 0.0), SLOW, 900.0, 0.5, id="and waits for that"),
        pytest.param(Bucket(0.0, 0.0), Throttle(0.0, 10.0), 1.0, math.inf, id="never, where nothing flows"),
    ],
)
def test_who_is_refused_is_told_when_it_will_do(
    bucket: Bucket, throttle: Throttle, tokens: float, after_s: float
) -> None:
    assert missing_s(bucket, throttle, tokens, 0.0) == after_s


def test_a_stage_with_a_smaller_burst_counts_at_once() -> None:
    assert refilled(Bucket(200.0, 0.0), Throttle(1.0, 50.0), 0.0).level == 50.0


def test_gateways_divide_rate_and_burst() -> None:
    part = portion(SLOW, 4)
    assert (part.tokens_per_s, part.burst_tokens) == (5.0, 50.0)


STEPS = st.lists(st.tuples(st.floats(0.0, 5.0), st.floats(1.0, 300.0), st.floats(0.0, 1.0)), max_size=60)


@settings(max_examples=200, deadline=None)
@given(STEPS, st.floats(0.0, 100.0), st.floats(1.0, 500.0))
def test_never_more_than_burst_and_rate_and_one_reserve(
    steps: list[tuple[float, float, float]], rate: float, burst: float
) -> None:
    throttle, now_s, used = Throttle(rate, burst), 0.0, 0.0
    bucket, largest = full(throttle, 0.0), 0.0
    for pause_s, most, share in steps:
        now_s += pause_s
        if missing_s(bucket, throttle, most, now_s) > 0.0:
            continue
        bucket = reserved(bucket, throttle, most, now_s)
        bucket = settled(bucket, throttle, most, most * share, now_s)
        used, largest = used + most * share, max(largest, most)
        assert used <= burst + rate * now_s + largest + 1e-6


@settings(max_examples=200, deadline=None)
@given(STEPS, st.floats(0.1, 100.0), st.floats(1.0, 500.0))
def test_who_comes_again_when_told_is_let_in(
    steps: list[tuple[float, float, float]], rate: float, burst: float
) -> None:
    throttle, now_s = Throttle(rate, burst), 0.0
    bucket = full(throttle, 0.0)
    for pause_s, most, share in steps:
        now_s += pause_s
        now_s += missing_s(bucket, throttle, most, now_s)
        assert missing_s(bucket, throttle, most, now_s + 1e-6) == 0.0
        bucket = settled(reserved(bucket, throttle, most, now_s), throttle, most, most * share, now_s)
