"""One brain's state: who goes where, who waits, who is called when something changes."""

import random
from collections import Counter
from dataclasses import replace
from typing import Any

import pytest
from wharfage_gateway.answer import Admit, Answer, Refuse, Wait
from wharfage_gateway.asked import Asked
from wharfage_gateway.board import MOST_PASSED_OVER, Board
from wharfage_gateway.demand import demand
from wharfage_gateway.place import home, limit
from wharfage_gateway.ticket import Called, Used
from wharfage_gateway.view import Model, Replica, Throttle, View


def replica(name: str, slots: float = 1.0, **fields: Any) -> Replica:
    return Replica(name, name, slots=slots, **fields)


def model(*replicas: Replica, key: str = "chat", **fields: Any) -> Model:
    return Model(key=key, served=key, replicas=replicas, **fields)


def view(*models: Model, gateways: int = 1) -> View:
    return View({each.served: each for each in models}, gateways=gateways)


def board(*models: Model, gateways: int = 1) -> Board:
    found = Board("b")
    assert found.see(view(*models, gateways=gateways), 0.0) == []
    return found


def ask(at: Board, now_s: float = 0.0, name: str = "chat", **fields: Any) -> tuple[str, Answer]:
    slot, answer, called = at.arrive(Asked(name, **fields), now_s)
    assert called == []
    return slot, answer


def test_what_a_replica_carries_goes_and_the_rest_waits_until_one_ends() -> None:
    at = board(model(replica("a", 2.0)))
    first, second = ask(at), ask(at)
    third = ask(at)
    assert [type(answer) for _, answer in (first, second, third)] == [Admit, Admit, Wait]
    (called,) = at.ended(first[0], Used(10, 5), 1.0)
    assert called.slot == third[0]
    assert isinstance(called.answer, Admit)
    assert at.ended(first[0], Used(10, 5), 1.0) == []  # said twice


def test_while_a_name_changes_each_engine_is_asked_by_the_name_that_it_knows() -> None:
    at = Board("b")
    renamed = Model(key="chat", served="new", replicas=(replica("a", served="old"), replica("b", served="new")))
    at.see(View({"new": renamed}, former={"old": "new"}), 0.0)
    answers = [ask(at, name=name)[1] for name in ("old", "old")] + [ask(at, name="new")[1]]
    assert [(each.replica, each.stand_in) for each in answers[:2] if isinstance(each, Admit)] == [
        ("a", ""),
        ("b", "new"),
    ]
    assert isinstance(answers[2], Wait)
    at.see(View({"new": replace(renamed, replicas=(replica("b", served="new"),))}), 1.0)
    refusal = ask(at, 1.0, name="old")[1]
    assert isinstance(refusal, Refuse)
    assert (refusal.reason, "there are: new" in refusal.message) == ("model_not_found", True)


def test_a_request_waits_for_a_model_at_zero_and_goes_when_it_comes() -> None:
    at = board(model())
    slots = [ask(at)[0] for _ in range(3)]
    called = at.see(view(model(replica("a", 2.0))), 60.0)
    assert [each.slot for each in called] == slots[:2]
    assert [each.slot for each in at.ended(slots[0], Used(), 61.0)] == slots[2:]


def test_who_waits_longer_than_the_hold_is_told_503_while_nothing_runs() -> None:
    at = board(model(hold_s=5.0))
    slot, _ = ask(at)
    assert at.tick(4.9) == []
    (called,) = at.tick(5.0)
    assert called.slot == slot
    assert isinstance(called.answer, Refuse)
    assert (called.answer.status, called.answer.reason) == (503, "cold_start_timeout")


def test_who_waits_longer_than_the_hold_is_told_429_while_others_are_served() -> None:
    at = board(model(replica("a"), hold_s=5.0))
    ask(at)
    ask(at)
    (called,) = at.tick(5.0)
    assert isinstance(called.answer, Refuse)
    assert (called.answer.status, called.answer.reason) == (429, "queue_timeout")


def test_a_client_that_leaves_frees_its_place_in_the_queue() -> None:
    at = board(model(most_waiting=1))
    slot, _ = ask(at)
    assert isinstance(ask(at)[1], Refuse)
    assert at.gone(slot, 1.0) == []
    assert isinstance(ask(at)[1], Wait)


def test_a_client_that_left_before_it_heard_its_answer_frees_its_slot() -> None:
    at = board(model(replica("a")))
    first, _ = ask(at, request_id="r1")
    second, _ = ask(at)
    assert [each.slot for each in at.ended("", Used(), 1.0, request_id="r1")] == [second]
    assert first not in at.running


def test_an_end_that_is_never_told_is_believed_after_the_limit_of_streams() -> None:
    at = board(model(replica("a"), hold_s=1e9))
    ask(at)
    second, _ = ask(at, 10.0)
    assert at.tick(3599.0) == []
    assert [each.slot for each in at.tick(3600.0)] == [second]
    assert at.lost == 1


def under_way(**by_model: int) -> dict[str, dict[str, int]]:
    """So many at the replica "a" of each."""
    return {name: {"a:8000": count} for name, count in by_model.items()}


def test_what_was_let_in_before_this_brain_started_takes_up_slots_until_it_is_over() -> None:
    at = Board("b")
    assert at.recount(under_way(chat=2), 0.0) == []  # asked first of all
    at.see(view(model(replica("a", 2.0))), 0.0)
    slot, answer = ask(at, 1.0)
    assert isinstance(answer, Wait)
    assert [each.slot for each in at.recount(under_way(chat=1), 2.0)] == [slot]
    _, answer = ask(at, 2.5)
    assert isinstance(answer, Wait)
    assert at.recount(under_way(chat=2), 3.0) == []
    assert len(at.ended(slot, Used(), 3.5)) == 1


def test_what_envoy_counts_beyond_ours_later_is_only_our_log_being_late() -> None:
    at = board(model(replica("a", 2.0)))
    at.recount(under_way(chat=0), 0.0)
    slot, _ = ask(at, 1.0)
    at.ended(slot, Used(), 1.1)
    at.recount(under_way(chat=1), 1.1)
    assert [type(ask(at, 1.2)[1]) for _ in range(2)] == [Admit, Admit]


def test_whom_envoy_does_not_have_for_two_looks_is_over() -> None:
    at = board(model(replica("a", 2.0)))
    for _ in range(2):
        ask(at)
    third, _ = ask(at, 1.0)
    assert at.recount(under_way(chat=1), 1.9) == []  # too young to be missed
    assert at.recount(under_way(chat=1), 3.0) == []
    assert [each.slot for each in at.recount(under_way(chat=1), 4.0)] == [third]
    assert at.lost == 1
    assert at.recount(under_way(other=0), 5.0) == at.recount(under_way(other=0), 6.0) == []


def test_a_stream_from_a_replica_that_is_gone_is_not_missed() -> None:
    at = board(model(replica("a"), replica("b")))
    slot, _ = ask(at)
    at.see(view(model(replica("b"))), 1.0)
    at.recount(under_way(chat=0), 3.0)
    assert at.recount(under_way(chat=0), 5.0) == []
    assert slot in at.running


def test_who_was_taken_for_over_and_ends_after_all_has_its_tokens_counted_once() -> None:
    at = board(model(replica("a", 2.0)))
    slot, _ = ask(at)
    at.recount(under_way(chat=0), 3.0)
    at.recount(under_way(chat=0), 4.0)
    assert not at.running
    at.ended(slot, Used(7, 16), 5.0)
    at.ended(slot, Used(7, 16), 5.0)
    (count,) = at.tally.counts.values()
    assert (count.prompt_tokens, count.output_tokens, count.unknown_tokens) == (7, 16, 0)


def test_models_that_are_gone_refuse_who_waits_for_them() -> None:
    at = board(model())
    slot, _ = ask(at)
    (called,) = at.see(view(model(key="other")), 1.0)
    assert called.slot == slot
    assert isinstance(called.answer, Refuse)
    assert (called.answer.status, called.answer.reason) == (404, "model_not_found")


def test_a_model_that_nobody_serves_is_refused_with_those_that_are() -> None:
    _, answer = ask(board(model(), model(key="small")), name="large")
    assert isinstance(answer, Refuse)
    assert answer.status == 404
    assert answer.message == "there is no model 'large'; there are: chat, small"


def test_a_prompt_that_is_too_long_is_refused_before_it_waits() -> None:
    _, answer = ask(board(model(most_prompt_tokens=100)), prompt_bytes=404)
    assert isinstance(answer, Refuse)
    assert (answer.status, answer.reason) == (400, "context_length_exceeded")


def test_a_request_that_no_replica_would_have_served_wishes_for_none() -> None:
    at = board(replace(model(), replicas=(), most_prompt_tokens=100))
    ask(at, prompt_bytes=404)
    told = demand(at, now_s=1.0, unix_s=1000.0, began_s=900.0)["models"]["chat"]
    assert (told["arrivals"], told["refused"], told["last_arrival_s"]) == (0, 1, None)
    ask(at, prompt_bytes=40)
    told = demand(at, now_s=1.0, unix_s=1000.0, began_s=900.0)["models"]["chat"]
    assert (told["arrivals"], told["waiting"], told["last_arrival_s"]) == (1, 1, 999.0)


@pytest.mark.parametrize(
    ("wanted", "most", "cut"),
    [
        pytest.param(None, None, None, id="no limit at all"),
        pytest.param(None, 50, 50, id="the model's where the client sets none"),
        pytest.param(20, 50, None, id="the client's where it is lower"),
        pytest.param(80, 50, 50, id="the model's where the client's is higher"),
    ],
)
def test_answers_are_cut_to_what_the_model_allows(wanted: int | None, most: int | None, cut: int | None) -> None:
    _, answer = ask(board(model(replica("a"), most_output_tokens=most)), most_output_tokens=wanted)
    assert isinstance(answer, Admit)
    assert answer.cut == cut


def test_the_version_rises_when_someone_waits_for_a_model_at_zero_and_when_the_last_one_leaves() -> None:
    at = board(model(), model(replica("a"), key="warm"))
    begun = at.version
    ask(at, name="warm")
    ask(at, name="warm")
    assert at.version == begun
    slots = [ask(at)[0] for _ in range(2)]
    assert at.version == begun + 1
    at.gone(slots[0], 1.0)
    assert at.version == begun + 1
    at.gone(slots[1], 1.0)
    assert at.version == begun + 2


def test_demand_tells_totals_and_who_is_there() -> None:
    at = board(model(replica("a")))
    slot, _ = ask(at, 10.0)
    ask(at, 12.0)
    at.ended(slot, Used(100, 20), 15.0)
    assert demand(at, now_s=20.0, unix_s=1020.0, began_s=900.0) == {
        "version": 1,
        "at": 1020.0,
        "began": 900.0,
        "models": {
            "chat": {
                "arrivals": 2,
                "admitted": 2,
                "refused": 0,
                "waiting": 0,
                "running": 1,
                "prompt_tokens": 100,
                "output_tokens": 20,
                "last_arrival_s": 1012.0,
                "tenants": {"": (1, 100, 20)},
            }
        },
    }


def test_a_tenant_over_its_tokens_is_refused_and_another_is_not() -> None:
    at = board(model(replica("a", 99.0), throttle=Throttle(20.0, 200.0, budget="search")))
    spent = 0
    for _ in range(20):
        slot, answer = ask(at, 0.0, tenant="red", most_output_tokens=16)
        if isinstance(answer, Admit):
            at.ended(slot, Used(0, 16), 0.0)
            spent += 16
    assert spent == 192
    _, answer = ask(at, 0.0, tenant="red", most_output_tokens=16)
    assert isinstance(answer, Refuse)
    assert (answer.status, answer.reason) == (429, "tokens_exhausted")
    assert answer.retry_after_s == pytest.approx(0.4)
    assert "LLMBudget search is at stage Throttle, 20 tokens per second" in answer.message
    assert isinstance(ask(at, 0.0, tenant="blue", most_output_tokens=16)[1], Admit)


def test_who_leaves_while_it_waits_gets_back_what_it_had_reserved() -> None:
    at = board(model(throttle=Throttle(0.0, 100.0)))
    slot, _ = ask(at, tenant="red", most_output_tokens=100)
    assert isinstance(ask(at, tenant="red", most_output_tokens=100)[1], Refuse)
    at.gone(slot, 1.0)
    assert isinstance(ask(at, tenant="red", most_output_tokens=100)[1], Wait)


def test_gateways_divide_what_a_tenant_may_use() -> None:
    at = board(model(replica("a", 9.0), throttle=Throttle(0.0, 100.0)), gateways=2)
    assert isinstance(ask(at, tenant="red", most_output_tokens=50)[1], Admit)
    assert isinstance(ask(at, tenant="red", most_output_tokens=1)[1], Refuse)


def test_a_stage_that_comes_back_begins_with_full_buckets() -> None:
    usual, slow = model(replica("a", 9.0)), model(replica("a", 9.0), throttle=Throttle(0.0, 10.0))
    at = board(slow)
    assert isinstance(ask(at, tenant="red", most_output_tokens=10)[1], Admit)
    at.see(view(usual), 1.0)
    at.see(view(slow), 2.0)
    assert isinstance(ask(at, 2.0, tenant="red", most_output_tokens=10)[1], Admit)


def test_without_a_limit_of_its_own_a_request_reserves_what_answers_come_to() -> None:
    at = board(model(replica("a", 99.0), throttle=Throttle(0.0, 1000.0)))
    for _ in range(32):
        at.ended(ask(at, tenant="blue", most_output_tokens=20)[0], Used(0, 20), 0.0)
    taken = [isinstance(ask(at, tenant="red", prompt_bytes=0)[1], Admit) for _ in range(51)]
    assert taken == [True] * 50 + [False]


def test_models_under_one_budget_share_what_a_tenant_may_use() -> None:
    throttle = Throttle(1.0, 100.0, budget="team")
    at = board(model(replica("a", 9.0), throttle=throttle), model(replica("b", 9.0), key="small", throttle=throttle))
    assert isinstance(ask(at, tenant="red", most_output_tokens=60)[1], Admit)
    assert isinstance(ask(at, tenant="red", name="small", most_output_tokens=60)[1], Refuse)


def test_a_stage_that_begins_or_ends_counts_at_once() -> None:
    usual, slow = model(replica("a", 9.0)), model(replica("a", 9.0), throttle=Throttle(0.0, 10.0))
    at = board(usual)
    assert isinstance(ask(at, tenant="red", most_output_tokens=60)[1], Admit)
    at.see(view(slow), 1.0)
    assert isinstance(ask(at, 1.0, tenant="red", most_output_tokens=10)[1], Admit)
    assert isinstance(ask(at, 1.0, tenant="red", most_output_tokens=10)[1], Refuse)
    at.see(view(usual), 2.0)
    assert isinstance(ask(at, 2.0, tenant="red", most_output_tokens=10)[1], Admit)


def test_another_deployment_answers_while_one_is_cold_and_only_then() -> None:
    small = model(replica("s", 1.0), key="small")
    at = board(model(fallback=("deployment/small",)), small)
    first, answer = ask(at)
    assert isinstance(answer, Admit)
    assert (answer.pool, answer.stand_in) == ("small", "small")
    second, waits = ask(at)
    assert isinstance(waits, Wait)
    (called,) = at.ended(first, Used(), 1.0)
    assert called.slot == second
    at.see(view(model(replica("a"), fallback=("deployment/small",)), small), 2.0)
    _, own = ask(at, 2.0)
    assert isinstance(own, Admit)
    assert (own.pool, own.stand_in) == ("chat", "")


def test_tokens_of_a_tenant_are_told_of_the_model_that_answered() -> None:
    """What it did is what it costs; that another was asked for is no work of that one's."""
    small = model(replica("s", 2.0), key="small")
    at = board(model(fallback=("deployment/small",)), small)
    slots = [ask(at, name=name, tenant="ann")[0] for name in ("chat", "small")]
    for slot in slots:
        at.ended(slot, Used(100, 20), 1.0)
    told = demand(at, now_s=1.0, unix_s=1000.0, began_s=900.0)["models"]
    assert (told["chat"]["tenants"], told["small"]["tenants"]) == ({}, {"ann": (2, 200, 40)})
    assert told["chat"]["prompt_tokens"] == 100


def test_who_stands_in_answers_its_own_clients_first() -> None:
    small = model(replica("s", 1.0), key="small")
    at = board(model(fallback=("deployment/small",)), small)
    first, _ = ask(at, name="small")
    diverted, _ = ask(at)
    own, _ = ask(at, name="small")
    (called,) = at.ended(first, Used(), 1.0)
    assert called.slot == own
    (called,) = at.ended(own, Used(), 2.0)
    assert called.slot == diverted


def test_a_model_at_zero_that_another_answers_for_is_asked_for_a_while() -> None:
    small = model(replica("s", 9.0), key="small")
    at = board(model(fallback=("deployment/small",)), small)
    begun = at.version
    ask(at, 0.0)
    ask(at, 10.0)
    at.tick(24.0)
    assert at.version == begun + 1
    at.tick(25.0)
    assert at.version == begun + 2


def test_what_would_be_refused_goes_to_a_deployment_that_stands_in_and_has_room() -> None:
    chat = model(replica("a", 1.0), most_waiting=1, fallback=("deployment/small",))
    small = model(replica("s", 1.0), key="small")
    at = board(chat, small)
    _, own = ask(at)
    waits, _ = ask(at)
    spare, diverted = ask(at)
    assert isinstance(own, Admit)
    assert isinstance(diverted, Admit)
    assert ((own.pool, own.stand_in), (diverted.pool, diverted.stand_in)) == (("chat", ""), ("small", "small"))
    assert isinstance(ask(at)[1], Refuse)
    ask(at, name="small")
    (called,) = at.ended(spare, Used(), 1.0)  # who waits for it by its own name comes first, and what waits here stays
    assert called.answer == replace(diverted, stand_in="")
    assert waits in at.waiting


def test_what_would_be_refused_goes_to_a_variant_that_is_kept_for_that() -> None:
    both = model(replica("u", 1.0, variant="bf16"), replica("s", 1.0, variant="small"), fallback=("variant/small",))
    at = board(replace(both, most_waiting=1))
    assert [getattr(ask(at)[1], "replica", "waits") for _ in range(3)] == ["u", "waits", "s"]
    assert isinstance(ask(at)[1], Refuse)


def test_a_full_queue_makes_room_at_the_expense_of_who_holds_most() -> None:
    at = board(model(most_waiting=3))
    flood = [ask(at, tenant="red")[0] for _ in range(3)]
    assert isinstance(ask(at, tenant="red")[1], Refuse)
    slot, answer, (pushed,) = at.arrive(Asked("chat", tenant="blue"), 1.0)
    assert isinstance(answer, Wait)
    assert pushed.slot == flood[-1]
    assert isinstance(pushed.answer, Refuse)
    assert (pushed.answer.status, pushed.answer.reason) == (429, "queue_full")
    assert slot in at.waiting


CLASSES = {"interactive": 4, "bulk": 1}


def shape(chance: random.Random) -> View:
    """Some view of three models, which stand in for each other."""
    models = []
    for key in chance.sample(["chat", "small", "third"], chance.randint(1, 3)):
        replicas = tuple(
            replica(
                f"{key}-{number}",
                chance.choice([0.5, 1.0, 2.0, 3.5]),
                variant=chance.choice(["", "int4"]),
                ready=chance.random() < 0.8,
                draining=chance.random() < 0.2,
            )
            for number in range(chance.randint(0, 3))
        )
        models.append(
            model(
                *replicas,
                key=key,
                hold_s=chance.choice([5.0, 50.0]),
                most_waiting=chance.choice([1, 3, 10]),
                classes=chance.choice([{}, CLASSES]),
                split=chance.choice([{}, {"int4": 0.5}]),
                fallback=chance.choice([(), ("deployment/small",), ("variant/int4", "deployment/chat")]),
                throttle=chance.choice([None, None, Throttle(5.0, 300.0, budget=chance.choice(["", "team"]))]),
            )
        )
    return view(*models, gateways=chance.choice([1, 1, 2]))


def truth(seen: View, running: dict[str, tuple[str, str]]) -> dict[str, dict[str, int]]:
    """What Envoy counts at the replicas that it knows."""
    at_replicas = Counter(running.values())
    return {
        each.served: {one.endpoint: at_replicas[each.key, one.name] for one in each.replicas}
        for each in seen.models.values()
    }


def history(seed: int, steps: int) -> None:
    """One history: every request is answered once, and what is told of the board is what happened."""
    chance = random.Random(seed)
    at, now_s = board(), 0.0
    answered: dict[str, Answer] = {}
    waiting: set[str] = set()
    running: dict[str, tuple[str, str]] = {}

    def hear(slot: str, answer: Answer) -> None:
        assert slot not in answered, "answered twice"
        answered[slot] = answer
        waiting.discard(slot)
        if isinstance(answer, Admit):
            running[slot] = (answer.key, answer.replica)
            desk = at.desks[answer.key]
            (chosen,) = [one for one in desk.model.replicas if one.name == answer.replica]
            assert chosen.open
            assert desk.running[chosen.name] <= limit(chosen, at.view.gateways)

    at.see(shape(chance), now_s)
    for _ in range(steps):
        now_s += chance.choice([0.0, 0.1, 1.0])
        called: list[Called] = []
        what = chance.random()
        if what < 0.5:
            slot, answer, called = at.arrive(
                Asked(
                    chance.choice(["chat", "small", "third", "none"]),
                    tenant=chance.choice(["", "red", "blue"]),
                    key_class=chance.choice(["", *CLASSES]),
                    wanted_class=chance.choice(["", *CLASSES]),
                    prefix=chance.choice([None, 1, 2]),
                    most_output_tokens=chance.choice([None, 10, 100]),
                ),
                now_s,
            )
            if isinstance(answer, Wait):
                waiting.add(slot)
            else:
                hear(slot, answer)
        elif what < 0.8 and running:
            slot = chance.choice(list(running))
            del running[slot]
            called = at.ended(slot, Used(5, chance.choice([None, 0, 20])), now_s)
        elif what < 0.9 and waiting:
            slot = chance.choice(sorted(waiting))
            waiting.remove(slot)
            called = at.gone(slot, now_s)
        elif what < 0.94:
            called = at.see(shape(chance), now_s)
        elif what < 0.97:
            called = at.recount(truth(at.view, running), now_s)
        else:
            called = at.tick(now_s)
        for each in called:
            assert each.slot in waiting, "called who was not waiting"
            hear(each.slot, each.answer)
        assert set(at.waiting) == waiting
        assert {slot: (one.carrier, one.replica) for slot, one in at.running.items()} == running
        for key, desk in at.desks.items():
            assert len(desk.waiting) == sum(ticket.key == key for ticket in at.waiting.values())
            assert sum(desk.running.values()) == sum(carrier == key for carrier, _ in running.values())
    while running:
        for each in at.ended(running.popitem()[0], Used(5, 5), now_s):
            hear(each.slot, each.answer)
    assert not at.running
    assert not any(desk.running for desk in at.desks.values())
    refused = sum(count.refused.total() for count in at.tally.counts.values())
    counts = at.tally.counts.values()
    left = sum(count.arrivals for count in counts) - sum(count.admitted for count in counts) - refused
    assert left >= len(at.waiting)  # what is missing are clients that left


@pytest.mark.parametrize("part", range(10))
def test_in_random_histories_nothing_is_lost_and_nothing_doubled(part: int) -> None:
    for seed in range(part * 10, part * 10 + 10):
        history(seed, 60)


def test_a_view_that_says_the_same_changes_nothing() -> None:
    at = board(model(replica("a")))
    ask(at)
    ask(at)
    before = at.version
    assert at.see(replace(at.view), 1.0) == []
    assert at.version == before


def test_bodies_of_all_who_wait_are_bounded_together() -> None:
    at = Board("b", most_held_bytes=10 * 2**20)
    at.see(view(model(), model(key="other")), 0.0)
    large = 4 * 2**20
    first, second = (ask(at, name=name, prompt_bytes=large) for name in ("chat", "other"))
    third = ask(at, prompt_bytes=large)
    assert [type(answer) for _, answer in (first, second, third)] == [Wait, Wait, Refuse]
    assert isinstance(third[1], Refuse)
    assert (third[1].status, third[1].reason) == (429, "memory_full")
    assert isinstance(ask(at, prompt_bytes=1000)[1], Wait)  # a small one has room
    at.gone(second[0], 1.0)
    assert isinstance(ask(at, 1.0, prompt_bytes=large)[1], Wait)


def test_who_holds_most_makes_room_for_a_body_of_another_tenant() -> None:
    at = Board("b", most_held_bytes=10 * 2**20)
    at.see(view(model()), 0.0)
    flood = [ask(at, tenant="flood", prompt_bytes=3 * 2**20)[0] for _ in range(3)]
    slot, answer, called = at.arrive(Asked("chat", tenant="quiet", prompt_bytes=2**20), 0.0)
    assert isinstance(answer, Wait)
    assert [each.slot for each in called] == flood[-1:]
    assert at.held_bytes == sum(ticket.held_bytes for ticket in at.waiting.values())
    assert slot in at.waiting


def test_what_is_held_is_given_back_however_the_wait_ends() -> None:
    at = Board("b", most_held_bytes=2**30)
    at.see(view(model(hold_s=10.0)), 0.0)
    slots = [ask(at, prompt_bytes=1000 * number)[0] for number in range(4)]
    at.gone(slots[0], 1.0)
    at.see(view(model(replica("a", 1.0), hold_s=10.0)), 2.0)
    at.tick(11.0)
    assert not at.waiting
    assert at.held_bytes == 0


def test_the_first_of_a_tenant_is_passed_over_for_a_cache_only_so_often() -> None:
    two = (replica("a", 1.0), replica("b", 1.0))
    at = board(model(*two))
    of = {name: [p for p in range(400) if home(two, p).name == name] for name in ("a", "b")}
    at_a, _ = ask(at, prefix=of["a"][0])
    ask(at, prefix=of["b"][0])
    first, _ = ask(at, prefix=of["b"][1])
    for number in range(MOST_PASSED_OVER):
        ask(at, prefix=of["a"][number + 1])
        (called,) = at.ended(at_a, Used(), 1.0)
        assert isinstance(called.answer, Admit)
        assert called.answer.replica == "a"
        assert called.slot != first
        at_a = called.slot
    ask(at, prefix=of["a"][99])
    (called,) = at.ended(at_a, Used(), 2.0)
    assert called.slot == first
