"""What Envoy's own pages say is under way."""

from typing import Any

import pytest
from wharfage_gateway.recount import active


def host(**stats: str) -> dict[str, Any]:
    return {"stats": [{"type": "GAUGE", "name": name, "value": value} for name, value in stats.items()]}


@pytest.mark.parametrize(
    ("said", "found"),
    [
        pytest.param({}, {}, id="no cluster"),
        pytest.param(
            {"cluster_statuses": [{"name": "chat", "host_statuses": [host(rq_active="3"), host(rq_active="4")]}]},
            {"chat": 7},
            id="its replicas together",
        ),
        pytest.param(
            {"cluster_statuses": [{"name": "chat", "host_statuses": [{"stats": [{"name": "rq_active"}]}]}]},
            {"chat": 0},
            id="a zero that is left out",
        ),
        pytest.param({"cluster_statuses": [{"name": "chat"}]}, {"chat": 0}, id="no replica"),
    ],
)
def test_requests_under_way_are_counted_by_cluster(said: dict[str, Any], found: dict[str, int]) -> None:
    assert active(said) == found
