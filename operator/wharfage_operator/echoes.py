"""What comes back of our own writes: left out of the watch streams before anybody parses it.

The answer to a write is in the cache before its event arrives, as a rule. Such an event says nothing, and is half of
all that is heard while deployments are created: parsing it and passing it through kopf, which starts a task per
object, is a fifth of the operator's time then.
"""

from collections import OrderedDict, defaultdict
from collections.abc import AsyncIterator, Callable
from typing import Any, cast

import aiohttp
from aiohttp import ClientHandlerType, ClientRequest, ClientResponse

from wharfage_operator.kinds import Kind, Object
from wharfage_operator.refusals import Paths

_MOST_AWAITED = 4096  # of a kind; an event that overtook its answer is awaited in vain
_VERSION = b'"resourceVersion":"'
_GONE = b'{"type":"DELETED"'


class Echoes:
    """The states, by kind and resource version, that are known from answers and whose events are still to come.

    A version names one state of one object of a kind, and answer and event hold the same state. An event that is
    left out by mistake (a label of that name holds just that number) is missed until the next resync.
    """

    def __init__(self, heard_of: Callable[[Kind], None]) -> None:
        """`heard_of` is told of each event that is left out."""
        self._heard_of = heard_of
        self._awaited: dict[Kind, OrderedDict[bytes, None]] = defaultdict(OrderedDict)

    def expect(self, kind: Kind, answer: Object) -> None:
        """A write was answered with this state of an object."""
        awaited = self._awaited[kind]
        awaited[answer["metadata"]["resourceVersion"].encode()] = None
        if len(awaited) > _MOST_AWAITED:
            awaited.popitem(last=False)

    def repeats(self, kind: Kind, line: bytes) -> bool:
        """Whether an event of a watch, as it was sent, is such a state; each is left out once."""
        begin = line.find(_VERSION) + len(_VERSION)
        awaited = self._awaited[kind]
        version = line[begin : line.find(b'"', begin)]
        if version not in awaited or line.startswith(_GONE):
            return False
        del awaited[version]
        self._heard_of(kind)
        return True


class Unrepeated:
    """What stands between kopf's streams and the API server: an aiohttp middleware that leaves echoes out."""

    def __init__(self, echoes: Echoes, streams: Paths) -> None:
        """`streams` are listened to; other requests get their answers as they are."""
        self._echoes = echoes
        self._streams = streams

    async def __call__(self, request: ClientRequest, send: ClientHandlerType) -> ClientResponse:
        """Send a request of kopf's."""
        response = await send(request)
        stream = self._streams.get(request.url.path)
        if stream is not None and "watch" in request.url.query:
            response.content = cast("aiohttp.StreamReader", _News(response.content, stream[0], self._echoes))
        return response


class _News:
    """The content of a watch: a stream reader whose `iter_chunked`, by which kopf reads, leaves echoes out."""

    def __init__(self, content: aiohttp.StreamReader, kind: Kind, echoes: Echoes) -> None:
        self._content = content
        self._kind = kind
        self._echoes = echoes

    def __getattr__(self, name: str) -> Any:
        return getattr(self._content, name)

    async def iter_chunked(self, size: int) -> AsyncIterator[bytes]:
        """Whole lines, several at a time, without the echoes."""
        rest = b""
        async for chunk in self._content.iter_chunked(size):
            *lines, rest = (rest + chunk).split(b"\n")
            news = [line for line in lines if line and not self._echoes.repeats(self._kind, line)]
            if news:
                yield b"\n".join(news) + b"\n"
        if rest:
            yield rest
