"""A Prometheus server, asked for what it has recorded: ranges of any length, within limits of size and time.

A server gives at most 11,000 points an answer, and works long on long ranges: they are asked for in pieces. It is
believed no further than it behaves like one: a redirect is not followed, since the token goes with every question, and
an answer that is too large, or does not end, is not waited for.
"""

import io
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from math import isfinite, nan
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from prometheus_api_client.prometheus_connect import PrometheusConnect
from requests import JSONDecodeError, PreparedRequest, RequestException, Response, Session
from urllib3 import Retry
from urllib3.exceptions import HTTPError

_BUSY = (429, 502, 503, 504)
_READ_BYTES = 65_536


class PrometheusError(Exception):
    """The server cannot be asked, or does not answer; the message says which, and what it said."""


class ForbiddenError(PrometheusError):
    """The server wants to know who asks, or does not let them."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How much of a server's time and of our memory one question may take."""

    connect_s: float = 10.0
    answer_s: float = 60.0
    answer_bytes: int = 16 * 2**20
    points: int = 10_000  # Prometheus itself refuses more than 11,000
    range_s: int = 7 * 86_400


@dataclass(frozen=True, slots=True)
class Address:
    """Where a server is, and what it asks for: a bearer token; a certificate authority of its own."""

    url: str
    token: str = field(default="", repr=False)
    ca_file: Path | None = None


@dataclass(frozen=True, slots=True)
class Server:
    """An open connection; `connected` makes it."""

    client: PrometheusConnect
    url: str
    limits: Limits

    def rates(self, query: str, *, first_s: int, last_s: int, step_s: int) -> tuple[float, ...]:
        """The one series that a query gives, at `first_s`, `first_s + step_s`, ... `last_s` (Unix seconds).

        NaN where it has no point. `PrometheusError` where it gives several series, or none of this can be had.
        """
        found = [nan] * ((last_s - first_s) // step_s + 1)
        for begin_s, end_s in pieces(first_s, last_s, step_s, self.limits):
            result = self._asked(
                self.client.custom_query_range,
                query,
                datetime.fromtimestamp(begin_s, UTC),
                datetime.fromtimestamp(end_s, UTC),
                str(step_s),
            )
            try:
                if len(result) > 1:
                    raise PrometheusError(f"{self.url}: {len(result)} series where one was asked for: {query}")
                for at_s, text in result[0]["values"] if result else []:
                    place, value = round((float(at_s) - first_s) / step_s), float(text)
                    if 0 <= place < len(found) and isfinite(value):
                        found[place] = value
            except (KeyError, TypeError, ValueError) as error:
                raise self._no_prometheus() from error
        return tuple(found)

    def instant(self, query: str) -> tuple[tuple[Mapping[str, str], float], ...]:
        """Every series that a query gives now: its labels and its value. `PrometheusError` where none can be had."""
        result = self._asked(self.client.custom_query, query)
        try:
            return tuple((dict(row["metric"]), float(row["value"][1])) for row in result)
        except (KeyError, IndexError, TypeError, ValueError) as error:
            raise self._no_prometheus() from error

    def values(self, label: str, selectors: Sequence[str], *, first_s: int, last_s: int) -> tuple[str, ...]:
        """What a label is in the series of any of the selectors during a time."""
        asked = {"match[]": list(selectors), "start": first_s, "end": last_s}
        found = self._asked(self.client.get_label_values, label, asked)
        if not isinstance(found, list) or not all(isinstance(each, str) for each in found):
            raise self._no_prometheus()
        return tuple(sorted(found))

    def _asked(self, ask: Callable[..., Any], *arguments: Any) -> Any:
        try:
            return ask(*arguments)
        except JSONDecodeError as error:  # of requests: an OSError besides
            raise self._no_prometheus() from error
        except (RequestException, HTTPError, OSError) as error:
            raise PrometheusError(f"{self.url}: it cannot be asked: {_root(error)}") from error
        except (KeyError, TypeError, ValueError) as error:
            raise self._no_prometheus() from error

    def _no_prometheus(self) -> PrometheusError:
        return PrometheusError(f"{self.url}: it does not answer as Prometheus does; is this the address of its API?")


def pieces(first_s: int, last_s: int, step_s: int, limits: Limits) -> Iterator[tuple[int, int]]:
    """A range cut into ranges that a server answers; both ends of each are points, and none is asked for twice."""
    steps = max(1, min(limits.points - 1, limits.range_s // step_s))
    begin_s = first_s
    while begin_s <= last_s:
        end_s = min(begin_s + steps * step_s, last_s)
        yield begin_s, end_s
        begin_s = end_s + step_s


@contextmanager
def connected(address: Address, *, limits: Limits = Limits()) -> Iterator[Server]:
    """A server that may be asked. `PrometheusError` where the address is none; nothing is sent yet."""
    url = _checked(address.url)
    with Session() as session:
        session.hooks["response"] = [lambda response, **_: _read(response, url, limits)]
        if address.token:
            session.auth = lambda request: _signed(request, address.token)
        if address.ca_file is not None:
            session.verify = str(address.ca_file)
        retry = Retry(
            total=2,
            connect=1,
            read=0,
            redirect=0,
            other=0,
            status_forcelist=_BUSY,
            backoff_factor=1,
            raise_on_status=False,
        )
        timeout: Any = (limits.connect_s, limits.answer_s)  # the library hands it on to requests
        yield Server(PrometheusConnect(url, session=session, retry=retry, timeout=timeout), url, limits)


def _checked(url: str) -> str:
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        raise PrometheusError(f"the address of a Prometheus server is not a URL: {error}") from error
    if parts.username is not None or parts.password is not None:
        raise PrometheusError(
            f"http(s)://...@{host}: an address with a password in it ends up in logs; put a name and a password into "
            "~/.netrc, or a bearer token into a file"
        )
    if parts.scheme not in ("http", "https") or not host or parts.query or parts.fragment:
        raise PrometheusError(f"{url}: the address of a Prometheus server is http(s)://HOST[:PORT][/PATH]")
    return url.rstrip("/")


def _signed(request: PreparedRequest, token: str) -> PreparedRequest:
    request.headers["Authorization"] = f"Bearer {token}"
    return request


def _read(response: Response, url: str, limits: Limits) -> Response:
    """The answer, read within the limits; what is none is raised here, where its status and words are known."""
    if response.is_redirect:
        raise PrometheusError(
            f"{url}: it redirects to {response.headers['location']}; give that address if it is right"
        )
    until_s, body = time.monotonic() + limits.answer_s, bytearray()
    while part := response.raw.read1(_READ_BYTES, decode_content=True):
        body += part
        if len(body) > limits.answer_bytes:
            raise PrometheusError(f"{url}: its answer is longer than {limits.answer_bytes / 2**20:g} MiB")
        if time.monotonic() > until_s:
            raise PrometheusError(f"{url}: its answer was not complete after {limits.answer_s:g} s")
    response.raw = io.BytesIO(body)
    if response.status_code in (401, 403):
        raise ForbiddenError(f"{url}: it does not let us ask (HTTP {response.status_code}){_said(response)}")
    if not response.ok:
        raise PrometheusError(f"{url}: HTTP {response.status_code}{_said(response)}")
    return response


def _said(response: Response) -> str:
    """What the server gives as the reason, if it does so as Prometheus does."""
    try:
        reason = response.json()["error"]
    except (KeyError, TypeError, ValueError):
        return ""
    return f": {str(reason)[:300]}"


def _root(error: BaseException) -> str:
    """What is at the bottom of the exceptions that requests and urllib3 wrap around each other."""
    while (below := error.__cause__ or error.__context__) is not None:
        error = below
    return str(error) or type(error).__name__
