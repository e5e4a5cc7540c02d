"""Everything that reaches the operator from the API server: kopf's watch streams into the cache and the queue.

kopf lists, watches and reconnects. Nothing else of it is used: no change detection, finalizers, annotations,
timers, indices or peering, so it writes nothing to any object; and no scanning, which needs to read all CRDs,
and all namespaces even where only some are served. Which APIs exist, `sync` finds out.
"""

import time
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
import kopf
from kopf._cogs.structs.references import Insights
from wharfage_api.labels import OWNER

from wharfage_operator.credentials import Credentials
from wharfage_operator.echoes import Echoes, Unrepeated
from wharfage_operator.kinds import (
    CHILDREN,
    LLM_BUDGETS,
    LLM_DEPLOYMENTS,
    NAMESPACES,
    NODE_POOLS,
    NODES,
    OFFER_CATALOGS,
    PODS,
    Kind,
    Object,
)
from wharfage_operator.refusals import Paths, Patience, Refusals
from wharfage_operator.settings import Settings

News = Callable[[Kind, str | None, Object], bool]
"""Whether an event says anything new; our own writes come back as events that do not."""

Heard = Callable[[Kind, str | None, Object], None]
"""Receives kind, "ADDED" | "MODIFIED" | "DELETED" | None (part of a list), and the raw object."""

WATCHED = (LLM_DEPLOYMENTS, LLM_BUDGETS, OFFER_CATALOGS, *CHILDREN, PODS, NODES, NODE_POOLS, NAMESPACES)
SELECTORS = dict.fromkeys(CHILDREN, "app.kubernetes.io/managed-by=wharfage") | {PODS: OWNER}
_BACKOFFS_S = (0.5, 1, 2, 4, 8, 15, 30, 30, 30)


class Nothing(kopf.DiffBaseStorage):
    """kopf's memory of what was handled, switched off: it would copy every object of every event."""

    def build(self, **_: Any) -> Any:
        """No essence, and so none to compare."""
        return None

    def fetch(self, **_: Any) -> Any:
        """Nothing was ever stored."""
        return None

    def store(self, **_: Any) -> None:
        """Store nothing."""


class Streams:
    """Which kinds are watched at present.

    kopf looks once at its start which APIs exist. Later it is told; the set that it is told through is an
    argument of `kopf.operator`, though its type is not exported.
    """

    def __init__(self) -> None:
        self.insights = Insights()

    async def attend(self, kind: Kind) -> None:
        """Watch a kind whose API is known to be served, unless it is watched already."""
        if self.insights.ready_resources.is_set() and not self._watched(kind):
            await self._revise(self.insights.watched_resources | {_resource(kind)})

    async def leave(self, kind: Kind) -> None:
        """End the watch of a kind whose API is gone."""
        gone = self._watched(kind)
        if gone:
            await self._revise(self.insights.watched_resources - gone)

    def _watched(self, kind: Kind) -> set[kopf.Resource]:
        return {known for known in self.insights.watched_resources if _named(known) == _named(_resource(kind))}

    async def _revise(self, watched: set[kopf.Resource]) -> None:
        async with self.insights.revised:
            self.insights.watched_resources.clear()
            self.insights.watched_resources.update(watched)
            self.insights.revised.notify_all()


def _resource(kind: Kind) -> kopf.Resource:
    return kopf.Resource(kind.group, kind.version, kind.plural, kind=kind.name, namespaced=kind.namespaced)


def _named(resource: kopf.Resource) -> tuple[str, str, str]:
    return resource.group, resource.version, resource.plural


async def watch(
    heard: Heard,
    settings: Settings,
    *,
    news: News,
    streams: Streams,
    credentials: Credentials,
    refusals: Refusals,
    echoes: Echoes,
    ended: Callable[[], Awaitable[None]],
) -> None:
    """Feed `heard` with what is `news` until SIGTERM or SIGINT; raises when the API server fails for minutes.

    `ended` is awaited once the streams are closed. It must end every task of ours: kopf takes tasks that
    were started while it ran for its own, and would wait 5 s for them.
    """
    registry = kopf.OperatorRegistry()
    for kind in WATCHED:
        _subscribe(registry, kind, heard, news)
    paths = _paths(settings)
    patience = Patience(credentials, refusals, paths, retry_s=settings.watch_retry_s)

    @kopf.on.login(registry=registry)
    async def on_login(**_: Any) -> kopf.AiohttpSession:
        connector = aiohttp.TCPConnector(ssl=credentials.tls(), limit=0)
        session = aiohttp.ClientSession(connector=connector, middlewares=(patience, Unrepeated(echoes, paths)))
        return kopf.AiohttpSession(server=credentials.host, aiohttp_session=session)

    @kopf.on.cleanup(registry=registry)
    async def on_cleanup(**_: Any) -> None:
        await ended()

    await kopf.operator(
        registry=registry,
        settings=_configured(settings),
        insights=streams.insights,
        standalone=True,
        clusterwide=not settings.watch_namespaces,
        namespaces=settings.watch_namespaces,
    )


def scopes(kind: Kind, settings: Settings) -> tuple[str, ...]:
    """The namespaces whose objects of a kind are listed and watched, each by itself; "" stands for all at once."""
    return (settings.watch_namespaces if kind.namespaced else ()) or ("",)


def _paths(settings: Settings) -> Paths:
    return {kind.path(each): (kind, each) for kind in WATCHED for each in scopes(kind, settings)}


def _subscribe(registry: kopf.OperatorRegistry, kind: Kind, heard: Heard, news: News) -> None:
    # A filter costs kopf half of what a handler does.
    def is_news(event: Any, **_: Any) -> bool:
        return news(kind, event["type"], event["object"])

    @kopf.on.event(kind.group, kind.version, kind.plural, id=kind.plural, registry=registry, when=is_news)
    async def on_event(event: Any, **_: Any) -> None:
        heard(kind, event["type"], event["object"])


def _configured(settings: Settings) -> kopf.OperatorSettings:
    configured = kopf.OperatorSettings()
    configured.peering.standalone = True
    configured.posting.enabled = False
    configured.scanning.disabled = True
    configured.persistence.diffbase_storage = Nothing()
    configured.execution.max_workers = 1
    configured.queueing.idle_timeout = 0.5  # one task per object that changes now, none for those that rest
    configured.queueing.exit_timeout = 0.5
    configured.networking.request_timeout = settings.request_timeout_s
    configured.networking.connect_timeout = settings.connect_timeout_s
    configured.networking.error_backoffs = _BACKOFFS_S
    configured.networking.enforce_retry_after = True
    configured.watching.server_timeout = max(1, round(settings.watch_timeout_s))  # the API server takes no fractions
    configured.watching.client_timeout = settings.watch_timeout_s + settings.request_timeout_s
    configured.watching.inactivity_timeout = settings.watch_inactivity_s
    configured.watching.chunk_size = 500
    for kind, selector in SELECTORS.items():
        configured.watching.label_selectors[kind.group, kind.version, kind.plural] = selector
    return configured


class Freshness:
    """When each kind was last heard of, by the monotonic clock."""

    def __init__(self) -> None:
        self._heard_at: dict[Kind, float] = {}

    def note(self, kind: Kind) -> None:
        """Something was just heard of `kind`."""
        self._heard_at[kind] = time.monotonic()

    def age_s(self, kind: Kind) -> float:
        """Seconds since then; infinite if nothing ever was."""
        return time.monotonic() - self._heard_at.get(kind, float("-inf"))
