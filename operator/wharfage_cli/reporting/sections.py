"""A report as titled tables and sentences, which every format for people is made of."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from wharfage_autoscaler.words import replica_words

from wharfage_cli import budgets
from wharfage_cli.output import UNKNOWN
from wharfage_cli.reporting.report import Line, Report, clock
from wharfage_cli.reporting.wastes import Waste

_SERVED = (
    *("REQUESTS", "M-PROMPT", "M-CACHED", "M-OUTPUT"),
    *("$/M-TOK", "P50/H", "P95/H", "$/M-PROMPT", "$/M-CACHED", "$/M-OUTPUT"),
)


@dataclass(frozen=True, slots=True)
class Section:
    """One table under a title, with sentences below; either may be empty."""

    title: str
    headings: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()
    notes: tuple[str, ...] = field(default_factory=tuple)


def sections(report: Report, wastes: Sequence[Waste], found: Sequence[dict[str, Any]]) -> tuple[Section, ...]:
    """The report in its order; `found` are the LLMBudgets, as the API server returned them."""
    return tuple(
        filter(_filled, (_spent(report), _tokens(report), _kept(report), _budgets(found), _wasted(wastes, report)))
    )


def _filled(section: Section) -> bool:
    return bool(section.rows or section.notes)


def _spent(report: Report) -> Section:
    question = report.question
    begins, ends = clock(question.span.begins_s), clock(question.span.ends_s)
    title = f"{begins} to {ends}"
    if question.now_s < question.span.ends_s:
        title += f", as of {clock(question.now_s)}"
    headings = (
        question.by.value.upper(),
        "USD",
        "BEFORE",
        "CHANGE",
        "IDLE",
        "STARTUP",
        "UNUSED",
        "SPOT",
        "LOST",
        "GUESSED",
    )
    lines = [*report.lines, *([report.total] if len(report.lines) != 1 else [])]
    notes = tuple(f"note: {gap}" for gap in report.gaps)
    if not report.lines:
        notes = ("nothing was spent", *notes)
    return Section(title, headings, tuple(map(_money, lines)) if report.lines else (), notes)


def _money(line: Line) -> tuple[str, ...]:
    spend, split = line.share.spend, line.share.split
    return (
        line.name,
        usd(line.usd),
        UNKNOWN if line.before_usd is None else usd(line.before_usd),
        UNKNOWN if math.isnan(line.change) else f"{round(100 * line.change) + 0:+d} %",
        percent(line.part(spend.idle)),
        percent(line.part(spend.startup)),
        percent(line.part(split.unused)),
        percent(line.spot_share),
        f"{spend.interruptions:.0f}",
        usd(spend.estimated),
    )


def _tokens(report: Report) -> Section:
    headings = (report.question.by.value.upper(), *_SERVED)
    lines = [*report.lines, *([report.total] if len(report.lines) > 1 else [])]
    rows = tuple(_served(line) for line in lines if line.share.spend.served.work)
    return Section("Dollars per million tokens", headings, rows)


def _served(line: Line) -> tuple[str, ...]:
    share, served = line.share, line.share.spend.served
    return (
        line.name,
        f"{served.requests:,.0f}",
        *(f"{tokens / 1e6:,.3f}" for tokens in (served.prompt_tokens, served.cached_tokens, served.output_tokens)),
        *(
            price(each)
            for each in (
                share.usd_per_million,
                line.usual,
                line.dear,
                share.usd_per_million_prompt,
                share.usd_per_million_cached,
                share.usd_per_million_output,
            )
        ),
    )


def _kept(report: Report) -> Section:
    saved, notes = report.savings, []
    if saved.baseline_usd and saved.peak:
        notes.append(
            f"always on, on demand, {replica_words(saved.peak)} (those of each deployment's busiest hour): "
            f"{usd(saved.baseline_usd)} usd; saved {usd(saved.usd)} ({percent(saved.usd / saved.baseline_usd)}), "
            f"of it by spot {usd(saved.by_spot_usd)}, by the count {usd(saved.by_count_usd)}"
        )
    if report.forecast is not None:
        ahead = report.forecast
        notes.append(f"expected by the end of the period: {usd(ahead.mid)} usd ({usd(ahead.low)} to {usd(ahead.high)})")
    return Section("Savings and forecast", notes=tuple(notes))


def _budgets(found: Sequence[dict[str, Any]]) -> Section:
    now = datetime.now(UTC)
    lines = [budgets.line(each, now=now) for each in found]
    headings = ("BUDGET", "PERIOD", "USD", "SPENT", "USED", "EXPECTED", "STAGE")
    rows = tuple((each.name, each.period, each.usd, each.spent, each.used, each.forecast, each.stage) for each in lines)
    return Section("Budgets, of their present periods", headings, rows)


def _wasted(wastes: Sequence[Waste], report: Report) -> Section:
    rows = tuple((usd(each.usd), f"{each.namespace}/{each.name}", each.why) for each in wastes)
    commands = tuple(each.command for each in wastes)
    title = f"What would have saved most until {clock(report.question.until_s)}"
    return Section(title, ("USD", "DEPLOYMENT", "WHY"), rows, commands)


def usd(amount: float) -> str:
    """Dollars and cents."""
    return UNKNOWN if math.isnan(amount) else f"{round(amount, 2) + 0.0:,.2f}"


def price(amount: float) -> str:
    """Dollars per million tokens: three digits."""
    if math.isnan(amount):
        return UNKNOWN
    return f"{amount:,.2f}" if amount >= 1 else f"{amount:.3g}"


def percent(share: float) -> str:
    """A share in per cent."""
    return UNKNOWN if math.isnan(share) else f"{100 * share:.0f} %"


def figures(line: Line) -> dict[str, Any]:
    """One line for programs: numbers, and None for what is not known."""
    spend, split, served = line.share.spend, line.share.split, line.share.spend.served
    found: dict[str, Any] = {
        "name": line.name,
        "usd": line.usd,
        "usd_before": line.before_usd,
        "idle_usd": spend.idle,
        "startup_usd": spend.startup,
        "unused_usd": split.unused,
        "estimated_usd": spend.estimated,
        "prompt_usd": split.prompt,
        "cached_usd": split.cached,
        "output_usd": split.output,
        "spot_share": line.spot_share,
        "interruptions": spend.interruptions,
        "replica_hours": spend.replica_hours,
        "machine_hours": spend.machine_hours,
        "requests": served.requests,
        "prompt_tokens": served.prompt_tokens,
        "cached_tokens": served.cached_tokens,
        "output_tokens": served.output_tokens,
        "usd_per_million_tokens": line.share.usd_per_million,
        "usd_per_million_tokens_p50": line.usual,
        "usd_per_million_tokens_p95": line.dear,
        "usd_per_million_prompt_tokens": line.share.usd_per_million_prompt,
        "usd_per_million_cached_tokens": line.share.usd_per_million_cached,
        "usd_per_million_output_tokens": line.share.usd_per_million_output,
    }
    return dict(_told(found))


def _told(found: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, value in found.items():
        if isinstance(value, float):
            yield name, None if math.isnan(value) else round(value, 6)
        else:
            yield name, value
