"""Dynamo's planner: predictors, the plane through steps, decisions by load and by throughput; and over a replay."""

import math

import pytest
from wharfage_simulator.policies.dynamo import Dynamo
from wharfage_simulator.policies.planner import Aim, Came, Plan, Planner
from wharfage_simulator.policies.predictors import PREDICTORS, Autoregressive, Kalman
from wharfage_simulator.policies.regression import Step, StepModel
from wharfage_simulator.policy import ReplicaSeen, Seen

from tests.sights import pool
from tests.simulator.policies.views import KEY, counts, seen, step

BASE_S, PER_PREFILL_S, PER_DECODE_S = 0.010, 20e-6, 0.2e-6


def swept() -> StepModel:
    """A model that has seen engines whose steps take 10 ms, 20 us a prompt token and .2 us a cached one."""
    model = StepModel()
    for prefill in (0.0, 500.0, 1000.0):
        for decode in (0.0, 20_000.0, 60_000.0):
            model.add(taken(prefill, decode))
    return model


def taken(prefill: float, decode: float, *, queued: float = 0.0) -> Step:
    return Step(
        prefill_tokens=prefill,
        prefills=prefill / 500,
        decode_tokens=decode,
        decodes=decode / 1000,
        queued_prefill_tokens=queued,
        seconds=BASE_S + PER_PREFILL_S * prefill + PER_DECODE_S * decode,
    )


@pytest.mark.parametrize("name", PREDICTORS)
@pytest.mark.parametrize(
    ("values", "expected"),
    [
        pytest.param([], 0.0, id="nothing yet: nothing"),
        pytest.param([0.0, 0.0], 0.0, id="zeros before any traffic are skipped"),
        pytest.param([0.0, 0.0, 80.0], 80.0, id="the first value stands"),
        pytest.param([50.0] * 40, 50.0, id="what is steady stays"),
    ],
)
def test_predictors_agree_on_the_simple(name: str, values: list[float], expected: float) -> None:
    predictor = PREDICTORS[name]()
    for value in values:
        predictor.add(value)
    assert predictor.next() == pytest.approx(expected, abs=1e-6)


def test_a_filter_follows_a_trend_and_the_last_value_does_not() -> None:
    kalman, constant = Kalman(), PREDICTORS["constant"]()
    for value in range(100, 400, 10):
        kalman.add(float(value))
        constant.add(float(value))
    assert kalman.next() == pytest.approx(400, abs=2)
    assert constant.next() == 390


def test_the_first_steps_of_the_filter_by_hand() -> None:
    kalman = Kalman()
    kalman.add(100.0)
    kalman.add(110.0)
    variance, covariance = 2001.0, 1000.0
    gain, trend = variance / (variance + 10), covariance / (variance + 10)
    assert kalman.next() == pytest.approx(100 + 10 * gain + 10 * trend)


def test_an_autoregression_finds_what_repeats() -> None:
    predictor = Autoregressive()
    for number in range(60):
        predictor.add(100.0 + 20.0 * (number % 2))
    assert predictor.next() == pytest.approx(100.0, abs=0.5)


def test_unknown_values_are_no_traffic() -> None:
    for name in ("constant", "kalman"):
        one, other = PREDICTORS[name](), PREDICTORS[name]()
        for value in (10.0, math.nan, 12.0):
            one.add(value)
            other.add(0.0 if math.isnan(value) else value)
        assert one.next() == other.next()


def test_the_plane_is_found_and_times_follow() -> None:
    model = swept()
    ttft_s = model.ttft_s(queued_prefill_tokens=1500.0, batched_tokens=1000.0, decode_tokens=20_000.0)
    assert ttft_s == pytest.approx(2 * (BASE_S + PER_DECODE_S * 20_000) + PER_PREFILL_S * 2000), (
        "two chunks: 1500 + 500"
    )
    itl_s = model.itl_s(decode_tokens=20_000.0, queued_decode_tokens=5_000.0)
    assert itl_s == pytest.approx(BASE_S + PER_PREFILL_S * model_mean_prefill() + PER_DECODE_S * 26_000)


def model_mean_prefill() -> float:
    """Zeros before the first prompt are skipped: six of nine steps count."""
    return (500.0 * 3 + 1000.0 * 3) / 6


def test_the_best_rate_is_the_largest_batch_within_both_objectives() -> None:
    model = swept()
    rps = model.best_rps(prompt_tokens=500, output_tokens=100, batched_tokens=8192, ttft_s=2.0, itl_s=0.05)
    batch = int(8192 / 550) * 2
    seconds = BASE_S + PER_PREFILL_S * batch * 5 + PER_DECODE_S * batch * 550
    assert rps == pytest.approx(batch / (100 * seconds)), "no batch is tried beyond twice the budget's whole contexts"
    tight = model.best_rps(prompt_tokens=500, output_tokens=100, batched_tokens=8192, ttft_s=2.0, itl_s=0.0105)
    batch = max(b for b in range(1, 99) if BASE_S + PER_PREFILL_S * b * 5 + PER_DECODE_S * b * 550 <= 0.0105)
    assert tight == pytest.approx(batch / (100 * (BASE_S + PER_PREFILL_S * batch * 5 + PER_DECODE_S * batch * 550)))
    hopeless = model.best_rps(prompt_tokens=500, output_tokens=100, batched_tokens=8192, ttft_s=2.0, itl_s=0.001)
    assert hopeless == pytest.approx(1 / (100 * (BASE_S + PER_PREFILL_S * 5 + PER_DECODE_S * 550)))


def test_a_model_without_enough_or_with_a_falling_plane_is_not_ready() -> None:
    few, falling = StepModel(), StepModel()
    for number in range(4):
        few.add(taken(100.0 * number, 1000.0 * number))
    for number in range(9):
        falling.add(Step(prefill_tokens=100.0 * number, prefills=1, decode_tokens=100.0, seconds=1.0 - 0.1 * number))
    for model in (few, falling):
        assert model.itl_s(decode_tokens=1.0, queued_decode_tokens=0.0) is None
        assert model.best_rps(prompt_tokens=1, output_tokens=1, batched_tokens=1, ttft_s=1, itl_s=1) == 0


def test_long_operation_at_one_point_does_not_push_out_the_others() -> None:
    model = swept()
    for _ in range(500):
        model.add(taken(0.0, 20_000.0))
    assert model.samples == 64
    assert model.itl_s(decode_tokens=60_000.0, queued_decode_tokens=0.0) is not None


@pytest.mark.parametrize(
    ("aim", "used", "decision"),
    [
        pytest.param(Aim.THROUGHPUT, [0.9, 1.1], 3, id="throughput: any beyond the cache, with what waits"),
        pytest.param(Aim.THROUGHPUT, [0.9, 0.9], None, id="throughput: within it"),
        pytest.param(Aim.THROUGHPUT, [0.5, 0.5], 1, id="throughput: all below .6"),
        pytest.param(Aim.THROUGHPUT, [0.5, 0.7], None, id="throughput: not all"),
        pytest.param(Aim.LATENCY, [0.1, 0.5], 3, id="latency: any above .4"),
        pytest.param(Aim.LATENCY, [0.05, 0.05], 1, id="latency: all below .1"),
        pytest.param(Aim.THROUGHPUT, [0.1], None, id="one alone stays"),
        pytest.param(Aim.THROUGHPUT, [], None, id="nobody reports"),
    ],
)
def test_the_easy_aims_look_at_the_cache(aim: Aim, used: list[float], decision: int | None) -> None:
    planner = Planner(Plan(aim=aim, kv_tokens=1000.0))
    steps = [Step(decode_tokens=800 * share, queued_prefill_tokens=200 * share) for share in used]
    assert planner.load(steps, ready=len(used), expected=len(used)) == decision


@pytest.mark.parametrize(
    ("ready", "expected"), [pytest.param(2, 3, id="one is on its way"), pytest.param(3, 3, id="one does not report")]
)
def test_meanwhile_nothing_is_decided_by_load(ready: int, expected: int) -> None:
    planner = Planner(Plan(kv_tokens=1000.0))
    assert planner.load([Step(decode_tokens=2000.0)] * 2, ready=ready, expected=expected) is None


@pytest.mark.parametrize(
    ("decode", "queued", "decision"),
    [
        pytest.param([40_000.0, 40_000.0], 0.0, 1, id="28 ms until the first, 29 ms a token: all well within"),
        pytest.param([220_000.0, 220_000.0], 0.0, 3, id="all beyond 50 ms a token"),
        pytest.param([220_000.0, 40_000.0], 0.0, None, id="not all beyond, not all within"),
        pytest.param([110_000.0, 110_000.0], 0.0, None, id="44 ms a token is not well within"),
        pytest.param([40_000.0, 40_000.0], 17_500.0, 3, id="522 ms until the first: all beyond"),
        pytest.param([40_000.0, 40_000.0], 14_500.0, 1, id="444 ms until the first is no veto, as coded"),
        pytest.param([40_000.0], 0.0, None, id="one alone stays"),
    ],
)
def test_objectives_are_compared_engine_by_engine(decode: list[float], queued: float, decision: int | None) -> None:
    planner = Planner(Plan(aim=Aim.SLA, by_load=True, by_throughput=False, batched_tokens=2000.0))
    planner.model = swept()
    steps = [taken(0.0, each, queued=queued) for each in decode]
    assert planner.load(steps, ready=len(steps), expected=len(steps)) == decision


def test_traffic_over_what_an_engine_carries_gives_the_count() -> None:
    planner = Planner(Plan(aim=Aim.SLA, predictor="constant", batched_tokens=2000.0))
    assert planner.throughput(Came(180.0, 1800.0, 500.0, 100.0)) is None, "nothing is known of the engines yet"
    planner.model = swept()
    assert planner.throughput(Came(180.0, 1800.0, 500.0, 100.0)) == 2, "10 a second over 6 / (100 x 11.26 ms) = 5.3"
    assert planner.throughput(Came(180.0, 0.0, 500.0, 100.0)) == 1, "never nothing"


def test_with_decisions_by_load_traffic_only_sets_their_bound() -> None:
    planner = Planner(Plan(aim=Aim.SLA, predictor="constant", by_load=True, batched_tokens=2000.0))
    planner.model = swept()
    assert planner.throughput(Came(180.0, 3600.0, 500.0, 100.0)) is None
    idle = [taken(0.0, 1000.0)]
    assert planner.load(idle * 6, ready=6, expected=6) == 5
    assert planner.load(idle * 4, ready=4, expected=4) == 4, "20 a second over 5.3 is 4"


def view(ready: int, kv_tokens: float, *, now_s: float = 0.0, waiting: float = 0.0, rps: float = 10.0) -> Seen:
    """Every replica with so many tokens in its cache of 50 000, and ten sequences that run."""
    row = ReplicaSeen(pool=KEY, running=10.0, waiting=waiting, kv_used=kv_tokens / 50_000, kv_tokens_used=kv_tokens)
    return seen(pool(ready=ready), now_s=now_s, rps=rps, replicas=[row] * ready)


def test_the_easy_planner_over_a_replay() -> None:
    dynamo = Dynamo(KEY)
    views = [
        view(2, 45_000.0, waiting=20.0),
        view(2, 45_000.0, waiting=20.0, now_s=15.0),
        view(3, 40_000.0, now_s=30.0),
        view(3, 20_000.0, now_s=45.0),
        view(2, 20_000.0, now_s=60.0),
    ]
    assert counts(dynamo, views) == [3, 3, 3, 2, 1], "one more for 45k + 20 x 600 of 50k; then it waits for it"


def interval(replicas: int) -> list[Seen]:
    """Three minutes of one request per second and replica, four sequences of 700 tokens at once."""
    row = ReplicaSeen(pool=KEY, running=4.0, waiting=0.0, kv_used=0.02, kv_tokens_used=2_800.0)
    return [
        seen(pool(ready=replicas), now_s=15.0 * tick, rps=float(replicas), replicas=[row] * replicas)
        for tick in range(14)
    ]


def test_the_planner_by_objectives_over_a_replay() -> None:
    few, many = (
        counts(Dynamo(KEY, Aim.SLA, step(), predictor="constant"), interval(replicas))[-1] for replicas in (3, 30)
    )
    assert 2 <= few <= 6, "one a second each, and steps of two prompts' tokens let it try a batch of four"
    assert many == pytest.approx(10 * few, rel=0.3)


def test_by_load_it_takes_one_step_and_waits_for_it() -> None:
    course = counts(Dynamo(KEY, Aim.SLA, step(), predictor="constant", by_load=True), interval(3))
    assert course == [4] * 14, "up at first: the sweep's prompts are in the mean prefill until live steps replace them"


def test_a_replica_that_reports_nothing_lets_no_decision_pass() -> None:
    assert counts(Dynamo(KEY), [view(3, math.nan, now_s=15.0 * tick) for tick in range(9)]) == [3] * 9


def test_objectives_need_a_step_time() -> None:
    with pytest.raises(ValueError, match="needs the step time"):
        Dynamo(KEY, Aim.SLA)
