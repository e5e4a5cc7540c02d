"""Workers that take keys from the queue, look at each, and turn every way it can fail into the next step."""

import logging
import time
from collections.abc import Awaitable, Callable
from typing import TypeAlias

from wharfage_operator.errors import ApiError, NotYet
from wharfage_operator.kinds import Key, Kind
from wharfage_operator.telemetry import Telemetry
from wharfage_operator.workqueue import WorkQueue

log = logging.getLogger(__name__)

Item: TypeAlias = tuple[Kind, Key]
Look: TypeAlias = Callable[[Item], Awaitable[None]]


async def work(queue: WorkQueue[Item], look: Look, telemetry: Telemetry) -> None:
    """Take and look for ever; cancel to stop. A failing key backs off alone and never ends the process."""
    while True:
        item = await queue.get()
        started_at = time.monotonic()
        try:
            outcome = await _one(item, queue, look)
        finally:
            queue.done(item)
        kind = item[0].plural
        telemetry.reconciles.labels(kind, outcome).inc()
        telemetry.reconcile_seconds.labels(kind).observe(time.monotonic() - started_at)


async def _one(item: Item, queue: WorkQueue[Item], look: Look) -> str:
    kind, key = item
    about = {"resource": kind.plural, "key": "/".join(part for part in key if part)}
    try:
        await look(item)
    except NotYet as error:
        queue.retry(item, at_least_s=error.retry_after)
        log.info("not yet", extra={**about, "reason": error.reason.value, "error": error.message})
        return "not_yet"
    except ApiError as error:
        if error.namespace_terminating:
            queue.forget(item)
            return "namespace_terminating"
        if not error.transient and not error.forbidden:
            queue.forget(item)
            log.error("refused; waiting for a change or the next resync", extra={**about, "error": str(error)})
            return "refused"
        delay_s = queue.retry(item, at_least_s=error.retry_after_s or 0.0)
        log.warning("will try again", extra={**about, "error": str(error), "in_s": round(delay_s, 2)})
        return "retried"
    except Exception:
        delay_s = queue.retry(item)
        log.exception("a bug: will try again", extra={**about, "in_s": round(delay_s, 2)})
        return "bug"
    queue.forget(item)
    return "done"
