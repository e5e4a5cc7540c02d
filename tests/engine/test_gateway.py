"""Real vLLM behind the gateway: held at zero, counted to the token, drained on notice, killed.

The tests are one story and run in their order, since an engine takes a minute to start. They wait with generous limits
and assert what came before what; how long it took is in `ENGINE_JSON`.
"""

import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from tests.engine.figures import Figures
from tests.engine.front import Front, Look, Looking, asked_at, front_of
from tests.engine.lab import READY_WITHIN_S, Lab, Manifest, example, until
from tests.engine.loop import CHEAP, DEAR
from tests.engine.machines import catalog
from tests.engine.tenants import CUT, LEFT, LOST, REFUSED, WHOLE, Seen

HELD = 24
"""Requests that come while nothing runs: more than the engine takes up at once."""
COUNTED = 60
LEAVE = 0.2
MOST_ERROR = 0.01
LONG = 400
"""Tokens of an answer that takes seconds: it is under way when its replica goes."""
PER_S = "3"
AT_REST_WITHIN_S = 120.0


def asleep() -> list[Manifest]:
    """The example behind the gateway, on the larger of the lab's two machines, asleep as soon as it may."""
    tiny: dict[str, Any] = example("gateway.yaml")[1]
    tiny["spec"]["scaling"]["idleAfter"] = "5s"
    return [catalog({"small": DEAR, "large": CHEAP}), tiny]


@pytest.fixture(scope="module")
def front(empty_lab: Lab) -> Iterator[Front]:
    """Its first replica has started, nobody has asked, and nothing of it runs."""
    empty_lab.apply(asleep())
    found = front_of(empty_lab)
    until("it is at zero", lambda: (found.reason() == "AtZero", found.doing()), timeout_s=READY_WITHIN_S)
    until("nothing runs", lambda: found.serving(0), timeout_s=READY_WITHIN_S)
    yield found
    empty_lab.clear()


def test_what_comes_at_zero_is_held_and_answered_by_the_replica_that_it_wakes(front: Front, figures: Figures) -> None:
    with front.watching() as looking:
        seen = front.streams("--requests", str(HELD), "--per-s", "20")
        front.replicas(least=1, most=1)
    opened = next(look for look in looking.looks if any(look.open.values()))
    assert [each.trouble for each in seen if each.ended != WHOLE] == []
    assert len(seen) == HELD
    assert all(each.waited_s > 0.0 for each in seen), "some were not held"
    firsts = sorted(each.first_at for each in seen if each.first_at)
    figures.engine_hold_requests = HELD
    figures.engine_hold_failed = sum(each.ended != WHOLE for each in seen)
    figures.engine_hold_cold_start_s = opened.read_at - min(each.asked_at for each in seen)
    figures.engine_hold_first_token_s = firsts[0] - opened.asked_at
    figures.engine_hold_last_token_s = firsts[-1] - opened.asked_at


def test_tokens_by_tenant_are_those_that_clients_and_engine_have_counted(front: Front, figures: Figures) -> None:
    seen, counted, made = counting(front, "--requests", str(COUNTED), "--per-s", "6")
    assert [each.trouble for each in seen if each.ended != WHOLE] == []
    assert counted == {tenant: told(seen, tenant) for tenant in counted}
    assert total(counted) == made
    figures.engine_tokens_error = abs(sum(total(counted)) / sum(made) - 1.0)


def test_tokens_of_streams_that_clients_leave_are_counted_as_far_as_they_came(front: Front, figures: Figures) -> None:
    options = ("--requests", str(COUNTED), "--tokens", str(LONG), "--leave", str(LEAVE))
    seen, counted, made = counting(front, *options, "--per-s", PER_S)
    left = [each for each in seen if each.ended == LEFT]
    assert {each.ended for each in seen} == {WHOLE, LEFT}
    figures.engine_tokens_left_share = len(left) / len(seen)
    figures.engine_tokens_left_error = abs(sum(total(counted)) / sum(made) - 1.0)
    print(f"{len(left)} of {len(seen)} left, gateway {total(counted)}, engine {made}, clients {told(seen)}")
    assert figures.engine_tokens_left_error <= MOST_ERROR


def test_a_replica_on_notice_gets_nothing_new_and_fails_nobody(front: Front, figures: Figures, tmp_path: Path) -> None:
    front.replicas(least=2, most=2)
    until("two replicas serve", lambda: front.serving(2), timeout_s=READY_WITHIN_S)
    before = set(front.lab.ready_pods())
    assert len({front.lab.node_of(pod) for pod in before}) == 2, "each replica has a machine of its own"
    with front.watching() as looking, front.streaming("--per-s", PER_S, "--tokens", str(LONG)) as streams:
        until("both have requests", lambda: (busy(looking, before), str(looking.last())), timeout_s=180)
        doomed, in_hand = max(looking.last().running.items(), key=lambda row: row[1])
        node = front.lab.node_of(doomed)
        with front.written_by(doomed, tmp_path / "engine.log") as log:
            told_s = front.lab.take_back(node)
            until("it has drained", lambda: (front.lab.gone(doomed), "it drains"), timeout_s=180)
            gone_s = time.time()
            until("another serves", lambda: front.serving(2), timeout_s=READY_WITHIN_S)
            asked = asked_at(log)
        front.lab.give_back(node)
    open_last, closed = closing(looking, doomed)
    figures.engine_drain_requests = len(streams.seen)
    figures.engine_drain_failed = len(streams.seen) - len(streams.ended(WHOLE))
    figures.engine_drain_in_hand = int(in_hand)
    figures.engine_drain_heard_s = closed.read_at - told_s
    figures.engine_drain_last_request_s = max(asked) - open_last.asked_at
    figures.engine_drain_gone_s = gone_s - told_s
    print(f"{in_hand:g} in hand, {figures}")
    assert [each.trouble for each in streams.seen if each.ended != WHOLE] == []
    assert in_hand >= 1, "nothing was put to the test"
    running = [look.running.get(doomed, 0.0) for look in looking.looks if look.asked_at >= closed.asked_at]
    assert running == sorted(running, reverse=True), "it was sent more after the gateway had heard of the notice"
    assert any(each.asked_at > closed.read_at for each in streams.seen), "nobody asked after the notice"


def test_an_engine_that_is_killed_cuts_what_had_begun_and_loses_nothing_else(front: Front, figures: Figures) -> None:
    front.replicas(least=2, most=2)
    until("two replicas serve", lambda: front.serving(2), timeout_s=READY_WITHIN_S)
    ready = set(front.lab.ready_pods())
    with front.watching() as looking, front.streaming("--per-s", PER_S, "--tokens", str(LONG)) as streams:
        until("both have requests", lambda: (busy(looking, ready), str(looking.last())), timeout_s=180)
        victim, in_hand = max(looking.last().running.items(), key=lambda row: row[1])
        before_s = time.time()
        front.lab.kill(victim)
        killed_s = time.time()
        until(
            "the gateway sends it nothing",
            lambda: (not looking.last().open.get(victim), "open"),
            timeout_s=180,
        )
        time.sleep(3)
    figures.engine_kill_requests = len(streams.seen)
    figures.engine_kill_cut = len(streams.ended(CUT))
    figures.engine_kill_lost = len(streams.ended(LOST)) + len(streams.ended(REFUSED))
    print(f"{in_hand:g} in hand, {figures}")
    assert [each.trouble for each in streams.seen if each.ended in (LOST, REFUSED)] == []
    cut = streams.ended(CUT)
    assert cut, "nothing was put to the test"
    assert all(each.asked_at <= killed_s and each.ended_at >= before_s for each in cut), "cut by something else"
    until("all are over", front.at_rest, timeout_s=AT_REST_WITHIN_S)


def counting(front: Front, *options: str) -> tuple[list[Seen], dict[str, tuple[int, int]], tuple[int, int]]:
    """What was seen, and tokens of prompts and answers meanwhile: the gateway's by tenant, and the engine's."""
    (pod,) = front.lab.ready_pods()
    before, made_before = front.tokens(), made_by(front, pod)
    seen = front.streams(*options)
    until("all are over", front.at_rest, timeout_s=AT_REST_WITHIN_S)
    after, made_after = front.tokens(), made_by(front, pod)
    counted = {tenant: minus(after[tenant], before[tenant]) for tenant in after}
    return seen, counted, minus(made_after, made_before)


def made_by(front: Front, pod: str) -> tuple[int, int]:
    figures = front.lab.figures(pod)
    return int(figures["vllm:prompt_tokens_total"]), int(figures["vllm:generation_tokens_total"])


def told(seen: list[Seen], tenant: str = "") -> tuple[int, int]:
    """What answers said of themselves, of one tenant's or of all."""
    mine = [each for each in seen if tenant in ("", each.tenant)]
    return sum(each.prompt_tokens for each in mine), sum(each.output_tokens for each in mine)


def total(counted: dict[str, tuple[int, int]]) -> tuple[int, int]:
    return sum(row[0] for row in counted.values()), sum(row[1] for row in counted.values())


def minus(after: tuple[int, int], before: tuple[int, int]) -> tuple[int, int]:
    return after[0] - before[0], after[1] - before[1]


def busy(looking: Looking, pods: set[str]) -> bool:
    running = looking.last().running
    return all(running.get(pod, 0.0) >= 1.0 for pod in pods)


def closing(looking: Looking, pod: str) -> tuple[Look, Look]:
    """The last look that shows a replica open, and the next, which shows it closed."""
    pairs = list(pairwise(looking.looks))
    return next((last, first) for last, first in reversed(pairs) if last.open.get(pod) and not first.open.get(pod))
