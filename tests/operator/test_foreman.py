"""The operator's worker: a process of its own, that may die at any moment without anything else noticing much."""

import asyncio
import os
import pickle
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from wharfage_operator.foreman import Foreman, WorkerFailed
from wharfage_operator.telemetry import Telemetry

from tests.operator import stubs
from tests.operator.stubs import Does, Echo, Last, Later, Sleeps


@asynccontextmanager
async def foreman(telemetry: Telemetry | None = None, **settings: Any) -> AsyncIterator[Foreman]:
    defaults: dict[str, Any] = {"command": stubs.COMMAND, "first_pause_s": 0.01}
    made = Foreman(telemetry or Telemetry(), **defaults | settings)
    try:
        yield made
    finally:
        await made.close()


async def pid_of(made: Foreman) -> int:
    pid = await made.ask(Does(stubs.pid), timeout_s=60)
    assert isinstance(pid, int)
    return pid


def sample(telemetry: Telemetry, name: str, **labels: str) -> float | None:
    return telemetry.registry.get_sample_value(name, labels)


def runs(pid: int) -> bool:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:  # it may go while it is looked at
        return False
    return stat.rpartition(") ")[2][0] != "Z"


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not holds():  # noqa: ASYNC110 - what another process does sets no event
            await asyncio.sleep(0.002)


async def sent(made: Foreman, begun: Path) -> "asyncio.Task[object]":
    """An errand that the worker is at, and never ends."""
    task = asyncio.create_task(made.ask(Sleeps(begun), timeout_s=60))
    await until(begun.exists)
    return task


async def test_one_process_does_errand_after_errand() -> None:
    async with foreman() as made:
        first = await pid_of(made)
        assert await made.ask(Echo("again"), timeout_s=60) == "again"
        assert await pid_of(made) == first
        assert first != os.getpid()
    assert not runs(first)


async def test_none_is_started_before_anything_is_asked() -> None:
    telemetry = Telemetry()
    async with foreman(telemetry):
        assert sample(telemetry, "wharfage_worker_starts_total") == 0


async def test_a_large_answer_comes_whole() -> None:
    async with foreman() as made:
        answer = await made.ask(Does(stubs.large), timeout_s=30)
        assert isinstance(answer, bytes)
        assert len(answer) == 30_000_000


async def test_a_large_question_comes_whole() -> None:
    async with foreman() as made:
        assert len(await made.ask(Echo("x" * 10_000_000), timeout_s=30)) == 10_000_000


async def test_what_raised_is_told_and_the_worker_goes_on() -> None:
    telemetry = Telemetry()
    async with foreman(telemetry) as made:
        before = await pid_of(made)
        with pytest.raises(WorkerFailed, match="ZeroDivisionError: of all things"):
            await made.ask(Does(stubs.raises), timeout_s=60)
        assert await pid_of(made) == before
    assert sample(telemetry, "wharfage_worker_errands_total", kind="does", outcome="failed") == 1
    assert sample(telemetry, "wharfage_worker_errands_total", kind="does", outcome="done") == 2


async def test_an_answer_that_cannot_be_sent_is_told_and_the_worker_goes_on() -> None:
    async with foreman() as made:
        before = await pid_of(made)
        with pytest.raises(WorkerFailed, match="pickle"):
            await made.ask(Does(stubs.cannot_be_sent), timeout_s=60)
        assert await pid_of(made) == before


async def test_a_question_that_cannot_be_sent_is_its_askers_trouble_and_nobody_elses() -> None:
    async with foreman() as made:
        with pytest.raises((pickle.PicklingError, AttributeError)):
            await made.ask(Does(lambda: None), timeout_s=60)
        assert await made.ask(Echo("next"), timeout_s=60) == "next"


LOSSES: dict[str, tuple[Callable[[], object], str, str]] = {
    "it kills itself": (stubs.dies, "signal 9", "died"),
    "it answers what cannot be": (stubs.nonsense, "nonsense", "nonsense"),
    "it writes into its own answer": (stubs.garbles, "nonsense", "nonsense"),
}


@pytest.mark.parametrize(("function", "reason", "outcome"), LOSSES.values(), ids=LOSSES)
async def test_a_worker_that_is_lost_is_another_one_for_the_next_errand(
    function: Callable[[], object], reason: str, outcome: str
) -> None:
    telemetry = Telemetry()
    async with foreman(telemetry) as made:
        before = await pid_of(made)
        with pytest.raises(WorkerFailed, match=reason):
            await made.ask(Does(function), timeout_s=60)
        assert await pid_of(made) != before
        assert not runs(before)
    assert sample(telemetry, "wharfage_worker_errands_total", kind="does", outcome=outcome) == 1
    assert sample(telemetry, "wharfage_worker_starts_total") == 2


async def test_an_errand_beyond_its_time_is_killed_and_the_next_one_is_done() -> None:
    async with foreman() as made:
        before = await pid_of(made)
        late = asyncio.create_task(made.ask(Echo(after_s=600.0), timeout_s=0.05))
        next_one = asyncio.create_task(made.ask(Echo("next"), timeout_s=60))
        with pytest.raises(WorkerFailed, match=r"longer than 0\.05 s"):
            await late
        assert await next_one == "next"
        assert not runs(before)


async def test_a_worker_killed_from_outside_loses_the_errand_under_way_and_no_other(tmp_path: Path) -> None:
    async with foreman() as made:
        pid = await pid_of(made)
        under_way = await sent(made, tmp_path / "begun")
        waiting = [asyncio.create_task(made.ask(Echo(str(number)), timeout_s=60)) for number in range(3)]
        os.kill(pid, signal.SIGKILL)
        with pytest.raises(WorkerFailed, match="signal 9"):
            await under_way
        assert await asyncio.gather(*waiting) == ["0", "1", "2"]


async def test_a_worker_that_died_between_two_errands_is_not_missed() -> None:
    async with foreman() as made:
        pid = await pid_of(made)
        os.kill(pid, signal.SIGKILL)
        await until(lambda: not runs(pid))
        try:
            assert await pid_of(made) != pid
        except WorkerFailed:  # asked before its end was heard of
            assert await pid_of(made) != pid


async def test_the_least_rank_goes_first_and_then_the_first_that_asked() -> None:
    done: list[str] = []

    async def ask(made: Foreman, errand: Echo) -> None:
        done.append(await made.ask(errand, timeout_s=60))

    async with foreman() as made:
        errands = (Last("under way"), Last("tune"), Later("fit 1"), Later("fit 2"), Echo("allot"))
        await asyncio.gather(*(ask(made, errand) for errand in errands))
    assert done == ["allot", "fit 1", "fit 2", "under way", "tune"]


async def test_whoever_gives_up_waiting_holds_nobody_up() -> None:
    async with foreman() as made:
        given_up = [asyncio.create_task(made.ask(Echo(after_s=after_s), timeout_s=60)) for after_s in (0.05, 600.0)]
        await pid_of(made)
        for task in given_up:
            task.cancel()
        assert await made.ask(Echo("next"), timeout_s=60) == "next"


async def test_a_worker_that_cannot_be_started_is_told_at_once_and_then_without_trying(
    caplog: pytest.LogCaptureFixture,
) -> None:
    telemetry = Telemetry()
    async with foreman(telemetry, command=("/does/not/exist",), first_pause_s=30.0) as made:
        with pytest.raises(WorkerFailed, match="cannot be started"):
            await made.ask(Echo(), timeout_s=60)
        with pytest.raises(WorkerFailed, match="waits to be started again: the worker cannot be started"):
            await made.ask(Echo(), timeout_s=60)
    assert sample(telemetry, "wharfage_worker_starts_total") == 1
    for outcome in ("unstarted", "paused"):
        assert sample(telemetry, "wharfage_worker_errands_total", kind="echo", outcome=outcome) == 1
    assert len([record for record in caplog.records if record.levelname == "WARNING"]) == 1


async def test_a_worker_that_ends_at_once_says_with_which_status() -> None:
    async with foreman(command=(sys.executable, "-c", "raise SystemExit(3)")) as made:
        with pytest.raises(WorkerFailed, match="status 3"):
            await made.ask(Echo(), timeout_s=60)


async def test_a_worker_that_never_says_it_is_ready_is_killed() -> None:
    async with foreman(command=("sleep", "600"), start_within_s=0.05) as made:
        with pytest.raises(WorkerFailed, match="longer than"):
            await made.ask(Echo(), timeout_s=60)


async def test_a_worker_that_has_grown_too_large_is_another_one_for_the_next_errand() -> None:
    async with foreman(most_rss_mib=1.0) as made:
        assert await pid_of(made) != await pid_of(made)


async def test_it_tells_what_it_holds_and_what_it_took() -> None:
    telemetry = Telemetry()
    async with foreman(telemetry) as made:
        await pid_of(made)
        rss = sample(telemetry, "wharfage_worker_resident_memory_bytes")
        assert rss is not None
        assert 5e6 < rss < 200e6
        assert sample(telemetry, "wharfage_worker_errand_seconds_count", kind="does") == 1


async def test_what_it_says_aside_is_logged_line_by_line(caplog: pytest.LogCaptureFixture) -> None:
    async with foreman() as made:
        assert await made.ask(Does(stubs.prints), timeout_s=60) == "quiet"
    said = [record.getMessage() for record in caplog.records if record.getMessage().startswith("the worker says")]
    assert said[0] == "the worker says: printed by a library"
    assert sum(message.count("x") for message in said) == 5000
    assert max(map(len, said)) < 3000


async def test_signals_that_end_a_group_do_not_end_it() -> None:
    async with foreman() as made:
        assert await made.ask(Does(stubs.ignores_the_end), timeout_s=60) == "here"
        assert os.getpgid(await pid_of(made)) != os.getpgid(os.getpid())


async def test_closing_ends_the_errand_under_way_and_those_that_wait(tmp_path: Path) -> None:
    async with foreman() as made:
        pid = await pid_of(made)
        asked = [await sent(made, tmp_path / "begun"), asyncio.create_task(made.ask(Echo(), timeout_s=60))]
        await asyncio.sleep(0)
        await made.close()
        for task in asked:
            with pytest.raises(WorkerFailed, match="ending"):
                await task
        with pytest.raises(WorkerFailed, match="ending"):
            await made.ask(Echo(), timeout_s=60)
        assert not runs(pid)


async def test_it_ends_with_the_operator_whatever_ended_that() -> None:
    parent = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        "import asyncio\n"
        "from tests.operator import stubs\n"
        "from tests.operator.test_foreman import foreman, pid_of\n"
        "async def main():\n"
        "    async with foreman() as made:\n"
        "        print(await pid_of(made), flush=True)\n"
        "        await asyncio.sleep(600)\n"
        "asyncio.run(main())\n",
        stdout=asyncio.subprocess.PIPE,
    )
    assert parent.stdout is not None
    pid = int(await parent.stdout.readline())
    assert runs(pid)
    parent.kill()
    await parent.wait()
    await until(lambda: not runs(pid))
