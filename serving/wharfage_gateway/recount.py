"""How many requests Envoy itself has under way.

What the access log did not tell is found missing there, and what was let in before this brain started is found at all.
Asked of Envoy's own pages before the first request is let in and every few seconds; an Envoy that does not answer says
nothing.
"""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

from wharfage_gateway.hosts import admin, clusters, hosts

EVERY_S = 2.0
_ANSWER_S = 1.0
_FIRST_ANSWER_S = 10.0
"""Nobody is let in by this brain before: longer than a busy Envoy takes, and much less than a guard gives a start."""


Active = Mapping[str, Mapping[str, int]]
"""Requests under way, by cluster and endpoint."""


async def found(admin_socket: str) -> Active:
    """What is under way at the start; nothing where there is no Envoy yet, or one that does not answer."""
    async with admin(admin_socket, answer_s=_FIRST_ANSWER_S) as envoy:
        return active(await clusters(envoy) or {})


async def follow(admin_socket: str, counted: Callable[[Active], None]) -> None:
    """Call `counted` with what is under way, for ever."""
    async with admin(admin_socket, answer_s=_ANSWER_S) as envoy:
        while True:
            if page := await clusters(envoy):
                counted(active(page))
            await asyncio.sleep(EVERY_S)


def active(page: Mapping[str, Any]) -> dict[str, dict[str, int]]:
    """Requests under way at each host of Envoy's page, which leaves out what is zero."""
    found: dict[str, dict[str, int]] = {cluster["name"]: {} for cluster in page.get("cluster_statuses", ())}
    for cluster, at, host in hosts(page):
        stats = (stat for stat in host.get("stats", ()) if stat.get("name") == "rq_active")
        found[cluster][at] = sum(int(stat.get("value", 0)) for stat in stats)
    return found
