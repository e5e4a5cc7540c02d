"""The queue of keys: each once, one worker per key, failures apart."""

import asyncio
import itertools
import random

from wharfage_operator.workqueue import WorkQueue


def queue() -> WorkQueue[str]:
    return WorkQueue(first_s=0.2, longest_s=10.0, rng=random.Random(7))


async def test_a_key_that_waits_is_not_queued_twice() -> None:
    keys = queue()
    keys.add("a")
    keys.add("a")
    assert len(keys) == 1
    assert await keys.get() == "a"
    assert len(keys) == 0


async def test_a_key_that_changes_while_it_is_worked_on_runs_once_more_afterwards() -> None:
    keys = queue()
    keys.add("a")
    await keys.get()
    keys.add("a")
    keys.add("a")
    keys.add("b")
    assert await keys.get() == "b", "no second worker gets the key that is being worked on"
    keys.done("a")
    assert await keys.get() == "a"
    keys.done("a")
    keys.done("b")
    assert keys.idle


async def test_of_several_delays_the_earliest_holds() -> None:
    loop = asyncio.get_running_loop()
    keys = queue()
    keys.add_after("a", 50)
    keys.add_after("a", 100)
    assert list(keys._timers) == ["a"]
    assert keys._timers["a"][0] < loop.time() + 51
    keys.add_after("a", 0)
    keys.add_after("a", 0)
    assert await asyncio.wait_for(keys.get(), 45) == "a"
    assert not keys._timers
    keys.close()


async def test_failures_back_off_twofold_up_to_a_bound_and_apart_from_other_keys() -> None:
    keys = queue()
    delays = [keys.retry("a") for _ in range(8)]
    # Twofold, give or take a jitter of 20 % on either side.
    assert all(1.3 < after / before < 3.1 for before, after in itertools.pairwise(delays[:5]))
    assert 0.16 <= delays[0] <= 0.24
    assert max(delays) <= 12.0
    assert keys.retry("b") <= 0.24
    keys.close()


async def test_success_makes_the_next_failure_short_again() -> None:
    keys = queue()
    for _ in range(5):
        keys.retry("a")
    assert keys.failures("a") == 5
    keys.forget("a")
    assert keys.retry("a") <= 0.24
    keys.close()


async def test_a_server_that_asks_for_time_gets_it() -> None:
    keys = queue()
    keys.add("a")
    await keys.get()
    keys.add("a")
    assert keys.retry("a", at_least_s=30) == 30
    keys.done("a")
    keys.add("a")
    keys.add_after("a", 0)
    assert keys.idle, "a change does not bring the key back before that"
    keys._ring("a")
    assert await keys.get() == "a"
    keys.close()
