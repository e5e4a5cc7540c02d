"""A view on its way: first into Envoy's files, then, once Envoy has taken them, to the brain.

The other way round a request that had waited was sent to a replica that Envoy did not know yet, and answered 503: in 3
of 18 releases on two busy cores. So the brain sees a replica when Envoy lists it. An Envoy that is not there reads the
files when it starts; one that does not answer is not waited for.

What is closed is another matter: the brain need not wait for Envoy to send a replica nothing more, and the view before
may be on its way for a second. So closings are seen at once, and the rest of the view after Envoy.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiohttp

from wharfage_gateway import xds
from wharfage_gateway.hosts import admin, clusters, hosts
from wharfage_gateway.view import View

log = logging.getLogger(__name__)

PATIENCE_S = 10.0
"""Longer than two busy cores stand still: whoever is sent to a replica that Envoy does not know yet is answered 503."""
_LOOK_S = 0.005
_ANSWER_S = 0.5


class Publication:
    """Takes views one after the other; of those that come while one is on its way the last counts."""

    def __init__(self, folder: Path, admin_socket: str, seen: Callable[[View], None]) -> None:
        """`seen` is called with each view that Envoy has taken."""
        self._folder, self._admin_socket, self._seen = folder, admin_socket, seen
        self.latest: View | None = None
        self._next: View | None = None
        self._told: View | None = None
        self._news = asyncio.Event()

    def put(self, view: View) -> None:
        """There is a new one."""
        self.latest = self._next = view
        if self._told is not None and (closed := closings(self._told, view)) != self._told:
            self._tell(closed)
        self._news.set()

    async def run(self) -> None:
        """Bring them on their way, for ever."""
        async with admin(self._admin_socket, answer_s=_ANSWER_S) as envoy:
            while True:
                await self._news.wait()
                self._news.clear()
                view, self._next = self._next, None
                if view is None:
                    continue
                if xds.write(view, self._folder):
                    await self._taken(view, envoy)
                self._tell(view if self._next is None else closings(view, self._next))

    def _tell(self, view: View) -> None:
        self._told = view
        self._seen(view)

    async def _taken(self, view: View, envoy: aiohttp.ClientSession) -> None:
        loop = asyncio.get_running_loop()
        until_s = loop.time() + PATIENCE_S
        while (page := await clusters(envoy)) is not None and not listed(view, page):
            if loop.time() >= until_s:
                log.warning("Envoy has not taken its files within %g s; going on without", PATIENCE_S)
                return
            await asyncio.sleep(_LOOK_S)


def closings(before: View, now: View) -> View:
    """`before`, with those of its replicas draining that `now` does not have open."""
    models = {}
    for served, model in before.models.items():
        after = now.models.get(served)
        still = {replica.endpoint for replica in after.replicas if replica.open} if after else set()
        replicas = tuple(
            replace(each, draining=True) if each.open and each.endpoint not in still else each
            for each in model.replicas
        )
        models[served] = replace(model, replicas=replicas)
    return replace(before, models=models)


def listed(view: View, page: Mapping[str, Any]) -> bool:
    """Whether Envoy's page has every open replica of a view as one that it may send to."""
    healthy = {
        (cluster, at)
        for cluster, at, host in hosts(page)
        if host.get("health_status", {}).get("eds_health_status", "HEALTHY") == "HEALTHY"
    }
    wanted = {
        (served, replica.endpoint)
        for served, model in view.models.items()
        for replica in model.replicas
        if replica.open
    }
    return wanted <= healthy
