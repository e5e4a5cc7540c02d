"""What becomes of an answer on its way to the client: line by line, since a watch event is a line."""

import asyncio
from collections.abc import AsyncIterator

import aiohttp

from tests.faults.rules import Fault, FreezeStream, LoseLine, OnStream, ResetStream, SwapLines


async def under(fault: Fault | None, content: aiohttp.StreamReader) -> AsyncIterator[bytes | None]:
    """The answer as the client shall see it; None where the connection is reset."""
    if not isinstance(fault, OnStream):
        async for chunk in content.iter_any():
            yield chunk
        return
    number, held = 0, b""
    async for line in _lines(content):
        number += 1
        match fault:
            case ResetStream(after_lines) if number > after_lines:
                break
            case FreezeStream(after_lines) if number > after_lines:
                await asyncio.Event().wait()
            case LoseLine(lost) if number == lost:
                continue
            case SwapLines(first) if number == first:
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
