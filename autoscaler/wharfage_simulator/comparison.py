"""Policies against each other on recorded load: tuned on the first half of a trace, scored on the second.

Every policy gets the same requests, machines, lead time and search. `stage` says on what, `trial` how.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import TypeVar, cast

from wharfage_autoscaler.offers import Offer

from wharfage_simulator.arrivals import Arrivals
from wharfage_simulator.boots import BootTimes
from wharfage_simulator.policies.registry import POLICIES, Chooses
from wharfage_simulator.prices import CATALOG, Prices
from wharfage_simulator.report import OURS
from wharfage_simulator.result import Result
from wharfage_simulator.scenario import Asked
from wharfage_simulator.spot import Availability
from wharfage_simulator.stage import Where, drawn, stage
from wharfage_simulator.trial import Trial, judged
from wharfage_simulator.workload import REQUEST_BUDGET, Load

Found = TypeVar("Found")


def compare(
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
    progress: Callable[[int, int], None] | None = None,
    request_budget: int = REQUEST_BUDGET,
) -> list[Result]:
    """Every policy on every load in every setting with every seed; in that order, whatever ran first.

    `progress` is told how many of how many replays are done. ValueError for a name that is none, and where nothing
    in the catalog serves what is asked.
    """
    unknown = [name for name in policies if name not in POLICIES and name != OURS]
    if unknown:
        raise ValueError(f"no policy {', '.join(unknown)}; there are {', '.join((OURS, *POLICIES))}")
    places = [Where(name) for name in settings]
    results: list[Result] = []
    whole = len(loads) * len(places) * len(seeds) * len(policies)
    for load in loads:
        played = {
            seed: drawn(
                load, seed=seed, context_tokens=asked.max_model_tokens, request_budget=request_budget, arrivals=arrivals
            )
            for seed in seeds
        }
        stages = {
            (where, seed): stage(
                played[seed], offers, asked, where, availability=availability, prices=prices, boots=boots
            )
            for where in places
            for seed in seeds
        }
        asked_for = [(where, seed, policy) for where in places for seed in seeds for policy in policies]
        played_in = {each: (same_in(each[0], each[2], places), *each[1:]) for each in asked_for}
        keys = list(dict.fromkeys(played_in.values()))
        work = [Trial(stages[where, seed], policy, asked) for where, seed, policy in keys]
        found: dict[tuple[Where, int, str], Result] = {}
        for key, result in zip(keys, each_judged(work, workers), strict=True):
            found[key] = result
            if progress is not None:
                told = len(results) + sum(played_in[each] in found for each in asked_for)
                progress(told, whole)
        results += [replace(found[played_in[each]], setting=each[0]) for each in asked_for]
    return results


def each_judged(work: Sequence[Trial], workers: int) -> Iterator[Result]:
    """The results in order, each as soon as it and those before it are there."""
    return each_of(judged, work, workers)


def each_of(judge: Callable[[Trial], Found], work: Sequence[Trial], workers: int) -> Iterator[Found]:
    """The same with another judge.

    Workers are processes; the arrays of requests are handed to them as files in memory, once.
    """
    if workers == 1:
        return map(judge, work)
    from joblib import Parallel, delayed

    made = Parallel(n_jobs=workers, return_as="generator")(delayed(judge)(item) for item in work)
    return cast("Iterator[Found]", made)


def same_in(where: Where, policy: str, places: Sequence[Where]) -> Where:
    """The setting to replay: a policy that chooses a count on on-demand pools does the same where there is spot."""
    counts = policy != OURS and POLICIES[policy].chooses is Chooses.COUNT
    return Where.ALL if where is Where.SPOT and counts and Where.ALL in places else where
