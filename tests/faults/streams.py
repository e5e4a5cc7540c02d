"""What becomes of an answer on its way to the client: line by line, since a watch event is a line."""

import asyncio
from collections.abc import AsyncIterator

import aiohttp

from tests.faults.requests import Request
from tests.faults.rules import Expire, Fault, FreezeStream, LoseLine, OnStream, ResetStream, SwapLines

_TOO_OLD = b'{"type":"ERROR","object":{"kind":"Status","code":410,"reason":"Expired","message":"injected"}}\n'


async def under(fault: Fault | None, content: aiohttp.StreamReader, request: Request) -> AsyncIterator[bytes | None]:
    """The answer to `request` as the client shall see it; None where the connection is reset."""
    if not isinstance(fault, OnStream):
        async for chunk in content.iter_any():
            yield chunk
        return
    what = type(fault).__name__
    if isinstance(fault, Expire):
        request.fault = what
        yield _TOO_OLD
        return
    number, held = 0, b""
    if isinstance(fault, FreezeStream) and not fault.after_lines:
        request.fault = what
        await asyncio.Event().wait()
    async for line in _lines(content):
        meant = fault.saying in line if isinstance(fault, LoseLine | SwapLines) else True
        number += meant
        match fault:
            case ResetStream(after_lines) if number > after_lines:
                request.fault = what
                break
            case LoseLine(lost) if meant and lost in (None, number):
                request.fault = what
                continue
            case SwapLines(first) if meant and not held and first in (None, number):
                held = line
                continue
        if held:
            request.fault = what
        yield line + held
        held = b""
        if isinstance(fault, FreezeStream) and number == fault.after_lines:
            request.fault = what
            await asyncio.Event().wait()
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
