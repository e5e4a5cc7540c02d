"""What `wharfage explain` says of a decision, and what it says where nobody tells it."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest
from wharfage_cli.asking import decision
from wharfage_cli.connection import Connection, Refused, Unreachable
from wharfage_cli.explanation import explanation, lines, undecided
from wharfage_operator.telling import page

from tests.operator.test_pilotage import KEY, L4, L40S, World

Page = dict[str, Any]
Serve = Callable[[int, str], str]


def paged(spec: dict[str, Any], ticks: int, rate: float | None) -> Page:
    """What an operator serves after so many quarters of a minute under that load."""
    world = World((L4, L40S), spec, lead=4)
    world.ticks(ticks, rate)
    world.pilotage.stands(KEY, world.decision)
    telling = world.pilotage.telling(KEY)
    assert telling is not None
    served: Page = json.loads(json.dumps(page(telling)))
    return served


@pytest.fixture(scope="module")
def led() -> Page:
    return paged({"scaling": {"maxReplicas": 40}}, 40, 1.0)


def said(served: Page, **status: Any) -> str:
    return "\n".join(lines(explanation(*KEY, served), {"status": status}))


def test_a_decision_is_told_with_what_was_seen_the_steps_and_that_the_replay_is_the_same(led: Page) -> None:
    text = said(led, summary={"fleet": "2xL4", "replicas": "2/2"})
    assert text.startswith(f"shop/chat: {led['decision']['fleet']} at {led['decision']['usd_per_hour']:.2f} USD/h\n")
    assert "now: 2xL4, ready 2/2" in text
    assert "1.00 req/s over the last 60 s" in text
    assert "forecast  none yet" in text
    places = [text.index(f"{at}. {step['reason']}") for at, step in enumerate(led["decision"]["steps"], start=1)]
    assert places == sorted(places)
    assert all(row["fleet"] in text for row in led["decision"]["rejected"])
    assert text.endswith(f"Replayed from its account {led['digest']}: the same decision.")


def test_nothing_has_no_price_rather_than_an_unknown_one(led: Page) -> None:
    nothing = {**led, "decision": {**led["decision"], "fleet": "nothing", "usd_per_hour": 0.0}}
    assert said(nothing, summary={"fleet": "<none>", "replicas": "0/0"}).startswith(
        "shop/chat: nothing\n  now: nothing, ready 0/0\n"
    )


def test_why_nothing_is_decided_is_what_the_status_says() -> None:
    row = {"type": "Accepted", "status": "False", "reason": "NoGateway", "message": "install one"}
    assert undecided({"status": {"conditions": [row]}}) == "nothing is decided: Accepted=False, NoGateway: install one"
    waits = {"type": "Ready", "status": "False", "reason": "ReadingModelConfig", "message": "the pod runs"}
    accepted = row | {"status": "True"}
    assert undecided({"status": {"conditions": [accepted, waits]}}) == (
        "nothing is decided: Ready=False, ReadingModelConfig: the pod runs"
    )
    assert undecided({"status": {"conditions": [accepted]}}) == undecided({}) == ""


def test_a_load_that_is_not_known_is_not_zero() -> None:
    text = said(paged({}, 2, None))
    assert "not known, which is not zero" in text
    assert "not asked: no load leads this decision" in text


def test_what_a_replica_carries_is_told_with_what_was_seen(led: Page) -> None:
    sentence = "one replica on L4 x1: carries 0.54 req/s (calibrated on 20 windows)"
    assert f"  engines   {sentence}\n" in said({**led, "engines": [sentence]})


def test_a_peak_that_the_user_expects_is_what_the_forecast_says() -> None:
    text = said(paged({"traffic": {"peakRequestsPerSecond": "10"}}, 10, None))
    assert "when what is ordered now serves: 10.00 req/s" in text


def test_what_the_load_would_ask_for_is_told_where_the_user_decides() -> None:
    served = paged({"scaling": {"mode": "Recommend"}, "replicas": 3}, 10, 0.3)
    assert "if the load decided: 1x" in said(served)
    assert explanation(*KEY, served).same


@pytest.mark.parametrize(
    ("changed", "differs"),
    [
        pytest.param({"replicas": 99}, "replicas", id="another count"),
        pytest.param({"steps": []}, "steps", id="other steps"),
    ],
)
def test_a_replay_that_differs_says_in_what(led: Page, changed: dict[str, Any], differs: str) -> None:
    told = explanation(*KEY, led | {"decision": led["decision"] | changed})
    assert told.differs == (differs,)
    assert f"NOT the same, it differs in {differs}" in "\n".join(lines(told, {}))


def test_an_account_that_was_changed_on_its_way_has_another_digest(led: Page) -> None:
    assert "digest" in explanation(*KEY, led | {"digest": "0" * 16}).differs


def test_another_releases_account_is_shown_and_not_replayed(led: Page) -> None:
    told = explanation(*KEY, led | {"account": {"form": "00000000", "told": []}})
    assert not told.same
    text = "\n".join(lines(told, {}))
    assert "1. " in text
    assert "written by another release" in text


@pytest.mark.parametrize("served", [{}, {"decision": 1, "digest": "x"}, {"decision": {}}], ids=repr)
def test_what_is_no_page_is_refused(served: Page) -> None:
    with pytest.raises(ValueError, match="no decision and digest"):
        explanation(*KEY, served)


@dataclass
class Api:
    """An API server that answers by path, with an object or a status."""

    answers: dict[str, Page | int]
    asked: list[str] = field(default_factory=list)

    def param_serialize(self, method: str, path: str, **_: object) -> tuple[str, str]:
        return method, path

    def call_api(self, method: str, path: str, **_: object) -> "Answer":
        self.asked.append(path)
        found = self.answers.get(path, 404)
        refusal = {"message": f"said {found}"}
        return (
            Answer(found, json.dumps(refusal).encode())
            if isinstance(found, int)
            else Answer(200, json.dumps(found).encode())
        )


@dataclass
class Answer:
    status: int
    text: bytes

    def read(self) -> bytes:
        return self.text


LEASE = "/apis/coordination.k8s.io/v1/namespaces/wharfage-system/leases/wharfage-leader"
POD = "/api/v1/namespaces/wharfage-system/pods/wharfage-7c9-24567:8080/proxy/decisions/shop/chat"
HELD: Page = {"spec": {"holderIdentity": "wharfage-7c9-24567"}}


def asked(answers: dict[str, Page | int]) -> Page:
    return decision(Connection(Api(answers), "shop"), "chat", operator=None, operator_namespace="wharfage-system")


def test_the_pod_that_holds_the_lease_is_asked_through_the_api_server() -> None:
    assert asked({LEASE: HELD, POD: {"digest": "x"}}) == {"digest": "x"}


@pytest.mark.parametrize(
    ("answers", "words"),
    [
        pytest.param(
            {LEASE: 403}, "you may not get leases/wharfage-leader in namespace wharfage-system", id="no Lease"
        ),
        pytest.param({LEASE: HELD, POD: 403}, "you may not get pods/proxy in namespace wharfage-system", id="no proxy"),
        pytest.param({LEASE: 404}, "no operator leads in namespace wharfage-system", id="no operator"),
        pytest.param({LEASE: {"spec": {}}}, "no operator leads in namespace wharfage-system", id="released"),
        pytest.param(
            {LEASE: HELD, POD: 404}, "the operator's pod wharfage-system/wharfage-7c9-24567: said 404", id="none"
        ),
    ],
)
def test_what_is_missing_is_said_with_what_to_do(answers: dict[str, Page | int], words: str) -> None:
    with pytest.raises(Refused, match=words):
        asked(answers)


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Starts a server that answers everything alike; gives its address."""
    servers: list[ThreadingHTTPServer] = []

    def start(status: int, text: str) -> str:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(status)
                self.end_headers()
                self.wfile.write(text.encode())

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as the library has it
                pass

        servers.append(ThreadingHTTPServer(("127.0.0.1", 0), Handler))
        Thread(target=servers[-1].serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        return f"http://127.0.0.1:{servers[-1].server_port}/"

    yield start
    for each in servers:
        each.shutdown()
        each.server_close()


def from_address(address: str) -> Page:
    return decision(Connection(None, "shop"), "chat", operator=address, operator_namespace="wharfage-system")


def test_an_address_is_asked_directly(serve: Serve) -> None:
    assert from_address(serve(200, '{"digest": "x"}')) == {"digest": "x"}


def test_what_the_operator_refuses_is_said_in_its_words(serve: Serve) -> None:
    with pytest.raises(Refused, match=r"^this replica does not lead$"):
        from_address(serve(404, '{"message": "this replica does not lead"}'))


@pytest.mark.parametrize("text", ["<html>", "[]", ""], ids=repr)
def test_an_address_of_something_else_is_said(serve: Serve, text: str) -> None:
    with pytest.raises(Refused, match="is that the operator's address"):
        from_address(serve(200, text))


@pytest.mark.parametrize("address", ["http://127.0.0.1:1", "file:///etc/passwd", "localhost:8080"])
def test_an_address_that_nobody_answers_at_is_named(address: str) -> None:
    with pytest.raises(Unreachable, match=address):
        from_address(address)
