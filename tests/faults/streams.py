"""What becomes of an answer on its way to the client: line by line, since a watch event is a line."""

import asyncio
from collections.abc import AsyncIterator

import aiohttp

from tests.faults.rules import Expire, Fault, FreezeStream, LoseLine, OnStream, ResetStream, SwapLines

_TOO_OLD = b'{"type":"ERROR","object":{"kind":"Status","code":410,"reason":"Expired","message":"injected"}}\n'


async def under(fault: Fault | None, content: aiohttp.StreamReader) -> AsyncIterator[bytes | None]:
    """The answer as the client shall see it; None where the connection is reset."""
    if not isinstance(fault, OnStream):
        async for chunk in content.iter_any():
            yield chunk
        return
    if isinstance(fault, Expire):
        yield _TOO_OLD
        return
    number, held = 0, b""
    async for line in _lines(content):
        meant = fault.saying in line if isinstance(fault, LoseLine | SwapLines) else True
        number += meant
        match fault:
            case ResetStream(after_lines) if number > after_lines:
                break
            case FreezeStream(after_lines) if number > after_lines:
                await asyncio.Event().wait()
            case LoseLine(lost) if meant and lost in (None, number):
                continue
            case SwapLines(first) if meant and not held and first in (None, number):
                held = line
                continue
        yield line + held
        held = b""
    if held:
        yield held
    if isinstance(fault, ResetStream):
        yield None


async def _lines(content: aiohttp.StreamReader) -> AsyncIterator[bytes]:
    """Whole lines however long: aiohttp's own reader refuses those above 128 KiB, and a list is one line."""
    rest = b""
    async for chunk in content.iter_any():
        *whole, rest = (rest + chunk).split(b"\n")
        for line in whole:
            yield line + b"\n"
    if rest:
        yield rest
