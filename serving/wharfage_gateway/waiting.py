"""Who waits for a model, and who is next: classes by weight, tenants alike within a class, each in the order it came.

Start-time fair queueing (Goyal, Vin, Cheng 1996) on two levels: whoever is served moves on by 1/weight, and the one
furthest behind is next. So a light class keeps its share under any load, and a class that rarely asks is served at
once. A full queue makes room by the same measure: the newest of whoever takes most for its weight goes.
"""

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from heapq import heappop, heappush

from wharfage_gateway.view import DEFAULT_CLASS


@dataclass(slots=True)
class _Tenant:
    tickets: OrderedDict[str, None] = field(default_factory=OrderedDict)
    start: float = 0.0


@dataclass(slots=True)
class _Class:
    weight: float
    start: float = 0.0
    size: int = 0
    clock: float = 0.0
    tenants: dict[str, _Tenant] = field(default_factory=dict)
    heap: list[tuple[float, str]] = field(default_factory=list)

    def first(self) -> str:
        """The tenant whose turn it is; of a class in which somebody waits."""
        while not self.tenants[self.heap[0][1]].tickets:
            self.clock, name = heappop(self.heap)  # whoever comes back at once comes back with what it had used
            del self.tenants[name]
        return self.heap[0][1]


class Waiting:
    """The queue of one model. Tickets are any unique strings."""

    def __init__(self, weights: Mapping[str, int]) -> None:
        """An empty queue; a class that `weights` does not name weighs as much as the lightest."""
        self._weights = dict(weights)
        self._classes: dict[str, _Class] = {}
        self._places: dict[str, tuple[str, str]] = {}
        self._clock = 0.0

    def __len__(self) -> int:
        return len(self._places)

    def __contains__(self, ticket: str) -> bool:
        return ticket in self._places

    def by_class(self) -> dict[str, int]:
        """How many wait in each class that was ever used."""
        return {name: cls.size for name, cls in self._classes.items()}

    def reweigh(self, weights: Mapping[str, int]) -> None:
        """Other weights from now on; everyone keeps their place."""
        self._weights = dict(weights)
        for name, cls in self._classes.items():
            cls.weight = self._weight(name)

    def join(self, ticket: str, cls: str, tenant: str) -> None:
        """Come last of a tenant in a class."""
        into = self._classes.setdefault(cls, _Class(self._weight(cls)))
        if not into.size:
            into.start = max(into.start, self._clock)
        if tenant not in into.tenants:
            into.tenants[tenant] = _Tenant(start=into.clock)
            heappush(into.heap, (into.clock, tenant))
        into.tenants[tenant].tickets[ticket] = None
        into.size += 1
        self._places[ticket] = (cls, tenant)

    def leave(self, ticket: str) -> bool:
        """Go away unserved; False for who was not there."""
        place = self._places.pop(ticket, None)
        if place is None:
            return False
        cls = self._classes[place[0]]
        del cls.tenants[place[1]].tickets[ticket]
        cls.size -= 1
        return True

    def first(self) -> str | None:
        """Whose turn it is; None where nobody waits."""
        cls = self._next()
        return None if cls is None else next(iter(cls.tenants[cls.first()].tickets))

    def pop(self) -> str | None:
        """Serve whose turn it is."""
        cls = self._next()
        if cls is None:
            return None
        name = cls.first()
        tenant = cls.tenants[name]
        heappop(cls.heap)
        ticket, _ = tenant.tickets.popitem(last=False)
        del self._places[ticket]
        cls.size -= 1
        self._clock, cls.clock = cls.start, tenant.start
        cls.start += 1.0 / cls.weight
        tenant.start += 1.0
        heappush(cls.heap, (tenant.start, name))
        return ticket

    def sheds(self, cls: str, tenant: str) -> str | None:
        """Who has to go so that one more of this class and tenant can come: None, it is the newcomer that cannot.

        The class that holds most for its weight, the newcomer counted, and in it the tenant with most; the newest.
        """

        def held(name: str) -> tuple[float, bool]:
            size = self._classes[name].size if name in self._classes else 0
            return (size + (name == cls)) / self._weight(name), name == cls

        fullest = max({*self._classes, cls}, key=held)
        tenants = self._classes[fullest].tenants if fullest in self._classes else {}

        def has(name: str) -> tuple[int, bool]:
            mine = fullest == cls and name == tenant
            return (len(tenants[name].tickets) if name in tenants else 0) + mine, mine

        names = {*tenants, tenant} if fullest == cls else set(tenants)
        most = max(names, key=has)
        return None if fullest == cls and most == tenant else next(reversed(tenants[most].tickets))

    def _next(self) -> _Class | None:
        waiting = [cls for cls in self._classes.values() if cls.size]
        return min(waiting, key=lambda cls: cls.start) if waiting else None

    def _weight(self, name: str) -> float:
        lightest = min(self._weights.values(), default=1)
        return float(self._weights.get(name, lightest))


def class_of(wanted: str, key_class: str, weights: Mapping[str, int], *, any_class: bool = False) -> str:
    """The class that a request is of: what it asks for, if that is no heavier than its key's class.

    With `any_class` (nobody shows a key) what it asks for. A class that the model does not know is `DEFAULT_CLASS`.
    """
    lightest = min(weights.values(), default=1)
    own = key_class if key_class in weights else DEFAULT_CLASS
    if wanted in weights and (any_class or weights[wanted] <= weights.get(own, lightest)):
        return wanted
    return own
