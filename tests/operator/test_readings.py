"""Pages of engines as numbers, old names and new; what is missing is never zero."""

import math
from pathlib import Path

import pytest
from wharfage_operator.readings import Reading, reading

from tests.operator.pages import RELEASES, page

REAL = Path(__file__).resolve().parent / "captured" / "vllm-0.32.0.txt"

AT_QUARTER = 'le="0.25",model_name="chat"}'


def read(text: str) -> Reading:
    seen = reading(text, at_s=7.0)
    assert seen is not None
    return seen


@pytest.mark.parametrize("release", RELEASES)
def test_reads_the_names_of_old_and_new_engines(release: str) -> None:
    seen = read(page(release=release, first_tokens={0.3: 8, 3.0: 2}, further_tokens={0.04: 10}))
    (engine,) = seen.engines.values()
    assert (seen.at_s, engine.finished, engine.prompt_tokens, engine.output_tokens) == (7.0, 10.0, 1000.0, 500.0)
    assert (seen.running, seen.waiting, seen.kv_used) == (3.0, 1.0, 0.25)
    assert (engine.ttft.within(0.5), engine.ttft.total) == (8.0, 10.0)
    assert (engine.tpot.within(0.05), engine.tpot.total) == (10.0, 10.0)


def test_reads_a_page_of_a_real_engine() -> None:
    """vLLM 0.32.0 on a CPU after 24 completions of 16 tokens, one of which its client left after the first token."""
    seen = read(REAL.read_text(encoding="utf-8"))
    (engine,) = seen.engines.values()
    assert list(seen.engines) == ["0"]
    assert (engine.finished, engine.tpot.total, engine.ttft.total, engine.arrived) == (24.0, 24.0, 25.0, 25.0)
    assert (engine.prompt_tokens, engine.output_tokens) == (125.0, 416.0)
    assert (seen.running, seen.waiting, engine.deferred, seen.refused) == (0.0, 0.0, 0.0, 0.0)
    assert seen.kv_used is not None
    assert (0.1 in engine.ttft.edges, 0.1 in engine.tpot.edges, 1.0 in engine.ttft.edges) == (True, True, True)
    assert (engine.steps, engine.gaps, engine.cached_tokens, engine.kv_tokens) == (418.0, 391.0, 0.0, 8192.0)
    assert engine.gaps_s == pytest.approx(0.975, abs=0.001)


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        pytest.param('block_size="16",kv_cache_size_tokens="8192",num_gpu_blocks="9"', 8192.0, id="told in tokens"),
        pytest.param('block_size="16",num_gpu_blocks="100"', 1600.0, id="told in blocks"),
        pytest.param('block_size="16",num_gpu_blocks="None"', None, id="blocks that are no number"),
        pytest.param('kv_cache_size_tokens="0"', None, id="nothing"),
        pytest.param("", None, id="not told"),
    ],
)
def test_the_size_of_the_cache_is_read_from_its_labels(config: str, expected: float | None) -> None:
    (engine,) = read(page(config=config)).engines.values()
    assert engine.kv_tokens == expected


def test_what_caches_of_other_engines_held_is_told_by_the_name_that_counts_both() -> None:
    both = page(cached=7.0) + 'vllm:prompt_tokens_cached_total{engine="0",model_name="chat"} 9.0\n'
    assert [one.cached_tokens for text in (page(cached=7.0), both) for one in read(text).engines.values()] == [7.0, 9.0]


def test_what_an_engine_does_not_count_is_not_zero() -> None:
    (engine,) = read(page()).engines.values()
    assert (engine.steps, engine.gaps, engine.gaps_s, engine.cached_tokens) == (None, None, None, None)


def test_several_engines_of_a_pod_are_told_apart_and_added_up() -> None:
    seen = read(page(engines=("0", "1"), kv_used=0.5))
    assert list(seen.engines) == ["0", "1"]
    assert (seen.running, seen.waiting, seen.kv_used) == (6.0, 2.0, 0.5)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="an empty page"),
        pytest.param("<html>404</html>", id="a page of something else"),
        pytest.param(page().replace("vllm:num_requests_running", "vllm:something_else"), id="no gauge"),
        pytest.param(page().replace(" 500.0", " NaN"), id="not a number"),
        pytest.param(page().replace(" 500.0", " +Inf"), id="infinite"),
        pytest.param(page().replace(" 500.0", " -1"), id="negative"),
        pytest.param(page().replace(" 500.0", " many"), id="a word"),
        pytest.param(page().replace(" 500.0", " "), id="nothing"),
        pytest.param(page(engines=("0", "1")).replace('s_total{engine="1"', "_"), id="half of one engine"),
        pytest.param(
            page().replace(f"{AT_QUARTER} 10.0", f"{AT_QUARTER} 3.0"), id="a bucket with fewer than the one before"
        ),
        pytest.param(page().replace('le="0.25"', 'le="soon"'), id="an edge that is a word"),
        pytest.param("vllm:num_requests_running 1\n" * 5001 + page(), id="without end"),
    ],
)
def test_a_page_without_all_its_figures_is_no_reading(text: str) -> None:
    assert reading(text, at_s=0.0) is None


def test_an_engine_that_has_finished_no_request_yet_has_finished_none() -> None:
    seen = read(page(finished=0.0))
    assert seen.engines["0"].finished == 0


def test_requests_that_wait_for_an_adapter_are_demand_and_no_backlog() -> None:
    seen = read(page(waiting=5.0, deferred=2.0))
    assert seen.waiting == 3.0
    assert seen.engines["0"].arrived == 10.0 + 5.0


def test_a_client_that_left_counts_as_having_come() -> None:
    assert read(page(finished=7.0, waiting=2.0, first_tokens={0.1: 9})).engines["0"].arrived == 9 + 2


def test_without_first_tokens_those_that_run_have_come() -> None:
    lines = [line for line in page().splitlines() if "first_token" not in line]
    assert read("\n".join(lines)).engines["0"].arrived == 10 + 3 + 1


def test_what_a_server_refused_is_added_up() -> None:
    assert read(page(refused=4.0)).refused == 4.0
    assert read(page()).refused == 0.0


@pytest.mark.parametrize("share", [1.5, 47.0])
def test_a_cache_that_is_more_than_full_is_not_known(share: float) -> None:
    assert read(page(kv_used=share)).kv_used is None


def test_names_that_begin_alike_are_others() -> None:
    text = page() + 'vllm:num_requests_running_by_reason{engine="0"} 99\nvllm:prompt_tokens_total_of_others 99\n'
    assert read(text).running == 3.0
    assert read(text).engines["0"].prompt_tokens == 1000.0


def test_a_model_may_be_called_as_it_likes() -> None:
    seen = read(page().replace('model_name="chat"', 'model_name="a} le=\\"9\\" {b"'))
    assert seen.running == 3.0
    assert math.isinf(seen.engines["0"].ttft.edges[-1])
