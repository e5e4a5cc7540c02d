"""How exact the ledger is over restarts: 50 of them at random moments, with the codec that ships. And what budgets do.

    python -m benchmarks.ledger --json ledger.json

Each history is a random fleet: machines that come and go, replicas that are bound, become ready and end on them, prices
that change. A process watches it, charges at every change, writes its books at changes (`books.written_open`), and is
killed somewhere in between. The next one reads them (`books.read_open`) and goes on. What went while nobody watched is
estimated, by design; so the histories here have nobody go within a gap, and all of it is compared with the sum of the
seconds. The control plane is not part of it: `tests/cluster/test_ledger.py` is.

The rest is in `benchmarks.ledger_budgets`: 10,000 days under a budget, a look at budgets over 300 deployments, and the
sharing of one among a hundred. How the knapsack's parts compare with the optimiser's `benchmarks.ledger_sharing` tells,
how far forecasts of a period are off `benchmarks.ledger_forecast`, how soon the page of 300 deployments is there
`benchmarks.ledger_page`.
"""

import argparse
import json
import os
import random
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

from wharfage_autoscaler.ledger import Ledger
from wharfage_autoscaler.meter import Meter
from wharfage_autoscaler.metering import charged
from wharfage_operator.books import Open, read_open, written_open

from benchmarks import ledger_budgets, ledger_forecast, ledger_page, ledger_sharing
from tests.histories import ENDS_S, PAYERS, Fleet, Rented, Visit, added_up, events, news_of_prices, row_of, seen

RESTARTS = 50
_DOUBLE = 1e-6  # dollars beyond the integral
_LONGEST_GAP_S = 300


def drawn(dice: random.Random) -> Fleet:
    """Ten machines with up to six replicas each."""
    return [_machine(dice) for _ in range(10)]


def _machine(dice: random.Random) -> Rented:
    created_s = dice.randrange(ENDS_S // 2)
    gone_s = dice.randrange(created_s + 600, 2 * ENDS_S)
    prices = {moment_s: dice.uniform(0.3, 90.0) for moment_s in (0, dice.randrange(1, ENDS_S))}
    visits = []
    for _ in range(dice.randrange(1, 7)):
        bound_s = dice.randrange(created_s, gone_s - 1)
        visits.append(
            Visit(
                dice.choice(PAYERS),
                dice.randrange(1, 9) / 8,
                bound_s,
                bound_s + dice.randrange(600),
                dice.randrange(bound_s + 1, gone_s + 1),
            )
        )
    return Rented(dice.random() < 0.7, created_s, gone_s, prices, visits)


def kept(fleet: Fleet, restarts: Sequence[tuple[int, int]]) -> Ledger:
    """What the books say at the end; each restart is when a process is killed, and when the next one looks first."""
    books = Open(Meter(-1.0), Ledger(), since_s=0.0, closed_s=0.0)
    moments = sorted({-1, ENDS_S, *(moment_s for moment_s in events(fleet) if moment_s < ENDS_S)})
    begins_s = -1
    for dies_s, back_s in [*restarts, (ENDS_S, ENDS_S)]:
        watched = [begins_s, *(each for each in moments if begins_s < each <= dies_s)]
        for before_s, now_s in pairwise(watched):
            for from_s, priced_s in ((before_s, before_s), (now_s, now_s)):
                books = _charged(books, fleet, from_s, now_s, priced_s)
        books = read_open(written_open("system", books))
        if back_s < ENDS_S:
            books = _charged(books, fleet, back_s, back_s, back_s)
        begins_s = back_s
    return books.ledger


def _charged(books: Open, fleet: Fleet, before_s: int, now_s: int, priced_s: int) -> Open:
    known = seen(fleet, before_s, now_s, priced_s)
    meter, charges = charged(books.meter, known, now_s, proven_s=now_s, row_of=row_of)
    return replace(books, meter=meter, ledger=books.ledger.posted(charges))


def quiet_gaps(dice: random.Random, fleet: Fleet, count: int) -> list[tuple[int, int]]:
    """Restarts in whose gaps nothing ends and no price changes; replicas may come and become ready."""
    ends = news_of_prices(fleet) | {each.gone_s for each in fleet}
    ends |= {visit.gone_s for each in fleet for visit in each.visits}
    gaps: list[tuple[int, int]] = []
    while len(gaps) < count:
        dies_s = dice.randrange(1, ENDS_S - 2)
        back_s = min(ENDS_S - 1, dies_s + dice.randrange(1, _LONGEST_GAP_S))
        free = all(back_s < other_s or dies_s > until_s for other_s, until_s in gaps)
        if free and not any(dies_s < moment_s <= back_s for moment_s in ends):
            gaps.append((dies_s, back_s))
    return sorted(gaps)


def measured(seed: int) -> dict[str, float]:
    """The figures: the greatest relative error of a history, rows that hold too much, restarts."""
    dice, worst, doubles, restarts = random.Random(seed), 0.0, 0, 0
    while restarts < RESTARTS:
        fleet = drawn(dice)
        gaps = quiet_gaps(dice, fleet, 5)
        restarts += len(gaps)
        rows, truth = kept(fleet, gaps).rows, added_up(fleet, ENDS_S)
        found = {(begins_s, account): spend for begins_s, row in rows.items() for account, spend in row.items()}
        spent, wanted = (sum(spend.usd for spend in each.values()) for each in (found, truth))
        worst = max(worst, abs(spent - wanted) / wanted)
        doubles += sum(
            1 for row, spend in found.items() if spend.usd > (truth[row].usd if row in truth else 0) + _DOUBLE
        )
    return {"ledger_error": worst, "double_counts": doubles, "restarts": restarts}


def main() -> None:
    """Print the figures, and write them where asked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    json_file, data = os.environ.get("JSON") or None, os.environ.get("DATA") or "../shared/data"
    parser.add_argument("--json", type=Path, default=json_file, help="file for the figures")
    parser.add_argument("--data", type=Path, default=data, help="folder of traces")
    parser.add_argument("--histories", type=int, default=10_000, help="days under a budget (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    if arguments.histories < 1:
        parser.error(f"--histories {arguments.histories}: at least one day is replayed")
    found = {
        **measured(arguments.seed),
        **ledger_budgets.looking(),
        **ledger_budgets.sharing(),
        **ledger_sharing.figures(),
        **ledger_forecast.figures(),
        **ledger_page.figures(),
        **ledger_budgets.lasting(arguments.data, arguments.histories, arguments.seed),
        **ledger_budgets.stopping(arguments.data, arguments.histories, arguments.seed),
    }
    figures = json.dumps(found, indent=2)
    print(figures)
    if arguments.json:
        arguments.json.write_text(figures + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
