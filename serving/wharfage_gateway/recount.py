"""How many requests Envoy itself has under way.

What the access log did not tell is found missing there, and what was let in before this brain started is found at all.
Asked of Envoy's own pages at the start and every few seconds; an Envoy that does not answer says nothing.
"""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

import aiohttp

from wharfage_gateway.view import endpoint

EVERY_S = 2.0
_ANSWER_S = 1.0


Active = Mapping[str, Mapping[str, int]]
"""Requests under way, by cluster and endpoint."""


async def follow(admin_socket: str, counted: Callable[[Active], None]) -> None:
    """Call `counted` with what is under way, for ever."""
    timeout = aiohttp.ClientTimeout(total=_ANSWER_S)
    async with aiohttp.ClientSession(connector=aiohttp.UnixConnector(admin_socket), timeout=timeout) as envoy:
        while True:
            try:
                async with envoy.get("http://envoy/clusters", params={"format": "json"}) as told:
                    found = active(await told.json(content_type=None))
            except (aiohttp.ClientError, OSError, TimeoutError, ValueError):
                pass
            else:
                counted(found)
            await asyncio.sleep(EVERY_S)


def active(clusters: Mapping[str, Any]) -> dict[str, dict[str, int]]:
    """Requests under way at each host of Envoy's `/clusters?format=json`, which leaves out what is zero."""
    return {
        cluster["name"]: {
            endpoint(at["address"], at["port_value"]): sum(
                int(stat.get("value", 0)) for stat in host.get("stats", ()) if stat.get("name") == "rq_active"
            )
            for host in cluster.get("host_statuses", ())
            if (at := host.get("address", {}).get("socket_address"))
        }
        for cluster in clusters.get("cluster_statuses", ())
    }
