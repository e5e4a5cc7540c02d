"""Which pods of gateways are asked, and what one that is asked tells of its tenants."""

import asyncio
import json
from typing import Any, cast

import pytest
from wharfage_autoscaler.spend import Used
from wharfage_gateway.asked import Asked
from wharfage_gateway.board import Board
from wharfage_gateway.demand import demand
from wharfage_gateway.ticket import Used as Told
from wharfage_gateway.view import Model, Replica, View
from wharfage_operator.connection import Connection
from wharfage_operator.gateways import Gateways, is_asked
from wharfage_operator.metrics import MetricsSource
from wharfage_operator.settings import Settings

from tests.operator.servers import answering, body


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


def brain() -> Board:
    """One that has had a request of Ann's, and one of somebody without a key."""
    board = Board("a")
    board.see(View({"chat": Model(key="chat", served="chat", replicas=(Replica("r", "r", slots=4.0),))}), 0.0)
    for tenant, tokens in (("ann", 100), ("", 10)):
        slot, _, _ = board.arrive(Asked("chat", tenant=tenant), 0.0)
        board.ended(slot, Told(tokens, 2 * tokens), 1.0)
    return board


async def test_what_a_gateway_has_counted_of_its_tenants_is_known_under_a_name_of_its_own() -> None:
    said = json.dumps(demand(brain(), now_s=2.0, unix_s=1000.0, began_s=990.25))
    heard = asyncio.Event()
    with answering(body(said)) as url:
        asked = Gateways(
            cast("MetricsSource", None),
            Settings(gateways=(f"shop={url}",)),
            cast("Connection", None),  # its address is given
            lambda key: heard.set(),
        )
        running = asyncio.ensure_future(asked.run())
        await asyncio.wait_for(heard.wait(), timeout=45.0)
        running.cancel()
        ((name, (ago_s, usage)),) = asked.tallies().items()
    assert name == f"{url}@990.250"
    assert ago_s >= 0.0
    assert (usage.namespace, usage.began_s) == ("shop", 990.25)
    assert usage.uses == {("chat", "ann"): Used(1.0, 100.0, 200.0), ("chat", ""): Used(1.0, 10.0, 20.0)}
