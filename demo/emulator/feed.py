"""What a kind of object of the API server is now, and every change of it: a list, then a watch, again and again."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any, TypeAlias

import aiohttp
from wharfage_operator.credentials import Credentials

Object: TypeAlias = dict[str, Any]
Heard: TypeAlias = Callable[[Object, bool], None]
"""Told each object as it is, and whether it is gone."""

_AGAIN_S = 0.5
_LONGEST_LINE = 4 * 2**20


class Server:
    """One identity's connections to one API server."""

    def __init__(self, credentials: Credentials, session: aiohttp.ClientSession) -> None:
        """Use `connected` instead."""
        self._credentials = credentials
        self._session = session

    async def follow(self, path: str, heard: Heard, *, selector: str = "") -> None:
        """Tell all objects under `path`, and what becomes of them, until cancelled."""
        known: dict[str, Object] = {}
        while True:
            try:
                await self._once(path, heard, known, {"labelSelector": selector} if selector else {})
            except (aiohttp.ClientError, TimeoutError, OSError, ValueError):
                await asyncio.sleep(_AGAIN_S)

    async def call(self, method: str, path: str, body: Object | None = None) -> Object | None:
        """One request; None where the object is not there. aiohttp.ClientError for what else is refused."""
        headers = {"Content-Type": "application/json", **await self._credentials.authorization()}
        url = self._credentials.host + path
        async with self._session.request(method, url, json=body, headers=headers) as answer:
            if answer.status == 404:
                return None
            answer.raise_for_status()
            read: Object = await answer.json()
            return read

    async def _once(self, path: str, heard: Heard, known: dict[str, Object], params: Mapping[str, str]) -> None:
        listed = await self._listed(path, params)
        found = {item["metadata"]["uid"]: item for item in listed.get("items") or ()}
        for uid in known.keys() - found.keys():
            heard(known.pop(uid), True)
        for uid, item in found.items():
            known[uid] = item
            heard(item, False)
        async for change in self._changes(path, params, listed["metadata"]["resourceVersion"]):
            item = change["object"]
            if change["type"] == "ERROR":
                return  # the version is too old: list again
            uid = item["metadata"]["uid"]
            if change["type"] == "DELETED":
                known.pop(uid, None)
                heard(item, True)
            elif change["type"] != "BOOKMARK":
                known[uid] = item
                heard(item, False)

    async def _listed(self, path: str, params: Mapping[str, str]) -> Object:
        headers = await self._credentials.authorization()
        async with self._session.get(self._credentials.host + path, params=params, headers=headers) as answer:
            if answer.status == 404:  # an API that is not there has no objects
                await asyncio.sleep(_AGAIN_S)
            answer.raise_for_status()
            read: Object = await answer.json()
            return read

    async def _changes(self, path: str, params: Mapping[str, str], version: str) -> AsyncIterator[Object]:
        asked = {**params, "watch": "true", "resourceVersion": version}
        headers = await self._credentials.authorization()
        endless = aiohttp.ClientTimeout(total=None)
        async with self._session.get(
            self._credentials.host + path, params=asked, headers=headers, timeout=endless
        ) as answer:
            answer.raise_for_status()
            async for line in answer.content:
                yield json.loads(line)


@asynccontextmanager
async def connected() -> AsyncIterator[Server]:
    """The API server of $KUBECONFIG."""
    credentials = await Credentials.load()
    connector = aiohttp.TCPConnector(limit=32, ssl=credentials.tls())
    async with aiohttp.ClientSession(
        connector=connector, timeout=aiohttp.ClientTimeout(total=30.0), read_bufsize=_LONGEST_LINE
    ) as session:
        yield Server(credentials, session)
