"""Pages of engines as numbers, old names and new; what is missing is never zero."""

import math

import pytest
from wharfage_operator.readings import Reading, load, quantile, reading

PAGE = """# HELP vllm:num_requests_running Number of requests.
# TYPE vllm:num_requests_running gauge
vllm:num_requests_running{engine="0",model_name="chat"} 3.0
vllm:num_requests_waiting{engine="0",model_name="chat"} 1.0
vllm:prompt_tokens_total{engine="0",model_name="chat"} 1000.0
vllm:generation_tokens_total{engine="0",model_name="chat"} 500.0
vllm:request_success_total{finished_reason="stop",model_name="chat"} 9.0
vllm:request_success_total{finished_reason="length",model_name="chat"} 1.0
vllm:time_to_first_token_seconds_bucket{le="0.5",model_name="chat"} 8.0
vllm:time_to_first_token_seconds_bucket{le="+Inf",model_name="chat"} 10.0
vllm:NAME_bucket{le="0.05",model_name="chat"} 10.0
vllm:NAME_bucket{le="+Inf",model_name="chat"} 10.0
python_gc_objects_collected_total{generation="0"} 77
"""


def page(name: str = "request_time_per_output_token_seconds") -> str:
    return PAGE.replace("NAME", name)


def at(seconds: float, *, requests: float, output: float = 0.0) -> Reading:
    buckets = {0.5: requests, math.inf: requests}
    return Reading(seconds, requests, 10 * requests, output, 1.0, 0.0, buckets, buckets)


@pytest.mark.parametrize("name", ["request_time_per_output_token_seconds", "time_per_output_token_seconds"])
def test_reads_the_names_of_old_and_new_engines(name: str) -> None:
    seen = reading(page(name), at_s=7.0)
    assert seen is not None
    assert (seen.at_s, seen.requests, seen.running, seen.waiting) == (7.0, 10.0, 3.0, 1.0)
    assert seen.ttft == {0.5: 8.0, math.inf: 10.0}
    assert seen.tpot == {0.05: 10.0, math.inf: 10.0}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "<html>404</html>",
        page().replace("vllm:num_requests_running", "vllm:something_else"),
        page().replace(" 500.0", " NaN"),
        page().replace(" 500.0", " +Inf"),
        page().replace(" 500.0", " -1"),
        page().replace(" 500.0", " many"),
    ],
    ids=["an empty page", "a page of something else", "no gauge", "not a number", "infinite", "negative", "a word"],
)
def test_a_page_without_all_its_figures_is_no_reading(text: str) -> None:
    assert reading(text, at_s=0.0) is None


def test_an_engine_that_has_finished_no_request_yet_has_finished_none() -> None:
    lines = [line for line in page().splitlines() if "request_success" not in line]
    seen = reading("\n".join(lines), at_s=0.0)
    assert seen is not None
    assert seen.requests == 0


def test_rates_add_up_over_pods() -> None:
    pods = [[at(0, requests=0), at(60, requests=120, output=600)], [at(0, requests=0), at(60, requests=60, output=600)]]
    seen = load(pods, now_s=61, window_s=60, stale_s=30)
    assert seen is not None
    assert seen.requests_per_second == pytest.approx(3.0)
    assert seen.output_tokens_per_second == pytest.approx(20.0)
    assert seen.running == 2
    assert seen.ttft_p95_s == pytest.approx(0.475)


def test_a_restarted_engine_counts_from_zero_again() -> None:
    seen = load([[at(0, requests=1000), at(60, requests=30)]], now_s=60, window_s=60, stale_s=30)
    assert seen is not None
    assert seen.requests_per_second == pytest.approx(0.5)


@pytest.mark.parametrize(
    "pods",
    [
        [],
        [[at(60, requests=5)]],
        [[at(0, requests=0), at(60, requests=6)], []],
        [[at(-500, requests=0), at(-440, requests=6)]],
    ],
    ids=["no pod", "one reading", "a pod that was never read", "readings of long ago"],
)
def test_missing_data_is_no_load(pods: list[list[Reading]]) -> None:
    assert load(pods, now_s=60, window_s=60, stale_s=30) is None


def test_idle_is_zero_and_has_no_latency() -> None:
    seen = load([[at(0, requests=7), at(60, requests=7)]], now_s=60, window_s=60, stale_s=30)
    assert seen is not None
    assert seen.requests_per_second == 0
    assert seen.ttft_p95_s is None


def test_a_quantile_beyond_the_last_edge_is_that_edge() -> None:
    assert quantile({0.5: 1.0, 1.0: 2.0, math.inf: 100.0}, 0.95) == 1.0
    assert quantile({}, 0.95) is None
