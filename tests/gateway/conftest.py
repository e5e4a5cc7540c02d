"""A gateway for each test that asks."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.gateway.client import Client
from tests.gateway.rig import KEYS, Rig


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    """A gateway that asks for no keys, not yet started."""
    async with Rig(tmp_path) as made:
        yield made


@pytest.fixture
async def client(rig: Rig) -> AsyncIterator[Client]:
    """A client of it."""
    async with Client(rig.url) as made:
        yield made


@pytest.fixture
async def locked(tmp_path: Path) -> AsyncIterator[Rig]:
    """A gateway that asks for keys; `KEYS` are known to it."""
    async with Rig(tmp_path, keys_required=True) as made:
        made.view = replace(made.view, credentials=KEYS)
        yield made
