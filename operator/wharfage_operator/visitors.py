"""Who looks at the page, and what they may see: the API server is asked, and its answer holds for half a minute.

A bearer token is reviewed. Whoever it belongs to may see what they may list: LLMDeployments everywhere, else namespace
by namespace, and LLMBudgets. Where the API server does not answer, nobody sees anything.
"""

import asyncio
import hashlib
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Collection, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Protocol

from wharfage_operator.kinds import LLM_BUDGETS, LLM_DEPLOYMENTS, Kind, Object

HOLDS_S = 30.0
_TOKEN_REVIEWS = "/apis/authentication.k8s.io/v1/tokenreviews"  # noqa: S105 - a path
_ACCESS_REVIEWS = "/apis/authorization.k8s.io/v1/subjectaccessreviews"
_AT_ONCE = 8
_MOST_WAITING = 64
_REMEMBERED = 1000


class Unknown(Exception):  # noqa: N818 - the state is the name
    """The API server does not know the token; the message says what it said."""


class Busy(Exception):  # noqa: N818
    """Too many others are being asked about."""


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
        self._answers: OrderedDict[bytes, _Answer] = OrderedDict()
        self._turns = asyncio.Semaphore(_AT_ONCE)
        self._asking = 0

    async def rights(self, token: str) -> Rights:
        """What the owner of a token may see.

        Raises:
            Unknown: for a token that the API server does not know.
            Busy: where too many tokens are being asked about.
            ApiError: where the API server cannot be asked; that is not remembered.

        """
        key = hashlib.sha256(token.encode()).digest()
        answer = self._answers.get(key)
        if answer is None or self._clock() - answer.at_s >= HOLDS_S:
            async with self._place():
                answer = await self._ask(token, self._clock())
            self._remember(key, answer)
        if answer.rights is None:
            raise Unknown(answer.said)
        return answer.rights

    @asynccontextmanager
    async def _place(self) -> AsyncIterator[None]:
        """A place among those who are being asked about."""
        if self._asking >= _MOST_WAITING:
            raise Busy(f"{_MOST_WAITING} others are being asked about: try again in a moment")
        self._asking += 1
        try:
            yield
        finally:
            self._asking -= 1

    def _remember(self, key: bytes, answer: _Answer) -> None:
        self._answers[key] = answer
        self._answers.move_to_end(key)
        if len(self._answers) > _REMEMBERED:
            self._answers.popitem(last=False)

    async def _ask(self, token: str, now_s: float) -> _Answer:
        review = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": {"token": token}}
        status = (await self._post(_TOKEN_REVIEWS, review)).get("status") or {}
        if not status.get("authenticated"):
            return _Answer(now_s, None, str(status.get("error") or "the API server does not know this token"))
        user: Mapping[str, Any] = status.get("user") or {}
        budgets, everywhere = await asyncio.gather(self._may(user, LLM_BUDGETS), self._may(user, LLM_DEPLOYMENTS))
        found: frozenset[str] = frozenset()
        if not everywhere:
            asked = sorted(self._namespaces())
            allowed = await asyncio.gather(*(self._may(user, LLM_DEPLOYMENTS, each) for each in asked))
            found = frozenset(name for name, yes in zip(asked, allowed, strict=True) if yes)
        return _Answer(now_s, Rights(str(user.get("username", "")), everywhere, found, budgets))

    async def _may(self, user: Mapping[str, Any], kind: Kind, namespace: str = "") -> bool:
        """Whether a user may list a kind in a namespace, "" for all of them."""
        answer = await self._post(_ACCESS_REVIEWS, access_review(user, kind, namespace))
        return (answer.get("status") or {}).get("allowed") is True

    async def _post(self, path: str, body: Object) -> Object:
        async with self._turns:
            return await self._server.call("POST", path, body=body)


def access_review(user: Mapping[str, Any], kind: Kind, namespace: str) -> Object:
    """The question whether a user, as a TokenReview describes one, may list a kind in a namespace ("": in all)."""
    attributes = {"group": kind.group, "resource": kind.plural, "verb": "list"}
    spec: Object = {"resourceAttributes": attributes | ({"namespace": namespace} if namespace else {})}
    named = {"user": "username", "uid": "uid", "groups": "groups", "extra": "extra"}
    spec |= {ours: user[theirs] for ours, theirs in named.items() if user.get(theirs)}
    return {"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview", "spec": spec}
