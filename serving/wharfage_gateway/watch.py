"""The API server into views: what runs in the gateway's namespace, followed as it changes.

Until everything was listed once there is no view, and the gateway is not ready: it would refuse what it does not know
yet. Changes that come together make one view.
"""

import asyncio
import socket
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import aiohttp
from wharfage_api.labels import OWNER

from wharfage_gateway.identity import Identity
from wharfage_gateway.reflector import Reflector
from wharfage_gateway.sight import company, view
from wharfage_gateway.view import View

GATEWAYS = "app.kubernetes.io/name=wharfage,app.kubernetes.io/component=gateway"
_SETTLE_S = 0.02  # a rollout's changes come in bursts; a drain must reach Envoy within half a second


@dataclass(frozen=True, slots=True)
class Followed:
    """What to follow: a namespace, and the names of the Secrets with API keys, which are watched each by itself."""

    namespace: str
    key_secrets: Sequence[str] = ()
    port: int = 8081
    """Of the pages of every gateway."""


class Watcher:
    """Follows a namespace."""

    def __init__(
        self,
        who: Identity,
        session: aiohttp.ClientSession,
        followed: Followed,
        seen: Callable[[View], None],
    ) -> None:
        """`session` is one of `opened`; `seen` is called with each new view."""
        self._changed = asyncio.Event()
        self._followed = followed
        self._seen = seen

        def reflector(path: str, *, labels: str = "", fields: str = "") -> Reflector:
            return Reflector(who, session, path, self._changed.set, labels=labels, fields=fields)

        core = f"/api/v1/namespaces/{followed.namespace}"
        llms = f"/apis/wharfage.dev/v1alpha1/namespaces/{followed.namespace}/llmdeployments"
        self._deployments = reflector(llms)
        self._pods = reflector(f"{core}/pods", labels=OWNER)
        self._gateways = reflector(f"{core}/pods", labels=GATEWAYS)
        # One watch per name, so that the account needs no leave to list the Secrets of the namespace.
        self._secrets = [reflector(f"{core}/secrets", fields=f"metadata.name={name}") for name in followed.key_secrets]

    @property
    def age_s(self) -> float:
        """Since the API server last said anything of the pods; inf before the first list."""
        return time.monotonic() - self._pods.heard_s

    async def run(self) -> None:
        """Follow for ever."""
        followed = (self._deployments, self._pods, self._gateways, *self._secrets)
        async with asyncio.TaskGroup() as following:
            for each in followed:
                following.create_task(each.run())
            before: View | None = None
            while True:
                await self._changed.wait()
                await asyncio.sleep(_SETTLE_S)
                self._changed.clear()
                if all(each.listed for each in followed) and (now := self._view()) != before:
                    before = now
                    self._seen(now)

    def _view(self) -> View:
        me = socket.gethostname()  # a pod's name
        ours = company(self._gateways.objects.values(), me, self._followed.port)
        return view(
            self._deployments.objects.values(),
            self._pods.objects.values(),
            [each for secret in self._secrets for each in secret.objects.values()],
            keys_required=bool(self._followed.key_secrets),
            gateways=ours.ready,
            turn=ours.turn,
            peers=ours.peers,
        )


def opened(who: Identity) -> aiohttp.ClientSession:
    """A session to the API server; the caller closes it."""
    return aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=who.tls, limit=0))
