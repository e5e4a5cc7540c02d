"""What Envoy's own pages say is under way."""

from typing import Any

import pytest
from wharfage_gateway.recount import active


def host(address: str, **stats: str) -> dict[str, Any]:
    return {
        "address": {"socket_address": {"address": address, "port_value": 8000}},
        "stats": [{"type": "GAUGE", "name": name, "value": value} for name, value in stats.items()],
    }


@pytest.mark.parametrize(
    ("said", "found"),
    [
        pytest.param([], {}, id="no host"),
        pytest.param(
            [host("10.0.0.1", rq_active="3", rq_total="9"), host("10.0.0.2", rq_active="4")],
            {"10.0.0.1:8000": 3, "10.0.0.2:8000": 4},
            id="each by its endpoint",
        ),
        pytest.param([host("10.0.0.1")], {"10.0.0.1:8000": 0}, id="a zero that is left out"),
        pytest.param([{"address": {"pipe": {"path": "/run/brain.sock"}}}], {}, id="no replica: a socket of the pod"),
    ],
)
def test_requests_under_way_are_counted_by_host(said: list[dict[str, Any]], found: dict[str, int]) -> None:
    assert active({"cluster_statuses": [{"name": "chat", "host_statuses": said}]}) == {"chat": found}


def test_no_cluster_is_no_count() -> None:
    assert active({}) == {}
