"""The view that a brain leaves to the next one."""

import asyncio
from contextlib import suppress
from pathlib import Path

from wharfage_gateway import lastview
from wharfage_gateway.view import Credential, Model, Replica, View

ONE = View(models={"chat": Model(key="chat", served="chat", replicas=(Replica("a", "10.0.0.1"),))}, gateways=2)
TWO = View(credentials=(Credential("sk-1", "red"),), keys_required=True)


def taken_up(folder: Path) -> list[View]:
    seen: list[View] = []
    lastview.take_up(folder, seen.append)
    return seen


async def test_the_latest_view_is_kept_for_the_next_brain_and_only_its_owner_may_read_it(tmp_path: Path) -> None:
    latest: list[View] = []
    keeping = asyncio.create_task(lastview.keep(tmp_path, lambda: latest[-1] if latest else None))
    for view in (ONE, TWO):
        latest.append(view)
        for _ in range(450):
            if taken_up(tmp_path) == [view]:
                break
            await asyncio.sleep(0.1)
        assert taken_up(tmp_path) == [view]
    assert (tmp_path / lastview.NAME).stat().st_mode & 0o077 == 0
    keeping.cancel()
    with suppress(asyncio.CancelledError):
        await keeping


def test_a_first_brain_has_nothing_to_take_up(tmp_path: Path) -> None:
    assert taken_up(tmp_path) == []


def test_what_is_no_view_is_left_out(tmp_path: Path) -> None:
    (tmp_path / lastview.NAME).write_text('{"models": 3}')
    assert taken_up(tmp_path) == []
