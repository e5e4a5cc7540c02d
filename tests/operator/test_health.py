"""What the operator's port answers about decisions."""

from collections.abc import AsyncIterator, Mapping

import aiohttp
import pytest
from wharfage_operator.health import Health, served
from wharfage_operator.kinds import Key
from wharfage_operator.telemetry import Telemetry


def decision(key: Key) -> Mapping[str, object] | str:
    """One deployment is decided; of others nothing is known."""
    return {"digest": "0123456789abcdef"} if key == ("shop", "chat") else f"nothing is decided for {key[1]}"


@pytest.fixture
async def address() -> AsyncIterator[str]:
    health = Health(longest_lag_s=1.0, unready=list)
    async with served(health, Telemetry(), host="127.0.0.1", port=0, refresh=lambda: None, decision=decision) as port:
        yield f"http://127.0.0.1:{port}"


@pytest.mark.parametrize(
    ("path", "status", "body"),
    [
        pytest.param("shop/chat", 200, {"digest": "0123456789abcdef"}, id="one that is known"),
        pytest.param("shop/other", 404, {"message": "nothing is decided for other"}, id="one that is not"),
        pytest.param("shop/a%2Fb", 404, {"message": "nothing is decided for a/b"}, id="what is no name"),
    ],
)
async def test_a_decision_is_served_as_json(address: str, path: str, status: int, body: Mapping[str, str]) -> None:
    async with aiohttp.ClientSession() as session, session.get(f"{address}/decisions/{path}") as answer:
        assert (answer.status, await answer.json()) == (status, body)
