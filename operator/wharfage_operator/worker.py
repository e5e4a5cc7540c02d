"""The operator's one child process, and the only one that imports scipy and numba.

It keeps what makes the next errand cheap: the last allotments of each chain, and one fitted forecaster for each
deployment. None of it is lost for good when the process is killed: allotments are worked out from nothing, and for a
forecaster the whole record is asked for.
"""

import gc
import logging
import multiprocessing
import os
import sys
from dataclasses import dataclass, field, replace
from multiprocessing.connection import Connection

import numpy as np
from wharfage_autoscaler.allot import allot
from wharfage_autoscaler.allotment import Allotment, Allotments
from wharfage_autoscaler.foresight import RECENT_S, STEP_S, Foresight
from wharfage_autoscaler.history import History
from wharfage_autoscaler.law import Law
from wharfage_autoscaler.odds import learned
from wharfage_autoscaler.pace import SATURATED
from wharfage_autoscaler.snapshot import Key

from wharfage_operator.errands import Allotting, Foreseeing, Foreseen, Tuning
from wharfage_operator.rota import last_turn_s
from wharfage_operator.workbench import serve

_FORGOTTEN_AFTER_S = 3600.0
_LESS_URGENT = 5
"""Than the operator's own loop, which answers the API server meanwhile."""
_TUNED_WITHIN_S = 20.0
"""Three seconds of the processor at worst, where nothing is compiled yet; of a machine that is busy."""
_COLLECTED_EVERY = (10_000, 20, 20)
"""As in the operator: a question makes a hundred thousand objects, none of which wait for the collector."""


@dataclass(frozen=True, slots=True)
class _Kept:
    """What is known of one deployment's load, and when it was last asked for."""

    uid: str
    foresight: Foresight
    asked_s: float


@dataclass(slots=True)
class Worker:
    """Answers errands, and remembers what the next ones begin from."""

    _before: dict[str, Allotments] = field(default_factory=dict)
    _kept: dict[Key, _Kept] = field(default_factory=dict)

    def answer(self, errand: object) -> object:
        """What came of it; TypeError where nobody here knows such an errand."""
        match errand:
            case Allotting():
                return self.allotted(errand)
            case Foreseeing():
                return self.foreseen(errand)
            case Tuning():
                return apart(errand)
        raise TypeError(f"{type(errand).__name__} is no errand")

    def allotted(self, errand: Allotting) -> dict[Key, Allotment]:
        """The allotments, from those of before on."""
        self._before[errand.chain] = allot(errand.seen, self._before.get(errand.chain))
        return dict(self._before[errand.chain].by_key)

    def foreseen(self, errand: Foreseeing) -> Foreseen:
        """What is expected, by what was learned before or, from the whole record, now."""
        known = History(errand.end_s - len(errand.rates) * STEP_S, STEP_S, np.array(errand.rates))
        recent = known.recent(round(RECENT_S / STEP_S))
        kept = self._kept.get(errand.key)
        before = kept.foresight if kept is not None and kept.uid == errand.uid else Foresight()
        foresight = _after(before, errand, known, recent)
        self._kept[errand.key] = _Kept(errand.uid, foresight, errand.end_s)
        self._forget(errand.end_s)
        wants_whole = foresight.due(errand.end_s) or foresight.events != errand.events
        return Foreseen(foresight.expected(recent, errand.lead_s), wants_whole)

    def _forget(self, now_s: float) -> None:
        """Deployments that nobody has asked about for an hour are gone."""
        for key in [key for key, kept in self._kept.items() if kept.asked_s < now_s - _FORGOTTEN_AFTER_S]:
            del self._kept[key]


def _after(before: Foresight, errand: Foreseeing, known: History, recent: History) -> Foresight:
    """Learned at the deployment's turn of the day; whenever it is learned at another time, its turn comes sooner."""
    if errand.whole and before.events != errand.events:
        before = before.told(errand.events, known, errand.end_s)
    after = before
    if before.fitted is None and errand.whole and errand.forecaster:
        after = before.refitted(errand.forecaster, known, errand.end_s)
    if after is before:
        after = before.after(recent, (lambda: known) if errand.whole else None, errand.end_s)
    if after.learned_s == before.learned_s:
        return after
    return replace(after, learned_s=last_turn_s(errand.key, after.learned_s))


def tuned(errand: Tuning) -> Law:
    """The cheapest law on those days; imports numba, which takes 110 MiB for as long as the process lives."""
    import numba  # noqa: F401 - without it the same takes minutes, in which nobody is answered
    from wharfage_simulator import tuning
    from wharfage_simulator.fluid import Plant

    plant = Plant(
        planned_rps=errand.planned_rps,
        good_rps=errand.good_rps,
        saturated_rps=SATURATED * errand.good_rps,
        slots=errand.slots,
        lead_s=errand.lead_s,
        ttft_s=errand.ttft_s,
        tick_s=errand.tick_s,
        least=float(errand.least),
        most=float(errand.most),
        odds=learned(errand.filled, errand.bad),
    )
    return tuning.tuned(
        np.array(errand.arrivals),
        plant,
        {level: np.array(rates) for level, rates in errand.said.items()},
        usd_per_replica_hour=errand.usd_per_replica_hour,
        usd_per_bad_minute=errand.usd_per_bad_minute,
    )


def apart(errand: Tuning, *, within_s: float = _TUNED_WITHIN_S) -> Law:
    """The same in a process that ends with it, and gives the memory back.

    It ends before the operator's patience does: what this worker remembers is worth more than a law.
    """
    fork = multiprocessing.get_context("fork")
    reading, writing = fork.Pipe(duplex=False)
    process = fork.Process(target=_tell, args=(errand, writing))
    process.start()
    writing.close()
    try:
        said = reading.recv() if reading.poll(within_s) else RuntimeError(f"tuning took longer than {within_s:g} s")
    except EOFError:
        said = RuntimeError("the process that tuned has died")
    process.kill()
    process.join()
    if isinstance(said, Exception):
        raise said
    law: Law = said
    return law


def _tell(errand: Tuning, writing: Connection) -> None:
    gc.disable()  # it would write to every page that is shared with the worker
    try:
        writing.send(tuned(errand))
    except Exception as error:  # told to whoever waits, and raised there
        writing.send(RuntimeError(f"{type(error).__name__}: {error}"))


def main() -> None:
    """Serve the operator that started this."""
    logging.basicConfig(level="WARNING", stream=sys.stderr, format="%(levelname)s %(name)s: %(message)s")
    os.nice(_LESS_URGENT)
    gc.freeze()  # what is imported stays
    gc.set_threshold(*_COLLECTED_EVERY)
    serve(Worker().answer)


if __name__ == "__main__":
    main()
