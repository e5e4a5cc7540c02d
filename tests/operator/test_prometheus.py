"""What a Prometheus server may answer, and what becomes of it; most of the servers here are none."""

import gzip
import json
from contextlib import suppress
from math import isnan
from pathlib import Path

import pytest
from wharfage_operator.prometheus import (
    Address,
    ForbiddenError,
    Limits,
    PrometheusError,
    connected,
    pieces,
)

from tests.operator.servers import Answer, Asked, answering, body, dripping

DAY = 86_400
SMALL = Limits(answer_bytes=1000)
QUICK = Limits(answer_s=0.5)


def matrix(*values: list[object]) -> str:
    return json.dumps({"status": "success", "data": {"result": [{"metric": {}, "values": list(values)}]}})


def silent(handler: Asked) -> None:
    """No answer, until whoever asked has gone."""
    with suppress(OSError):
        handler.rfile.read(1)


def rates(url: str, *, token: str = "", limits: Limits = SMALL) -> tuple[float, ...]:
    with connected(Address(url, token), limits=limits) as server:
        return server.rates("q", first_s=600, last_s=1200, step_s=300)


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        pytest.param(body("", 302, Location="http://10.0.0.1/"), r"it redirects to http://10\.0\.0\.1/", id="redirect"),
        pytest.param(body(" " * 1001), "longer than", id="too long"),
        pytest.param(
            body(gzip.compress(b" " * 10**6, 1), Content_Encoding="gzip"), "longer than", id="too long once unpacked"
        ),
        pytest.param(body("<html>hello</html>"), "does not answer as Prometheus does", id="a web page"),
        pytest.param(body("[]"), "does not answer as Prometheus does", id="other JSON"),
        pytest.param(body(matrix([600, "much"])), "does not answer as Prometheus does", id="a word for a number"),
        pytest.param(body('{"error": "too many samples"}', 422), "HTTP 422: too many samples", id="a query refused"),
        pytest.param(body("no", 500), "HTTP 500$", id="a failure without words"),
        pytest.param(
            body('{"data": {"result": [{}, {}]}}'), "2 series where one was asked for: q", id="several series"
        ),
    ],
)
def test_an_answer_that_is_none_is_said(answer: Answer, message: str) -> None:
    with answering(answer) as url, pytest.raises(PrometheusError, match=message):
        rates(url)


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        pytest.param(dripping, r"not complete after 0\.5 s", id="without end"),
        pytest.param(silent, r"cannot be asked: .*timed out", id="not begun"),
    ],
)
def test_an_answer_is_not_waited_for_long(answer: Answer, message: str) -> None:
    with answering(answer) as url, pytest.raises(PrometheusError, match=message):
        rates(url, limits=QUICK)


def test_points_find_their_places_and_what_is_not_finite_is_missing() -> None:
    with answering(body(matrix([600, "1.5"], [900, "NaN"], [1200, "3"]))) as url:
        first, second, third = rates(url)
    assert (first, third) == (1.5, 3.0)
    assert isnan(second)
    with answering(body('{"data": {"result": []}}')) as url:
        assert all(map(isnan, rates(url)))


def test_a_token_goes_with_every_question_and_without_one_the_server_may_refuse() -> None:
    def guarded(handler: Asked) -> None:
        known = handler.headers["Authorization"] == "Bearer secret"
        (body(matrix([600, "1"])) if known else body("", 401))(handler)

    with answering(guarded) as url:
        assert rates(url, token="secret")[0] == 1.0
        with pytest.raises(ForbiddenError, match=r"does not let us ask \(HTTP 401\)"):
            rates(url)


def test_a_busy_server_is_asked_again() -> None:
    answers = iter([body("", 503), body(matrix([600, "1"]))])
    with answering(lambda handler: next(answers)(handler)) as url:
        assert rates(url)[0] == 1.0


def test_a_server_that_is_not_there_is_said_in_the_systems_words() -> None:
    with answering(body("")) as url:
        pass
    with pytest.raises(PrometheusError, match=rf"^{url}: it cannot be asked: .*Connection refused"):
        rates(url)


@pytest.mark.parametrize(
    ("url", "message"),
    [
        pytest.param("prometheus:9090", "is http", id="no scheme"),
        pytest.param("ftp://prometheus", "is http", id="another scheme"),
        pytest.param("http://", "is http", id="no host"),
        pytest.param("http://p:port", "not a URL", id="no port"),
        pytest.param("http://p/graph?g0.expr=up", "is http", id="a page of the web interface"),
    ],
)
def test_an_address_that_is_none_is_said(url: str, message: str) -> None:
    with pytest.raises(PrometheusError, match=message), connected(Address(url)):
        pass


def test_a_password_in_an_address_is_refused_and_not_repeated() -> None:
    with (
        pytest.raises(PrometheusError, match=r"ends up in logs; put .*netrc") as refused,
        connected(Address("https://me:secret@prometheus")),
    ):
        pass
    assert "secret" not in str(refused.value)
    assert "secret" not in repr(Address("http://p", "secret"))


def test_a_certificate_that_nobody_signed_is_said(tmp_path: Path) -> None:
    authority = tmp_path / "ca.pem"
    authority.write_text("none")
    with (
        answering(body("")) as url,
        pytest.raises(PrometheusError, match="cannot be asked"),
        connected(Address(url.replace("http", "https"), ca_file=authority)) as server,
    ):
        server.values("job", ["up"], first_s=0, last_s=1)


@pytest.mark.parametrize(
    ("first_s", "last_s", "step_s", "most"),
    [
        pytest.param(0, 28 * DAY, 300, 2017, id="weeks are cut into weeks"),
        pytest.param(0, 20 * DAY, 60, 10_000, id="no piece has more points than a server gives"),
        pytest.param(300, 600, 300, 2, id="two points"),
        pytest.param(300, 300, 300, 1, id="one point"),
    ],
)
def test_pieces_hold_every_point_once(first_s: int, last_s: int, step_s: int, most: int) -> None:
    cut = list(pieces(first_s, last_s, step_s, Limits()))
    points = [at for begin, end in cut for at in range(begin, end + 1, step_s)]
    assert points == list(range(first_s, last_s + 1, step_s))
    assert max((end - begin) // step_s + 1 for begin, end in cut) == most
