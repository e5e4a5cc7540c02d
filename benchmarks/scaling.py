"""What autoscaling costs: ours against the peers on public load, in four settings, event by event.

Every policy is tuned on the last day of a trace's first half and scored on the second half, on the same requests,
machines, market and lead time of 300 s (`wharfage_simulator.trial`). Setting `one` has every policy there is. The
others have ours, the oracle, those that choose pools, a fixed count, and the best count policies of `one` on their
best pool. Where there is spot, whoever may use it meets several parts of the record, with the same requests: what half
a day loses is luck. Ours is tried with parts of it taken away, too.

    python -m benchmarks.scaling --data ../shared/data --json out.json
"""

import argparse
import json
import os
import platform
import resource
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from wharfage_simulator.comparison import each_of, same_in
from wharfage_simulator.markdown import figures, markdown, scale, verdict
from wharfage_simulator.policies.registry import POLICIES, Chooses
from wharfage_simulator.policies.wharfage import Wharfage
from wharfage_simulator.policy import Policy
from wharfage_simulator.report import ORACLE, OURS, Board, boards, rows
from wharfage_simulator.result import Result
from wharfage_simulator.scenario import SPOT_ALLOWED, Asked, ScenarioError
from wharfage_simulator.spot import Availability
from wharfage_simulator.stage import Drawn, Stage, Where, drawn, stage
from wharfage_simulator.tables import TraceError
from wharfage_simulator.trial import Trial, judged
from wharfage_simulator.workload import REQUEST_BUDGET

from benchmarks import scaling_cases as cases
from benchmarks.scaling_cases import Case
from benchmarks.scaling_goals import goals

BEST_COUNT_POLICIES = 2
"""Of setting `one`, beside the tuned HPA, that the other settings have."""
WITH_SPOT = (Where.SPOT, Where.GATEWAY)
MARKETS = (1, 2, 3)
"""Seeds of the spot market: each begins elsewhere in the record."""
WIDTHS = (16, 22, 14, 8, 8, 8, 6)


def untuned(policy: Policy) -> Policy:
    """Ours with the law it begins with, every day."""
    assert isinstance(policy, Wharfage)
    return replace(policy, tunes=False)


def deaf(policy: Policy) -> Policy:
    """Ours, as if a loss of spot said nothing about the next."""
    assert isinstance(policy, Wharfage)
    return replace(policy, hears_losses=False)


def shared(policy: Policy) -> Policy:
    """Ours with no more than the API's default share of spot."""
    assert isinstance(policy, Wharfage)
    return replace(policy, asked=replace(policy.asked, placement=SPOT_ALLOWED))


LEVERS: dict[str, tuple[Where, Callable[[Policy], Policy]]] = {
    "without nightly tuning": (Where.ONE, untuned),
    "spot, deaf to bouts of losses": (Where.SPOT, deaf),
    "spot, 60 % at most": (Where.SPOT, shared),
}


@dataclass(frozen=True, slots=True)
class Lever:
    """What ours costs without a part of it."""

    trace: str
    name: str
    usd: float
    bad_minutes_share: float


@dataclass(frozen=True, slots=True)
class Failure:
    """What a replay that broke said: a mistake in one is not to cost an hour of the others."""

    setting: str
    trace: str
    policy: str
    why: str


def attempted(trial: Trial) -> Result | Failure:
    """What came of it, or why nothing did."""
    try:
        return judged(trial)
    except Exception as error:
        place = trial.place
        return Failure(place.where, place.scored.name, trial.policy, f"{type(error).__name__}: {error}")


@dataclass(frozen=True, slots=True)
class Output:
    """Where what was found is written; files that were not asked for have no name."""

    rows: str
    report: str
    plots: Path | None


@dataclass(slots=True)
class Bench:
    """One run: what it may use, and what it found so far."""

    availability: Availability
    budget: int
    workers: int
    policies: tuple[str, ...]
    """Of setting `one`."""
    settings: tuple[Where, ...]
    """Beside it."""
    output: Output
    results: list[Result]
    levers: list[Lever]
    failures: list[Failure]

    def play(self, case: Case, data: Path) -> None:
        """One trace in every setting."""
        begun_s = time.monotonic()
        load = cases.load(case, data)
        asked = cases.asked(case, load)
        played = drawn(
            load,
            seed=1,
            context_tokens=case.context_tokens,
            request_budget=min(self.budget, case.requests),
            scored_s=case.scored_s,
        )
        places = self._places(case, played, asked)
        if Where.ONE not in places:
            return
        _introduce(case, played, places)
        for _, result in self._judged([Trial(places[Where.ONE], policy, asked) for policy in self.policies]):
            self.results.append(result)
            self._write()
        one = self._of(case, (Where.ONE,))
        _show(boards(one))
        self._play_others(case, places, asked, one)
        self._play_markets(case, played, places, asked)
        _show(boards(self._of(case, self.settings)))
        self.report(self._of(case, (Where.ONE, *self.settings)))
        print(f"{case.trace}: {(time.monotonic() - begun_s) / 60:.1f} min", flush=True)

    def _play_others(self, case: Case, places: dict[Where, Stage], asked: Asked, one: Sequence[Result]) -> None:
        """The settings beside `one`, and ours with parts of it taken away."""
        chosen = _chosen(boards(one)[0], self.policies) if one else []
        settings = [where for where in self.settings if where in places]
        wanted = [(where, policy) for where in settings for policy in chosen]
        played_in = {each: (same_in(each[0], each[1], settings), each[1]) for each in wanted}
        keys = list(dict.fromkeys(played_in.values()))
        levers = _levers_of(places[Where.ONE], asked, one)
        trials = [*levers.values(), *(Trial(places[where], policy, asked) for where, policy in keys)]
        for number, result in self._judged(trials):
            if number < len(levers):
                self._pulled(case, list(levers)[number], result)
                continue
            key = keys[number - len(levers)]
            self.results += [replace(result, setting=each[0]) for each in wanted if played_in[each] == key]
            self._write()

    def _play_markets(self, case: Case, played: Drawn, places: dict[Where, Stage], asked: Asked) -> None:
        """What may use spot once more, as tuned before, in other parts of the record; to all others it is the same."""
        stages = {where: {MARKETS[0]: place} for where, place in places.items() if where in WITH_SPOT}
        trials: list[Trial] = []
        for where, markets in stages.items():
            for seed in MARKETS[1:]:
                place = markets[seed] = self._place(replace(played, seed=seed), asked, where)
                for result in self._of(case, (where,)):
                    if result.seed != MARKETS[0]:
                        continue
                    if _only_counts(result.policy):
                        self.results.append(replace(result, seed=seed))
                    else:
                        trials.append(Trial(place, result.policy, asked, tuned=result.tuned))
        spot = [result for result in self._of(case, (Where.SPOT,)) if result.seed == MARKETS[0]]
        levers = [
            each for place in stages.get(Where.SPOT, {}).values() for each in _levers_of(place, asked, spot).items()
        ]
        for number, result in self._judged([*trials, *(trial for _, trial in levers)]):
            if number < len(trials):
                self.results.append(result)
                self._write()
            else:
                self._pulled(case, levers[number - len(trials)][0], result)

    def _pulled(self, case: Case, lever: str, result: Result) -> None:
        self.levers.append(Lever(case.trace, lever, result.usd, result.bad_minutes_share))

    def _of(self, case: Case, settings: Sequence[str]) -> list[Result]:
        """What was found on a trace, setting by setting."""
        own = [result for result in self.results if result.trace == case.trace]
        return [result for where in settings for result in own if result.setting == where]

    def _places(self, case: Case, played: Drawn, asked: Asked) -> dict[Where, Stage]:
        """Every setting in which something serves what is asked."""
        places = {}
        for where in (Where.ONE, *self.settings):
            try:
                places[where] = self._place(played, asked, where)
            except ScenarioError as error:
                self.failures.append(Failure(where, case.trace, "all", str(error)))
        return places

    def _place(self, played: Drawn, asked: Asked, where: Where) -> Stage:
        return stage(
            played,
            cases.machines(),
            asked,
            where,
            availability=self.availability,
            notice_s=cases.CATALOG_NOTICE_S,
            largest_share=cases.LARGEST_SHARE,
        )

    def _judged(self, trials: Sequence[Trial]) -> Iterator[tuple[int, Result]]:
        """Each with its number, as it comes; the long ones first, so that no processor waits for the other."""
        order = sorted(range(len(trials)), key=lambda number: trials[number].policy != OURS)
        begun_s = time.monotonic()
        ended = each_of(attempted, [trials[number] for number in order], self.workers)
        for number, result in zip(order, ended, strict=True):
            after = f"after {time.monotonic() - begun_s:4.0f} s"
            if isinstance(result, Failure):
                self.failures.append(result)
                print(f"  {result.setting:<17} {result.policy:<14} FAILED {after}: {result.why}", flush=True)
                continue
            usd = f"{result.usd:9.0f} USD"
            print(f"  {result.setting:<17} {result.policy:<14} {usd} {after}", file=sys.stderr, flush=True)
            yield number, result

    def _write(self) -> None:
        """All that was found so far."""
        if self.output.rows:
            _replace(self.output.rows, json.dumps(rows(self.results), indent=1, allow_nan=False) + "\n")

    def report(self, drawn: Sequence[Result] = ()) -> None:
        """Tables of all that was found so far, and pictures of some of it."""
        if self.output.report:
            _replace(self.output.report, markdown(self.results))
        if drawn and self.output.plots is not None:
            from wharfage_simulator.plots import draw

            draw(drawn, self.output.plots)


def _replace(file: str, text: str) -> None:
    """Write it whole: whoever reads it meanwhile, or after a kill, has the last one that was whole."""
    part = Path(f"{file}.part")
    part.write_text(text, encoding="utf-8")
    part.replace(file)


def _levers_of(place: Stage, asked: Asked, found: Sequence[Result]) -> dict[str, Trial]:
    """Ours without a part of it that matters in the place's setting, tuned as it was with it."""
    ours = next((result for result in found if result.policy == OURS), None)
    if ours is None:
        return {}
    return {
        name: Trial(place, OURS, asked, tuned=ours.tuned, changed=change)
        for name, (where, change) in LEVERS.items()
        if where is place.where
    }


def _only_counts(policy: str) -> bool:
    """Whether it is the same to it what spot does."""
    return policy != OURS and POLICIES[policy].chooses is Chooses.COUNT


def _chosen(board: Board, policies: Sequence[str]) -> list[str]:
    """Who plays where pools may be chosen."""
    counts = [each for each in board.standings if each.policy not in (OURS, ORACLE)]
    counts = [each for each in counts if _only_counts(each.policy)]
    best = [each.policy for each in counts[:BEST_COUNT_POLICIES]]
    choosing = [name for name, entry in POLICIES.items() if entry.chooses is not Chooses.COUNT]
    tuned = [board.tuned_hpa] if board.tuned_hpa else []
    names = dict.fromkeys([OURS, ORACLE, *choosing, "static-peak", *tuned, *best])
    return [name for name in names if name in policies]


def _introduce(case: Case, played: Drawn, places: dict[Where, Stage]) -> None:
    place = places[Where.ONE]
    first = place.first
    every = (kind for each in places.values() for kind in each.pools.kinds)
    kinds = sorted({f"{kind.offer.name} ({kind.offer.accelerator} x{kind.accelerators})" for kind in every})
    print(
        f"\n# {case.trace}: {case.model.removeprefix('hf://')}, first token within {case.ttft_s:g} s, "
        f"further ones within {case.tpot_s * 1e3:g} ms\n"
        f"scored: {played.scored.requests:,} requests in {played.scored.duration_s / 86_400:.2f} days; "
        f"rates x {played.scale.factor:.4g}; the busiest window takes {place.peak_replicas:.0f} replicas of "
        f"{first.offer.name} ({first.good_rps:.2f} requests/s each, swept)\n"
        f"may be used: {', '.join(kinds)}",
        flush=True,
    )


def _show(found: Sequence[Board]) -> None:
    for board in found:
        print(f"\n## {board.setting}: {board.trace}\n{verdict(board)} {scale(board)}")
        head = ("policy", "USD", "bad minutes", "/oracle", "/HPA", "churn", "lost")
        print("".join(f"{name:<{width}}" for name, width in zip(head, WIDTHS, strict=True)))
        for standing in board.standings:
            print(
                "".join(
                    f"{cell:<{width}}"
                    for cell, width in zip((standing.policy, *figures(standing)), WIDTHS, strict=True)
                )
            )
        sys.stdout.flush()


def _levers(bench: Bench) -> None:
    """What each part of ours is worth, from the count that never changes to the gateway; means over the markets."""
    print("\n# By lever: cost over that of static-peak in `one`, and bad minutes")
    names = {"one": "following the load", "all": "all types", "all+spot": "spot", "all+spot+gateway": "gateway"}
    for trace in dict.fromkeys(result.trace for result in bench.results):
        own = [each for each in bench.results if each.trace == trace]
        peak = [each for each in own if (each.setting, each.policy) == ("one", "static-peak")]
        if not peak:
            continue
        steps = {"static-peak": [(peak[0].usd, peak[0].bad_minutes_share)]}
        for lever in bench.levers:
            if lever.trace == trace:
                steps.setdefault(lever.name, []).append((lever.usd, lever.bad_minutes_share))
        for where, name in names.items():
            ours = [each for each in own if (each.setting, each.policy) == (where, OURS)]
            steps[f"+ {name}"] = [(each.usd, each.bad_minutes_share) for each in ours]
        means = {name: np.mean(found, axis=0) for name, found in steps.items() if found}
        told = (f"{name} {usd / peak[0].usd:.2f} ({bad * 100:.2f} %)" for name, (usd, bad) in means.items())
        print(f"{trace:<22} " + "; ".join(told))


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the tables; write rows after every replay, report and pictures after every trace. 1 where one failed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scaling", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, default=os.environ.get("DATA") or "../shared/data", help="folder")
    parser.add_argument("--json", default=os.environ.get("JSON", ""), help="file for the rows")
    parser.add_argument("--markdown", default="", help="file for the tables")
    parser.add_argument("--plots", type=Path, help="folder for pictures")
    parser.add_argument("--traces", default="", help="names with commas; default: all")
    parser.add_argument("--policies", default="", help="names with commas; default: all")
    parser.add_argument("--settings", default="all,all+spot,all+spot+gateway", help="beside `one`, with commas")
    parser.add_argument("--requests", type=int, default=REQUEST_BUDGET, help="at most so many in a replay")
    parser.add_argument("--workers", type=int, default=min(2, os.cpu_count() or 1), help="processes")
    asked = parser.parse_args(arguments)
    begun_s = time.monotonic()
    try:
        chosen = cases.chosen([name for name in asked.traces.split(",") if name])
        availability = cases.spot(asked.data)
        settings = tuple(Where(name) for name in asked.settings.split(",") if name)
    except (ValueError, TraceError) as error:
        sys.exit(f"{error}; name the folder of the data sets: make bench-scaling DATA=folder")
    print(
        f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}; {asked.workers} processes"
    )
    print(f"spot: {availability.name}, offset by the seed; a zone had machines: {cases.shares(availability)}")
    policies = tuple(name for name in (OURS, *POLICIES) if not asked.policies or name in asked.policies.split(","))
    output = Output(asked.json, asked.markdown, asked.plots)
    bench = Bench(availability, asked.requests, asked.workers, policies, settings, output, [], [], [])
    try:
        for case in chosen:
            _played(bench, case, asked.data)
    except KeyboardInterrupt:
        print("\ninterrupted: what follows is of what had ended")
        bench.report()
    found = boards(bench.results)
    _levers(bench)
    print("\n# What the project set itself")
    for goal in goals(found):
        print(goal.line)
    cpu_s = sum(resource.getrusage(who).ru_utime for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    print(f"\n{(time.monotonic() - begun_s) / 60:.1f} min, {cpu_s / 60:.1f} min of processor time in ended processes")
    for failure in bench.failures:
        print(f"FAILED: {failure.trace}, {failure.setting}, {failure.policy}: {failure.why}")
    return 1 if bench.failures else 0


def _played(bench: Bench, case: Case, data: Path) -> None:
    """One trace; whatever goes wrong with it, the next ones are played."""
    try:
        bench.play(case, data)
    except Exception as error:
        traceback.print_exc()
        bench.failures.append(Failure("-", case.trace, "-", f"{type(error).__name__}: {error}"))


if __name__ == "__main__":
    raise SystemExit(main())
