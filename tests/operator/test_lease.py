"""Who leads, judged by a clock that the test turns and a server that the test holds in its hand."""

import asyncio
import copy

import pytest
from wharfage_operator.errors import ApiError
from wharfage_operator.kinds import Key, Kind, Object
from wharfage_operator.lease import Lease


class OneLease:
    """The part of an API server that keeps one Lease, with its optimistic locking."""

    def __init__(self) -> None:
        self.stored: Object | None = None
        self.version = 0
        self.away = False

    async def get(self, kind: Kind, key: Key) -> Object | None:
        if self.away:
            raise ApiError(0, "Unreachable", "away")
        return copy.deepcopy(self.stored)

    async def call(self, method: str, path: str, *, body: Object | None = None) -> Object:
        assert body is not None
        if self.away:
            raise ApiError(0, "Unreachable", "away")
        if method == "POST" and self.stored is not None:
            raise ApiError(409, "AlreadyExists", "taken")
        if method == "PUT" and body["metadata"].get("resourceVersion") != str(self.version):
            raise ApiError(409, "Conflict", "changed")
        self.version += 1
        self.stored = copy.deepcopy(body)
        self.stored["metadata"]["resourceVersion"] = str(self.version)
        return self.stored

    @property
    def holder(self) -> str:
        assert self.stored is not None
        return str(self.stored["spec"]["holderIdentity"])


class Clock:
    """Seconds that pass when the test says so."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def server() -> OneLease:
    return OneLease()


@pytest.fixture
def clock() -> Clock:
    return Clock()


def replica(server: OneLease, clock: Clock, identity: str, deaths: list[int] | None = None) -> Lease:
    return Lease(
        server,
        namespace="wharfage-system",
        name="wharfage-leader",
        identity=identity,
        duration_s=15,
        renew_deadline_s=10,
        retry_s=2,
        die=(deaths if deaths is not None else []).append,
        clock=clock,
    )


async def test_the_first_replica_takes_the_lease_and_the_second_waits(server: OneLease, clock: Clock) -> None:
    first, second = replica(server, clock, "a"), replica(server, clock, "b")
    assert await first._attempt()
    assert not await second._attempt()
    assert second.holder == server.holder == "a"


async def test_a_lease_that_is_not_renewed_changes_hands_only_after_its_whole_duration(
    server: OneLease, clock: Clock
) -> None:
    first, second = replica(server, clock, "a"), replica(server, clock, "b")
    await first._attempt()
    assert not await second._attempt()
    clock.now_s += 14.9
    assert not await second._attempt()
    clock.now_s += 0.2
    assert await second._attempt()
    assert server.holder == "b"
    assert server.stored is not None
    assert server.stored["spec"]["leaseTransitions"] == 1
    assert not await first._attempt(), "the old holder does not take it back"


async def test_every_renewal_starts_the_wait_anew_whatever_the_holder_s_clock_says(
    server: OneLease, clock: Clock
) -> None:
    first, second = replica(server, clock, "a"), replica(server, clock, "b")
    await first._attempt()
    await second._attempt()
    for _ in range(3):
        clock.now_s += 10
        assert server.stored is not None
        server.stored["spec"]["renewTime"] = f"1999-01-01T00:00:{clock.now_s:.0f}Z"
        assert not await second._attempt()


async def test_of_two_that_grab_a_free_lease_one_gets_it(server: OneLease, clock: Clock) -> None:
    server.stored = {
        "metadata": {"name": "wharfage-leader", "resourceVersion": "0"},
        "spec": {"holderIdentity": "", "leaseTransitions": 3},
    }
    replicas = [replica(server, clock, name) for name in ("a", "b")]
    assert sorted(await asyncio.gather(*(one._attempt() for one in replicas))) == [False, True]


async def test_a_leader_may_write_only_as_long_as_its_lease_is_proven(server: OneLease, clock: Clock) -> None:
    leader = replica(server, clock, "a")
    assert not leader.proven
    leader._lead(clock.now_s)
    assert leader.proven
    clock.now_s += 9.9
    assert leader.proven
    clock.now_s += 0.2
    assert not leader.proven


async def test_a_leader_that_cannot_prove_its_lease_ends_itself_before_another_may_lead(
    server: OneLease, clock: Clock
) -> None:
    deaths: list[int] = []
    leader = replica(server, clock, "a", deaths)
    await leader._attempt()
    leader._lead(clock.now_s)
    server.away = True
    clock.now_s += 10.1
    await asyncio.wait_for(leader.watchdog(), 45)
    assert deaths == [1]


async def test_a_leader_whose_lease_was_taken_ends_itself(server: OneLease, clock: Clock) -> None:
    deaths: list[int] = []
    leader = replica(server, clock, "a", deaths)
    await leader._attempt()
    leader._lead(clock.now_s)
    assert server.stored is not None
    server.stored["spec"]["holderIdentity"] = "b"
    await asyncio.wait_for(leader.run(), 45)
    assert deaths == [1]


async def test_a_clean_exit_frees_the_lease_at_once(server: OneLease, clock: Clock) -> None:
    first, second = replica(server, clock, "a"), replica(server, clock, "b")
    await first._attempt()
    first._lead(clock.now_s)
    await second._attempt()
    await first.release()
    assert not first.proven
    assert await second._attempt()


async def test_a_standby_does_not_free_what_it_does_not_hold(server: OneLease, clock: Clock) -> None:
    first, second = replica(server, clock, "a"), replica(server, clock, "b")
    await first._attempt()
    await second.release()
    assert server.holder == "a"
