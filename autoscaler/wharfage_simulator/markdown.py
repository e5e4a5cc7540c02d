"""A comparison as Markdown: a table for every setting and trace, and above them how ours did in each."""

from collections.abc import Iterable, Sequence

from wharfage_simulator.report import OURS, TOLERATED, Board, Spread, Standing, boards, family
from wharfage_simulator.result import Cause, Result

_HEAD = (
    "policy",
    "USD",
    "bad minutes",
    "cost / oracle",
    "cost / tuned HPA",
    "replica churn",
    "spot losses",
    "lost",
    "late",
    "short",
    "uneven",
)
_WHY = ", ".join(f"*{name}* {cause.value}" for name, cause in zip(_HEAD[-4:], Cause, strict=True))
_NOTES = f"""\
Policies that keep bad minutes to {TOLERATED * 100:.1f} % come first, by cost; then the others, by bad minutes. A
minute is bad when more than 5 % of its requests missed an objective or failed; the first hour (a tenth of a short
trace) is not scored. The last four columns say why minutes were bad: {_WHY}.
The oracle knows the future: a lower bound, no competitor.
"""


def markdown(results: Iterable[Result], *, lead_s: float = 300.0) -> str:
    """The whole report; empty for no results."""
    found = boards(results, lead_s=lead_s)
    if not found:
        return ""
    parts = [] if len(found) == 1 else [_summary(found)]
    parts += [_section(board) for board in found]
    return "\n".join([*parts, _NOTES])


def verdict(board: Board) -> str:
    """How ours did, in words."""
    ours = board.ours
    if ours is None:
        return f"`{OURS}` did not take part."
    said = []
    if not ours.kept:
        said.append(f"`{OURS}` has {share(ours.bad_minutes_share)} bad minutes, more than {TOLERATED * 100:.1f} %.")
    oracle = board.oracle
    if oracle is not None and not oracle.kept:
        said.append(f"The oracle itself has {share(oracle.bad_minutes_share)} bad minutes: its cost is no bound here.")
    if board.winners:
        said.append(_ahead(board.winners, ours))
    return " ".join(said if board.winners else [*said, "No peer is cheaper at no more bad minutes."])


def _ahead(winners: Sequence[Standing], ours: Standing) -> str:
    """Who costs less than ours at no more bad minutes, and by how much."""
    less = [f"{(1.0 - peer.usd.mean / ours.usd.mean) * 100:.1f} % less" for peer in winners]
    if len(winners) == 1:
        shares = f"({_mean_share(winners[0])} against {_mean_share(ours)})"
        return f"**A peer wins**: `{winners[0].policy}` costs {less[0]} than `{OURS}` at no more bad minutes {shares}."
    each = ", ".join(
        f"`{peer.policy}` {saved} ({_mean_share(peer)})" for peer, saved in zip(winners, less, strict=True)
    )
    return f"**{len(winners)} peers win**, at no more bad minutes than `{OURS}` ({_mean_share(ours)}): {each}."


def scale(board: Board) -> str:
    """By what the load was multiplied, and how large a fleet that takes."""
    peak = "" if board.peak_replicas is None else f"; the busiest window takes {board.peak_replicas:.0f} replicas"
    small = ", too few to tell policies from rounding" if board.short_of_peak else ""
    return f"Rates x {board.factor:.3g}{peak}{small}."


def dollars(usd: Spread) -> str:
    """`12,345 (12,100 to 12,600)`; cents below a thousand."""
    return _ranged(usd, ",.0f" if usd.mean >= 1000 else ",.2f")


def share(part: Spread | None) -> str:
    """`0.12 %`."""
    if part is None:
        return "-"
    percent = _ranged(part.changed(lambda value: value * 100.0), ".2f")
    return percent.replace(" (", " % (") if "(" in percent else f"{percent} %"


def ratio(over: Spread | None) -> str:
    """`1.23`."""
    return "-" if over is None else _ranged(over, ".2f")


def count(number: Spread) -> str:
    """`120`, and `120.5` for a mean that is not whole."""
    return _ranged(number, ",.0f" if number.mean == round(number.mean) else ",.1f", whole=True)


def _ranged(spread: Spread, form: str, *, whole: bool = False) -> str:
    text, edge = format(spread.mean, form), ",.0f" if whole else form
    least, most = format(spread.least, edge), format(spread.most, edge)
    return text if least == most else f"{text} ({least} to {most})"


def _mean_share(standing: Standing) -> str:
    part = standing.bad_minutes_share
    return "-" if part is None else f"{part.mean * 100:.2f} %"


def _summary(found: Sequence[Board]) -> str:
    head = ("setting", "trace", f"USD of {OURS}", "bad minutes", "cost / oracle", "cost / tuned HPA", "a peer wins")
    lines = []
    for board in found:
        ours = board.ours
        cells = ["-"] * 4
        if ours is not None:
            cells = list(figures(ours)[:4])
        winners = ", ".join(f"`{peer.policy}`" for peer in board.winners) or ("no" if ours else "-")
        lines.append((board.setting, board.trace, *cells, winners))
    return _table(head, lines, left=2)


def _section(board: Board) -> str:
    seeds = max(standing.seeds for standing in board.standings)
    over = "" if seeds == 1 else f" Means over {seeds} seeds, with their range."
    tuned = "" if board.tuned_hpa is None else f" The tuned HPA is `{board.tuned_hpa}`."
    scaled = f" {scale(board)}" if board.peak_replicas is not None else ""
    table = _table(_HEAD, [_cells(standing) for standing in board.standings], left=1)
    return f"## {board.setting}: {board.trace}\n\n{verdict(board)}{tuned}{scaled}{over}\n\n{table}"


def figures(standing: Standing) -> tuple[str, ...]:
    """Dollars, bad minutes, cost over the oracle's and over the tuned HPA's, churn, spot losses."""
    return (
        dollars(standing.usd),
        share(standing.bad_minutes_share),
        ratio(standing.cost_over_oracle),
        ratio(standing.cost_over_tuned_hpa),
        count(standing.churn),
        count(standing.spot_losses),
    )


def _cells(standing: Standing) -> tuple[str, ...]:
    name = f"**{standing.policy}**" if family(standing.policy) == OURS else standing.policy
    return (
        name,
        *figures(standing),
        *(f"{minutes:,.{0 if minutes == round(minutes) else 1}f}" for minutes in standing.causes.values()),
    )


def _table(head: Sequence[str], lines: Iterable[Sequence[str]], *, left: int) -> str:
    """A pipe table; the first `left` columns to the left, figures to the right."""
    rule = ["---"] * left + ["---:"] * (len(head) - left)
    written = ([cell.replace("|", "\\|") for cell in cells] for cells in (head, rule, *lines))
    return "".join(f"| {' | '.join(cells)} |\n" for cells in written)
