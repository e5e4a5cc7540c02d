"""Dollars that were spent: by whom, on which offer, under which budgets, on what, and what was served for them."""

from dataclasses import dataclass, replace

from wharfage_autoscaler.supply import OfferKey


@dataclass(frozen=True, slots=True, order=True)
class Payer:
    """A deployment that money is spent for. One that is deleted and made again has another uid: it is another payer.

    `team` and `model` (its source) are those of when it was spent: whoever changes them changes no past.
    """

    uid: str
    namespace: str
    name: str
    team: str = ""
    model: str = ""


@dataclass(frozen=True, slots=True, order=True)
class Account:
    """Where dollars are booked: `budgets` are the names of those that selected the payer when they were spent."""

    payer: Payer
    offer: OfferKey
    budgets: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Served:
    """What engines did: requests that they finished, and tokens. Those of prompts include the cached ones.

    Works are what computing the prompts, and reading what was cached of them, took an engine, in tokens of output.
    """

    requests: float = 0.0
    prompt_tokens: float = 0.0
    cached_tokens: float = 0.0
    output_tokens: float = 0.0
    prompt_work: float = 0.0
    cached_work: float = 0.0

    @property
    def work(self) -> float:
        """All of it, in tokens of output."""
        return self.prompt_work + self.cached_work + self.output_tokens

    def __add__(self, other: "Served") -> "Served":
        """Both together."""
        if other is NOBODY or self is NOBODY:
            return self if other is NOBODY else other
        return Served(
            self.requests + other.requests,
            self.prompt_tokens + other.prompt_tokens,
            self.cached_tokens + other.cached_tokens,
            self.output_tokens + other.output_tokens,
            self.prompt_work + other.prompt_work,
            self.cached_work + other.cached_work,
        )


NOBODY = Served()


@dataclass(frozen=True, slots=True)
class Used:
    """What a gateway has counted of a tenant: requests that replicas had, tokens of prompts and of answers."""

    requests: float = 0.0
    prompt_tokens: float = 0.0
    output_tokens: float = 0.0

    @property
    def tokens(self) -> float:
        """Of either kind."""
        return self.prompt_tokens + self.output_tokens

    def __add__(self, other: "Used") -> "Used":
        """Both together."""
        return Used(
            self.requests + other.requests,
            self.prompt_tokens + other.prompt_tokens,
            self.output_tokens + other.output_tokens,
        )


Tenants = tuple[tuple[str, Used], ...]
"""Sorted by the tenant's name, each once; "" is whoever had no key."""


def merged(first: Tenants, second: Tenants) -> Tenants:
    """Both together."""
    if not first or not second:
        return first or second
    found = dict(first)
    for name, used in second:
        found[name] = found[name] + used if name in found else used
    return tuple(sorted(found.items()))


@dataclass(frozen=True, slots=True)
class Spend:
    """Dollars by what they were spent on, and what was had for them.

    `estimated` is how many of the dollars rest on a guess, and no further part. `replica_hours` are hours of replicas
    from their binding on, `machine_hours` those of machines that were paid for, idle ones included.
    """

    serving: float = 0.0
    idle: float = 0.0
    startup: float = 0.0
    estimated: float = 0.0
    replica_hours: float = 0.0
    machine_hours: float = 0.0
    interruptions: float = 0.0
    """Replicas that ended because their spot machine was taken back."""
    served: Served = NOBODY
    tenants: Tenants = ()
    """Of the deployment: of several accounts of one it is written at one."""

    @property
    def alone(self) -> "Spend":
        """The same without its tenants, for sums of which nobody asks for them."""
        return replace(self, tenants=()) if self.tenants else self

    @property
    def usd(self) -> float:
        """All dollars of it."""
        return self.serving + self.idle + self.startup

    def __add__(self, other: "Spend") -> "Spend":
        """Both together."""
        return Spend(
            self.serving + other.serving,
            self.idle + other.idle,
            self.startup + other.startup,
            self.estimated + other.estimated,
            self.replica_hours + other.replica_hours,
            self.machine_hours + other.machine_hours,
            self.interruptions + other.interruptions,
            self.served + other.served,
            merged(self.tenants, other.tenants),
        )


NOTHING = Spend()
