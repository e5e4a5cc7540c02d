"""What live metrics teach the capacity model, and what they must not."""

import math
from dataclasses import replace
from random import Random
from statistics import mean

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from wharfage_autoscaler.accelerators import ACCELERATORS
from wharfage_autoscaler.belief import Belief, independent
from wharfage_autoscaler.calibration import LEAST, MODEL_SIGMA, MOST, PRIOR, Calibration, Observation
from wharfage_autoscaler.capacity import Capacity, capacity
from wharfage_autoscaler.footprint import EngineLimits
from wharfage_autoscaler.objectives import Objectives
from wharfage_autoscaler.shapes import KNOWN
from wharfage_autoscaler.steady import mean_step_s
from wharfage_autoscaler.steptime import StepTime, Theta, step_time
from wharfage_autoscaler.traffic import Traffic

from tests.builders import TINY

LLAMA_70B = KNOWN["meta-llama/Llama-3.1-70B-Instruct"].shape
STEP = step_time(LLAMA_70B, "fp8", ACCELERATORS["H100"], 4, EngineLimits(512, 8192))
CHAT = Traffic(1000, 250)
WANTED = Objectives(ttft_p95_s=2.0, tpot_p95_s=0.05)
TRUE = Theta(overhead=1.8, memory=1.15, compute=0.85)
UNKNOWN = Calibration()


def _seen(
    step: StepTime, decoding: float, *, prompt: float = 1000, output: float = 250, factor: float = 1
) -> Observation:
    context, prompts = prompt + output / 2, decoding / output
    seconds = sum(mean_step_s(step, decoding, context, prompts, prompt)) * factor
    return Observation(seconds, decoding, prompts * prompt, decoding * context, prompt)


def _windows(count: int, *, seed: int, outliers: float = 0.0, noise: float = 0.03) -> list[Observation]:
    """Windows of an engine with the TRUE factors, at loads between 2 and 256 sequences."""
    draw, engine = Random(seed), STEP.scaled(TRUE)
    return [
        _seen(
            engine,
            math.exp(draw.uniform(math.log(2), math.log(256))),
            prompt=draw.choice([200, 1000, 4000]),
            output=draw.choice([100, 250, 800]),
            factor=math.exp(draw.gauss(0, noise)) * (draw.uniform(1.3, 3) if draw.random() < outliers else 1),
        )
        for _ in range(count)
    ]


def _learned(windows: list[Observation], start: Calibration = UNKNOWN) -> Calibration:
    for window in windows:
        start = start.after(window, STEP)
    return start


def _error(calibration: Calibration, step: StepTime = STEP) -> float:
    """Mean relative error of the step time over loads from 2 to 256 sequences, with and without a prompt."""
    learned, true = step.scaled(calibration.theta), step.scaled(TRUE)
    grid = [(n, context, chunk) for n in (2, 16, 64, 256) for context in (200, 2000, 8000) for chunk in (0, 2000)]
    return mean(abs(learned.seconds(*load) / true.seconds(*load) - 1) for load in grid)


def _mean_s(step: StepTime, decoding: float) -> float:
    return _seen(step, decoding).seconds_per_step


def _rate(theta: Theta) -> float:
    found = capacity(STEP.scaled(theta), CHAT, WANTED)
    assert isinstance(found, Capacity)
    return found.requests_per_second


@pytest.mark.parametrize("outliers", [pytest.param(0.0, id="clean"), pytest.param(0.1, id="a tenth of them outliers")])
def test_twenty_windows_bring_the_predicted_rate_within_five_percent(outliers: float) -> None:
    learned = [_learned(_windows(20, seed=seed, outliers=outliers)) for seed in range(30)]
    errors = sorted(abs(_rate(calibration.theta) / _rate(TRUE) - 1) for calibration in learned)
    assert errors[26] < 0.05  # in nine of ten
    assert mean(errors) < 0.025
    assert mean(_error(calibration) for calibration in learned) < 0.03


def test_an_outlier_that_was_believed_early_is_corrected_by_faster_windows() -> None:
    fast = STEP.scaled(Theta(compute=0.9))
    misled = _learned([_seen(fast, 64, factor=1.4)] * 6)
    assert _mean_s(STEP.scaled(misled.theta), 64) > 1.2 * _mean_s(fast, 64)
    corrected = _learned([_seen(fast, 64)] * 8, misled)
    assert _mean_s(STEP.scaled(corrected.theta), 64) == pytest.approx(_mean_s(fast, 64), rel=0.06)


def test_exact_windows_give_back_the_factors() -> None:
    theta = _learned(_windows(200, seed=1, noise=0.0)).theta
    found = (theta.overhead, theta.memory, theta.compute)
    assert found == pytest.approx((TRUE.overhead, TRUE.memory, TRUE.compute), rel=0.05)


def test_what_one_size_taught_holds_for_another() -> None:
    other = step_time(LLAMA_70B, "fp8", ACCELERATORS["H100"], 8, EngineLimits(512, 8192))
    taught = _learned(_windows(40, seed=2))
    assert _error(taught, other) < 0.05 < _error(Calibration(), other)
    assert taught.inherited().theta == taught.theta
    assert taught.inherited().sigma(other, CHAT, WANTED) > taught.sigma(other, CHAT, WANTED)


def test_uncertainty_shrinks_as_windows_come_in_and_never_below_the_models_own() -> None:
    before, after = Calibration(), _learned(_windows(20, seed=3))
    sigmas = [calibration.sigma(STEP, CHAT, WANTED) for calibration in (before, after)]
    assert sigmas[0] > 0.15
    assert MODEL_SIGMA <= sigmas[1] < 0.1


def test_uncertainty_of_an_objective_out_of_reach_is_that_of_the_step() -> None:
    assert 0.1 < Calibration().sigma(STEP, CHAT, Objectives(tpot_p95_s=0.001)) < 0.5


def test_a_single_outlier_changes_nothing_but_the_count() -> None:
    before = _learned(_windows(20, seed=4))
    after = before.after(_seen(STEP.scaled(TRUE), 64, factor=2), STEP)
    assert (after.belief.mean, after.accepted, after.refused) == (before.belief.mean, before.accepted, 1)


def test_an_engine_that_has_changed_is_believed_after_ten_windows() -> None:
    before = _learned(_windows(20, seed=5))
    changed = STEP.scaled(Theta(2.7, 1.7, 1.3))
    doubting = _learned([_seen(changed, 64)] * 9, before)
    assert doubting.belief.mean == before.belief.mean
    convinced = _learned([_seen(changed, 64)] * 3, doubting)
    assert convinced.refused == 0
    assert _mean_s(STEP.scaled(convinced.theta), 64) == pytest.approx(_mean_s(changed, 64), rel=0.05)


def test_an_engine_nothing_like_the_model_is_believed_at_the_third_window() -> None:
    slow = STEP.scaled(Theta(3, 3, 3))
    doubting = _learned([_seen(slow, 64)] * 2)
    assert (doubting.accepted, doubting.refused) == (0, 2)
    assert doubting.after(_seen(slow, 64), STEP).accepted == 1


def test_an_engine_whose_host_has_hardly_a_processor_is_learned_near_its_load() -> None:
    tiny = step_time(TINY, "", ACCELERATORS["CPU"], 2, EngineLimits(16, 2048, 65_536))
    slow = tiny.scaled(Theta(9, 2, 3))
    windows = [_seen(slow, 12 + place % 5, prompt=128, output=64) for place in range(20)]
    known = Calibration()
    for window in windows:
        known = known.after(window, tiny)
    assert known.theta.overhead > 6
    learned_s, true_s = (
        _seen(each, 16, prompt=128, output=64).seconds_per_step for each in (tiny.scaled(known.theta), slow)
    )
    assert learned_s == pytest.approx(true_s, rel=0.1)


def test_what_a_quiet_hour_taught_makes_no_outlier_of_the_first_busy_window() -> None:
    tiny = step_time(TINY, "", ACCELERATORS["CPU"], 2, EngineLimits(16, 2048, 65_536))
    slow = tiny.scaled(Theta(2.2, 1.1, 4.2))  # vLLM on .8 of a core, as it was measured
    known = Calibration()
    for _ in range(60):
        known = known.after(_seen(slow, 1, prompt=128, output=64), tiny)
    busy = known.after(_seen(slow, 16, prompt=128, output=64), tiny)
    assert (busy.accepted, busy.refused) == (known.accepted + 1, 0)
    again = known.after(_seen(slow, 1, prompt=128, output=64, factor=1.5), tiny)
    assert (again.accepted, again.refused) == (known.accepted, 1), "of the load that it knows it is an outlier"
    learned_s, true_s = (
        _seen(each, 16, prompt=128, output=64).seconds_per_step for each in (tiny.scaled(busy.theta), slow)
    )
    assert learned_s == pytest.approx(true_s, rel=0.1)


def test_constant_load_is_learned_from_and_then_stands_still() -> None:
    window = _seen(STEP.scaled(TRUE), 64)
    hour = _learned([window] * 120)
    assert hour.accepted < 20
    assert _learned([window] * 500, hour) == hour
    assert _mean_s(STEP.scaled(hour.theta), 64) == pytest.approx(_mean_s(STEP.scaled(TRUE), 64), rel=0.03)


def test_an_engine_that_changes_under_constant_load_is_noticed() -> None:
    hour = _learned([_seen(STEP.scaled(TRUE), 64)] * 120)
    slower = STEP.scaled(Theta(2.5, 1.6, 1.2))
    assert _mean_s(STEP.scaled(_learned([_seen(slower, 64)] * 14, hour).theta), 64) == pytest.approx(
        _mean_s(slower, 64), rel=0.05
    )


def test_constant_load_keeps_what_other_loads_taught() -> None:
    taught = _learned(_windows(60, seed=6))
    night = _learned([_seen(STEP.scaled(TRUE), 3)] * 1000, taught)
    assert _error(night) < 0.05


def test_a_moving_load_is_told_from_a_constant_one() -> None:
    assert _learned(_windows(20, seed=7)).moving
    assert not _learned([_seen(STEP, 64)] * 20).moving


@given(
    st.lists(
        st.builds(
            Observation,
            st.floats(1e-4, 10),
            st.floats(0.1, 2000),
            st.floats(0, 20_000),
            st.floats(0, 1e7),
            st.none() | st.floats(1, 1e5),
        ),
        max_size=40,
    )
)
@example([Observation(0.25, 1, 4450, 0), Observation(1, 1, 0, 0), Observation(1, 1, 0, 0), Observation(3, 1, 2105, 0)])
@settings(max_examples=30)
def test_no_windows_whatever_break_the_state(windows: list[Observation]) -> None:
    calibration = _learned(windows)
    assert all(least <= value <= most for least, value, most in zip(LEAST, calibration.belief.mean, MOST, strict=True))
    for axis in range(3):
        assert 0 < calibration.belief.covariance[axis][axis] <= 2 * PRIOR.covariance[axis][axis]
    assert MODEL_SIGMA <= calibration.sigma(STEP, CHAT, WANTED) <= 1


def test_a_window_without_the_prompts_length_is_still_worth_something() -> None:
    window = replace(_seen(STEP.scaled(TRUE), 64), prompt_tokens=None)
    taught = _learned([window] * 4)
    assert _mean_s(STEP.scaled(taught.theta), 64) == pytest.approx(_mean_s(STEP.scaled(TRUE), 64), rel=0.1)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        pytest.param("seconds_per_step", 0.0, id="a step without duration"),
        pytest.param("seconds_per_step", math.nan, id="a duration that is no number"),
        pytest.param("decoding", 0.0, id="nobody decoding"),
        pytest.param("prefill_tokens", -1.0, id="negative prompts"),
        pytest.param("resident_tokens", math.inf, id="an endless cache"),
        pytest.param("prompt_tokens", 0.0, id="prompts without tokens"),
    ],
)
def test_a_window_that_no_engine_reports_is_refused(field: str, value: float) -> None:
    with pytest.raises(ValueError, match=f"observation: {field} must"):
        replace(_seen(STEP, 64), **{field: value})


def test_a_measured_sum_moves_the_number_that_is_least_known() -> None:
    before = independent((0.0, 0.0, 0.0), (1.0, 0.1, 0.1))
    after = before.updated((1.0, 1.0, 0.0), 0.5, 0.01)
    assert after.mean[0] > 0.4 > 5 * after.mean[1] > 0 == after.mean[2]
    assert after.variance((1.0, 1.0, 0.0)) < 0.01 < before.variance((1.0, 1.0, 0.0))
    assert after.covariance[2][2] == before.covariance[2][2]


@given(st.lists(st.tuples(*[st.floats(-2, 2)] * 4), max_size=20))
def test_a_belief_stays_a_belief(measured: list[tuple[float, float, float, float]]) -> None:
    belief: Belief = PRIOR
    for a, b, c, surprise in measured:
        belief = belief.updated((a, b, c), surprise, 0.0025).faded((a, b, c), 1.005)
        assert belief.covariance[0][1] == pytest.approx(belief.covariance[1][0], abs=1e-9)
        assert min(belief.covariance[axis][axis] for axis in range(3)) > 0
