"""Pods that all show a captured page of vLLM which goes on, behind an HTTP proxy: `python -m benchmarks.pages PAGE`.

It prints its port. Every counter grows as if the captured minute came again and again, at a pace of each pod's own that
`POST /pace` multiplies, so that counts have to follow.
"""

import asyncio
import json
import re
import sys
import time
import zlib
from pathlib import Path

from aiohttp import web

_COUNTER = re.compile(r"^(vllm:\w+_(?:total|bucket|count|sum)\{[^}]*\}) (\S+)$")
_CAPTURED_S = 60.0


def parted(text: str) -> list[tuple[str, float | None]]:
    """The page's lines; those of counters without their value, which stands beside them."""
    found = (_COUNTER.match(line) for line in text.splitlines())
    lines = zip(text.splitlines(), found, strict=True)
    return [(line, None) if one is None else (one[1], float(one[2])) for line, one in lines]


async def serve(page: str) -> None:
    """Until the process is ended."""
    lines, began_s, paces = parted(page), time.monotonic(), {"all": 1.0}
    grown: dict[str, tuple[float, float]] = {}

    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        if request.path == "/pace":
            paces["all"] = float(await request.text())
            return web.Response()
        host, now_s = request.host, time.monotonic()
        times, at_s = grown.get(host, (1.0, began_s))
        own = 0.5 + (zlib.crc32(host.encode()) % 1000) / 1000.0
        times += paces["all"] * own * (now_s - at_s) / _CAPTURED_S
        grown[host] = (times, now_s)
        rows = (line if value is None else f"{line} {value * times:.6g}" for line, value in lines)
        return web.Response(text="\n".join(rows) + "\n", content_type="text/plain")

    runner = web.ServerRunner(web.Server(answer, access_log=None))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    print(json.dumps({"port": runner.addresses[0][1]}), flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(serve(Path(sys.argv[1]).read_text(encoding="utf-8")))
