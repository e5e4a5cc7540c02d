"""One request, and how things stand: goes, waits or is refused."""

import math
from dataclasses import replace

import pytest
from wharfage_gateway.admit import Standing, admit, unknown
from wharfage_gateway.answer import Admit, Refuse, Wait
from wharfage_gateway.asked import Asked
from wharfage_gateway.view import Model, Replica, Throttle

READY = Replica("a", "10.0.0.1")
MODEL = Model(key="chat", served="org/chat", replicas=(READY,), most_waiting=2, most_prompt_tokens=100)
FREE = Standing(free=(MODEL, READY))
BUSY = Standing()
ASKED = Asked("org/chat", prompt_bytes=40)


@pytest.mark.parametrize(
    ("standing", "answer"),
    [
        pytest.param(FREE, Admit, id="a free replica takes it"),
        pytest.param(replace(FREE, waiting=1), Wait, id="but not before those who came first"),
        pytest.param(BUSY, Wait, id="it waits where none is free"),
        pytest.param(replace(BUSY, waiting=2), Refuse, id="and is refused where the queue is full"),
        pytest.param(replace(BUSY, waiting=2, may_push=True), Wait, id="unless someone else has to go"),
        pytest.param(replace(FREE, tokens_after_s=1.0), Refuse, id="a tenant without tokens is refused in any case"),
    ],
)
def test_a_request_goes_waits_or_is_refused(standing: Standing, answer: type) -> None:
    assert isinstance(admit(ASKED, MODEL, standing), answer)


def test_a_refusal_for_tokens_names_the_stage_and_when_to_come_again() -> None:
    throttled = replace(MODEL, throttle=Throttle(5.0, 50.0, stage="Throttle"))
    said = admit(replace(ASKED, tenant="red"), throttled, Standing(tokens_after_s=7.0))
    assert isinstance(said, Refuse)
    assert (said.status, said.retry_after_s) == (429, 7.0)
    assert "tenant red" in said.message
    assert "stage Throttle, 5 tokens per second" in said.message


def test_who_can_never_have_so_many_tokens_is_told_to_come_in_an_hour() -> None:
    said = admit(ASKED, MODEL, Standing(tokens_after_s=math.inf))
    assert isinstance(said, Refuse)
    assert said.retry_after_s == 3600.0


def test_many_models_are_not_all_listed() -> None:
    said = unknown(Asked("other"), [f"model-{number:02}" for number in range(25)])
    assert said.message.endswith("model-19 and 5 more")
    assert unknown(Asked("other"), []).message == "there is no model 'other'; none is served by this gateway"
