"""All that one look at a deployment leaves for the next: values, to be written down and read again after a restart.

None of it grows with time but by the number of shapes and regions. What does, the record of the load, is kept by
whoever looks: an `Entry` for each look.
"""

import math
from dataclasses import dataclass, field

from wharfage_autoscaler.allotment import Allotment
from wharfage_autoscaler.idle import Silence
from wharfage_autoscaler.lately import Lately
from wharfage_autoscaler.law import LAW, Law
from wharfage_autoscaler.move import Elsewhere
from wharfage_autoscaler.need import Shape
from wharfage_autoscaler.purse import Purse
from wharfage_autoscaler.snapshot import Memory
from wharfage_autoscaler.tide import Minute, Tide
from wharfage_autoscaler.unfit import Unfit
from wharfage_autoscaler.unrest import Regions


@dataclass(frozen=True, slots=True)
class Entry:
    """What a look adds to the record, from which forecasts and the nightly tuning learn."""

    rps: float
    """The work that came in the last 15 s, in requests of the planned kind per second; NaN where it is not known."""
    minute: Minute | None = None
    """That ended since the look before."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What was last handed out, where it would rather be, and when; `obtainable` says of each pool what held then."""

    allotment: Allotment
    elsewhere: Elsewhere | None
    at_s: float
    obtainable: tuple[bool, ...]


@dataclass(frozen=True, slots=True)
class Experience:
    """Of one deployment. A new one has seen nothing, asked for nothing and spent nothing."""

    lately: Lately = Lately()  # noqa: RUF009 - immutable, like the others
    """What a request was worth."""
    tide: Tide = Tide()  # noqa: RUF009
    missed: bool = False
    """Whether the last minute missed its objectives: then latencies are worth reading, which takes time."""
    unfit: Unfit = field(default_factory=Unfit)
    regions: Regions | None = None
    """None before the first look."""
    purse: Purse = Purse()  # noqa: RUF009
    bound_for: frozenset[Shape] = frozenset()
    """Where it moves to, as long as nothing serves there."""
    answer: Answer | None = None
    """None where the optimiser is to be asked at once."""
    memory: Memory = Memory()  # noqa: RUF009
    """Of `decide`."""
    silence: Silence = Silence()  # noqa: RUF009
    """Of a deployment that may go to zero."""
    law: Law = LAW
    tuned_s: float = -math.inf
    """When that was found."""
