"""What was heard becomes a line in the cache and a key in the queue; nothing is decided here."""

from collections.abc import Callable

from wharfage_operator.cache import Cache, owner_of
from wharfage_operator.kinds import (
    CHILDREN,
    LLM_BUDGETS,
    LLM_DEPLOYMENTS,
    NAMESPACES,
    NODE_POOLS,
    NODES,
    OFFER_CATALOGS,
    PODS,
    Key,
    Kind,
    Object,
    key_of,
    version_of,
)
from wharfage_operator.loop import Item
from wharfage_operator.watch import Freshness
from wharfage_operator.workqueue import WorkQueue

SUPPLY: Item = (NODES, ("", ""))
"""The one item that stands for all that can be rented: looked at once after many changes."""
BOUNDS: Item = (NAMESPACES, ("", ""))
"""The one item that stands for which budgets bind which deployments."""

_A_LOT, _MOST_PATIENCE = 50, 10.0
_OURS = frozenset({LLM_DEPLOYMENTS, LLM_BUDGETS, OFFER_CATALOGS})
_OWNED = frozenset({*CHILDREN, PODS})
_SUPPLY = frozenset({OFFER_CATALOGS, NODES, NODE_POOLS})
_BOUNDS = frozenset({LLM_BUDGETS, NAMESPACES})


class Inbox:
    """Takes events of every kind, in any order, any number of times."""

    def __init__(
        self,
        cache: Cache,
        queue: WorkQueue[Item],
        freshness: Freshness,
        *,
        settle_s: float,
        children_settle_s: float,
        gone: Callable[[Kind, Object], None] = lambda kind, obj: None,
    ) -> None:
        """How long changes are gathered before anybody is woken: of nodes and prices, and of children and pods.

        `gone` is told at once of each object that was deleted.
        """
        self._cache = cache
        self._queue = queue
        self._freshness = freshness
        self._settle_s = settle_s
        self._children_settle_s = children_settle_s
        self._gone = gone

    def news(self, kind: Kind, event_type: str | None, obj: Object) -> bool:
        """Whether an event is worth more than the note that its kind was heard of."""
        self._freshness.note(kind)
        return event_type == "DELETED" or self._cache.older(kind, obj)

    def heard(self, kind: Kind, event_type: str | None, obj: Object) -> None:
        """An object was listed, added, modified or deleted."""
        if event_type == "DELETED":
            known = self._cache.drop(kind, key_of(obj), uid=obj["metadata"]["uid"], version=version_of(obj))
            self._gone(kind, known or obj)
            self.wake(kind, key_of(obj), known or obj, at_once=kind is not PODS)
        else:
            before = self._cache.get(kind, key_of(obj))
            if self._cache.put(kind, obj):
                self.wake(kind, key_of(obj), obj)
                if before is not None and owner_of(before) != owner_of(obj):
                    self.wake(kind, key_of(obj), before)

    def wake(self, kind: Kind, key: Key, obj: Object, *, at_once: bool = False) -> None:
        """Ask for a look at whatever depends on this object."""
        if kind in _OURS:
            self._queue.add((kind, key))
        if kind in _SUPPLY:
            self._queue.add_after(SUPPLY, self._settle_s)
        if kind in _BOUNDS:
            self._queue.add(BOUNDS)
        if kind in _OWNED:
            owner = owner_of(obj)
            if owner is not None:
                # A pod that starts changes several times within a moment; one look at the end of it will do.
                delay_s = 0.0 if at_once else moment_s(self._children_settle_s, len(self._queue))
                self._queue.add_after((LLM_DEPLOYMENTS, owner), delay_s)


def moment_s(settle_s: float, waiting: int) -> float:
    """For how long changes of one deployment are gathered: the longer, the more deployments wait for a look."""
    return settle_s * min(_MOST_PATIENCE, 1 + waiting / _A_LOT)
