"""`Prometheus`: the load of all deployments from a Prometheus server that scrapes their engines.

A tick is some twenty questions, however many deployments there are. The server is believed no further than it behaves
like one: redirects are not followed, since a token goes with every question; answers are limited in time and size.
While it is away the last answers hold for three ticks; then nothing is known, which changes no decision.
"""

import asyncio
import logging
import ssl
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from pathlib import Path
from typing import Any

import aiohttp
import orjson
from wharfage_autoscaler.counting import Counters
from wharfage_autoscaler.load import Load
from wharfage_autoscaler.objectives import Objectives

from wharfage_operator.kinds import Key, Object
from wharfage_operator.metrics import is_reached, limited
from wharfage_operator.promql import NEEDED, SLOW, Answer, answered, load, questions, stint, told
from wharfage_operator.settings import Settings
from wharfage_operator.stints import Stint
from wharfage_operator.tallied import Tallies, counters, question, tallied
from wharfage_operator.telemetry import Telemetry

log = logging.getLogger(__name__)
_LONGEST_ANSWER = 32 * 1024 * 1024
_AT_ONCE = 4
_SLOW_EVERY = 4  # ticks
_STALE = 3.0  # ticks
_FIRST = "pods"
_COUNTED = "counted"


class Prometheus:
    """Asks one server for everything, again and again."""

    def __init__(self, settings: Settings, telemetry: Telemetry, fresh: Callable[[Key], None]) -> None:
        """`fresh` is called with the key of every deployment that an answer tells of."""
        self._settings = settings
        self._telemetry = telemetry
        self._fresh = fresh
        self._questions = questions(settings.prometheus_label)
        self._answers: dict[str, Answer] = {}
        self._tallies: Tallies = {}
        self._answered_s: dict[str, float] = {}
        self._ticks = 0
        self._silent = ""

    def load(self, key: Key, pods: tuple[Object, ...], objectives: Objectives) -> Load | None:
        """The load of a deployment; None when the server tells of half of its ready pods or fewer."""
        return load(told(self._lately(), key), sum(map(is_reached, pods)), objectives)

    def stints(self, key: Key) -> Mapping[str, Stint]:
        """The last minute of the mean pod of a deployment, if none of them was idle."""
        lately = {figure: answer for figure, answer in self._lately().items() if figure not in SLOW}
        found = stint(told(lately, key), end_s=self._answered_s.get(_FIRST, 0.0))
        return {} if found is None else {"": found}

    def _lately(self) -> dict[str, Answer]:
        oldest_s = time.monotonic() - _STALE * self._settings.scrape_every_s
        slow_s = time.monotonic() - 2 * _SLOW_EVERY * self._settings.scrape_every_s
        return {
            figure: answer
            for figure, answer in self._answers.items()
            if self._answered_s[figure] >= (slow_s if figure in SLOW else oldest_s)
        }

    def counters(self, pods: Iterable[Object]) -> dict[str, tuple[float, Counters]]:
        """What every engine of the pods had counted at the last answer, and how many seconds ago that was."""
        ago_s = time.monotonic() - self._answered_s.get(_COUNTED, 0.0)
        return {name: (ago_s, each) for name, each in counters(self._tallies, pods).items()}

    def running(self, key: Key) -> Mapping[str, float]:
        """Of no pod: the questions are about deployments."""
        return {}

    async def run(self) -> None:
        """Ask for ever."""
        async with connected(self._settings) as session:
            while True:
                await self.tick(session)
                await asyncio.sleep(self._settings.scrape_every_s)

    async def tick(self, session: aiohttp.ClientSession) -> None:
        """Ask once for every figure whose time has come."""
        slow = self._ticks % _SLOW_EVERY == 0
        self._ticks += 1
        figures = [figure for figure in self._questions if figure != _FIRST and (slow or figure not in SLOW)]
        turns = asyncio.Semaphore(_AT_ONCE)
        problems = {_FIRST: await self._ask(session, _FIRST, turns)}
        if not problems[_FIRST]:  # a server that hangs is waited for once a tick
            *answers, uncounted = await asyncio.gather(
                *(self._ask(session, figure, turns) for figure in figures), self._count(session, turns)
            )
            problems |= {**dict(zip(figures, answers, strict=True)), _COUNTED: uncounted}
        self._say(problems)
        for key in set().union(*(answer.keys() for answer in self._answers.values())):
            self._fresh(key)

    async def _ask(self, session: aiohttp.ClientSession, figure: str, turns: asyncio.Semaphore) -> str:
        """Put the question of a figure; returns what went wrong, or nothing."""

        def keep(body: Any) -> None:
            self._answers[figure] = answered(body, self._settings.prometheus_label)

        return await self._put(session, figure, self._questions[figure], turns, keep)

    async def _count(self, session: aiohttp.ClientSession, turns: asyncio.Semaphore) -> str:
        """Put the question about what engines have counted; returns what went wrong, or nothing."""

        def keep(body: Any) -> None:
            self._tallies = tallied(body)

        return await self._put(session, _COUNTED, question(self._settings.prometheus_label), turns, keep)

    async def _put(
        self,
        session: aiohttp.ClientSession,
        figure: str,
        asked: str,
        turns: asyncio.Semaphore,
        keep: Callable[[Any], None],
    ) -> str:
        async with turns:
            try:
                keep(await posed(session, self._settings, asked))
            except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
                self._telemetry.questions.labels("failed").inc()
                return str(error) or type(error).__name__
        self._answered_s[figure] = time.monotonic()
        self._telemetry.questions.labels("answered").inc()
        return ""

    def _say(self, problems: Mapping[str, str]) -> None:
        """Once when the server falls silent, once when it is back."""
        failed = sorted(figure for figure, problem in problems.items() if problem)
        needed = [figure for figure in failed if figure in NEEDED]
        said = f"{needed[0]}: {problems[needed[0]]}" if needed else ""
        if bool(said) != bool(self._silent):
            if said:
                log.warning("Prometheus does not answer; the last decisions hold", extra=self._about(failed, said))
            else:
                log.info("Prometheus answers again", extra=self._about(failed, said))
        self._silent = said

    def _about(self, failed: Collection[str], said: str) -> dict[str, object]:
        return {"server": self._settings.prometheus_url, "failed": len(failed), "error": said}


def connected(settings: Settings) -> aiohttp.ClientSession:
    """A session with the Prometheus of the settings. ValueError for a `prometheus_ca_file` that is of no use."""
    timeout = aiohttp.ClientTimeout(total=settings.prometheus_timeout_s)
    connector = aiohttp.TCPConnector(limit=_AT_ONCE, ssl=authority(settings.prometheus_ca_file) or True)
    return aiohttp.ClientSession(timeout=timeout, connector=connector)


async def posed(session: aiohttp.ClientSession, settings: Settings, question: str) -> Any:
    """The parsed JSON of the answer to one question.

    Raises `aiohttp.ClientError`, TimeoutError and OSError for a server that is away, ValueError for one that refuses or
    answers with what is no JSON, or too much of it.
    """
    url = f"{settings.prometheus_url.rstrip('/')}/api/v1/query"
    form = {"query": question, "timeout": f"{settings.prometheus_timeout_s:g}s"}
    headers = authorization(settings.prometheus_token_file)
    async with session.post(url, data=form, headers=headers, allow_redirects=False) as answer:
        if answer.status != 200:
            raise ValueError(f"HTTP {answer.status}")
        return orjson.loads(await limited(answer.content, _LONGEST_ANSWER))


def authority(ca_file: str) -> ssl.SSLContext | None:
    """Who signed the server's certificate; None where those that the system knows did.

    ValueError, with what to do, for a file that is not there or holds no certificate: without it nothing is measured.
    """
    if not ca_file:
        return None
    try:
        return ssl.create_default_context(cafile=ca_file)
    except (OSError, ssl.SSLError) as error:
        raise ValueError(
            f"prometheus_ca_file is {ca_file!r}: it cannot be read as certificates ({error}); "
            "the operator's pod has the cluster's own at /var/run/secrets/kubernetes.io/serviceaccount/ca.crt"
        ) from error


def authorization(token_file: str) -> dict[str, str]:
    """The header that says who asks; none where there is no token."""
    token = bearer(token_file)
    return {} if token is None else {"Authorization": f"Bearer {token}"}


def bearer(token_file: str) -> str | None:
    """The token of the file; None where none is set, or it cannot be read, which the server then answers itself."""
    if not token_file:
        return None
    try:
        return Path(token_file).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        return None
