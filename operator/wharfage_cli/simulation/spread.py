"""A comparison over the processors of this machine, or over those of a Dask cluster.

What is compared comes as an argument: where and for which loads it is computed is all that is decided here.
"""

import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Protocol

from wharfage_autoscaler.offers import Offer
from wharfage_simulator.arrivals import Arrivals
from wharfage_simulator.boots import BootTimes
from wharfage_simulator.prices import CATALOG, Prices
from wharfage_simulator.result import Result
from wharfage_simulator.scenario import Asked
from wharfage_simulator.spot import Availability
from wharfage_simulator.traces import halves
from wharfage_simulator.workload import Load, traffic

from wharfage_cli.simulation.question import Question, QuestionError

Progress = Callable[[int, int], None]
_DASK = "dask://"
_ALL = -1  # joblib's word for every worker there is


class Compare(Protocol):
    """`wharfage_simulator.comparison.compare`."""

    def __call__(
        self,
        loads: Sequence[Load],
        offers: Sequence[Offer],
        asked: Asked,
        *,
        settings: Sequence[str],
        policies: Sequence[str],
        seeds: Sequence[int],
        availability: Availability | None = None,
        prices: Prices = CATALOG,
        boots: BootTimes | None = None,
        arrivals: Arrivals = Arrivals.RENEWAL,
        workers: int = 1,
        progress: Progress | None = None,
    ) -> list[Result]:
        """One result for every setting, load, policy and seed."""
        ...


@dataclass(frozen=True, slots=True)
class Parallel:
    """Worker processes here, or the address of a Dask scheduler."""

    workers: int = 1
    scheduler: str = ""


def parallel(text: str) -> Parallel:
    """`4`, or `dask://10.0.0.7:8786`."""
    host, _, port = text.removeprefix(_DASK).rpartition(":")
    if text.startswith(_DASK) and host and port.isdecimal():
        return Parallel(_ALL, f"tcp://{host}:{port}")
    if text.isdecimal() and int(text) > 0:
        return Parallel(int(text))
    raise QuestionError(f"--parallel: a number of processes or dask://HOST:PORT, not {text!r}")


def answered(
    question: Question,
    compare: Compare,
    *,
    settings: Sequence[str],
    policies: Sequence[str],
    seeds: Sequence[int],
    over: Parallel = Parallel(),
    progress: Progress | None = None,
) -> list[Result]:
    """The results of all settings, loads, policies and seeds; fleets are sized for what each load's first half is like.

    Raises:
        QuestionError: where a Dask cluster is asked for and cannot be had.

    """
    each = len(settings) * len(policies) * len(seeds)
    whole = each * len(question.loads)
    context_tokens = question.asked.max_model_tokens
    results: list[Result] = []
    with _backend(over):
        for load in question.loads:
            results += compare(
                [load],
                question.offers,
                replace(question.asked, traffic=traffic(halves(load)[0], context_tokens=context_tokens)),
                settings=settings,
                policies=policies,
                seeds=seeds,
                availability=question.availability,
                prices=question.prices,
                boots=question.boots,
                arrivals=question.arrivals,
                workers=over.workers,
                progress=_after(len(results), whole, progress),
            )
    return results


def _place(scheduler: str) -> tuple[str, int]:
    host, _, port = scheduler.removeprefix("tcp://").rpartition(":")
    return host.strip("[]"), int(port)


def _after(before: int, whole: int, progress: Progress | None) -> Progress | None:
    """Progress of one load as progress of all."""
    if progress is None:
        return None
    return lambda done, _: progress(before + done, whole)


@contextmanager
def _backend(over: Parallel) -> Iterator[None]:
    """What joblib sends work to."""
    if not over.scheduler:
        yield
        return
    import joblib

    try:
        socket.create_connection(_place(over.scheduler), timeout=5.0).close()  # Dask itself tries for half a minute
        backend = joblib.parallel_config(backend="dask", scheduler_host=over.scheduler)
    except (ImportError, ValueError) as error:  # joblib says the latter where the backend is not installed
        raise QuestionError("--parallel dask:// needs Dask: pip install 'wharfage[dask]'") from error
    except OSError as error:
        raise QuestionError(f"--parallel: no Dask scheduler answers at {over.scheduler}: {error}") from error
    with backend:
        yield
