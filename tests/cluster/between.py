"""The fault proxy in a thread of its own, for tests that look on synchronously."""

import asyncio
import threading
from types import TracebackType
from typing import Self

from tests.devcluster.cluster import Cluster
from tests.faults.proxy import FaultProxy
from tests.faults.rules import Rule

_TURNS = 10
_WITHIN_S = 120.0


class Between:
    """`with Between(cluster, *rules) as proxy`: `proxy.seen` records, `proxy.kubeconfig` leads through it."""

    def __init__(self, cluster: Cluster, *rules: Rule, token: str | None = None) -> None:
        self.seen = FaultProxy(cluster, rules=rules, token=token)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)

    def __enter__(self) -> Self:
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self.seen.__aenter__(), self._loop).result(_WITHIN_S)
        self.kubeconfig = self.seen.kubeconfig
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result(_WITHIN_S)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _end(self) -> None:
        """End the proxy; TLS connections that it closed are gone only after some more turns of the loop."""
        await self.seen.__aexit__(None, None, None)
        for _ in range(_TURNS):  # not one sleep: a loop that stood still meanwhile would turn but once
            await asyncio.sleep(0.01)
