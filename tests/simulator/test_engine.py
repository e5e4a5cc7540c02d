"""One replica against a simulator that goes token by token, and what holds whatever happens."""

import importlib
import math
import sys
from types import ModuleType

import numpy as np
import pytest
import wharfage_simulator
from hypothesis import given, settings
from hypothesis import strategies as st
from wharfage_simulator import replay
from wharfage_simulator import replica as compiled_replica
from wharfage_simulator.profile import EngineProfile, tables
from wharfage_simulator.records import Outcome
from wharfage_simulator.replica import Replicas, Service
from wharfage_simulator.routing import Routing
from wharfage_simulator.traces import RequestTrace

from tests.simulator.engines import TokenByToken, profile, random_trace, trace

REPLAYED = ("compiled", "heap", "engine", "routing", "replay", "replica")


def served(load: RequestTrace, kind: EngineProfile, *, patience_s: float = math.inf) -> Replicas:
    replicas = Replicas(load, [kind], 1, Service(patience_s=patience_s))
    replicas.serve(0, 0)
    replicas.run(math.inf)
    return replicas


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(
    ("limits", "cached", "patience_s"),
    [
        pytest.param({}, 0.0, math.inf, id="room for everybody"),
        pytest.param({"sequences": 3}, 0.0, math.inf, id="three sequences at once"),
        pytest.param({"batched_tokens": 24}, 0.0, math.inf, id="prompts in chunks of at most 24 tokens"),
        pytest.param({"batched_tokens": 24}, 0.9, math.inf, id="up to nine tenths of a prompt cached"),
        pytest.param({"kv_tokens": 700, "sequences": 20}, 0.0, math.inf, id="a cache that runs full"),
        pytest.param({"kv_tokens": 500, "sequences": 20, "batched_tokens": 40}, 0.5, 2.0, id="full, and impatient"),
        pytest.param({"window_tokens": 50, "window_kv_ratio": 2.0, "kv_tokens": 900}, 0.0, math.inf, id="windows"),
    ],
)
def test_jumping_gives_what_going_token_by_token_gives(
    limits: dict[str, float], cached: float, patience_s: float, seed: int
) -> None:
    kind = profile(**limits)
    load = random_trace(seed, 60, req_per_s=30.0, prompt=60, output=25, cached=cached)
    slow = TokenByToken(kind.step, kind.response_s, load, patience_s)
    slow.serve()
    fast = served(load, kind, patience_s=patience_s)
    np.testing.assert_allclose(fast.requests["first_s"], slow.first_s, rtol=0, atol=1e-9)
    np.testing.assert_allclose(fast.requests["finish_s"], slow.finish_s, rtol=0, atol=1e-9)
    assert int(fast.gauges().preempted[0]) == slow.preempted
    assert int(fast.state.replicas["step"][0]) == slow.steps


def test_the_cases_above_do_preempt_refuse_and_abandon() -> None:
    kind = profile(kv_tokens=500, sequences=20, batched_tokens=40)
    fleet = served(random_trace(0, 200, req_per_s=30.0, prompt=60, output=25), kind, patience_s=2.0)
    assert fleet.gauges().preempted[0] > 10
    assert {Outcome.FINISHED, Outcome.REFUSED, Outcome.ABANDONED} == set(fleet.requests["outcome"].tolist())


def test_a_step_takes_what_the_capacity_model_says() -> None:
    kind = profile(batched_tokens=64)
    lone = served(trace([1.0], [100], [3]), kind).requests[0]
    step = kind.step
    chunks_s = step.seconds(0, 0, 64, 0, 0) + step.seconds(0, 0, 36, 64, 1)
    assert lone["first_s"] == pytest.approx(1.0 + chunks_s + kind.response_s)
    decoding_s = step.seconds(1, 101) + step.seconds(1, 102)
    assert lone["finish_s"] == pytest.approx(lone["first_s"] + decoding_s)


def test_a_prompt_that_is_cached_whole_still_computes_its_last_token() -> None:
    kind = profile()
    hit, miss = (served(trace([0.0, 9.0], [50, 50], [2, 2], cached), kind) for cached in ([50, 50], [0, 0]))
    assert hit.gauges().prompt_tokens[0] == 2
    assert miss.gauges().prompt_tokens[0] == 100
    assert hit.requests["first_s"][0] == pytest.approx(kind.step.seconds(0, 0, 1, 49, 1) + kind.response_s)


def test_a_request_that_can_never_fit_is_refused_and_the_next_is_served() -> None:
    fleet = served(trace([0.0, 0.1], [3_990, 10], [11, 5]), profile(kv_tokens=4_000))
    assert fleet.requests["outcome"].tolist() == [Outcome.REFUSED, Outcome.FINISHED]


def test_requests_of_one_instant_share_a_step() -> None:
    fleet = served(trace([0.0, 0.0, 0.0], [10, 10, 10], [5, 5, 5]), profile())
    assert len(set(fleet.requests["finish_s"].tolist())) == 1


@given(
    seed=st.integers(0, 10_000),
    routing=st.sampled_from(Routing),
    kv_tokens=st.integers(300, 3_000),
    req_per_s=st.floats(1.0, 60.0),
    tick_s=st.floats(0.3, 5.0),
)
@settings(max_examples=25, deadline=None)
def test_whatever_the_load_the_books_balance(
    seed: int, routing: Routing, kv_tokens: int, req_per_s: float, tick_s: float
) -> None:
    load = random_trace(seed, 150, req_per_s=req_per_s, prompt=50, output=20)
    fleet = Replicas(load, [profile(kv_tokens=kv_tokens, sequences=12)], 3, Service(routing, patience_s=20.0))
    for slot in range(3):
        fleet.serve(slot, 0)
    stops = np.arange(tick_s, load.duration_s + 60.0, tick_s)
    finished = 0
    for stop in stops:
        interval = fleet.run(float(stop))
        shown = fleet.gauges()
        finished += len(interval.finished)
        assert (shown.kv_tokens <= shown.kv_capacity).all()
        assert (shown.busy_s <= stop).all()
        assert (shown.running <= 12).all()
        assert shown.arrived.sum() + (fleet.requests["outcome"] == Outcome.REFUSED).sum() == interval.arrived.stop
        done = fleet.requests["outcome"] != Outcome.PENDING
        assert done.sum() + fleet.load.sum() == interval.arrived.stop
        assert (fleet.requests["first_s"][interval.started] < stop + 0.01).all()
        assert (fleet.load == shown.running + shown.waiting).all()
    fleet.run(math.inf)
    rows = fleet.requests
    ended = rows["outcome"] == Outcome.FINISHED
    assert (rows["outcome"] != Outcome.PENDING).all()
    assert fleet.gauges().output_tokens.sum() == rows["output"][ended].sum()
    assert (fleet.gauges().kv_tokens == 0).all()
    assert fleet.gauges().completed.sum() == ended.sum() >= finished
    for slot in range(3):
        here = rows[ended & (rows["replica"] == slot)]
        # First come, first served: nobody gets the first token before one who came earlier.
        assert (np.diff(here["first_s"]) >= 0).all()


@pytest.fixture
def plain_replica() -> ModuleType:
    """The module `replica` and all beneath it as they are without numba."""
    kept = {name: importlib.import_module(f"wharfage_simulator.{name}") for name in REPLAYED}
    for name, module in kept.items():
        del sys.modules[module.__name__]
        delattr(wharfage_simulator, name)
    numba = sys.modules["numba"]
    sys.modules["numba"] = None  # type: ignore[assignment]
    plain = importlib.import_module("wharfage_simulator.replica")
    sys.modules["numba"] = numba
    for name, module in kept.items():
        sys.modules[module.__name__] = module
        setattr(wharfage_simulator, name, module)
    return plain


@pytest.mark.parametrize("routing", Routing)
def test_plain_python_gives_the_same_bits_as_machine_code(plain_replica: ModuleType, routing: Routing) -> None:
    load = random_trace(5, 120, req_per_s=30.0, prompt=60, output=25, cached=0.5)
    kind = profile(kv_tokens=900, window_tokens=40, window_kv_ratio=0.5)
    ended = []
    for module in (compiled_replica, plain_replica):
        fleet = module.Replicas(load, [kind], 3, module.Service(routing, hold=True, patience_s=3.0))
        fleet.serve(0, 0)
        fleet.serve(1, 0, weight=2.0)
        fleet.run(1.0)
        fleet.serve(2, 0)
        fleet.drain(0)
        fleet.run(2.0)
        fleet.kill(1)
        fleet.run(math.inf)
        ended.append((fleet.requests.tobytes(), fleet.state.replicas.tobytes()))
    assert hasattr(replay.run, "py_func")
    assert not hasattr(plain_replica.replay.run, "py_func")
    assert ended[0] == ended[1]


def test_a_profile_is_tabulated_up_to_its_own_limit() -> None:
    small, large = profile(batched_tokens=16), profile(batched_tokens=32)
    rows, linear = tables([small, large])
    assert linear[0, 16] == small.step.linear_s(16)
    assert np.isnan(linear[0, 17])
    assert linear[1, 32] == large.step.linear_s(32)
    assert rows["batched_tokens"].tolist() == [16, 32]


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        pytest.param(
            {"sequences": 65}, "65 sequences in steps of 64 tokens", id="more sequences than tokens in a step"
        ),
        pytest.param({"kv_tokens": 0}, "no room for a KV cache", id="no cache"),
    ],
)
def test_a_replica_that_cannot_run_is_refused(limits: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        tables([profile(**limits)])
