"""What tenants may still use, over a restart of the brain."""

import asyncio
from contextlib import suppress
from pathlib import Path

import pytest
from wharfage_gateway.allowance import Allowances
from wharfage_gateway.levels import EVERY_S, dumped, keep, loaded, take_up
from wharfage_gateway.tokens import Bucket, refilled
from wharfage_gateway.view import Throttle

RED, BLUE = ("team", "red"), ("model/chat", "blue")


def test_a_level_is_the_same_by_another_brain_s_clock_and_refills_meanwhile() -> None:
    text = dumped({RED: Bucket(40.0, 100.0), BLUE: Bucket(-7.5, 90.0)}, now_s=100.0, unix_s=1_000_000.0)
    buckets = loaded(text, now_s=5.0, unix_s=1_000_020.0)
    throttle = Throttle(tokens_per_s=2.0, burst_tokens=200.0)
    assert refilled(buckets[RED], throttle, 5.0).level == pytest.approx(80.0)  # 20 s later
    assert refilled(buckets[BLUE], throttle, 5.0).level == pytest.approx(52.5)  # 30 s after it was last looked at


def test_a_clock_that_was_ahead_refills_nothing() -> None:
    text = dumped({RED: Bucket(40.0, 100.0)}, now_s=100.0, unix_s=2_000_000.0)
    assert loaded(text, now_s=5.0, unix_s=1_000_000.0) == {RED: Bucket(40.0, 5.0)}


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"buckets": [1]}', '{"buckets": [{"budget": "b"}]}', "7"])
def test_a_file_that_says_nonsense_is_told_of_and_left_aside(
    text: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "levels.json"
    path.write_text(text)
    allowances = Allowances()
    take_up(path, allowances)
    assert allowances.buckets == {}
    assert "whole burst" in caplog.text


async def test_what_is_kept_is_taken_up(tmp_path: Path) -> None:
    path, allowances, later = tmp_path / "levels.json", Allowances(), Allowances()
    keeping = asyncio.create_task(keep(path, allowances))
    allowances.buckets = {RED: Bucket(3.0, 0.0)}
    await asyncio.sleep(2 * EVERY_S)
    take_up(path, later)
    assert later.buckets[RED].level == 3.0
    allowances.buckets[BLUE] = Bucket(1.0, 0.0)
    keeping.cancel()
    with suppress(asyncio.CancelledError):
        await keeping
    take_up(path, later)
    assert set(later.buckets) == {RED, BLUE}


def test_without_a_file_everything_is_as_at_the_first_start(tmp_path: Path) -> None:
    allowances = Allowances()
    take_up(tmp_path / "levels.json", allowances)
    assert allowances.buckets == {}
