"""What is known of machines survives the operator: lead times and shortages, in one ConfigMap of its own namespace.

It is read before the first decision, so that a restart neither forecasts with a lead time that was learned better long
ago, nor orders at once what could not be had a minute before; and written when it has changed, a minute apart. The
ConfigMap has a field manager of its own, and is neither watched nor cached. What cannot be read begins anew.
"""

import asyncio
import logging
import time
from collections.abc import Mapping

from wharfage_operator import leads, shortages
from wharfage_operator.apply import Writer
from wharfage_operator.cache import Cache
from wharfage_operator.connection import Connection
from wharfage_operator.errors import ApiError, NotYet
from wharfage_operator.kinds import CONFIG_MAPS, LLM_DEPLOYMENTS, Object
from wharfage_operator.lookout import Lookout

log = logging.getLogger(__name__)
NAME = "wharfage-machines"
MANAGER = "wharfage-machines"
_LEADS, _SHORTAGES = "leads", "shortages"
_EVERY_S = 60.0
_RETRY_S = 2.0


class Almanac:
    """Reads it once, then writes it for ever."""

    def __init__(self, lookout: Lookout, cache: Cache, connection: Connection, writer: Writer, namespace: str) -> None:
        """`namespace` is the operator's own; the cache knows which deployments there are."""
        self._lookout = lookout
        self._cache = cache
        self._connection = connection
        self._writer = writer
        self._namespace = namespace
        self._written: Mapping[str, str] = {}
        self.read = asyncio.Event()
        """What an earlier process knew is known, or that nobody can tell."""

    async def run(self) -> None:
        """Read, then write whenever something has changed."""
        await self.restore()
        while True:
            await asyncio.sleep(_EVERY_S)
            await self.turn()

    async def restore(self) -> None:
        """Take over what an earlier process wrote; waits for an API server that does not answer."""
        while not self.read.is_set():
            try:
                found = await self._found()
            except ApiError as error:
                if error.transient:
                    log.info("what is known of machines waits", extra={"error": str(error)})
                    await asyncio.sleep(_RETRY_S)
                    continue
                log.warning("what is known of machines begins anew", extra={"error": str(error)})
                found = None
            self._take((found or {}).get("data") or {})
            self.read.set()

    async def turn(self) -> None:
        """Write what is known if it is not what was written; what fails is tried again at the next turn."""
        self._lookout.forget_but(self._cache.keys(LLM_DEPLOYMENTS), time.time())
        told = {_LEADS: self._lookout.leads.written(), _SHORTAGES: self._lookout.shortages.written()}
        if told == self._written:
            return
        try:
            await self._writer.keep(config_map(self._namespace, told), await self._found(), manager=MANAGER)
        except (ApiError, NotYet) as error:
            log.info("what is known of machines waits", extra={"error": str(error)})
        else:
            self._written = told

    async def _found(self) -> Object | None:
        return await self._connection.get(CONFIG_MAPS, (self._namespace, NAME))

    def _take(self, told: Mapping[str, str]) -> None:
        """What is on it; each part by itself, since either may be broken."""
        self._written = dict(told)
        try:
            self._lookout.leads = leads.read(told.get(_LEADS, "[]"), self._lookout.leads.prior)
        except ValueError as error:
            log.warning("lead times are learned anew", extra={"error": str(error)})
        try:
            self._lookout.shortages = shortages.read(told.get(_SHORTAGES, "[]"))
        except ValueError as error:
            log.warning("shortages are learned anew", extra={"error": str(error)})


def config_map(namespace: str, told: Mapping[str, str]) -> Object:
    """What is known as an object; it stays when the operator is uninstalled, as deployments do."""
    return {
        "apiVersion": CONFIG_MAPS.api_version,
        "kind": CONFIG_MAPS.name,
        "metadata": {"name": NAME, "namespace": namespace},
        "data": dict(told),
    }
