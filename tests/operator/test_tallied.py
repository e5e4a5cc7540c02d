"""What engines have counted, out of the answer of a Prometheus."""

from typing import Any

import pytest
from wharfage_autoscaler.counting import Counters
from wharfage_operator.readings import PROMPT_TOKENS
from wharfage_operator.tallied import counters, tallied

from tests.operator.objects import replica

PODS = (replica("a", "10.0.0.1"), replica("b", "fd00::2"))
COUNTED = {
    "vllm:request_success_total": "3",
    "vllm:generation_tokens_total": "220",
    "vllm:prefix_cache_hits_total": "90",
}


def answer(*, without: str = "", prompt_tokens: str = "900", **labels: str) -> list[dict[str, Any]]:
    told = {"namespace": "shop", "job": "engines", **labels}
    figures = {name: value for name, value in {**COUNTED, PROMPT_TOKENS[0]: prompt_tokens}.items() if name != without}
    return [{"metric": {"__name__": name, **told}, "value": [0, value]} for name, value in figures.items()]


def found(*answers: list[dict[str, Any]]) -> dict[str, Counters]:
    return counters(tallied({"data": {"result": [row for each in answers for row in each]}}), PODS)


@pytest.mark.parametrize(
    ("labels", "name"),
    [
        pytest.param({"pod": "a"}, "uid-a/0", id="by its name"),
        pytest.param({"instance": "10.0.0.1:8000"}, "uid-a/0", id="by its address"),
        pytest.param(
            {"instance": "[fd00::2]:8000", "engine": "3"}, "uid-b/3", id="by an address of IPv6, an engine of several"
        ),
    ],
)
def test_an_engine_is_known_by_its_pod(labels: dict[str, str], name: str) -> None:
    assert found(answer(**labels)) == {name: Counters(3.0, 900.0, 90.0, 220.0)}


def test_what_is_no_pod_of_that_namespace_or_lacks_a_counter_is_nothing() -> None:
    assert found(answer(pod="gone"), answer(pod="a", namespace="bank"), answer(instance="10.0.0.9:8000")) == {}
    assert found(answer(pod="a", without="vllm:generation_tokens_total")) == {}
    assert found(answer(pod="a", without="vllm:request_success_total"))["uid-a/0"].requests == 0.0


def test_of_two_jobs_that_scrape_a_pod_one_is_believed_and_not_their_sum() -> None:
    twice = [answer(pod="a", job=job) for job in ("engines", "more")]
    assert found(*twice) == found(*reversed(twice)) == found(twice[0])


@pytest.mark.parametrize(
    "body",
    [
        pytest.param({"data": {}}, id="no result"),
        pytest.param([], id="no object"),
        pytest.param({"data": {"result": [{"metric": {}, "value": [0, "1"]}]}}, id="no name"),
        pytest.param({"data": {"result": answer(pod="a", prompt_tokens="x")}}, id="no number"),
    ],
)
def test_what_prometheus_does_not_say_is_refused(body: Any) -> None:
    with pytest.raises(ValueError, match="does not answer as Prometheus does"):
        tallied(body)
