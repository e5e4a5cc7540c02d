"""An API server of one namespace that lists, watches, and goes away: as much of one as a gateway asks."""

import asyncio
import json
from pathlib import Path
from typing import Any

from aiohttp import web
from wharfage_api.labels import OWNER, SERVING, SLOTS

NAMESPACE = "shop"
Json = dict[str, Any]


class ApiServer:
    """Its objects are by collection and name; `port` stays the same when it goes and comes back."""

    def __init__(self) -> None:
        self.port = 0
        self._objects: dict[str, dict[str, Json]] = {"llmdeployments": {}, "pods": {}}
        self._version = 1
        self._changed = asyncio.Condition()
        self._events: list[tuple[int, str, str, Json]] = []
        self._runner: web.AppRunner | None = None

    async def come(self) -> None:
        """Answer from now on."""
        app = web.Application()
        app.router.add_get(f"/apis/wharfage.dev/v1alpha1/namespaces/{NAMESPACE}/{{collection}}", self._answer)
        app.router.add_get(f"/api/v1/namespaces/{NAMESPACE}/{{collection}}", self._answer)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self.port, reuse_address=True).start()
        self.port = self._runner.addresses[0][1]

    async def go(self) -> None:
        """Cut every connection and refuse new ones."""
        assert self._runner
        await self._runner.cleanup()

    async def put(self, collection: str, item: Json) -> None:
        """Something is new, or another."""
        async with self._changed:
            self._version += 1
            item["metadata"]["resourceVersion"] = str(self._version)
            self._objects[collection][item["metadata"]["name"]] = item
            self._events.append((self._version, collection, "MODIFIED", item))
            self._changed.notify_all()

    def kubeconfig(self, path: Path) -> Path:
        """The file by which it is found."""
        cluster = {"name": "c", "cluster": {"server": f"http://127.0.0.1:{self.port}"}}
        context = {"name": "c", "context": {"cluster": "c", "user": "u"}}
        told = {"clusters": [cluster], "contexts": [context], "users": [{"name": "u", "user": {}}]}
        path.write_text(json.dumps({"apiVersion": "v1", "kind": "Config", "current-context": "c", **told}))
        return path

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        collection, labels = request.match_info["collection"], request.query.get("labelSelector", "")
        if not request.query.get("watch"):
            items = [each for each in self._objects[collection].values() if _fits(each, labels)]
            return web.json_response({"metadata": {"resourceVersion": str(self._version)}, "items": items})
        answer = web.StreamResponse()
        await answer.prepare(request)
        told = int(request.query["resourceVersion"])
        while True:
            now = self._version
            for version, of, kind, item in list(self._events):
                if version > told and of == collection and _fits(item, labels):
                    await answer.write(json.dumps({"type": kind, "object": item}).encode() + b"\n")
            told = now  # not what came while it was written
            async with self._changed:
                while self._version == told:
                    await self._changed.wait()


def _fits(item: Json, selector: str) -> bool:
    """Whether it has the labels, of which each is NAME or NAME=VALUE."""
    labels = item["metadata"].get("labels", {})
    wanted = (each.partition("=") for each in selector.split(",") if each)
    return all(name in labels and (not equals or labels[name] == value) for name, equals, value in wanted)


def deployment(name: str) -> Json:
    """An LLMDeployment that is routed through the gateway."""
    metadata = {"name": name, "namespace": NAMESPACE, "creationTimestamp": "2026-01-01T00:00:00Z"}
    spec = {"model": {"source": "hf://Qwen/Qwen3-8B"}, "routing": "Gateway", "scaling": {"minReplicas": 0}}
    return {"apiVersion": "wharfage.dev/v1alpha1", "kind": "LLMDeployment", "metadata": metadata, "spec": spec}


def pod(name: str, of: str, address: str, *, serving: bool = True, slots: int = 50) -> Json:
    """A ready engine."""
    labels = {"app.kubernetes.io/name": "wharfage-engine", OWNER: of, SERVING: "true" if serving else "leaving"}
    return {
        "metadata": {"name": name, "namespace": NAMESPACE, "labels": labels, "annotations": {SLOTS: str(slots)}},
        "status": {"podIP": address, "conditions": [{"type": "Ready", "status": "True"}]},
    }
