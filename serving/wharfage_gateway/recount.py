"""How many requests Envoy itself has under way: what the access log did not tell is found missing here.

Asked of Envoy's own pages every few seconds; an Envoy that does not answer says nothing.
"""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

import aiohttp

EVERY_S = 2.0
_ANSWER_S = 1.0


async def follow(admin_socket: str, counted: Callable[[Mapping[str, int]], None]) -> None:
    """Call `counted` with the requests under way by cluster, for ever."""
    timeout = aiohttp.ClientTimeout(total=_ANSWER_S)
    async with aiohttp.ClientSession(connector=aiohttp.UnixConnector(admin_socket), timeout=timeout) as envoy:
        while True:
            await asyncio.sleep(EVERY_S)
            try:
                async with envoy.get("http://envoy/clusters", params={"format": "json"}) as told:
                    found = active(await told.json(content_type=None))
            except (aiohttp.ClientError, OSError, TimeoutError, ValueError):
                continue
            counted(found)


def active(clusters: Mapping[str, Any]) -> dict[str, int]:
    """Requests under way in each cluster of Envoy's `/clusters?format=json`, which leaves out what is zero."""
    found: dict[str, int] = {}
    for cluster in clusters.get("cluster_statuses", ()):
        stats = [stat for host in cluster.get("host_statuses", ()) for stat in host.get("stats", ())]
        found[cluster["name"]] = sum(int(stat.get("value", 0)) for stat in stats if stat.get("name") == "rq_active")
    return found
