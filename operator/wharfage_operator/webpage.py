"""The page that people look at: a few files, and the JSON that they show, for those who have a right to it.

A server of its own, apart from health and metrics, so that it can be reached by others than those. Everything is
read-only. Which rights somebody has the API server says (`visitors.py`); what they see is `overview.py`'s.
"""

import asyncio
import gzip
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from importlib import resources

import orjson
from aiohttp import web

from wharfage_operator.books import Unreadable
from wharfage_operator.cache import Cache
from wharfage_operator.clock import Clock
from wharfage_operator.errors import ApiError
from wharfage_operator.kinds import LLM_BUDGETS, LLM_DEPLOYMENTS
from wharfage_operator.overview import Replica, details, overview
from wharfage_operator.scopes import Scopes
from wharfage_operator.spending import Course, Spending
from wharfage_operator.turnstile import Busy
from wharfage_operator.visitors import Rights, Unknown, Visitors

log = logging.getLogger(__name__)
_FILES = ("index.html", "page.css", "page.js", "fleet.js", "money.js", "words.js", "charts.js", "icon.svg")
_TYPES = {"html": "text/html", "js": "text/javascript", "css": "text/css", "svg": "image/svg+xml"}
_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
        "require-trusted-types-for 'script'; trusted-types 'none'"
    ),
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Server": "wharfage",
}

Handler = Callable[[web.Request, Rights], Awaitable[web.Response]]


class Page:
    """Answers what the page asks, from the cache and the ledger."""

    def __init__(
        self,
        cache: Cache,
        scopes: Scopes,
        visitors: Visitors,
        spending: Spending,
        clock: Clock,
        *,
        replica: Callable[[], Replica],
        synced: asyncio.Event,
    ) -> None:
        """Nothing is shown before `synced`: half a list would look like a whole one."""
        self._cache = cache
        self._scopes = scopes
        self._visitors = visitors
        self._spending = spending
        self._clock = clock
        self._replica = replica
        self._synced = synced

    def guarded(self, handler: Handler) -> Callable[[web.Request], Awaitable[web.Response]]:
        """Answers by `handler` those who have rights, and says to others why not."""

        async def answer(request: web.Request) -> web.Response:
            token = _token(request)
            if not token:
                return _refused(401, "this page needs a bearer token: kubectl create token NAME")
            if not self._synced.is_set():
                return _refused(503, "the operator has just started and is still reading: try again in a moment")
            try:
                rights = await self._visitors.rights(token, request.remote or "")
            except Unknown as unknown:
                return _refused(401, f"this token is not accepted: {unknown}")
            except Busy as busy:
                return _refused(503, str(busy))
            except ApiError as error:
                log.warning("whose token it is cannot be asked", extra={"error": str(error)})
                return _refused(503, _unasked(error))
            return await handler(request, rights)

        return answer

    async def fleet(self, request: web.Request, rights: Rights) -> web.Response:
        """All that somebody may see, in one answer."""
        course, trouble = await self._course()
        statuses = {each["metadata"]["name"]: each.get("status") or {} for each in self._cache.all(LLM_BUDGETS)}
        found = overview(
            self._cache.all(LLM_DEPLOYMENTS),
            {name: (spec, statuses.get(name, {})) for name, spec in self._scopes.budgets.items()},
            course,
            rights,
            self._replica(),
            now_s=self._clock.unix_s,
            trouble=trouble,
        )
        return await _packed(request, orjson.dumps(found))

    async def one(self, request: web.Request, rights: Rights) -> web.Response:
        """One deployment with its decision; 404 where it is not there, or not to be seen, which looks the same."""
        namespace, name = request.match_info["namespace"], request.match_info["name"]
        found = self._cache.get(LLM_DEPLOYMENTS, (namespace, name)) if rights.sees(namespace) else None
        if found is None:
            return _refused(404, f"you can see no LLMDeployment {name} in namespace {namespace}")
        return web.json_response(body=orjson.dumps(details(found)))

    async def warm(self) -> None:
        """Read the ledger before somebody waits for it."""
        await self._synced.wait()
        await self._course()

    async def _course(self) -> tuple[Course | None, str]:
        """What was spent, or why that is not known: the fleet is shown all the same."""
        try:
            return await self._spending.course(), ""
        except Unreadable as error:
            return None, str(error)
        except ApiError as error:
            return None, f"the ledger cannot be read now: {error}"


@asynccontextmanager
async def shown(page: Page, *, host: str, port: int) -> AsyncIterator[int]:
    """Serve the page while the context lasts; yields the port."""
    application = web.Application()
    application.on_response_prepare.append(_protect)
    application.add_routes([web.get("/", _file("index.html")), *(web.get(f"/{name}", _file(name)) for name in _FILES)])
    application.add_routes(
        [
            web.get("/api/fleet", page.guarded(page.fleet)),
            web.get("/api/fleet/{namespace}/{name}", page.guarded(page.one)),
        ]
    )
    runner = web.AppRunner(application, access_log=None, handle_signals=False, shutdown_timeout=0.5)
    await runner.setup()
    warming = asyncio.create_task(page.warm())
    try:
        await web.TCPSite(runner, host, port).start()
        bound = int(runner.addresses[0][1])
        log.info("serving the page", extra={"host": host, "port": bound})
        yield bound
    finally:
        warming.cancel()
        await runner.cleanup()


def _file(name: str) -> Callable[[web.Request], Awaitable[web.Response]]:
    """Answers with a file of the page, read once."""
    text = resources.files("wharfage_operator").joinpath("page").joinpath(name).read_text("utf-8")

    async def answer(_: web.Request) -> web.Response:
        return web.Response(text=text, content_type=_TYPES[name.rpartition(".")[2]], charset="utf-8")

    return answer


async def _protect(_: web.Request, response: web.StreamResponse) -> None:
    response.headers.update(_HEADERS)


async def _packed(request: web.Request, body: bytes) -> web.Response:
    """JSON, compressed for those who take it: of a fleet of hundreds a fifth is left."""
    headers = {"Vary": "Accept-Encoding"}
    if "gzip" in request.headers.get("Accept-Encoding", ""):
        body = await asyncio.to_thread(gzip.compress, body, 1)
        headers["Content-Encoding"] = "gzip"
    return web.json_response(body=body, headers=headers)


def _token(request: web.Request) -> str:
    """The bearer token of a request; empty where there is none, or none that can be one."""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" and token.isascii() else ""


def _unasked(error: ApiError) -> str:
    if error.forbidden:
        return "the operator may not ask whose token this is: install the chart with page.enabled=true"
    return "whose token this is cannot be asked, since the API server does not answer: try again in a moment"


def _refused(status: int, message: str) -> web.Response:
    headers = {"WWW-Authenticate": "Bearer"} if status == 401 else {"Retry-After": "5"} if status == 503 else {}
    return web.json_response({"message": message}, status=status, headers=headers)
