"""What a request is worth, in requests of the planned kind."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from wharfage_autoscaler.accelerators import ACCELERATORS
from wharfage_autoscaler.capacity import Capacity, capacity
from wharfage_autoscaler.footprint import EngineLimits
from wharfage_autoscaler.objectives import Objectives
from wharfage_autoscaler.shapes import KNOWN
from wharfage_autoscaler.steptime import StepTime, step_time
from wharfage_autoscaler.traffic import Traffic
from wharfage_autoscaler.work import HEADS, work

LLAMA_8B = KNOWN["meta-llama/Llama-3.1-8B-Instruct"].shape
CHAT = Traffic(900, 200)
WANTED = Objectives(ttft_p95_s=2.0, tpot_p95_s=0.05)


def step(accelerator: str = "L40S") -> StepTime:
    return step_time(LLAMA_8B, "", ACCELERATORS[accelerator], 1, EngineLimits(512, 8192))


@given(
    st.builds(Traffic, prompt_tokens=st.floats(50, 4000), output_tokens=st.floats(5, 1500)),
    st.sampled_from(["L40S", "H100"]),
)
@settings(max_examples=40)
def test_a_request_of_the_planned_kind_is_worth_one(traffic: Traffic, accelerator: str) -> None:
    worth = work(step(accelerator), traffic, WANTED)
    assert worth.each(traffic.prompt_tokens, traffic.output_tokens) == pytest.approx(1.0)
    assert worth.each(traffic.prompt_tokens, 2.0 * traffic.output_tokens) >= 1.0
    assert worth.each(2.0 * traffic.prompt_tokens, traffic.output_tokens) >= 1.0


@pytest.mark.parametrize(
    ("lengths", "within"),
    [
        pytest.param({"output_tokens": 400.0}, 0.1, id="answers twice as long"),
        pytest.param({"output_tokens": 100.0}, 0.1, id="answers half as long"),
        pytest.param({"prompt_tokens": 1800.0}, 0.1, id="prompts twice as long"),
        pytest.param({"prompt_tokens": 450.0}, 0.1, id="prompts half as long"),
        pytest.param({"prompt_tokens": 1800.0, "output_tokens": 400.0}, 0.1, id="both twice as long"),
        pytest.param({"prompt_tokens": 450.0, "output_tokens": 100.0}, 0.1, id="both half as long"),
    ],
)
def test_requests_of_other_lengths_are_worth_about_what_the_capacity_model_says(
    lengths: dict[str, float], within: float
) -> None:
    other = replace(CHAT, **lengths)
    planned, changed = (capacity(step(), each, WANTED) for each in (CHAT, other))
    assert isinstance(planned, Capacity)
    assert isinstance(changed, Capacity)
    found = work(step(), CHAT, WANTED).each(other.prompt_tokens, other.output_tokens)
    assert found == pytest.approx(planned.requests_per_second / changed.requests_per_second, rel=within)
    assert (found > 1.0) == (changed.requests_per_second < planned.requests_per_second)


def test_where_the_planned_lengths_are_out_of_reach_every_request_counts_as_one() -> None:
    assert work(step(), CHAT, Objectives(ttft_p95_s=0.001, tpot_p95_s=0.0001)) == HEADS
    assert HEADS.each(1e6, 1e6) == 1.0


def test_the_farther_from_the_planned_lengths_the_less_is_the_worth_believed() -> None:
    worth = work(step(), CHAT, WANTED)
    near, far, as_far = (worth.error(900, tokens) for tokens in (200, 400, 100))
    assert near == worth.error(900, 200) < far
    assert far == pytest.approx(as_far)
    assert worth.error(900, 0.0) > far  # nothing was answered: still a number
