"""Who is next, and who has to go when the queue is full."""

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from wharfage_gateway.view import DEFAULT_CLASS
from wharfage_gateway.waiting import Waiting, class_of

WEIGHTS = {"interactive": 4, "bulk": 1}


def filled(weights: dict[str, int], counts: dict[tuple[str, str], int]) -> Waiting:
    """A queue with so many of each class and tenant; tickets are CLASS/TENANT/NUMBER."""
    found = Waiting(weights)
    for (cls, tenant), count in counts.items():
        for number in range(count):
            found.join(f"{cls}/{tenant}/{number}", cls, tenant)
    return found


def served(queue: Waiting, count: int) -> list[str]:
    return [ticket for _ in range(count) if (ticket := queue.pop()) is not None]


def test_classes_are_served_by_their_weights_while_both_wait() -> None:
    queue = filled(WEIGHTS, {("interactive", "a"): 100, ("bulk", "a"): 100})
    classes = Counter(ticket.split("/")[0] for ticket in served(queue, 100))
    assert classes == {"interactive": 80, "bulk": 20}


def test_a_class_that_rarely_asks_is_served_at_once() -> None:
    queue = filled(WEIGHTS, {("bulk", "a"): 100})
    served(queue, 50)
    queue.join("late", "interactive", "b")
    assert "late" in served(queue, 2)


def test_tenants_of_a_class_are_served_alike_however_many_each_sends() -> None:
    queue = filled({}, {("default", "flood"): 900, ("default", "quiet"): 20})
    tenants = Counter(ticket.split("/")[1] for ticket in served(queue, 40))
    assert tenants == {"flood": 20, "quiet": 20}


def test_a_tenant_that_comes_back_has_saved_nothing_up() -> None:
    queue = filled({}, {("default", "a"): 100})
    served(queue, 50)
    for number in range(50):
        queue.join(f"default/b/{number}", "default", "b")
    tenants = Counter(ticket.split("/")[1] for ticket in served(queue, 20))
    assert abs(tenants["a"] - tenants["b"]) <= 1


def test_one_request_at_a_time_is_no_way_to_get_more() -> None:
    queue = filled({}, {("default", "a"): 200})
    got: Counter[str] = Counter()
    queue.join("default/b/0", "default", "b")
    for number in range(1, 100):
        ticket = queue.pop() or ""
        tenant = ticket.split("/")[1]
        got[tenant] += 1
        if tenant == "b":
            queue.join(f"default/b/{number}", "default", "b")
    assert abs(got["a"] - got["b"]) <= 1


def test_what_a_tenant_has_used_is_not_forgotten_while_it_is_away_for_a_moment() -> None:
    queue = Waiting({})
    for tenant in "abz":
        queue.join(f"{tenant}1", "default", tenant)
    assert served(queue, 3) == ["a1", "b1", "z1"]
    queue.join("b2", "default", "b")
    assert queue.first() == "b2"
    queue.join("a2", "default", "a")
    queue.join("z2", "default", "z")
    assert served(queue, 3) == ["a2", "b2", "z2"]
    queue.join("z3", "default", "z")
    assert queue.first() == "z3"
    queue.join("b3", "default", "b")
    queue.join("b4", "default", "b")
    assert served(queue, 3) == ["b3", "z3", "b4"]


def test_a_tenants_requests_keep_their_order() -> None:
    queue = filled({}, {("default", "a"): 3})
    assert served(queue, 3) == ["default/a/0", "default/a/1", "default/a/2"]


def test_other_weights_count_from_now_on() -> None:
    queue = filled(WEIGHTS, {("interactive", "a"): 100, ("bulk", "a"): 100})
    queue.reweigh({"interactive": 1, "bulk": 1})
    classes = Counter(ticket.split("/")[0] for ticket in served(queue, 20))
    assert classes == {"interactive": 10, "bulk": 10}


@pytest.mark.parametrize(
    ("counts", "newcomer", "goes"),
    [
        pytest.param({("bulk", "a"): 3}, ("interactive", "a"), "bulk/a/2", id="the newest of the class with most"),
        pytest.param({("bulk", "a"): 3}, ("bulk", "a"), None, id="the newcomer where it is of those"),
        pytest.param(
            {("bulk", "a"): 2, ("bulk", "b"): 1}, ("bulk", "b"), None, id="the newcomer where it is as bad as the worst"
        ),
        pytest.param({("bulk", "a"): 3}, ("bulk", "b"), "bulk/a/2", id="the newest of the tenant with most"),
        pytest.param(
            {("interactive", "a"): 4, ("bulk", "a"): 2},
            ("interactive", "b"),
            "bulk/a/1",
            id="what a class holds is measured by its weight",
        ),
        pytest.param(
            {("interactive", "a"): 13, ("bulk", "a"): 2},
            ("bulk", "b"),
            "interactive/a/12",
            id="so a heavy class goes too where it holds too much",
        ),
    ],
)
def test_a_full_queue_makes_room(
    counts: dict[tuple[str, str], int], newcomer: tuple[str, str], goes: str | None
) -> None:
    assert filled(WEIGHTS, counts).sheds(*newcomer) == goes


ACTIONS = st.lists(
    st.tuples(
        st.sampled_from(["join", "pop", "leave", "reweigh"]),
        st.sampled_from(["interactive", "bulk", DEFAULT_CLASS]),
        st.sampled_from("abc"),
        st.integers(0, 30),
    ),
    max_size=120,
)


@settings(max_examples=200, deadline=None)
@given(ACTIONS)
def test_nobody_is_lost_and_nobody_is_served_twice(actions: list[tuple[str, str, str, int]]) -> None:
    queue, inside, count = Waiting(WEIGHTS), set[str](), 0
    for what, cls, tenant, number in actions:
        if what == "join":
            count += 1
            queue.join(str(count), cls, tenant)
            inside.add(str(count))
        elif what == "pop":
            first = queue.first()
            assert queue.pop() == first
            assert (first is None) == (not inside)
            inside -= {first} if first else set()
        elif what == "leave":
            ticket = str(number)
            assert queue.leave(ticket) == (ticket in inside)
            inside.discard(ticket)
        else:
            queue.reweigh({"interactive": number + 1, "bulk": 1})
        assert len(queue) == len(inside) == sum(queue.sizes().values())
        assert all(ticket in queue for ticket in inside)
        pushed = queue.sheds(cls, tenant)
        assert pushed is None or pushed in inside
    assert {queue.pop() for _ in range(len(inside))} == inside
    assert queue.pop() is None


@settings(max_examples=100, deadline=None)
@given(st.dictionaries(st.sampled_from("abcdef"), st.integers(1, 20), min_size=2), st.integers(1, 200))
def test_shares_follow_weights_to_within_one_turn(weights: dict[str, int], turns: int) -> None:
    queue = filled(weights, {(cls, "t"): turns for cls in weights})
    got = Counter(ticket.split("/")[0] for ticket in served(queue, turns))
    for cls, weight in weights.items():
        share = turns * weight / sum(weights.values())
        assert abs(got[cls] - share) <= 1 + len(weights) * weight / sum(weights.values())


@pytest.mark.parametrize(
    ("wanted", "key_class", "any_class", "cls"),
    [
        pytest.param("", "", False, DEFAULT_CLASS, id="neither key nor client names one"),
        pytest.param("", "interactive", False, "interactive", id="the key's"),
        pytest.param("bulk", "interactive", False, "bulk", id="a lighter one than the key's may be asked for"),
        pytest.param("interactive", "bulk", False, "bulk", id="a heavier one may not"),
        pytest.param("interactive", "", False, DEFAULT_CLASS, id="nor by a key without a class"),
        pytest.param("interactive", "", True, "interactive", id="any may be where nobody shows a key"),
        pytest.param("gold", "interactive", False, "interactive", id="one that does not exist is not asked for"),
        pytest.param("", "gold", False, DEFAULT_CLASS, id="nor had"),
    ],
)
def test_a_client_may_only_lower_its_class(wanted: str, key_class: str, any_class: bool, cls: str) -> None:
    assert class_of(wanted, key_class, WEIGHTS, any_class=any_class) == cls


def test_who_costs_more_is_served_less_often_and_only_by_what_it_really_cost() -> None:
    queue = filled({}, {("default", "long"): 2000, ("default", "short"): 2000})
    got: Counter[str] = Counter()
    for _ in range(1100):
        ticket = queue.pop() or ""
        name = ticket.split("/")[1]
        got[name] += 1
        queue.over(ticket, 10.0 if name == "long" else 1.0)
    assert got["short"] / got["long"] == pytest.approx(10.0, rel=0.02)


def test_what_a_tenant_used_up_while_it_was_alone_is_not_held_against_it() -> None:
    queue = filled({}, {("default", "a"): 500})
    for _ in range(100):
        queue.over(queue.pop() or "", 30.0)
    for number in range(50):
        queue.join(f"default/b/{number}", "default", "b")
    names = []
    for _ in range(20):
        ticket = queue.pop() or ""
        names.append(ticket.split("/")[1])
        queue.over(ticket, 30.0)
    assert abs(names.count("a") - names.count("b")) <= 2


def test_a_debt_is_remembered_while_its_tenant_has_nothing_waiting() -> None:
    queue = filled({}, {("default", "a"): 1, ("default", "b"): 20})
    first = queue.pop() or ""
    for _ in range(3):
        queue.over(queue.pop() or "", 1.0)
    queue.over(first, 9.0)
    queue.join("default/a/later", "default", "a")
    assert [ticket.split("/")[1] for ticket in served(queue, 5)] == ["b"] * 5


def test_who_comes_does_not_wait_for_what_others_were_charged_too_much() -> None:
    queue = filled({"interactive": 100, "bulk": 1}, {("bulk", "a"): 200, ("bulk", "b"): 200})
    for _ in range(50):
        queue.over(queue.pop() or "", 10.0)
    for ticket in served(queue, 20):  # charged 10 s each
        queue.over(ticket, 0.1)
    queue.join("of a class that was away", "interactive", "c")
    queue.join("of a tenant that was away", "bulk", "c")
    assert "of a class that was away" in served(queue, 2)
    assert "of a tenant that was away" in served(queue, 3)


def test_the_first_answers_of_a_light_class_put_it_before_nobody() -> None:
    queue = filled({"interactive": 100, "bulk": 1}, {("bulk", "a"): 200})
    running = served(queue, 10)
    for number in range(30):
        queue.join(f"interactive/b/{number}", "interactive", "b")
    for ticket in running:
        queue.over(ticket, 0.1)
    assert Counter(ticket.split("/")[0] for ticket in served(queue, 30))["interactive"] >= 29


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from("jple"), st.sampled_from("ab"), st.sampled_from("xyz"), st.floats(0.0, 50.0)))
)
def test_any_history_serves_everyone_who_waits_and_forgets_those_who_are_gone(
    history: list[tuple[str, str, str, float]],
) -> None:
    queue, waiting, running = Waiting({"a": 3, "b": 1}), set[str](), list[str]()
    for number, (what, cls, tenant, cost_s) in enumerate(history):
        if what == "j":
            queue.join(str(number), cls, tenant)
            waiting.add(str(number))
        elif what == "p":
            ticket = queue.pop()
            assert (ticket is None) == (not waiting)
            if ticket is not None:
                waiting.remove(ticket)
                running.append(ticket)
        elif what == "l" and waiting:
            assert queue.leave(waiting.pop())
        elif what == "e" and running:
            queue.over(running.pop(0), cost_s)
    while (ticket := queue.pop()) is not None:
        waiting.remove(ticket)
        running.append(ticket)
    assert not waiting
    for each in running:
        queue.over(each, 1.0)
    assert len(queue) == 0
