"""A client of chat completions that notes what it was told and when, and loads of many of them."""

import asyncio
import io
import json
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Any

import aiohttp

GIVE_UP_S = 120.0
CUT_OFF = 0
"""The status of a request that ended without an answer, or in the middle of one."""
LATE_S = 0.25
"""A load that stood still for longer goes on from there: all at once what it missed would be another load."""


@dataclass(slots=True)
class Answer:
    """What came back, in the pieces in which it came. `broken` says how it ended, where it did not end well.

    `began_s` is on the monotonic clock; first piece and end are counted from there.
    """

    status: int = CUT_OFF
    headers: Mapping[str, str] = field(default_factory=dict)
    pieces: list[bytes] = field(default_factory=list)
    broken: str = ""
    began_s: float = float("nan")
    first_s: float = float("nan")
    whole_s: float = float("nan")

    @property
    def body(self) -> bytes:
        """All of it."""
        return b"".join(self.pieces)

    @property
    def portions(self) -> int:
        """How many events of a stream have come."""
        return self.body.count(b"\n\n")

    @property
    def ok(self) -> bool:
        """Whether it is whole and good."""
        return self.status == 200 and not self.broken

    @property
    def error(self) -> dict[str, Any]:
        """The error that it tells, in OpenAI's form."""
        found: dict[str, Any] = json.loads(self.body)["error"]
        assert set(found) >= {"message", "type"}, found
        return found

    @property
    def tokens(self) -> tuple[int, int]:
        """Of prompt and output, as the engine said at the end."""
        if b"data: " in self.body:
            told = [line for line in self.body.split(b"\n\n") if b'"usage"' in line]
            usage = json.loads(told[-1].removeprefix(b"data: "))["usage"]
        else:
            usage = json.loads(self.body)["usage"]
        return usage["prompt_tokens"], usage["completion_tokens"]


class Client:
    """Asks one gateway (or one engine)."""

    def __init__(self, url: str, key: str = "", *, give_up_s: float = GIVE_UP_S) -> None:
        self.url, self._give_up_s = url, give_up_s
        self._headers = {"authorization": f"Bearer {key}"} if key else {}
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> "Client":
        limits = aiohttp.ClientTimeout(total=self._give_up_s)
        connections = aiohttp.TCPConnector(limit=0)
        self._session = aiohttp.ClientSession(self.url, timeout=limits, connector=connections)
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._session
        await self._session.close()

    async def chat(
        self,
        model: str,
        *,
        tokens: int | None = 4,
        stream: bool = True,
        prompt: str = "hello",
        headers: Mapping[str, str] | None = None,
        into: Answer | None = None,
        **fields: object,
    ) -> Answer:
        """One chat completion. `fields` go into its body as they are; `into` fills as the answer comes."""
        body: dict[str, object] = {
            "model": model,
            "messages": [{"role": "user", "content": prompt}],
            **({"stream": True} if stream else {}),
            **({} if tokens is None else {"max_tokens": tokens}),
            **fields,
        }
        return await self.post(json.dumps(body).encode(), headers=headers, into=into)

    async def post(
        self,
        body: bytes,
        *,
        path: str = "/v1/chat/completions",
        headers: Mapping[str, str] | None = None,
        into: Answer | None = None,
    ) -> Answer:
        """Any body, as JSON unless `headers` say otherwise."""
        told = {"content-type": "application/json", **(headers or {})}
        return await self._sent("POST", path, told, body, Answer() if into is None else into)

    async def get(self, path: str, headers: Mapping[str, str] | None = None) -> Answer:
        """Any page."""
        return await self._sent("GET", path, headers or {}, None, Answer())

    async def _sent(
        self, method: str, path: str, headers: Mapping[str, str], body: bytes | None, answer: Answer
    ) -> Answer:
        assert self._session
        answer.began_s = began_s = time.monotonic()
        try:
            async with self._session.request(
                method, path, data=body and io.BytesIO(body), headers={**self._headers, **headers}
            ) as told:
                answer.status = told.status
                answer.headers = {name.lower(): value for name, value in told.headers.items()}
                async for piece, _ in told.content.iter_chunks():
                    if not answer.pieces:
                        answer.first_s = time.monotonic() - began_s
                    answer.pieces.append(piece)
        except (aiohttp.ClientError, ConnectionError) as problem:
            answer.broken = repr(problem)
        answer.whole_s = time.monotonic() - began_s
        return answer


async def all_of(asked: Iterable[Awaitable[Answer]]) -> list[Answer]:
    """The answers of many at once."""
    return list(await asyncio.gather(*asked))


async def load(ask: Callable[[], Awaitable[Answer]], *, per_s: float, seconds: float, seed: int = 1) -> list[Answer]:
    """The answers of so many a second, which come whether those before have been answered or not."""
    random, until_s, next_s = Random(seed), time.monotonic() + seconds, time.monotonic()
    under_way: list[asyncio.Future[Answer]] = []
    while next_s < until_s:
        await asyncio.sleep(max(0.0, next_s - time.monotonic()))
        if (late_s := time.monotonic() - next_s) > LATE_S:
            next_s, until_s = next_s + late_s, until_s + late_s
        under_way.append(asyncio.ensure_future(ask()))
        next_s += random.expovariate(per_s)
    return list(await asyncio.gather(*under_way))


async def eventually(holds: Callable[[], Awaitable[bool]], what: str, within_s: float = 120.0) -> float:
    """Wait until it holds; how long it took. Fails, saying what did not come, where it takes longer."""
    began_s = time.monotonic()
    while not await holds():
        assert time.monotonic() - began_s < within_s, f"{what} did not come within {within_s:g} s"
        await asyncio.sleep(0.02)
    return time.monotonic() - began_s
