"""What Envoy's own page tells of its hosts: `/clusters?format=json` of the admin socket."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

import aiohttp

from wharfage_gateway.view import endpoint


def admin(socket: str, *, answer_s: float) -> aiohttp.ClientSession:
    """A session to the admin socket; an answer may take so long. The caller closes it."""
    timeout = aiohttp.ClientTimeout(total=answer_s)
    return aiohttp.ClientSession(connector=aiohttp.UnixConnector(socket), timeout=timeout)


async def clusters(envoy: aiohttp.ClientSession) -> Mapping[str, Any] | None:
    """The page; empty where Envoy does not say; None where there is no Envoy."""
    try:
        async with envoy.get("http://envoy/clusters", params={"format": "json"}) as told:
            found: dict[str, Any] = json.loads(await told.read())
            return found
    except aiohttp.ClientConnectorError:
        return None
    except (aiohttp.ClientError, OSError, TimeoutError, ValueError):
        return {}


def hosts(page: Mapping[str, Any]) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    """Each host with an address: its cluster's name, its endpoint, and what the page says of it."""
    for cluster in page.get("cluster_statuses", ()):
        for host in cluster.get("host_statuses", ()):
            if at := host.get("address", {}).get("socket_address"):
                yield cluster["name"], endpoint(at["address"], at["port_value"]), host
