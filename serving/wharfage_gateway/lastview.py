"""The last view, kept in a file of the pod: a brain that starts anew goes on from it until the API server tells more.

While that was away a new brain knew of no model, and told every client so. What it takes up may be old, but is what the
brain before it would still go by. A new pod has a new folder, and is not ready before the API server was heard.
"""

import asyncio
import logging
from collections.abc import Callable
from pathlib import Path

from wharfage_gateway import viewfile
from wharfage_gateway.view import View

log = logging.getLogger(__name__)

NAME = "last-view.json"
EVERY_S = 0.25
"""What changes in so long before a brain dies is not remembered; a list of the API server's brings it."""


def take_up(folder: Path, seen: Callable[[View], None]) -> None:
    """Call `seen` with what a brain before this one has left, if there was one."""
    path = folder / NAME
    if not path.exists():
        return
    try:
        seen(viewfile.read(path))
    except viewfile.ViewFileError as error:
        log.warning("the last view is left out: %s", error)


async def keep(folder: Path, latest: Callable[[], View | None]) -> None:
    """Write the latest view down whenever it is another, for ever; a disk that is full must not end the brain."""
    before: View | None = None
    while True:
        await asyncio.sleep(EVERY_S)
        now = latest()
        if now is None or now is before:
            continue
        try:
            viewfile.write(now, folder / NAME)
        except OSError as error:
            log.warning("%s cannot be written: a restart waits for the API server: %s", folder / NAME, error)
        before = now
