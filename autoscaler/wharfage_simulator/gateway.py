"""What stands in front of the replicas where a gateway does, as rows of memory: the state of one brain, of one model.

The rules are those of `wharfage_gateway` (admit, board, waiting, tokens, place), again and compiled, so that a day of
queueing and refusing is replayed in seconds; a test holds the two together, request by request. Here are the rows;
`fairness`, `buckets`, `placement` and `admission` work on them, `gated` is their clock.

Left out: prefix affinity (in a replay a prompt finds as much in every replica's cache), variants' order, trials and
fallbacks (it has one variant), several brains, the memory that bodies take, lost log entries, Retry-After.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from wharfage_simulator.records import NOBODY
from wharfage_simulator.tables import Floats

LOOK_BACK = 512
"""Of how many answers the 95th percentile of lengths is taken, for what a request without a limit reserves."""
FIRST_OUTPUT_TOKENS = 256
DEFAULT_CLASS = "default"


class Standing(IntEnum):
    """What the gateway has told a request."""

    UNTOLD = 0
    WAITING = 1
    ADMITTED = 2
    TOO_LONG = 3
    TOKENS_EXHAUSTED = 4
    QUEUE_FULL = 5
    QUEUE_TIMEOUT = 6
    COLD_START_TIMEOUT = 7


TICKET = np.dtype(
    [
        ("asked_s", "f8"),  # when it came to the gateway: later than its arrival where a replica ended under it
        ("admitted_s", "f8"),  # NaN before
        ("reserved", "f8"),
        ("charged_s", "f8"),  # slot time that its tenant was charged for it; 0: it did not wait, or is over
        ("cls", "i4"),
        ("tenant", "i4"),
        ("most_output", "i4"),  # its own limit; NOBODY: none
        ("slot", "i4"),
        ("standing", "i4"),
        ("older", "i4"),  # among all that wait
        ("newer", "i4"),
        ("ahead", "i4"),  # among those of its class and tenant
        ("behind", "i4"),
    ],
    align=True,
)

BERTH = np.dtype(
    [
        ("slots", "f8"),  # requests that the replica carries at once within the objectives
        ("burst", "f8"),  # that it is sent at once at the most
        ("open", "i8"),
        ("running", "i8"),
    ],
    align=True,
)

CLASS = np.dtype(
    [
        ("weight", "f8"),
        ("start", "f8"),
        ("clock", "f8"),
        ("mean_s", "f8"),
        ("size", "i8"),
        ("used", "i8"),  # its place in the order of first use; 0: never
    ],
    align=True,
)

LINE = np.dtype(
    [
        ("start", "f8"),
        ("mean_s", "f8"),
        ("head", "i8"),
        ("tail", "i8"),
        ("size", "i8"),
        ("running", "i8"),  # that waited and are not over
        ("listed", "i8"),
    ],
    align=True,
)
"""One tenant's part of one class."""

BUCKET = np.dtype([("level", "f8"), ("at_s", "f8"), ("known", "i8")], align=True)

DESK = np.dtype(
    [
        ("hold_s", "f8"),
        ("most_waiting", "i8"),
        ("most_prompt", "i8"),  # NOBODY: no limit
        ("most_output", "i8"),
        ("throttled", "i8"),
        ("tokens_per_s", "f8"),
        ("burst_tokens", "f8"),
        ("clock", "f8"),
        ("waiting", "i8"),
        ("charged", "i8"),  # that waited, run now and are not over
        ("oldest", "i8"),
        ("newest", "i8"),
        ("classes_used", "i8"),
        ("outputs", "i8"),  # answers that were measured
        ("since", "i8"),  # of them, since the percentile was taken
        ("output_p95", "i8"),
        ("called", "i8"),
        ("reach", "i8"),  # slots behind which there is no replica
    ],
    align=True,
)


class Gate(NamedTuple):
    """All there is to one brain. `called` lists who was told something and had waited, or pushed out of the queue."""

    desk: Any  # the one DESK
    tickets: Any  # TICKET, by request
    berths: Any  # BERTH, by slot
    classes: Any  # CLASS
    lines: Any  # LINE, by class and tenant
    buckets: Any  # BUCKET, by tenant
    outputs: Any  # whole numbers: the last LOOK_BACK lengths of answers
    called: Any  # requests, `called` of them


@dataclass(frozen=True, slots=True)
class Allowance:
    """What each tenant may use; tokens are prompt and output together."""

    tokens_per_s: float
    burst_tokens: float


@dataclass(frozen=True, slots=True, eq=False)
class Senders:
    """Who sends which request; every array is by request, and None is the same for all of them.

    `cls` and `tenant` are places in the sorted names of the gateway's classes and of `tenants`; `most_output` is the
    request's own limit, -1 for none.
    """

    tenants: int = 1
    cls: npt.NDArray[np.integer[Any]] | None = None
    tenant: npt.NDArray[np.integer[Any]] | None = None
    most_output: npt.NDArray[np.integer[Any]] | None = None


ALIKE = Senders()
"""One tenant, one class, no limits."""


@dataclass(frozen=True, slots=True)
class Gateway:
    """How a gateway is set up: `spec.gateway`, and what a budget's stage gives each tenant, if it gives anything."""

    hold_s: float = 600.0
    most_waiting: int = 1000
    classes: Mapping[str, int] = field(default_factory=dict)
    most_prompt_tokens: int | None = None
    most_output_tokens: int | None = None
    allowance: Allowance | None = None

    @property
    def class_names(self) -> Sequence[str]:
        """Every class that there is, sorted; who names none of them is of `DEFAULT_CLASS`."""
        return sorted({DEFAULT_CLASS, *self.classes})

    def opened(self, requests: int, slots: int, senders: Senders = ALIKE) -> Gate:
        """A gateway at which nobody has been yet.

        Raises:
            ValueError: where senders are of classes or tenants that there are not.

        """
        names = self.class_names
        _check("class", senders.cls, len(names))
        _check("tenant", senders.tenant, senders.tenants)
        tickets = np.zeros(requests, dtype=TICKET)
        tickets["admitted_s"] = np.nan
        for name in ("slot", "older", "newer", "ahead", "behind"):
            tickets[name] = NOBODY
        tickets["cls"] = names.index(DEFAULT_CLASS) if senders.cls is None else senders.cls
        tickets["tenant"] = 0 if senders.tenant is None else senders.tenant
        tickets["most_output"] = NOBODY if senders.most_output is None else senders.most_output
        classes = np.zeros(len(names), dtype=CLASS)
        lightest = min(self.classes.values(), default=1)
        classes["weight"] = [self.classes.get(name, lightest) for name in names]
        lines = np.zeros((len(names), senders.tenants), dtype=LINE)
        lines["head"] = lines["tail"] = NOBODY
        return Gate(
            self._desk(slots)[0],
            tickets,
            np.zeros(slots, dtype=BERTH),
            classes,
            lines,
            np.zeros(senders.tenants, dtype=BUCKET),
            np.zeros(LOOK_BACK, dtype=np.int64),
            np.zeros(requests + 1, dtype=np.int64),
        )

    def _desk(self, slots: int) -> npt.NDArray[np.void]:
        desk = np.zeros(1, dtype=DESK)
        desk["oldest"] = desk["newest"] = NOBODY
        desk["hold_s"], desk["most_waiting"] = self.hold_s, self.most_waiting
        desk["most_prompt"] = NOBODY if self.most_prompt_tokens is None else self.most_prompt_tokens
        desk["most_output"] = NOBODY if self.most_output_tokens is None else self.most_output_tokens
        desk["reach"] = slots
        desk["output_p95"] = FIRST_OUTPUT_TOKENS
        if self.allowance is not None:
            desk["throttled"] = 1
            desk["tokens_per_s"] = self.allowance.tokens_per_s
            desk["burst_tokens"] = self.allowance.burst_tokens
        return desk


def waits_s(gate: Gate) -> Floats:
    """How long each request that was let in had waited at the gateway, in seconds; NaN for the others."""
    waited: Floats = gate.tickets["admitted_s"] - gate.tickets["asked_s"]
    return waited


def _check(what: str, given: npt.NDArray[np.integer[Any]] | None, count: int) -> None:
    if given is not None and len(given) and not (int(given.min()) >= 0 and int(given.max()) < count):
        raise ValueError(f"a {what} of {int(given.min())} to {int(given.max())}: there are {count}, counted from 0")
