"""What the operator has worked out by its worker: questions and answers as values, known to both sides of the pipe.

An answer comes from another process, so an errand reads it before anybody believes it. Nothing here imports numpy or
what it serves: a record is any sequence of floats, an `array` of them best of all, which pickles to eight bytes each.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Protocol, TypeVar

from wharfage_autoscaler.allotment import Allotment
from wharfage_autoscaler.choice import Candidate
from wharfage_autoscaler.event import Event
from wharfage_autoscaler.fit import Fit
from wharfage_autoscaler.forecast import Forecast
from wharfage_autoscaler.law import Law
from wharfage_autoscaler.model import Variant
from wharfage_autoscaler.need import Berth, Need
from wharfage_autoscaler.offers import Offer
from wharfage_autoscaler.snapshot import ClusterSnapshot, Key
from wharfage_autoscaler.supply import Supply

T_co = TypeVar("T_co", covariant=True)


class Errand(Protocol[T_co]):
    """One question."""

    kind: ClassVar[str]
    """Its name in metrics."""
    rank: ClassVar[int]
    """Of those that wait, the least is next."""

    def read(self, answer: object) -> T_co:
        """The answer, if it is one; ValueError for nonsense."""
        ...


@dataclass(frozen=True, slots=True)
class Allotting:
    """Who gets what (`wharfage_autoscaler.allot`).

    `chain` names a series of questions of which each begins from the last one's answer: "best" for what is needed
    anywhere, "here" for that on what serves. A worker that was started anew begins without.
    """

    seen: ClusterSnapshot
    chain: str
    kind: ClassVar[str] = "allot"
    rank: ClassVar[int] = 0

    def __reduce__(self) -> tuple[Callable[..., "Allotting"], tuple[object, ...]]:
        """How it is pickled: berths, of which there are tens of thousands, as rows, which take a tenth of the time.

        What rows have in common is sent once: variants, offers and fits that are the same object.
        """
        rows = tuple((replace(need, berths=()), tuple(map(_row, need.berths))) for need in self.seen.needs)
        return _allotting, (rows, self.seen.supply, self.chain)

    def read(self, answer: object) -> Mapping[Key, Allotment]:
        """An allotment for every need that was asked for."""
        if not isinstance(answer, dict) or answer.keys() != {need.key for need in self.seen.needs}:
            raise ValueError("no allotment for each need")
        if not all(isinstance(each, Allotment) for each in answer.values()):
            raise ValueError("allotments that are none")
        return answer


_Row = tuple[Variant, Offer, Fit, float, float, float]


def _row(berth: Berth) -> _Row:
    of = berth.candidate
    return of.variant, of.offer, of.fit, berth.requests_per_second, berth.start_s, berth.penalty_usd_per_hour


def _allotting(rows: Iterable[tuple[Need, Iterable[_Row]]], supply: Supply, chain: str) -> Allotting:
    """The errand out of what it was pickled as."""
    needs = (
        replace(need, berths=tuple(Berth(Candidate(*row[:3]), *row[3:]) for row in berths)) for need, berths in rows
    )
    return Allotting(ClusterSnapshot(tuple(needs), supply), chain)


@dataclass(frozen=True, slots=True)
class Foreseen:
    """What is expected after the record's end; None while nothing was learned.

    `wants_whole`: it is time to learn, or the worker was started anew, and not all that is known came with the
    question. Ask again with all of it; until then what it learned before holds, if it has that.
    """

    forecast: Forecast | None
    wants_whole: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Foreseeing:
    """What the load of one deployment will be, as far as `lead_s` and two steps beyond.

    `rates` are per second over steps of `foresight.STEP_S` (300 s), the last of which ends at `end_s`; NaN is a gap.
    They are the last two hours at least, or all that is known: then `whole`. A deployment of another uid is another.
    `forecaster` is the one that was chosen last, where that is known: a worker that was started anew goes on with it
    until the deployment's turn to choose comes (`rota`), since choosing takes seconds. `events` are what the user knows
    of demand, on the rates' clock.
    """

    key: Key
    uid: str
    rates: Sequence[float]
    end_s: float
    whole: bool
    lead_s: float
    forecaster: str = ""
    events: tuple[Event, ...] = ()
    kind: ClassVar[str] = "foresee"
    rank: ClassVar[int] = 1

    def read(self, answer: object) -> Foreseen:
        """A forecast that begins where the record ends, or none."""
        if not isinstance(answer, Foreseen):
            raise ValueError("no forecast, nor that there is none")
        if answer.forecast is not None and answer.forecast.start_s != self.end_s:
            raise ValueError(f"a forecast from {answer.forecast.start_s}, not from {self.end_s}")
        return answer


@dataclass(frozen=True, slots=True, kw_only=True)
class Tuning:
    """The law that would have cost one deployment least lately (`wharfage_simulator.tuning`).

    `arrivals` are requests of the planned kind in each tick of `tick_s`, oldest first, all known. `said` holds by level
    (those of `LEVELS`) what the forecasts of each tick said for the lead time, NaN before there were any. `filled` and
    `bad` are the minutes of the last weeks: how full the replicas were, and whether it was bad (`tide.Minute`). The
    rest is the pool that carries most.
    """

    key: Key
    arrivals: Sequence[float]
    said: Mapping[float, Sequence[float]]
    filled: Sequence[float]
    bad: Sequence[bool]
    planned_rps: float
    good_rps: float
    slots: float
    lead_s: float
    ttft_s: float
    least: int
    most: int
    usd_per_replica_hour: float
    usd_per_bad_minute: float
    tick_s: float = 15.0
    kind: ClassVar[str] = "tune"
    rank: ClassVar[int] = 2

    def read(self, answer: object) -> Law:
        """A law."""
        if not isinstance(answer, Law):
            raise ValueError("no law")
        return answer
