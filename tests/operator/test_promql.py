"""What answers of a Prometheus mean: absent is not zero, two jobs are not twice the load, half of the pods too few."""

from typing import Any

import pytest
from wharfage_autoscaler.objectives import Objectives
from wharfage_operator.kinds import Key
from wharfage_operator.promql import NEEDED, SLOW, Answer, answered, load, questions, stint, told
from wharfage_operator.stints import observation

from tests.operator.closed_loop import model_step

LABEL = "wharfage_dev_llmdeployment"
KEY: Key = ("shop", "chat")
OBJECTIVES = Objectives(ttft_p95_s=2.5, tpot_p95_s=0.1)
FIGURES = {
    "pods": 2.0,
    "begun_15s": 5.0,
    "begun_1m": 4.0,
    "begun_5m": 3.0,
    "queued_15s": 1.0,
    "queued_1m": 0.5,
    "queued_5m": -0.5,
    "refused_1m": 0.5,
    "finished": 3.5,
    "prompt": 400.0,
    "output": 80.0,
    "running": 12.0,
    "waiting": 7.0,
    "deferred": 2.0,
    "kv": 0.5,
}


def answers(figures: dict[str, float], *, job: str = "shop/chat") -> dict[str, Answer]:
    return {figure: {KEY: {job: [("", value)]}} for figure, value in figures.items()}


def buckets(total: float, within: float) -> list[tuple[str, float]]:
    return [("+Inf", total), ("2.5", within), ("0.1", within)]


def body(*rows: tuple[dict[str, str], str]) -> Any:
    result = [{"metric": metric, "value": [1.79e9, value]} for metric, value in rows]
    return {"status": "success", "data": {"resultType": "vector", "result": result}}


def test_figures_become_a_load() -> None:
    seen = load(told(answers(FIGURES), KEY), 2, OBJECTIVES)
    assert seen is not None
    assert (seen.requests_per_second_15s, seen.requests_per_second, seen.requests_per_second_5m) == (6.0, 5.0, 2.5)
    assert (seen.prompt_tokens_per_second, seen.output_tokens_per_second) == (400.0, 80.0)
    assert (seen.running, seen.waiting, seen.kv_used) == (12.0, 5.0, 0.5)
    assert seen.requests_finished_per_second == 3.5
    assert (seen.ttft_p95_s, seen.bad_share_1m, seen.bad_share_5m, seen.bad_share_30m) == (None, None, None, None)


@pytest.mark.parametrize("figure", sorted(NEEDED))
def test_without_a_figure_that_is_needed_nothing_is_known(figure: str) -> None:
    without = {name: value for name, value in FIGURES.items() if name != figure}
    assert load(told(answers(without), KEY), 2, OBJECTIVES) is None


def test_what_is_missing_beyond_those_is_not_zero() -> None:
    few = {name: FIGURES[name] for name in NEEDED}
    seen = load(told(answers(few), KEY), 2, OBJECTIVES)
    assert seen is not None
    assert (seen.requests_per_second_15s, seen.requests_per_second_5m, seen.kv_used) == (None, None, None)
    assert seen.requests_finished_per_second is None


BUSY = {**FIGURES, "least": 3.0, "cached": 100.0, "steps": 20.0, "gaps": 76.0, "gaps_s": 7.6}
"""Two pods of ten steps a second, each of which is a tenth of a second by its gaps as well."""


def test_a_minute_of_all_pods_is_that_of_the_mean_one() -> None:
    found = stint(told(answers(BUSY), KEY), end_s=100.0)
    assert found is not None
    assert (found.begin_s, found.end_s, found.running) == (40.0, 100.0, 6.0)
    seen = observation(found, model_step())
    assert seen is not None
    assert (seen.seconds_per_step, seen.decoding) == pytest.approx((0.1, 3.8))
    assert (seen.prefill_tokens, seen.prompt_tokens) == pytest.approx((15.0, 75.0))


@pytest.mark.parametrize(
    ("figures", "busy"),
    [
        pytest.param(BUSY, True, id="something ran on all of them all the time"),
        pytest.param({**BUSY, "least": 0.0}, False, id="one of them was idle"),
        pytest.param({name: value for name, value in BUSY.items() if name != "least"}, False, id="nobody knows"),
    ],
)
def test_a_minute_says_whether_a_pod_may_have_been_idle(figures: dict[str, float], busy: bool) -> None:
    found = stint(told(answers(figures), KEY), end_s=100.0)
    assert found is not None
    assert found.busy is busy


def test_there_is_no_minute_of_nobody_knows_how_many_pods() -> None:
    without = {name: value for name, value in BUSY.items() if name != "pods"}
    assert stint(told(answers(without), KEY), end_s=100.0) is None


def test_a_minute_without_steps_and_gaps_teaches_nothing() -> None:
    found = stint(told(answers({**FIGURES, "least": 3.0, "cached": 100.0}), KEY), end_s=100.0)
    assert found is not None
    assert observation(found, model_step()) is None


@pytest.mark.parametrize(
    ("ready", "expected"),
    [
        pytest.param(2, 5.0, id="all pods are told of"),
        pytest.param(1, 5.0, id="one of them is on its way out"),
        pytest.param(3, 7.5, id="one is not: it does what the others do"),
        pytest.param(4, None, id="half of them are not"),
        pytest.param(0, None, id="none serves"),
    ],
)
def test_how_many_pods_must_be_told_of(ready: int, expected: float | None) -> None:
    seen = load(told(answers(FIGURES), KEY), ready, OBJECTIVES)
    assert (seen.requests_per_second if seen else None) == expected


def test_a_deployment_that_nobody_tells_of_has_no_load() -> None:
    assert told(answers(FIGURES), ("shop", "other")) is None
    assert load(None, 2, OBJECTIVES) is None


def test_of_two_jobs_that_scrape_the_same_pods_one_is_believed() -> None:
    once, twice = answers(FIGURES), answers({**FIGURES, "pods": 1.0, "begun_1m": 99.0}, job="annotations")
    both = {figure: {KEY: {**once[figure][KEY], **twice[figure][KEY]}} for figure in FIGURES}
    seen = told(both, KEY)
    assert seen is not None
    assert seen.values["begun_1m"] == 4.0


def test_shares_come_from_buckets_and_buckets_that_fall_a_little_are_levelled() -> None:
    figures = answers(FIGURES)
    figures["ttft_1m"] = {KEY: {"shop/chat": buckets(100.0, 90.0)}}
    figures["tpot_5m"] = {KEY: {"shop/chat": [("0.05", 60.01), ("0.1", 60.0), ("+Inf", 100.0)]}}
    figures["ttft_30m"] = {KEY: {"shop/chat": buckets(4.0, 0.0)}}
    seen = load(told(figures, KEY), 2, OBJECTIVES)
    assert seen is not None
    assert seen.bad_share_1m == pytest.approx(0.1)
    assert seen.bad_share_5m == pytest.approx(0.4, abs=0.001)
    assert seen.bad_share_30m is None  # four requests say nothing
    assert seen.ttft_p95_s == 2.5


def test_answers_are_sorted_by_deployment_and_job_and_what_is_no_number_is_nothing() -> None:
    own = {"namespace": "shop", LABEL: "chat", "job": "a"}
    seen = answered(body((own, "1.5"), ({**own, "job": "b"}, "NaN"), ({**own, "le": "0.5"}, "+Inf")), LABEL)
    assert {key: dict(jobs) for key, jobs in seen.items()} == {KEY: {"a": [("", 1.5)]}}


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param([], id="a list"),
        pytest.param({"data": {}}, id="no result"),
        pytest.param({"data": {"result": [{"metric": {}}]}}, id="no value"),
        pytest.param(body(({LABEL: "chat"}, "1")), id="no namespace"),
        pytest.param(body(({"namespace": "shop", LABEL: "chat"}, "much")), id="a word"),
        pytest.param({"data": {"result": 7}}, id="a number for rows"),
    ],
)
def test_what_prometheus_does_not_say_is_refused(answer: Any) -> None:
    with pytest.raises(ValueError, match="does not answer as Prometheus does"):
        answered(answer, LABEL)


def test_every_question_chooses_ours_and_groups_by_deployment() -> None:
    asked = questions("own")
    assert asked.keys() >= NEEDED | SLOW
    assert all('{own!=""' in query and "by(namespace,own,job" in query for query in asked.values())
