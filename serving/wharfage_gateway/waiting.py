"""Who waits for a model, and who is next: classes by weight, tenants alike within a class, each in the order it came.

Start-time fair queueing (Goyal, Vin, Cheng 1996) on two levels: whoever is served moves on by what it costs over its
weight, and the one furthest behind is next. So a light class keeps its share under any load, and a class that rarely
asks is served at once. The cost is the time of a slot: a tenant with long answers gets fewer of them. It is known at
the end only, so the tenant's mean is charged at the start and made good then. A full queue makes room for whoever has
less waiting: the newest of who has most for its weight goes.
"""

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from heapq import heappop, heappush
from itertools import islice

from wharfage_gateway.view import DEFAULT_CLASS

FIRST_COST_S = 0.01
"""What a request is taken to cost before any has ended: little, since what is charged too little is made good by those
who used it, and what is charged too much was a place behind others."""
RECENT = 0.1
"""The weight of the newest request in a mean."""


@dataclass(slots=True)
class _Tenant:
    """`listed`: whether the heap has it. `running` were served and are not over. `mean_s` is 0 before one has ended."""

    tickets: OrderedDict[str, None] = field(default_factory=OrderedDict)
    start: float = 0.0
    running: int = 0
    listed: bool = False
    mean_s: float = 0.0


@dataclass(slots=True)
class _Class:
    weight: float
    start: float = 0.0
    size: int = 0
    clock: float = 0.0
    mean_s: float = 0.0
    tenants: dict[str, _Tenant] = field(default_factory=dict)
    heap: list[tuple[float, str]] = field(default_factory=list)

    def list(self, name: str, start: float) -> None:
        """Put a tenant's turn at `start`; where the heap has it otherwise, that entry is stale."""
        tenant = self.tenants[name]
        tenant.start, tenant.listed = start, True
        heappush(self.heap, (start, name))

    def first(self) -> str:
        """The tenant whose turn it is; of a class in which somebody waits."""
        while True:
            start, name = self.heap[0]
            tenant = self.tenants.get(name)
            if tenant is None or not tenant.listed or tenant.start != start:
                heappop(self.heap)
            elif tenant.tickets:
                return name
            else:
                heappop(self.heap)  # whoever comes back before that comes back with what it had used
                self.clock = max(self.clock, start)
                tenant.listed = False
                self._forget(name)

    @property
    def level(self) -> float:
        """Where a tenant begins who comes in."""
        return min(self.tenants[self.first()].start, self.clock) if self.size else self.clock

    def settle(self, name: str, charged_s: float, used_s: float) -> None:
        """A tenant's request is over: it cost something else."""
        tenant = self.tenants[name]
        tenant.running -= 1
        tenant.mean_s, self.mean_s = _moved(tenant.mean_s, used_s), _moved(self.mean_s, used_s)
        self.start += (used_s - charged_s) / self.weight
        start = tenant.start + used_s - charged_s
        if tenant.listed or start > self.clock:
            self.list(name, start)
        else:
            self._forget(name)

    def _forget(self, name: str) -> None:
        tenant = self.tenants[name]
        if not (tenant.tickets or tenant.running):
            del self.tenants[name]


class Waiting:
    """The queue of one model. Tickets are any unique strings."""

    def __init__(self, weights: Mapping[str, int]) -> None:
        """An empty queue; a class that `weights` does not name weighs as much as the lightest."""
        self._weights = dict(weights)
        self._classes: dict[str, _Class] = {}
        self._places: dict[str, tuple[str, str]] = {}
        self._charged: dict[str, tuple[str, str, float]] = {}
        self._clock = 0.0

    def __len__(self) -> int:
        return len(self._places)

    def __contains__(self, ticket: str) -> bool:
        return ticket in self._places

    def sizes(self) -> dict[tuple[str, str], int]:
        """How many wait, by class and tenant."""
        return {
            (name, tenant): len(known.tickets)
            for name, cls in self._classes.items()
            for tenant, known in cls.tenants.items()
        }

    def reweigh(self, weights: Mapping[str, int]) -> None:
        """Other weights from now on; everyone keeps their place."""
        self._weights = dict(weights)
        for name, cls in self._classes.items():
            cls.weight = self._weight(name)

    def join(self, ticket: str, cls: str, tenant: str) -> None:
        """Come last of a tenant in a class."""
        into = self._classes.setdefault(cls, _Class(self._weight(cls)))
        if not into.size:
            ahead = self._next()
            into.start = max(into.start, self._clock if ahead is None else min(self._clock, ahead.start))
        known = into.tenants.setdefault(tenant, _Tenant())
        if not known.listed:
            into.list(tenant, max(known.start, into.level))
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

    def next(self, count: int) -> Sequence[str]:
        """Of the tenant whose turn it is, the first so many that wait, in the order in which they came."""
        cls = self._next()
        return () if cls is None else tuple(islice(cls.tenants[cls.first()].tickets, count))

    def pop(self, ticket: str | None = None) -> str | None:
        """Serve whose turn it is, or instead another of the same tenant; `over` tells what it came to."""
        cls = self._next()
        if cls is None:
            return None
        name = cls.first()
        tenant = cls.tenants[name]
        heappop(cls.heap)
        ticket = next(iter(tenant.tickets)) if ticket is None else ticket
        del tenant.tickets[ticket]
        cost_s = tenant.mean_s or cls.mean_s or FIRST_COST_S
        self._charged[ticket] = (*self._places.pop(ticket), cost_s)
        cls.size -= 1
        tenant.running += 1
        self._clock, cls.clock = max(self._clock, cls.start), max(cls.clock, tenant.start)
        cls.start += cost_s / cls.weight
        cls.list(name, tenant.start + cost_s)
        return ticket

    def over(self, ticket: str, used_s: float) -> None:
        """One that was served had its slot for so long; nothing of one that never waited."""
        charged = self._charged.pop(ticket, None)
        if charged is not None:
            cls, tenant, cost_s = charged
            self._classes[cls].settle(tenant, cost_s, used_s)

    def sheds(self, cls: str, tenant: str) -> str | None:
        """Who has to go so that one more of this class and tenant can come: None, it is the newcomer that cannot.

        The class that holds most for its weight, the newcomer counted, and in it the tenant with most; the newest. Of
        equals the newcomer's own, else the first by name: two brains decide alike, and so does the simulator's twin.
        """

        def held(name: str) -> tuple[float, bool, str]:
            size = self._classes[name].size if name in self._classes else 0
            return -(size + (name == cls)) / self._weight(name), name != cls, name

        fullest = min({*self._classes, cls}, key=held)
        tenants = self._classes[fullest].tenants if fullest in self._classes else {}

        def has(name: str) -> tuple[int, bool, str]:
            mine = fullest == cls and name == tenant
            return -(len(tenants[name].tickets) if name in tenants else 0) - mine, not mine, name

        names = {*tenants, tenant} if fullest == cls else set(tenants)
        most = min(names, key=has)
        return None if fullest == cls and most == tenant else next(reversed(tenants[most].tickets))

    def _next(self) -> _Class | None:
        waiting = [cls for cls in self._classes.values() if cls.size]
        return min(waiting, key=lambda cls: cls.start) if waiting else None

    def _weight(self, name: str) -> float:
        lightest = min(self._weights.values(), default=1)
        return float(self._weights.get(name, lightest))


def _moved(mean_s: float, last_s: float) -> float:
    return mean_s + RECENT * (last_s - mean_s) if mean_s else last_s


def class_of(wanted: str, key_class: str, weights: Mapping[str, int], *, any_class: bool = False) -> str:
    """The class that a request is of: what it asks for, if that is no heavier than its key's class.

    With `any_class` (nobody shows a key) what it asks for. A class that the model does not know is `DEFAULT_CLASS`.
    """
    lightest = min(weights.values(), default=1)
    own = key_class if key_class in weights else DEFAULT_CLASS
    if wanted in weights and (any_class or weights[wanted] <= weights.get(own, lightest)):
        return wanted
    return own
