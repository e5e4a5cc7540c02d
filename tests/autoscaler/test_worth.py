"""What a token of the prompt is worth beside one of the answer, on engines as they are."""

import pytest
from wharfage_autoscaler.objectives import Objectives
from wharfage_autoscaler.steptime import Theta
from wharfage_autoscaler.traffic import Traffic
from wharfage_autoscaler.worth import Weights, weights

from tests.operator.closed_loop import model_step

STEP, CHAT, WANTED = model_step(), Traffic(900, 220), Objectives(4.0, 0.2)


def test_a_token_of_the_answer_takes_longest_and_one_of_the_cache_almost_nothing() -> None:
    found = weights(STEP, CHAT, WANTED)
    assert 0.0 < found.cached < found.prompt < 1.0


def test_a_prompt_alone_is_the_difference_it_makes_to_a_step() -> None:
    """With one sequence, out of reach of any objective: two steps by hand."""
    found = weights(STEP, CHAT, Objectives(1e-6, 1e-6))
    alone, beside = STEP.seconds(1.0, CHAT.resident_tokens), STEP.seconds(1.0, CHAT.resident_tokens, 900.0)
    assert found.prompt == pytest.approx((beside - alone) / 900.0 / alone)


@pytest.mark.parametrize(
    ("theta", "cheaper"),
    [
        pytest.param(Theta(compute=0.5), True, id="it computes faster than the model thinks"),
        pytest.param(Theta(compute=2.0), False, id="it computes more slowly"),
    ],
)
def test_what_engines_taught_moves_what_prompts_are_worth(theta: Theta, cheaper: bool) -> None:
    taught = weights(STEP.scaled(theta), CHAT, WANTED)
    assert (taught.prompt < weights(STEP, CHAT, WANTED).prompt) is cheaper


@pytest.mark.parametrize("value", [-0.1, float("inf"), float("nan")])
def test_a_weight_that_no_engine_has_is_refused(value: float) -> None:
    with pytest.raises(ValueError, match="finite time"):
        Weights(value, 0.0)
