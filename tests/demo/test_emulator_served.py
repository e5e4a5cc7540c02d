"""A load on the pods of the moment: equal shares, counters from zero, and what becomes of a pod that goes."""

import numpy as np
from wharfage_autoscaler.objectives import Objectives
from wharfage_operator.readings import Engine, reading
from wharfage_simulator.traces import RequestTrace

from demo.emulator.engines import Engines
from demo.emulator.served import Served
from tests.simulator.engines import profile

ENGINES = Engines("chat", 1024, Objectives(), (profile(),), {})
PER_S = 50


def steady(seconds: int, *, output: int = 5) -> RequestTrace:
    """Fifty short requests a second."""
    count = PER_S * seconds
    lengths = np.full(count, 10, dtype=np.int32)
    return RequestTrace(
        "test",
        0.0,
        float(seconds),
        np.arange(count) / PER_S,
        lengths,
        np.full(count, output, dtype=np.int32),
        np.zeros(count, dtype=np.int32),
    )


def engine(served: Served, uid: str) -> Engine:
    seen = reading(served.page(uid), at_s=0.0)
    assert seen is not None
    (found,) = seen.engines.values()
    return found


def test_pods_of_a_service_get_equal_shares_of_all_that_arrives() -> None:
    served = Served(steady(60), ENGINES)
    pods = dict.fromkeys("abcd", 0)
    for stop_s in range(1, 61):
        served.step(float(stop_s), pods, pods)
    served.step(70.0, pods, pods)
    shares = [engine(served, uid).arrived for uid in pods]
    assert sum(shares) == 60 * PER_S
    assert max(shares) - min(shares) < 0.2 * max(shares)
    assert served.moment().arrived_rps is not None


def test_a_pod_that_is_killed_moves_its_load_and_its_requests_to_the_others() -> None:
    served = Served(steady(30, output=40), ENGINES)
    served.step(10.0, {"a": 0, "b": 0}, {"a", "b"})
    before = engine(served, "b").arrived
    served.step(20.0, {"b": 0}, {"b"})
    assert list(served.pods) == ["b"]
    # All that comes, and what the other had not finished.
    assert engine(served, "b").arrived - before >= 10 * PER_S
    served.step(1e4, {"b": 0}, {"b"})
    assert served.minutes().requests.sum() == 30 * PER_S


def test_a_pod_out_of_the_endpoints_finishes_what_it_has_and_gets_nothing_more() -> None:
    served = Served(steady(30, output=40), ENGINES)
    served.step(10.0, {"a": 0, "b": 0}, {"a", "b"})
    assert not served.idle("a")
    arrived = engine(served, "a").arrived
    served.step(30.0, {"b": 0}, {"a", "b"})
    assert served.idle("a")
    assert engine(served, "a").arrived == arrived
    assert engine(served, "a").finished == arrived


def test_without_a_pod_requests_fail_and_minutes_are_bad() -> None:
    served = Served(steady(60), ENGINES)
    served.step(60.0, {}, set())
    assert served.failed() == 60 * PER_S
    assert served.minutes().bad_minutes() == (1, 1)


def test_a_pod_that_nobody_was_sent_to_has_a_page_of_zeros() -> None:
    served = Served(steady(10), ENGINES)
    assert engine(served, "unknown").arrived == 0.0
