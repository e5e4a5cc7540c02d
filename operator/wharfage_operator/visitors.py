"""Who looks at the page, and what they may see: the API server is asked, and its answer holds for half a minute.

A bearer token is reviewed. Whoever it belongs to may see what they may list: LLMDeployments everywhere, else namespace
by namespace, and LLMBudgets. Where the API server does not answer, nobody sees anything.

Anybody may make tokens up. So those that the API server does not know are remembered apart from those that it does, and
asked about apart, a few in a second: they drive out no visitor's answer, and take no visitor's place. Of these few no
address has more than its part, so that whoever comes first from elsewhere is asked about, too.
"""

import asyncio
import hashlib
import time
from collections import OrderedDict
from collections.abc import Callable, Collection, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any, Protocol

from wharfage_operator.kinds import LLM_BUDGETS, LLM_DEPLOYMENTS, Kind, Object
from wharfage_operator.turnstile import Sources, Turnstile

HOLDS_S = 30.0
_TOKEN_REVIEWS = "/apis/authentication.k8s.io/v1/tokenreviews"  # noqa: S105 - a path
_ACCESS_REVIEWS = "/apis/authorization.k8s.io/v1/subjectaccessreviews"
_AT_ONCE = 4  # of visitors, and as many of strangers
_MOST_WAITING = 64
_STRANGERS_PER_S = 20.0
_PART = 0.75  # of strangers' places, for one address: behind a proxy everybody has the same
_VISITORS_PER_S = 1000.0
_REMEMBERED = 1000
_REMEMBERED_UNKNOWN = 256


class Unknown(Exception):  # noqa: N818 - the state is the name
    """The API server does not know the token; the message says what it said."""


class Reviews(Protocol):
    """What is needed of the API server; a `Connection` has it."""

    async def call(self, method: str, path: str, *, body: Object | None = None) -> Object:
        """Send one request; ApiError for anything but success."""
        ...


@dataclass(frozen=True, slots=True)
class Rights:
    """What somebody may list: LLMDeployments of all namespaces or of some, LLMBudgets or not."""

    user: str
    everywhere: bool = False
    namespaces: frozenset[str] = frozenset()
    budgets: bool = False

    def sees(self, namespace: str) -> bool:
        """Whether LLMDeployments of a namespace may be shown."""
        return self.everywhere or namespace in self.namespaces


@dataclass(frozen=True, slots=True)
class _Answer:
    """What was found of a token, when: rights, or why there are none."""

    at_s: float
    rights: Rights | None
    said: str = ""


class Visitors:
    """Rights by token, asked for and remembered; of a token only its hash is kept."""

    def __init__(
        self,
        server: Reviews,
        namespaces: Callable[[], Collection[str]],
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`namespaces` are those that there is anything to see in; `clock` counts seconds and never jumps."""
        self._server = server
        self._namespaces = namespaces
        self._clock = clock
        self._known: OrderedDict[bytes, _Answer] = OrderedDict()
        self._unknown: OrderedDict[bytes, _Answer] = OrderedDict()
        self._visitors = Turnstile(at_once=_AT_ONCE, places=_MOST_WAITING, per_s=_VISITORS_PER_S, clock=clock)
        self._strangers = Turnstile(at_once=_AT_ONCE, places=_MOST_WAITING, per_s=_STRANGERS_PER_S, clock=clock)
        self._sources = Sources(places=round(_PART * _MOST_WAITING), per_s=_PART * _STRANGERS_PER_S, clock=clock)

    async def rights(self, token: str, address: str = "") -> Rights:
        """What the owner of a token may see; `address` is where it comes from, as the connection says.

        Raises:
            Unknown: for a token that the API server does not know.
            Busy: where too many tokens are being asked about, or too many from there.
            ApiError: where the API server cannot be asked; that is not remembered.

        """
        key = hashlib.sha256(token.encode()).digest()
        answer = self._known.get(key) or self._unknown.get(key)
        if answer is None or self._clock() - answer.at_s >= HOLDS_S:
            answer = await self._asked(key, token, address)
            self._remember(key, answer)
        if answer.rights is None:
            raise Unknown(answer.said)
        return answer.rights

    def _remember(self, key: bytes, answer: _Answer) -> None:
        ours, most = (self._unknown, _REMEMBERED_UNKNOWN) if answer.rights is None else (self._known, _REMEMBERED)
        for each in (self._known, self._unknown):
            each.pop(key, None)
        ours[key] = answer
        if len(ours) > most:
            ours.popitem(last=False)

    async def _asked(self, key: bytes, token: str, address: str) -> _Answer:
        """Whose a token is; then, as a visitor's, what they may list."""
        turnstile = self._visitors if key in self._known else self._strangers
        async with AsyncExitStack() as places:
            if turnstile is self._strangers:
                await places.enter_async_context(self._sources.of(address).place())
            await places.enter_async_context(turnstile.place())
            now_s = self._clock()
            status = await self._review(turnstile, token)
        if not status.get("authenticated"):
            return _Answer(now_s, None, str(status.get("error") or "the API server does not know this token"))
        async with self._visitors.place():
            return _Answer(now_s, await self._rights(status.get("user") or {}))

    async def _rights(self, user: Mapping[str, Any]) -> Rights:
        budgets, everywhere = await asyncio.gather(self._may(user, LLM_BUDGETS), self._may(user, LLM_DEPLOYMENTS))
        found: frozenset[str] = frozenset()
        if not everywhere:
            asked = sorted(self._namespaces())
            allowed = await asyncio.gather(*(self._may(user, LLM_DEPLOYMENTS, each) for each in asked))
            found = frozenset(name for name, yes in zip(asked, allowed, strict=True) if yes)
        return Rights(str(user.get("username", "")), everywhere, found, budgets)

    async def _review(self, turnstile: Turnstile, token: str) -> Mapping[str, Any]:
        """The status of a TokenReview."""
        review = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": {"token": token}}
        async with turnstile.turn:
            return (await self._server.call("POST", _TOKEN_REVIEWS, body=review)).get("status") or {}

    async def _may(self, user: Mapping[str, Any], kind: Kind, namespace: str = "") -> bool:
        """Whether a user may list a kind in a namespace, "" for all of them."""
        async with self._visitors.turn:
            answer = await self._server.call("POST", _ACCESS_REVIEWS, body=access_review(user, kind, namespace))
        return (answer.get("status") or {}).get("allowed") is True


def access_review(user: Mapping[str, Any], kind: Kind, namespace: str) -> Object:
    """The question whether a user, as a TokenReview describes one, may list a kind in a namespace ("": in all)."""
    attributes = {"group": kind.group, "resource": kind.plural, "verb": "list"}
    spec: Object = {"resourceAttributes": attributes | ({"namespace": namespace} if namespace else {})}
    named = {"user": "username", "uid": "uid", "groups": "groups", "extra": "extra"}
    spec |= {ours: user[theirs] for ours, theirs in named.items() if user.get(theirs)}
    return {"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview", "spec": spec}
