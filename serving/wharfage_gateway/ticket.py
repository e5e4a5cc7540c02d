"""A request on its way: who asked, where it waits or runs, what it reserved; and what is told of it."""

from dataclasses import dataclass

from wharfage_gateway.answer import Admit, Refuse
from wharfage_gateway.asked import Asked
from wharfage_gateway.outcome import ABORTED, ANSWERED

HELD_BESIDE_BODY = 128 * 1024
"""Bytes of Envoy that each request takes while it waits, whatever its body: connections, buffers, headers."""


@dataclass(slots=True)
class Ticket:
    """A request from its arrival to its end. `key` is the model that was asked for, `carrier` the one that answers.

    `draw` decides whether it belongs to a trial; it is the same whenever it is looked at.
    """

    slot: str
    asked: Asked
    key: str
    cls: str
    arrived_s: float
    draw: float
    reserved: float = 0.0
    carrier: str = ""
    replica: str = ""
    variant: str = ""
    most_output: int | None = None
    since_s: float = 0.0
    passed_over: int = 0

    @property
    def held_bytes(self) -> int:
        """What it takes up in Envoy while it waits."""
        return (self.asked.prompt_bytes or 0) + HELD_BESIDE_BODY


@dataclass(frozen=True, slots=True)
class Used:
    """What the access log tells of a request that is over; None: it does not say. `ending` is one of `outcome`."""

    prompt_tokens: int | None = None
    output_tokens: int | None = None
    ending: str = ANSWERED
    seconds: float | None = None


NOTHING = Used(0, 0, ABORTED)
"""Of a request that was left before an engine answered."""

UNTOLD = Used(ending="")
"""Of a request that must be over, while nobody says so."""


@dataclass(frozen=True, slots=True)
class Called:
    """One that had waited, and its answer."""

    slot: str
    answer: Admit | Refuse
