"""Weeks of a deployment's load out of a Prometheus, for what the operator did not see itself.

The library that asks works in threads, and a question takes seconds: it is put beside the event loop.
"""

import asyncio
import logging
import time
from math import nan
from pathlib import Path

from wharfage_operator.archive import Past
from wharfage_operator.asked import bearer
from wharfage_operator.history import ROWS, STEP_S, Rows, rows_of
from wharfage_operator.kinds import Key
from wharfage_operator.prometheus import Address, PrometheusError, connected
from wharfage_operator.recorded import recorded
from wharfage_operator.settings import Settings

log = logging.getLogger(__name__)


def past(settings: Settings) -> Past:
    """Asks the server of the settings; no rows where it does not know, or cannot be asked."""

    async def asked(key: Key) -> Rows:
        try:
            return await asyncio.to_thread(weeks, settings, key, time.time())
        except PrometheusError as error:
            log.info("no past load from Prometheus", extra={"key": "/".join(key), "error": str(error)})
            return Rows()

    return asked


def weeks(settings: Settings, key: Key, now_s: float) -> Rows:
    """The rows of the four weeks before `now_s` (Unix seconds). PrometheusError says why there are none."""
    authority = settings.prometheus_ca_file
    address = Address(
        settings.prometheus_url, bearer(settings.prometheus_token_file) or "", Path(authority) if authority else None
    )
    last_s = int(now_s) // STEP_S * STEP_S
    match = f'namespace="{key[0]}",{settings.prometheus_label}="{key[1]}"'
    with connected(address) as server:
        found = recorded(server, match, first_s=last_s - ROWS * STEP_S, last_s=last_s, step_s=STEP_S)
    unknown = (nan,) * len(found.requests)
    return rows_of(found.start_s, found.requests, found.prompt_tokens or unknown, found.output_tokens or unknown)
