"""A cluster without machines: replicas are ordered, given or refused, start, serve, drain and are taken away.

It does at each stop of the clock what the scheduler, Karpenter and a spot market would have done since the last one.
Time is rounded up to stops, fifteen seconds apart. A machine is paid for from the moment it is given, starting and
draining included; a machine that several replicas share is paid for whole.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from wharfage_autoscaler.capacity import AtOnce
from wharfage_autoscaler.fleet import PoolKey
from wharfage_autoscaler.offers import Market, Offer

from wharfage_simulator.replica import Replicas

_NEVER = math.inf


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """A pool that may be used, and what its replicas are; rates in requests per second within the objectives."""

    offer: Offer
    variant: str
    accelerators: int
    """Of one replica."""
    profile: int
    """Number of its engine profile among those of the `Replicas`."""
    good_rps: float
    planned_rps: float
    slots: float
    kv_tokens: float
    lead_s: float
    """From an order to the first answer, as one would have learned it."""
    sequences: float = math.nan
    """That decode at once in a replica which carries its good rate."""
    at_once: AtOnce | None = None
    """Requests that a gateway lets a replica have at a time; None: as many as its engine decodes."""

    @property
    def key(self) -> PoolKey:
        """The pool's identity."""
        return PoolKey(self.offer.catalog, self.offer.name, self.offer.market, self.offer.zone, self.variant)

    @property
    def per_machine(self) -> int:
        """Replicas that share a machine."""
        return max(1, self.offer.accelerators // max(1, self.accelerators))


class Supply(Protocol):
    """What the market gives, and when."""

    def given(self, offer: Offer, at_s: float) -> bool:
        """Whether a machine of the offer could be had, and kept, at that moment."""
        ...

    def start_s(self, offer: Offer, number: int) -> float:
        """Seconds from a machine being given to its replica's first answer, for the `number`th of the replay."""
        ...

    def usd_per_hour(self, offer: Offer, at_s: float) -> float:
        """The price of one machine at that moment."""
        ...

    def changes_at(self, offer: Offer, after_s: float) -> float:
        """Until when `given` and `usd_per_hour` say what they say at `after_s`; infinite where they always do."""
        ...


@dataclass(slots=True, eq=False)
class Berthed:
    """One replica from its order to its end."""

    kind: int
    number: int
    given_s: float = _NEVER
    ready_s: float = _NEVER
    slot: int = -1
    draining_since_s: float = _NEVER
    taken_at_s: float = _NEVER
    """When an interruption ends it."""


@dataclass(frozen=True, slots=True)
class Count:
    """How many replicas of a kind are where."""

    ready: int = 0
    starting: int = 0
    draining: int = 0
    leaving: int = 0
    slots: tuple[int, ...] = ()
    """Of those that serve."""


NONE = Count()
"""Of a kind of which there is no replica."""


@dataclass(frozen=True, slots=True)
class Quote:
    """What the market says of one kind, and until when it will say the same."""

    given: bool
    usd_per_hour: float
    until_s: float


class VirtualCluster:
    """The replicas of one deployment; see the module's docstring."""

    def __init__(
        self,
        replicas: Replicas,
        kinds: Sequence[Kind],
        supply: Supply,
        *,
        notice_s: float = 120.0,
        drain_s: float = 120.0,
    ) -> None:
        """`notice_s` before an interruption; a drain ends after `drain_s`."""
        self._replicas = replicas
        self._kinds = tuple(kinds)
        self._supply = supply
        self._notice_s = notice_s
        self._drain_s = drain_s
        self._free = list(range(len(replicas.status) - 1, -1, -1))
        self._fleet: list[list[Berthed]] = [[] for _ in self._kinds]
        self._ordered = 0
        self._quotes = [Quote(given=True, usd_per_hour=kind.offer.usd_per_hour, until_s=-_NEVER) for kind in kinds]
        self.churn = 0
        self.spot_losses = 0
        self._places = {kind.key: number for number, kind in enumerate(self._kinds)}

    @property
    def kinds(self) -> tuple[Kind, ...]:
        """The pools that may be used."""
        return self._kinds

    @property
    def now_s(self) -> float:
        """The clock."""
        return self._replicas.now_s

    def begin(self, target: Mapping[PoolKey, int]) -> None:
        """The fleet that serves when the replay begins; it counts as no churn."""
        for key, count in target.items():
            for _ in range(count):
                replica = self._order(self._places[key])
                replica.given_s = replica.ready_s = self.now_s
                self._serve(replica)
        self.churn = 0

    def apply(self, target: Mapping[PoolKey, int]) -> None:
        """Aim for these counts: what drains serves again before anything is ordered; what starts goes first.

        KeyError for a pool that is none of the kinds.
        """
        wanted = [0] * len(self._kinds)
        for key, count in target.items():
            wanted[self._places[key]] += count
        for kind, count in enumerate(wanted):
            mine = self._fleet[kind]
            if not mine and not count:
                continue
            current = [each for each in mine if each.taken_at_s == _NEVER and each.draining_since_s == _NEVER]
            if len(current) < count:
                self._more(kind, count - len(current))
            elif len(current) > count:
                self._fewer(current, len(current) - count)

    def advance(self, until_s: float) -> None:
        """Let happen what is due at `until_s`. The engines must stand there already."""
        for kind, facts in enumerate(self._kinds):
            given = self._quote(kind, until_s).given
            for replica in self._fleet[kind]:
                if replica.given_s == _NEVER and given:
                    replica.given_s = until_s
                    replica.ready_s = until_s + self._supply.start_s(facts.offer, replica.number)
                elif replica.given_s < _NEVER and not given and facts.offer.market is Market.SPOT:
                    self._notice(replica, until_s)
        for replica in [each for mine in self._fleet for each in mine]:
            if replica.taken_at_s <= until_s:
                self.spot_losses += 1
                self._end(replica)
            elif replica.slot < 0 and replica.ready_s <= until_s:
                self._serve(replica)
            elif replica.draining_since_s < _NEVER and self._drained(replica, until_s):
                self._end(replica)

    def counts(self) -> tuple[Count, ...]:
        """Where the replicas of each kind are."""
        return tuple(_count(mine) if mine else NONE for mine in self._fleet)

    def obtainable(self, kind: int) -> bool:
        """Whether the last look at the market gave it."""
        return self._quotes[kind].given

    def price(self, kind: int) -> float:
        """Dollars an hour of one machine, when the market was last looked at."""
        return self._quotes[kind].usd_per_hour

    @property
    def machines_given(self) -> int:
        """Replicas that are paid for: those that were given a machine and have not ended."""
        return sum(_given(mine) for mine in self._fleet if mine)

    def usd_per_hour(self) -> tuple[float, float]:
        """What runs costs now: all of it, and the spot part."""
        whole = spot = 0.0
        for kind, mine in enumerate(self._fleet):
            if not mine:
                continue
            facts = self._kinds[kind]
            usd = math.ceil(_given(mine) / facts.per_machine) * self._quotes[kind].usd_per_hour
            whole += usd
            spot += usd if facts.offer.market is Market.SPOT else 0.0
        return whole, spot

    def _quote(self, kind: int, now_s: float) -> Quote:
        """What the market says now; it is asked again when it may say something else."""
        if now_s >= self._quotes[kind].until_s:
            offer = self._kinds[kind].offer
            self._quotes[kind] = Quote(
                self._supply.given(offer, now_s),
                self._supply.usd_per_hour(offer, now_s),
                self._supply.changes_at(offer, now_s),
            )
        return self._quotes[kind]

    def _order(self, kind: int) -> Berthed:
        self._ordered += 1
        self.churn += 1
        replica = Berthed(kind, self._ordered)
        self._fleet[kind].append(replica)
        return replica

    def _more(self, kind: int, count: int) -> None:
        draining = [each for each in self._fleet[kind] if each.draining_since_s < _NEVER and each.taken_at_s == _NEVER]
        for replica in draining[:count]:
            replica.draining_since_s = _NEVER
            self._serve(replica)
        now_s, offer = self.now_s, self._kinds[kind].offer
        for _ in range(count - min(count, len(draining))):
            replica = self._order(kind)
            if self._quote(kind, now_s).given:
                replica.given_s = now_s
                replica.ready_s = now_s + self._supply.start_s(offer, replica.number)

    def _fewer(self, current: Sequence[Berthed], count: int) -> None:
        load = self._replicas.load
        starting = sorted((each for each in current if each.slot < 0), key=lambda each: -each.ready_s)
        serving = sorted((each for each in current if each.slot >= 0), key=lambda each: (load[each.slot], each.number))
        for replica in (*starting, *serving)[:count]:
            if replica.slot < 0:
                self._end(replica)
            else:
                self._replicas.drain(replica.slot)
                replica.draining_since_s = self.now_s

    def _notice(self, replica: Berthed, now_s: float) -> None:
        if replica.slot < 0:
            replica.given_s = replica.ready_s = _NEVER  # it had not begun to serve: it waits for another machine
        elif replica.taken_at_s == _NEVER:
            replica.taken_at_s = now_s + self._notice_s
            self._replicas.drain(replica.slot)

    def _serve(self, replica: Berthed) -> None:
        kind = self._kinds[replica.kind]
        if replica.slot < 0:
            if not self._free:
                raise RuntimeError(
                    f"more than {len(self._replicas.status)} replicas at once: give the replay more slots"
                )
            replica.slot = self._free.pop()
        self._replicas.serve(replica.slot, kind.profile, at_once=kind.at_once)

    def _drained(self, replica: Berthed, now_s: float) -> bool:
        return self._replicas.load[replica.slot] == 0 or now_s - replica.draining_since_s >= self._drain_s

    def _end(self, replica: Berthed) -> None:
        self.churn += 1
        if replica.slot >= 0:
            self._replicas.kill(replica.slot)
            self._free.append(replica.slot)
        self._fleet[replica.kind].remove(replica)


def _count(mine: Sequence[Berthed]) -> Count:
    starting = draining = leaving = 0
    slots = []
    for replica in mine:
        if replica.taken_at_s < _NEVER:
            leaving += 1
        elif replica.draining_since_s < _NEVER:
            draining += 1
        elif replica.slot >= 0:
            slots.append(replica.slot)
        else:
            starting += 1
    return Count(len(slots), starting, draining, leaving, tuple(slots))


def _given(mine: Sequence[Berthed]) -> int:
    return sum(1 for each in mine if each.given_s < _NEVER)
