"""What tenants may still use, kept in a file of the pod: a brain that is started anew goes on from there.

Buckets that started full gave every tenant its burst again with each restart. What was reserved for requests under way
stays taken, since nobody tells the new brain of their end. A new pod has a new folder and starts with full ones.
"""

import asyncio
import json
import logging
import time
from collections.abc import Mapping
from pathlib import Path

from wharfage_gateway.allowance import Allowances, Name
from wharfage_gateway.tokens import Bucket

log = logging.getLogger(__name__)

EVERY_S = 0.25
"""What is spent in so long before a brain dies is not remembered."""


def dumped(buckets: Mapping[Name, Bucket], *, now_s: float, unix_s: float) -> str:
    """All buckets as JSON. `now_s` is their clock and `unix_s` everybody's, at the same moment."""
    rows = [
        {"budget": budget, "tenant": tenant, "level": bucket.level, "at": unix_s - (now_s - bucket.at_s)}
        for (budget, tenant), bucket in buckets.items()
    ]
    return json.dumps({"buckets": rows})


def loaded(text: str, *, now_s: float, unix_s: float) -> dict[Name, Bucket]:
    """The buckets of a text of `dumped`; what was written by a clock that is ahead counts as of now. ValueError."""
    try:
        return {
            (str(row["budget"]), str(row["tenant"])): Bucket(
                float(row["level"]), now_s - max(0.0, unix_s - float(row["at"]))
            )
            for row in json.loads(text)["buckets"]
        }
    except (KeyError, TypeError) as error:
        raise ValueError(f"no levels: {error!r}") from error


def take_up(path: Path, allowances: Allowances) -> None:
    """Go on from what a brain before this one has left, if there was one."""
    try:
        text = path.read_text(encoding="utf-8")
        allowances.buckets = loaded(text, now_s=time.monotonic(), unix_s=time.time())
    except FileNotFoundError:
        return
    except (OSError, ValueError) as error:
        log.warning("%s cannot be read: all tenants start with their whole burst: %s", path, error)


async def keep(path: Path, allowances: Allowances) -> None:
    """Write them down whenever they are others, for ever, and a last time at the end."""
    before: Mapping[Name, Bucket] = {}
    try:
        while True:
            await asyncio.sleep(EVERY_S)
            before = _write(path, allowances.buckets, before)
    finally:
        _write(path, allowances.buckets, before)


def _write(path: Path, buckets: Mapping[Name, Bucket], before: Mapping[Name, Bucket]) -> Mapping[Name, Bucket]:
    """What is written now; a disk that is full must not end the brain."""
    if buckets == before:
        return before
    new = path.with_suffix(".tmp")
    try:
        new.write_text(dumped(buckets, now_s=time.monotonic(), unix_s=time.time()), encoding="utf-8")
        new.replace(path)
    except OSError as error:
        log.warning("%s cannot be written: a restart gives back what is used now: %s", path, error)
        return before
    return dict(buckets)
