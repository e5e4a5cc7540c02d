"""What is equal is held once, and what only looks equal is not."""

from typing import Any

import pytest
from wharfage_operator.shares import Shares

PROBE = {"httpGet": {"path": "/health", "port": 8000}, "periodSeconds": 5}


def test_equal_parts_of_two_objects_are_one() -> None:
    shares = Shares()
    first = shares.of({"name": "a", "probes": [PROBE, {"x": 1}]})
    second = shares.of({"name": "b", "probes": [{**PROBE}, {"x": 2}]})
    assert (first, second) == ({"name": "a", "probes": [PROBE, {"x": 1}]}, {"name": "b", "probes": [PROBE, {"x": 2}]})
    assert first["probes"][0] is second["probes"][0]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"a": 1}, {"a": True}),
        ({"a": 1}, {"a": 1.0}),
        ({"a": None}, {"a": "None"}),
        ({"a": "b"}, ["a", "b"]),
        ([], {}),
        ({"a": {}}, {"a": []}),
        ({"a": "b", "c": "d"}, {"a": "d", "c": "b"}),
    ],
    ids=repr,
)
def test_what_only_looks_equal_stays_what_it_is(one: Any, other: Any) -> None:
    shares = Shares()
    assert [repr(shares.of(value)) for value in (one, other)] == [repr(one), repr(other)]


def test_however_many_different_things_come_each_stays_what_it_is() -> None:
    shares = Shares()
    assert [shares.of({"n": [n, {"n": n}]}) for n in range(5000)] == [{"n": [n, {"n": n}]} for n in range(5000)]


def test_heartbeats_are_left_out() -> None:
    assert Shares().of({"conditions": [{"type": "Ready", "lastHeartbeatTime": "now"}]}) == {
        "conditions": [{"type": "Ready"}]
    }
