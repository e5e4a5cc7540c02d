"""Which pods of gateways are asked."""

from typing import Any

import pytest
from wharfage_operator.gateways import is_asked


def pod(*, ready: str = "True", ip: str = "10.0.0.4", **metadata: Any) -> dict[str, Any]:
    return {
        "metadata": {"name": "gateway-a", **metadata},
        "status": {"podIP": ip, "conditions": [{"type": "Ready", "status": ready}]},
    }


GOING = {"deletionTimestamp": "2026-01-01T00:00:00Z"}


@pytest.mark.parametrize(
    ("seen", "asked"),
    [
        pytest.param(pod(), True, id="ready"),
        pytest.param(pod(ready="False"), False, id="not ready yet"),
        pytest.param(pod(ready="False", **GOING), True, id="draining, with those who still wait there"),
        pytest.param(pod(ready="False", ip="", **GOING), False, id="gone but for its object"),
    ],
)
def test_a_pod_is_asked_that_is(seen: dict[str, Any], asked: bool) -> None:
    assert is_asked(seen) is asked
