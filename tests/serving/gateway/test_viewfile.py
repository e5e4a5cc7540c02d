"""A view as a file."""

import asyncio
from pathlib import Path

import pytest
from wharfage_gateway import viewfile
from wharfage_gateway.view import Credential, Model, Replica, Throttle, View

FULL = View(
    {
        "chat": Model(
            key="chat",
            served="chat",
            replicas=(Replica("a", "10.0.0.1", 8001, 2.5, "int4", draining=True),),
            classes={"bulk": 1},
            order=("int4",),
            split={"int4": 0.1},
            fallback=("deployment/small",),
            throttle=Throttle(5.0, 50.0, "Throttle", "team"),
        )
    },
    (Credential("secret", "red", "bulk"),),
    keys_required=True,
    gateways=2,
)


def test_a_view_is_read_as_it_was_written(tmp_path: Path) -> None:
    path = tmp_path / "view.json"
    viewfile.write(FULL, path)
    assert viewfile.read(path) == FULL
    assert path.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize(
    ("text", "said"),
    [
        pytest.param(None, "No such file or directory: write a view there", id="no file"),
        pytest.param("{", "Invalid JSON", id="no JSON"),
        pytest.param('{"models": {"chat": {"key": "chat"}}}', "models.chat.served: Field required", id="no name"),
        pytest.param(
            '{"models": {"chat": {"key": "c", "served": "c", "hold_s": "long"}}}',
            "models.chat.hold_s: Input should be a valid number",
            id="no number",
        ),
    ],
)
def test_a_file_that_is_no_view_says_where(tmp_path: Path, text: str | None, said: str) -> None:
    path = tmp_path / "view.json"
    if text is not None:
        path.write_text(text)
    with pytest.raises(viewfile.ViewFileError, match=said):
        viewfile.read(path)


async def test_a_file_is_read_again_when_it_changes_and_a_broken_one_changes_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "view.json"
    seen: asyncio.Queue[View] = asyncio.Queue()
    viewfile.write(FULL, path)
    following = asyncio.create_task(viewfile.follow(path, seen.put_nowait))
    assert await seen.get() == FULL
    path.write_text("{")
    while not caplog.records:  # noqa: ASYNC110 - it is told to people, in the log
        await asyncio.sleep(0.01)
    assert seen.empty()
    viewfile.write(View(gateways=3), path)
    assert await seen.get() == View(gateways=3)
    following.cancel()
