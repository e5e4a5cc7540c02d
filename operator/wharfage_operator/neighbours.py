"""Whether others take accelerators of the machines that ours are on: those who do pay for what nobody uses, too.

The operator hears of its own pods only, so it asks for those of a node: when it first has ours, and hourly. Where it
may not, as with `watch_namespaces`, it cannot know, and ours pay for their own parts alone.
"""

import logging
import time
from collections.abc import Collection

from wharfage_api.labels import OWNER

from wharfage_operator.connection import Connection
from wharfage_operator.errors import ApiError
from wharfage_operator.kinds import PODS, Object
from wharfage_operator.plan import over

log = logging.getLogger(__name__)
_EVERY_S = 3600.0
_MOST_A_TURN = 20


class Neighbours:
    """What was heard of each node, by its name."""

    def __init__(self, connection: Connection, *, may_ask: bool) -> None:
        """`may_ask`: whether pods of all namespaces may be listed."""
        self._connection = connection
        self._may_ask = may_ask
        self._shared: dict[str, bool] = {}
        self._asked_s: dict[str, float] = {}

    def shared(self, node: str) -> bool:
        """Whether others take accelerators of it; true as long as nobody knows."""
        return self._shared.get(node, True)

    async def ask(self, nodes: Collection[str]) -> None:
        """Ask for those of these nodes that were not asked for within the hour; the others are forgotten."""
        if not self._may_ask:
            return
        now_s = time.monotonic()
        self._shared = {node: each for node, each in self._shared.items() if node in nodes}
        self._asked_s = {node: each for node, each in self._asked_s.items() if node in nodes}
        due = [node for node in sorted(nodes) if now_s - self._asked_s.get(node, -_EVERY_S) >= _EVERY_S]
        for node in due[:_MOST_A_TURN]:
            self._asked_s[node] = now_s
            try:
                page = await self._connection.call(
                    "GET", PODS.path(), params={"fieldSelector": f"spec.nodeName={node}"}
                )
            except ApiError as error:
                if not error.forbidden:
                    self._asked_s.pop(node)
                log.info("who else is on a machine is not known", extra={"node": node, "error": str(error)})
                continue
            self._shared[node] = any(map(is_neighbour, page.get("items") or ()))


def is_neighbour(pod: Object) -> bool:
    """Whether a pod is not ours and takes accelerators."""
    if OWNER in (pod["metadata"].get("labels") or {}) or over(pod):
        return False
    containers = (pod.get("spec") or {}).get("containers") or ()
    return any(
        "/" in resource and str(amount) != "0"
        for container in containers
        for resource, amount in ((container.get("resources") or {}).get("requests") or {}).items()
    )
