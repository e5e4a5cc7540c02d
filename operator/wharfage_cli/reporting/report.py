"""A report as values: lines by namespace, team or model, their sum, and what is to be said about them.

Everything here is a function of what was read (`shelf`, `prices`); how it looks is `rendering`'s.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum

from wharfage_api.periods import Span
from wharfage_autoscaler.attribution import Share, attributed, in_cents
from wharfage_autoscaler.ledger import Ledger, alone, parted
from wharfage_autoscaler.metering import HOUR_S
from wharfage_autoscaler.offers import Market
from wharfage_autoscaler.projection import Projection, profiled, projection
from wharfage_autoscaler.spend import Account
from wharfage_autoscaler.tenants import by_tenant

from wharfage_cli.reporting.baseline import Savings, savings, together
from wharfage_cli.reporting.prices import Prices
from wharfage_cli.reporting.shelf import Shelf

PROFILE_S = 35 * 24 * HOUR_S
_FEWEST_TOKENS = 1000.0  # of an hour, to tell what a million cost in it


class By(StrEnum):
    """What lines are of."""

    NAMESPACE = "namespace"
    TEAM = "team"
    MODEL = "model"
    TENANT = "tenant"


_NAMES: Mapping[By, Callable[[Account], str]] = {
    By.NAMESPACE: lambda account: account.payer.namespace,
    By.TEAM: lambda account: account.payer.team or "(no team)",
    By.MODEL: lambda account: account.payer.model.removeprefix("hf://") or "(not recorded)",
}


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked: `now_s` is until when there are charges, in Unix seconds; `namespace` only of one."""

    by: By
    span: Span
    before: Span
    now_s: float
    namespace: str | None = None

    @property
    def until_s(self) -> float:
        """The end of the period, or now while it runs."""
        return min(self.span.ends_s, self.now_s)

    def of(self, account: Account) -> bool:
        """Whether an account is asked about."""
        return self.namespace in (None, account.payer.namespace)


@dataclass(frozen=True, slots=True)
class Line:
    """One name's part. Cents add up over the lines; NaN and None are what is not known, never 0.

    Shares are of the dollars, 0 to 1. `usual` and `dear` are the median and the 95th percentile over hours of dollars
    per million tokens.
    """

    name: str
    cents: int
    before_usd: float | None
    share: Share
    spot_share: float
    usual: float
    dear: float

    @property
    def usd(self) -> float:
        """Dollars, to the cent."""
        return self.cents / 100

    def part(self, usd: float) -> float:
        """What share of the line's dollars that is."""
        return usd / self.share.spend.usd if self.share.spend.usd else math.nan

    @property
    def change(self) -> float:
        """Against as much of the period before; NaN where there was nothing."""
        return self.usd / self.before_usd - 1.0 if self.before_usd else math.nan


@dataclass(frozen=True, slots=True)
class Report:
    """All of it; `forecast` of the whole period only while it runs."""

    question: Question
    lines: tuple[Line, ...]
    total: Line
    savings: Savings
    forecast: Projection | None
    gaps: tuple[str, ...]


def report(shelf: Shelf, prices: Prices, question: Question) -> Report:
    """Answer a question from what the ledger holds; the shelf has the period before as well."""
    asked = only(shelf.ledger, question.of)
    named = asked.between(question.span.begins_s, question.span.ends_s)
    period = alone(named)
    earlier = _as_much_before(asked, question) if shelf.since_s <= question.before.begins_s else None
    parts = parts_of(named, question.by)
    shares = {name: _share(part) for name, part in parts.items()}
    were = {} if earlier is None else {name: _share(part) for name, part in parts_of(earlier, question.by).items()}
    names = sorted(shares, key=lambda name: (-shares[name].spend.usd, name))
    cents = in_cents(shares[name].spend.usd for name in names)
    lines = [
        _line(
            name,
            cent,
            None if earlier is None else were.get(name, Share()).spend.usd,
            shares[name],
            parts[name],
        )
        for name, cent in zip(names, cents, strict=True)
    ]
    before_usd = None if earlier is None else earlier.spend.usd
    total = _line("total", sum(cents), before_usd, sum(shares.values(), Share()), period)
    saved = Savings()
    if not _is_young(shelf, question):
        saved = together(savings(period, prices, question.until_s).values())
    gaps = (*shelf.trouble, *_gaps(shelf, period, question), *_unpriced(period, prices))
    return Report(question, tuple(lines), total, saved, _forecast(shelf, asked, total, question), gaps)


def parts_of(ledger: Ledger, by: By) -> dict[str, Ledger]:
    """The ledger by what lines are of; together the parts are all of it."""
    return by_tenant(ledger) if by is By.TENANT else parted(alone(ledger), _NAMES[by])


def _share(part: Ledger) -> Share:
    return attributed(part, lambda _: "").get("", Share())


def only(ledger: Ledger, chosen: Callable[[Account], bool]) -> Ledger:
    """The rows of some accounts."""
    return Ledger(
        {
            begins_s: kept
            for begins_s, row in ledger.rows.items()
            if (kept := {account: spend for account, spend in row.items() if chosen(account)})
        }
    )


def _as_much_before(asked: Ledger, question: Question) -> Ledger:
    """Of the period before as much as has passed of this one."""
    passed_s = question.until_s - question.span.begins_s
    until_s = question.before.ends_s
    if question.now_s < question.span.ends_s:
        until_s = min(until_s, question.before.begins_s + passed_s)
    return asked.between(question.before.begins_s, until_s)


def _line(name: str, cents: int, before_usd: float | None, share: Share, rows: Ledger) -> Line:
    spot = sum(
        spend.usd for row in rows.rows.values() for account, spend in row.items() if account.offer[2] is Market.SPOT
    )
    hours = sorted(_per_million_by_hour(rows))
    line = Line(name, cents, before_usd, share, math.nan, _quantile(hours, 0.5), _quantile(hours, 0.95))
    return replace(line, spot_share=line.part(spot))


def _per_million_by_hour(rows: Ledger) -> list[float]:
    """Of hours in which enough was served to tell."""
    found = []
    for row in rows.rows.values():
        usd = sum(spend.usd for spend in row.values())
        tokens = sum(spend.served.prompt_tokens + spend.served.output_tokens for spend in row.values())
        if tokens >= _FEWEST_TOKENS:
            found.append(usd / tokens * 1e6)
    return found


def _quantile(ordered: list[float], share: float) -> float:
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else math.nan


def _forecast(shelf: Shelf, asked: Ledger, total: Line, question: Question) -> Projection | None:
    """The whole period's dollars; None where it is over."""
    if question.now_s >= question.span.ends_s:
        return None
    hour = int(question.now_s // HOUR_S)
    first = max(hour - int(PROFILE_S // HOUR_S), int(shelf.since_s // HOUR_S))
    by_hour: dict[int, float] = {}
    for begins_s, row in asked.rows.items():
        at = int(begins_s // HOUR_S)
        by_hour[at] = by_hour.get(at, 0.0) + sum(spend.usd for spend in row.values())
    profile = profiled([by_hour.get(at, 0.0) for at in range(first, hour)], first * HOUR_S)
    rate = sum(usd for account, usd in shelf.open.meter.rates().items() if question.of(account))
    ahead = projection(profile, rate=rate, now_s=question.now_s, ends_s=question.span.ends_s)
    return ahead.beyond(total.usd)


def _is_young(shelf: Shelf, question: Question) -> bool:
    """Whether less than an hour is known: the baseline is of whole hours."""
    return question.until_s - shelf.since_s < HOUR_S


def _gaps(shelf: Shelf, period: Ledger, question: Question) -> list[str]:
    begins_s, until_s = question.span.begins_s, question.until_s
    found = []
    if shelf.since_s > begins_s:
        found.append(
            f"the ledger begins {clock(shelf.since_s)}: what ran before that is in it only if it still ran then"
        )
    if _is_young(shelf, question):
        found.append("what was saved is told once the ledger has an hour")
    if shelf.until_s < question.span.ends_s and shelf.until_s < question.now_s:
        found.append(f"nobody has written the ledger since {clock(shelf.until_s)}: `wharfage doctor` tells why")
    hours = {int(row_s // HOUR_S) for row_s in shelf.ledger.rows}
    first, last = int(max(begins_s, shelf.since_s) // HOUR_S), int(until_s // HOUR_S)
    missing = [hour for hour in range(first, last) if hour not in hours]
    for from_h, to_h in _runs(missing):
        found.append(
            f"no entry from {clock(from_h * HOUR_S)} to {clock(to_h * HOUR_S)}: "
            "nothing ran, or a ConfigMap of the ledger was deleted"
        )
    spend = period.spend
    if spend.estimated > 0.005:
        found.append(
            f"{spend.estimated:.2f} usd rest on a guess, which errs upwards: nobody watched, or a price was not known "
            "or older than a day (spot then counts as on demand; `wharfage doctor` tells)"
        )
    if spend.usd > 0.0 and not spend.served.work:
        found.append("no tokens are known: nothing was served, or engines could not be read (`wharfage doctor` tells)")
    return found


def _unpriced(period: Ledger, prices: Prices) -> list[str]:
    machines = {account.offer[:2] for row in period.rows.values() for account in row}
    unknown = sorted("/".join(machine) for machine in machines - prices.on_demand.keys())
    if not unknown:
        return []
    return [f"no catalog says what {', '.join(unknown)} cost on demand: the baseline takes what was paid"]


def _runs(numbers: list[int]) -> list[tuple[int, int]]:
    """Runs of whole numbers as half-open ranges."""
    found: list[tuple[int, int]] = []
    for number in numbers:
        if found and found[-1][1] == number:
            found[-1] = found[-1][0], number + 1
        else:
            found.append((number, number + 1))
    return found


def clock(at_s: float) -> str:
    """A moment for people."""
    return datetime.fromtimestamp(at_s, UTC).strftime("%Y-%m-%d %H:%M UTC")
