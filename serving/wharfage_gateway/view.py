"""What the gateway knows of the cluster at one moment: models, their replicas, tenants, and its own company.

Frozen and whole: the watcher makes a new one, everything else (admission, Envoy's files, metrics) is a function of it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

DEFAULT_CLASS = "default"


def endpoint(address: str, port: int) -> str:
    """HOST:PORT, the address of IPv6 in brackets."""
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


@dataclass(frozen=True, slots=True, order=True)
class Replica:
    """One engine pod that has an address.

    `slots` is how many requests it carries at once within the objectives: what it is due beside others; `burst` is the
    most that it is sent, where that is more. `variant` is "" where the model has none.
    `served` is what its engine wants as `model`; "" for what the model is called.
    One that is not `ready` is not sent to; one that is `draining` finishes what it has and gets nothing new.
    """

    name: str
    address: str
    port: int = 8000
    slots: float = 1.0
    variant: str = ""
    ready: bool = True
    draining: bool = False
    served: str = ""
    burst: float = 0.0

    @property
    def most(self) -> float:
        """How many requests it may have at once."""
        return max(self.slots, self.burst)

    @property
    def endpoint(self) -> str:
        """As Envoy names it."""
        return endpoint(self.address, self.port)

    @property
    def open(self) -> bool:
        """Whether it may get new requests."""
        return self.ready and not self.draining


@dataclass(frozen=True, slots=True)
class Throttle:
    """What a tenant may use while a budget's stage asks for it; tokens are prompt and output together."""

    tokens_per_s: float
    burst_tokens: float
    stage: str = "Throttle"
    """As the refusal names it."""
    budget: str = ""
    """Whose stage it is: models under one budget share a tenant's tokens; "" for a limit of this model alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """One LLMDeployment with `routing: Gateway`: what its clients call it, how they wait, who answers.

    `key` is its name in the namespace; `served` what clients write as `model`. `classes` holds weights by name; a
    request without a known class is of `DEFAULT_CLASS`, whose weight is that of the lightest. `order` tells in which
    order variants are tried; `split` shares of a trial by variant. `fallback` holds names of variants ("variant/NAME")
    or of deployments ("deployment/NAME") that answer while this one has no capacity or its queue is full.
    """

    key: str
    served: str
    replicas: tuple[Replica, ...] = ()
    hold_s: float = 600.0
    most_waiting: int = 1000
    classes: Mapping[str, int] = field(default_factory=dict)
    prefix_affinity: bool = True
    most_prompt_tokens: int | None = None
    most_output_tokens: int | None = None
    order: tuple[str, ...] = ()
    split: Mapping[str, float] = field(default_factory=dict)
    fallback: tuple[str, ...] = ()
    throttle: Throttle | None = None

    @property
    def slots(self) -> float:
        """What its open replicas carry together."""
        return sum(replica.slots for replica in self.replicas if replica.open)

    @property
    def at_zero(self) -> bool:
        """Whether nothing of it can answer now."""
        return not any(replica.open for replica in self.replicas)


@dataclass(frozen=True, slots=True)
class Credential:
    """One API key: whose it is, and the class of its requests ("" for `DEFAULT_CLASS`). Never logged."""

    key: str = field(repr=False)
    tenant: str
    cls: str = ""


@dataclass(frozen=True, slots=True)
class View:
    """Everything at one moment. `models` is by served name. No `credentials`: whoever comes in may ask.

    `former` holds names of before, as long as a replica that knows one is open, and the served names of now.

    `gateways` is how many gateways are ready, this one included: they divide slots and token rates among themselves.
    """

    models: Mapping[str, Model] = field(default_factory=dict)
    credentials: tuple[Credential, ...] = ()
    keys_required: bool = False
    """True once the operator of the gateway named Secrets, even if none of them holds a key now: then nobody passes."""
    gateways: int = 1
    turn: int | None = None
    """Which of them this one is, from 0 in the order of their names: who gets what does not divide. None: not known."""
    former: Mapping[str, str] = field(default_factory=dict)
    peers: tuple[str, ...] = ()
    """Where the other gateways tell of themselves, HOST:PORT."""

    def model(self, name: str) -> Model | None:
        """The model that clients mean by a name, the one of before included; None where there is none."""
        return self.models.get(name) or self.models.get(self.former.get(name, ""))
