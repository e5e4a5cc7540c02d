"""Everything that can be said about the tree without running it: one line per check, output only of those that fail.

`make check` runs them all, as many at a time as there are cores; `make check ONLY="ruff mypy"` runs some.
What a check needs (checkov's environment, Helm, Go) is made on first use and kept in the cache.
"""

import argparse
import os
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass

from tools.checks import CHECKS, Check, Outcome

GREEN, RED, DIM, PLAIN = "\033[32m", "\033[31m", "\033[2m", "\033[0m"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of one check, and how long it took."""

    check: Check
    outcome: Outcome
    took_s: float


def judge(check: Check, *, clock: Callable[[], float] = time.monotonic) -> Verdict:
    """Run one check; what it raises is its output, so that the others still run."""
    began = clock()
    try:
        outcome = check.run()
    except Exception as error:  # a tool that cannot be had is a failed check, not the end of the run
        outcome = Outcome(False, f"{type(error).__name__}: {error}")
    return Verdict(check, outcome, clock() - began)


def line(verdict: Verdict, *, colours: bool) -> str:
    """One line, and beneath it, indented, what a failed check said."""
    word, colour = ("ok", GREEN) if verdict.outcome.passed else ("FAILED", RED)
    painted = f"{colour}{word:<6}{PLAIN}" if colours else f"{word:<6}"
    first = f"{painted}  {verdict.check.name:<15} {verdict.took_s:6.1f} s  {verdict.check.about}"
    if verdict.outcome.passed:
        return first
    said = verdict.outcome.output.rstrip() or "(it said nothing)"
    return "\n".join([first, *(f"        {each}" for each in said.splitlines())])


def closing(verdicts: Sequence[Verdict], took_s: float) -> str:
    """The last line: how many passed, and which did not."""
    failed = [verdict.check.name for verdict in verdicts if not verdict.outcome.passed]
    if not failed:
        return f"all {len(verdicts)} checks passed in {took_s:.0f} s"
    return f"{len(failed)} of {len(verdicts)} checks failed in {took_s:.0f} s: {', '.join(sorted(failed))}"


def chosen(names: Sequence[str]) -> tuple[Check, ...]:
    """The checks of these names, or all of them; SystemExit for a name that does not exist."""
    known = {check.name: check for check in CHECKS}
    if unknown := [name for name in names if name not in known]:
        raise SystemExit(f"no such check: {', '.join(unknown)}; there are: {', '.join(known)}")
    return tuple(known[name] for name in names) or CHECKS


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the checks named on the command line, or all; 1 when one failed."""
    parser = argparse.ArgumentParser(prog="python -m tools.check", description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="CHECK", help="default: all of them")
    checks = chosen(parser.parse_args(arguments).names)
    at_once = os.cpu_count() or 1
    print(f"{len(checks)} checks, {at_once} at a time; the slowest first", flush=True)
    began = time.monotonic()
    verdicts = []
    with ThreadPoolExecutor(at_once) as pool:
        for done in as_completed([pool.submit(judge, check) for check in checks]):
            verdicts.append(done.result())
            print(line(verdicts[-1], colours=sys.stdout.isatty()), flush=True)
    print(closing(verdicts, time.monotonic() - began), flush=True)
    return int(not all(verdict.outcome.passed for verdict in verdicts))


if __name__ == "__main__":
    sys.exit(main())
