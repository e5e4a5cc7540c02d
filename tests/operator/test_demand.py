"""What gateways tell, over values: rates, who waits, when somebody last asked."""

import math
from typing import Any

import pytest
from wharfage_autoscaler.load import Load
from wharfage_autoscaler.spend import Used
from wharfage_autoscaler.usage import Usage
from wharfage_operator.demand import Course, Told, answered, joined, longer, tallied, wished_s

WINDOW_S = 60.0
ENGINES = Load(60.0, 2.0, 200.0, 100.0, running=4.0, waiting=1.0, requests_per_second_15s=2.0)


def course(*arrivals: float, every_s: float = 5.0, **last: float) -> Course:
    """One gateway that counted so many, a look every few seconds."""
    told: Course = ()
    for n, total in enumerate(arrivals):
        also = last if n == len(arrivals) - 1 else {}
        told = longer(told, Told(n * every_s, total, 100.0 * total, 10.0 * total, **also), window_s=WINDOW_S)
    return told


def row(**fields: Any) -> dict[str, Any]:
    zero = dict.fromkeys(("arrivals", "admitted", "refused", "waiting", "running", "prompt_tokens", "output_tokens"), 0)
    return {**zero, "last_arrival_s": None, **fields}


def test_an_answer_tells_of_each_deployment_and_of_its_own_version() -> None:
    version, told = answered(
        {"version": 7, "at": 1.0, "models": {"chat": row(arrivals=3, waiting=1, last_arrival_s=99.5), "idle": row()}},
        at_s=12.0,
    )
    assert version == 7
    assert told["chat"] == Told(12.0, arrivals=3.0, waiting=1.0, last_arrival_s=99.5)
    assert told["idle"].last_arrival_s == -math.inf


def test_tenants_are_told_of_each_deployment_and_of_an_older_gateway_none_are() -> None:
    models = {"chat": row(tenants={"ann": [1, 20, 3], "": [0, 0, 0]}), "idle": row(tenants={})}
    found = tallied({"version": 7, "began": 90.5, "models": models}, "shop")
    uses = {("chat", "ann"): Used(1.0, 20.0, 3.0), ("chat", ""): Used()}
    assert found == Usage("shop", 90.5, -math.inf, uses)
    assert tallied({"version": 7, "models": {"chat": row()}}, "shop") is None


@pytest.mark.parametrize(
    "models",
    [
        pytest.param({"chat": row()}, id="no tenants"),
        pytest.param({"chat": row(tenants=[1])}, id="a list of tenants"),
        pytest.param({"chat": row(tenants={"ann": [1, 2]})}, id="a figure too few"),
        pytest.param({"chat": row(tenants={"ann": [1, 2, -3]})}, id="fewer than none"),
        pytest.param({"chat": row(tenants={"ann": [1, 2, "x"]})}, id="no number"),
    ],
)
def test_what_no_gateway_says_of_tenants_is_refused(models: Any) -> None:
    with pytest.raises(ValueError, match=r".+"):
        tallied({"version": 1, "began": 1.0, "models": models}, "shop")


@pytest.mark.parametrize(
    "body",
    [
        pytest.param([], id="no object"),
        pytest.param({"version": 1}, id="nothing of deployments"),
        pytest.param({"version": 1, "models": {"chat": {}}}, id="a deployment without figures"),
        pytest.param({"version": 1, "models": {"chat": row(arrivals=-1)}}, id="fewer than none"),
        pytest.param({"version": 1, "models": {"chat": row(waiting=float("nan"))}}, id="no number"),
        pytest.param({"version": "x", "models": {}}, id="a version that is none"),
    ],
)
def test_what_no_gateway_says_is_refused(body: Any) -> None:
    with pytest.raises(ValueError, match=r".+"):
        answered(body, at_s=0.0)


def test_without_gateways_the_load_is_the_engines_and_without_engines_the_gateways() -> None:
    assert joined(ENGINES, [], window_s=WINDOW_S) is ENGINES
    assert joined(None, [], window_s=WINDOW_S) is None
    told = joined(None, [course(0, 10, 20, 30), course(0, 5, 10, 15)], window_s=WINDOW_S)
    assert told is not None
    assert told.requests_per_second == pytest.approx(3.0)
    assert told.prompt_tokens_per_second == pytest.approx(300.0)
    assert told.output_tokens_per_second == pytest.approx(30.0)


def test_those_who_wait_at_a_gateway_are_waited_for_and_rates_are_the_larger_of_the_two() -> None:
    told = joined(ENGINES, [course(0, 50, 100, waiting=7)], window_s=WINDOW_S)
    assert told is not None
    assert told.waiting == 8.0
    assert told.requests_per_second == told.requests_per_second_15s == 10.0
    assert (told.running, told.output_tokens_per_second) == (4.0, 100.0)


def test_a_burst_shows_in_the_short_window_first() -> None:
    told = joined(None, [course(*[0] * 12, 0, 40, 80, 120)], window_s=WINDOW_S)
    assert told is not None
    assert told.requests_per_second_15s == pytest.approx(8.0)
    assert told.requests_per_second == pytest.approx(2.0)


def test_a_gateway_that_started_anew_loses_no_rate_below_zero() -> None:
    told = joined(None, [course(1000, 1010, 3, 13)], window_s=WINDOW_S)
    assert told is not None
    assert told.requests_per_second == pytest.approx(2.0)


def test_looks_that_no_window_reaches_are_let_go() -> None:
    assert len(course(*range(200))) < 80


@pytest.mark.parametrize(
    ("courses", "at"),
    [
        pytest.param([], -math.inf, id="no gateway"),
        pytest.param([course(0)], -math.inf, id="nobody ever came"),
        pytest.param([course(1, last_arrival_s=40.0), course(1, last_arrival_s=70.0)], 70.0, id="the last of two"),
        pytest.param([course(1, last_arrival_s=40.0, waiting=1)], 100.0, id="somebody waits"),
        pytest.param([course(1, last_arrival_s=9e9)], 100.0, id="a clock that is ahead"),
    ],
)
def test_it_was_last_wished_for_when(courses: list[Course], at: float) -> None:
    assert wished_s(courses, now_s=100.0) == at
