"""Requests made from rates: the counts that were measured, the burstiness of the clients, the lengths published."""

import math

import numpy as np
import numpy.typing as npt
import pytest
from wharfage_simulator.arrivals import Arrivals, placed
from wharfage_simulator.clients import ClientTrace, Gap
from wharfage_simulator.lengths import LEVELS, Lengths, log_normal, of_histogram, of_quantiles
from wharfage_simulator.tables import Floats, TraceError
from wharfage_simulator.traces import RateTrace, RequestTrace, halves
from wharfage_simulator.workload import LengthModel, requests, scaling, traffic

TEN = Lengths(np.full((1, len(LEVELS)), math.log(10.0)))


def constant(req_per_s: float, windows: int = 4) -> RateTrace:
    return RateTrace("flat", 0.0, 600.0, np.full(windows, req_per_s))


def two_clients() -> ClientTrace:
    """A bursty client of 1 request a second in both windows, and a steady one of 2 in the second."""
    rows = np.zeros(3, dtype=np.int64)
    return ClientTrace(
        "pair",
        0.0,
        600.0,
        2,
        np.array([0, 0, 1], dtype=np.int32),
        np.array([0, 1, 1], dtype=np.int32),
        np.array([1.0, 1.0, 2.0]),
        np.array([Gap.GAMMA, Gap.GAMMA, Gap.EXPONENTIAL], dtype=np.int8),
        np.array([0.1, 0.1, 1.0]),
        TEN,
        TEN,
        rows,
        rows,
    )


def minutes(trace: RequestTrace) -> Floats:
    counts = np.bincount((trace.t_s / 60).astype(np.int64), minlength=round(trace.duration_s / 60))
    return counts.astype(np.float64)


def dispersion(counts: Floats) -> float:
    return float(counts.var(ddof=1) / counts.mean())


def test_every_window_holds_the_requests_that_were_measured() -> None:
    trace = RateTrace("steps", 0.0, 600.0, np.array([0.5, 0.0, 2.0]))
    made = requests(trace, seed=1)
    assert np.bincount((made.t_s / 600).astype(np.int64)).tolist() == [300, 0, 1200]
    assert (np.diff(made.t_s) >= 0).all()
    assert made.t_s[-1] < trace.duration_s


def test_the_same_seed_gives_the_same_requests_and_another_one_others() -> None:
    once, again, other = (requests(two_clients(), seed=seed) for seed in (1, 1, 2))
    assert once.t_s.tolist() == again.t_s.tolist()
    assert once.t_s.tolist() != other.t_s.tolist()


def test_a_half_without_load_is_refused_with_its_time() -> None:
    idle_at_first = RateTrace("week", 7200.0, 600.0, np.array([0.0, 0.0, 1.0, 1.0]))
    learned, scored = halves(idle_at_first)
    assert scaling(scored).requests == 1200
    for refused in (lambda: scaling(learned), lambda: traffic(learned, context_tokens=8192)):
        with pytest.raises(TraceError, match="week: from t_s 7200 to 8400: every rate is 0"):
            refused()


def test_clients_add_up() -> None:
    made = requests(two_clients(), seed=3)
    assert np.bincount((made.t_s / 600).astype(np.int64)).tolist() == [600, 1800]
    assert two_clients().req_per_s.tolist() == [1, 3]
    assert [half.req_per_s.tolist() for half in halves(two_clients())] == [[1], [3]]
    assert (two_clients().clients, two_clients().rates().window_s) == (2, 600)


def test_a_fraction_of_a_request_is_its_chance() -> None:
    made = requests(constant(1 / 1200, windows=10_000), seed=5)
    assert made.requests == pytest.approx(5_000, rel=0.05)


@pytest.mark.parametrize(
    ("family", "shape", "cv"),
    [
        pytest.param(Gap.EXPONENTIAL, 1.0, 1.0, id="exponential gaps vary as much as they last"),
        pytest.param(Gap.GAMMA, 4.0, 0.5, id="Gamma of shape 4 is regular"),
        pytest.param(Gap.GAMMA, 0.25, 2.0, id="Gamma of shape a quarter is bursty"),
        pytest.param(Gap.WEIBULL, 0.5, math.sqrt(5), id="Weibull of shape a half is bursty with a long tail"),
    ],
)
def test_gaps_have_the_fitted_coefficient_of_variation(family: Gap, shape: float, cv: float) -> None:
    cells, places = placed(
        np.full(20, 5_000.0),
        1.0,
        np.full(20, family, dtype=np.int8),
        np.full(20, shape),
        Arrivals.RENEWAL,
        np.random.default_rng(7),
    )
    inside = np.diff(places)[np.diff(cells) == 0]
    assert inside.std() / inside.mean() == pytest.approx(cv, rel=0.08)
    assert inside.min() >= 0


def one_window(family: Gap, shape: float) -> tuple[Floats, float, npt.NDArray[np.int8], Floats]:
    """Many requests of one client, as measured."""
    return np.array([200_000.0]), 1.0, np.array([family], dtype=np.int8), np.array([shape])


@pytest.mark.parametrize("family", [Gap.GAMMA, Gap.WEIBULL])
def test_making_a_trace_smaller_is_the_same_as_dropping_requests_of_the_whole(family: Gap) -> None:
    windows, shape = 400, 0.4
    kinds, shapes = np.full(windows, family, dtype=np.int8), np.full(windows, shape)
    draw = np.random.default_rng(11)
    cells, places = placed(np.full(windows, 2_000.0), 1.0, kinds, shapes, Arrivals.RENEWAL, draw)
    kept = draw.random(len(cells)) < 0.1
    dropped = np.bincount((cells[kept] * 20 + places[kept] * 20).astype(np.int64), minlength=windows * 20)
    cells, places = placed(np.full(windows, 2_000.0), 0.1, kinds, shapes, Arrivals.RENEWAL, draw)
    smaller = np.bincount((cells * 20 + places * 20).astype(np.int64), minlength=windows * 20)
    assert smaller.mean() == pytest.approx(dropped.mean(), rel=0.02)
    assert dispersion(smaller.astype(np.float64)) == pytest.approx(dispersion(dropped.astype(np.float64)), rel=0.08)


def test_how_arrivals_are_placed_shows_in_the_minutes() -> None:
    bursty = two_clients()
    whole = {how: dispersion(minutes(requests(bursty, seed=1, arrivals=how))[:10]) for how in Arrivals}
    assert whole[Arrivals.POISSON] < whole[Arrivals.RENEWAL] == whole[Arrivals.STRETCHED]
    long = RateTrace("long", 0.0, 6_000.0, np.full(40, 1.0))
    small = {how: dispersion(minutes(requests(long, seed=1, factor=0.1, cv=4.0, arrivals=how))) for how in Arrivals}
    assert small[Arrivals.POISSON] < small[Arrivals.RENEWAL] < small[Arrivals.STRETCHED]
    assert whole[Arrivals.BURSTY] > 1.5 * whole[Arrivals.RENEWAL]
    assert small[Arrivals.BURSTY] > 1.2 * small[Arrivals.RENEWAL]


@pytest.mark.parametrize(("family", "shape"), [(Gap.GAMMA, 0.5), (Gap.WEIBULL, 0.7), (Gap.WEIBULL, 1.0)])
def test_bursty_gaps_have_twice_the_variation_of_those_fitted(family: Gap, shape: float) -> None:
    fitted, bursty = (
        np.diff(placed(*one_window(family, shape), how, np.random.default_rng(5))[1])
        for how in (Arrivals.RENEWAL, Arrivals.BURSTY)
    )
    uneven = [float(gaps.std() / gaps.mean()) for gaps in (fitted, bursty)]
    assert uneven[1] == pytest.approx(2.0 * uneven[0], rel=0.05)


def test_a_stated_cv_makes_a_rate_trace_bursty() -> None:
    calm, bursty = (dispersion(minutes(requests(constant(2.0, 20), seed=1, cv=cv))) for cv in (1.0, 3.0))
    assert calm == pytest.approx(1.0, abs=0.3)
    assert bursty > 4


def test_a_larger_factor_multiplies_rates_and_keeps_their_shape() -> None:
    trace = RateTrace("steps", 0.0, 600.0, np.array([1.0, 3.0]))
    assert np.bincount((requests(trace, seed=1, factor=2.5).t_s / 600).astype(np.int64)).tolist() == [1500, 4500]


def test_lengths_follow_the_windows_means() -> None:
    trace = RateTrace("steps", 0.0, 600.0, np.array([9.0, 9.0]), np.array([100.0, 900.0]), np.array([50.0, 5.0]))
    made = requests(trace, seed=1)
    for window, (prompt, output) in enumerate(((100, 50), (900, 5))):
        there = made.t_s // 600 == window
        assert made.prompt_tokens[there].mean() == pytest.approx(prompt, rel=0.06)
        assert made.output_tokens[there].mean() == pytest.approx(output, rel=0.08)
    assert made.output_tokens.min() >= 1


def test_lengths_that_a_trace_does_not_have_are_the_models() -> None:
    made = requests(constant(9.0), seed=1, lengths=LengthModel(prompt_mean=400, output_mean=80, cv=0.5))
    assert made.prompt_tokens.mean() == pytest.approx(400, rel=0.03)
    assert made.prompt_tokens.std() == pytest.approx(200, rel=0.06)


def test_a_share_of_every_prompt_is_cached_where_the_trace_does_not_say() -> None:
    made = requests(constant(1.0), seed=1, prefix_share=0.25)
    assert (made.cached_tokens == np.floor(made.prompt_tokens * 0.25)).all()


def test_a_windows_share_of_each_prompt_is_cached_where_the_trace_says() -> None:
    prompt, output, cached = np.array([100.0, 900.0]), np.array([5.0, 5.0]), np.array([50.0, 90.0])
    trace = RateTrace("steps", 0.0, 600.0, np.array([1.0, 1.0]), prompt, output, cached_tokens=cached)
    made = requests(trace, seed=1, prefix_share=0.9)
    share = np.where(made.t_s < 600, 0.5, 0.1)
    assert (made.cached_tokens == np.floor(made.prompt_tokens * share)).all()
    assert traffic(trace, context_tokens=8192).prefix_hit_share == pytest.approx(0.14, abs=0.02)


def recorded(count: int) -> RequestTrace:
    tokens = np.arange(1, count + 1, dtype=np.int32)
    return RequestTrace("rows", 0.0, float(count), np.arange(count, dtype=np.float64), tokens, tokens, tokens // 2)


def test_recorded_requests_are_served_as_they_are() -> None:
    made = requests(recorded(100), seed=1, prefix_share=0.5)
    assert made.t_s.tolist() == list(range(100))
    assert made.cached_tokens.tolist() == recorded(100).cached_tokens.tolist()


def test_recorded_requests_are_thinned_or_repeated_nearby() -> None:
    assert requests(recorded(10_000), seed=1, factor=0.3).requests == pytest.approx(3_000, rel=0.05)
    twice = requests(recorded(1_000), seed=1, factor=2.0)
    assert np.bincount(twice.prompt_tokens)[1:].tolist() == [2] * 1_000
    assert (twice.t_s >= 0).all()
    assert (twice.t_s < 1_000).all()
    assert (np.diff(twice.t_s) >= 0).all()


@pytest.mark.parametrize(
    ("factor", "message"),
    [
        pytest.param(0.0, "a factor of 0.0", id="nothing times a load is no load"),
        pytest.param(math.nan, "a factor of nan", id="NaN is no factor"),
        pytest.param(1e-9, "no request at 1e-09 times", id="a load without a request is an error"),
    ],
)
def test_a_factor_that_leaves_nothing_is_refused(factor: float, message: str) -> None:
    with pytest.raises(TraceError, match=message):
        requests(constant(1.0), seed=1, factor=factor)


def test_a_trace_is_made_smaller_to_its_budget_and_never_larger_unasked() -> None:
    assert scaling(constant(10.0), request_budget=12_000).factor == pytest.approx(0.5)
    assert scaling(constant(10.0), request_budget=1_000_000).factor == 1.0


def test_a_peak_is_reached_as_far_as_the_budget_allows() -> None:
    reached = scaling(constant(10.0), request_budget=100_000, peak_req_per_s=20)
    assert (reached.factor, reached.peak_req_per_s, reached.short_of_peak) == (2.0, 20.0, False)
    short = scaling(constant(10.0), request_budget=36_000, peak_req_per_s=20)
    assert (short.factor, short.peak_req_per_s, short.short_of_peak) == (1.5, 15.0, True)


def test_quantiles_and_mean_of_the_drawn_lengths_are_the_published_ones() -> None:
    mean, p50, p90, p99 = (
        np.array(column) for column in ((300.0, 120.0), (100.0, 100.0), (600.0, 200.0), (3e3, 400.0))
    )
    fitted = of_quantiles(mean, p50, p90, p99)
    assert fitted.means == pytest.approx(mean, rel=0.02)
    drawn = fitted.drawn(np.repeat([0, 1], 100_000), np.tile((np.arange(100_000) + 0.5) / 100_000, 2))
    for row, tokens in enumerate(np.split(drawn, 2)):
        assert np.percentile(tokens, [50, 90, 99]) == pytest.approx([p50[row], p90[row], p99[row]], rel=0.02)
        assert tokens.mean() == pytest.approx(mean[row], rel=0.02)


def test_a_histogram_is_drawn_as_it_stands() -> None:
    row = of_histogram(np.array([0.0, 10.0, 20.0]), np.array([10.0, 20.0, 40.0]), np.array([0.0, 0.5, 0.5]))
    drawn = row.drawn(np.zeros(10_000, dtype=np.int64), (np.arange(10_000) + 0.5) / 10_000)
    assert (drawn.min(), drawn.max()) == (10, 40)
    assert np.median(drawn) == pytest.approx(20, abs=1)


def test_log_normal_lengths_have_their_mean_and_spread() -> None:
    drawn = log_normal(np.full(200_000, 500.0), 0.8, np.random.default_rng(1).standard_normal(200_000))
    assert drawn.mean() == pytest.approx(500, rel=0.01)
    assert drawn.std() == pytest.approx(400, rel=0.03)
