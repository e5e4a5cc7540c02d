"""Pictures of a comparison: demand and capacity over time, cost by market, the frontier, why minutes were bad.

Needs matplotlib: `pip install 'wharfage[plots]'`. `page` makes one file of what is drawn here.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from wharfage_simulator.report import ORACLE, OURS, TOLERATED, Board, Spread, Standing, bad_minutes, boards, family
from wharfage_simulator.result import Cause, Course, Floats, Result

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_MOST_POINTS = 700  # a picture has no more columns: beyond it, buckets of minutes
# Okabe and Ito's palette, whose colours those who are colour-blind can tell apart.
_COLOURS = {Cause.LOSS: "#CC79A7", Cause.LATE: "#E69F00", Cause.SHORT: "#D55E00", Cause.UNEVEN: "#56B4E9"}
_DEMAND, _CARRIED, _ORDERED, _ON_DEMAND, _SPOT, _PEER = "#b5b5b5", "#0072B2", "#8a8ac0", "#0072B2", "#009E73", "#4d4d4d"
_OURS = "#D55E00"
_TICKS = (0.0, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0)
_LINE = 11.0  # points between numbers that stand above each other
_COLUMN = 50.0  # pixels within which they would cover each other


class PlotsError(ValueError):
    """Pictures cannot be drawn here; the message says what is missing."""


@dataclass(frozen=True, slots=True)
class Picture:
    """One drawn file, and what it shows."""

    path: Path
    title: str


def available() -> None:
    """Pass where pictures can be drawn; `PlotsError` where matplotlib is not installed."""
    if find_spec("matplotlib") is None:
        raise PlotsError("plots need matplotlib: pip install 'wharfage[plots]'")


def draw(results: Sequence[Result], folder: Path, *, lead_s: float = 300.0) -> list[Picture]:
    """Write three PNG files for every setting and trace; where time passes, the first of several seeds is shown.

    Raises:
        PlotsError: where matplotlib is not installed.

    """
    available()
    from matplotlib.figure import Figure

    folder.mkdir(parents=True, exist_ok=True)

    def drawn(board: Board, kind: str, what: str, height: float, paint: Callable[["Figure"], None]) -> Picture:
        figure = Figure(figsize=(11, height), layout="constrained")
        title = f"{what} ({board.setting}, {board.trace})"
        figure.suptitle(title, fontweight="bold")
        paint(figure)
        path = folder / f"{_slug(board.setting)}-{_slug(board.trace)}-{kind}.png"
        figure.savefig(path, dpi=110)
        return Picture(path, title)

    pictures: list[Picture] = []
    for board in boards(results, lead_s=lead_s):
        shown = _shown(board, results)
        many = 1.5 + 0.32 * len(board.standings)
        pictures += [
            drawn(board, "course", "Demand, capacity and cost", 1 + 4.2 * len(shown), _course(shown, lead_s)),
            drawn(board, "frontier", "Cost against attainment", 6.5, _frontier(board)),
            drawn(board, "causes", "Why minutes were bad", max(3.0, many), _causes(board)),
        ]
    return pictures


def _shown(board: Board, results: Sequence[Result]) -> list[Result]:
    """Whose course is drawn: ours and the tuned HPA; without them, the first that is no bound."""
    names = [each.policy for each in board.standings if family(each.policy) == OURS]
    names += [board.tuned_hpa] if board.tuned_hpa else []
    names = names or [each.policy for each in board.standings if family(each.policy) != ORACLE][:1]
    names = names or [board.standings[0].policy]
    own = [each for each in results if (each.setting, each.trace) == (board.setting, board.trace)]
    return [next(each for each in own if each.policy == name) for name in names]


def _course(shown: Sequence[Result], lead_s: float) -> Callable[["Figure"], None]:
    """For each policy demand against capacity, with its bad minutes as ticks beneath, and what it paid by market."""

    def paint(figure: "Figure") -> None:
        axes = figure.subplots(2 * len(shown), 1, sharex=True, squeeze=False, height_ratios=(2, 1) * len(shown))[:, 0]
        most_rps = max(float(each.course.ordered_rps.max()) for each in shown) or 1.0
        most_usd = max(float(each.course.usd_per_hour.max()) for each in shown) or 1.0
        for number, result in enumerate(shown):
            _demand(axes[2 * number], result, lead_s, most_rps)
            _markets(axes[2 * number + 1], result.course, most_usd)
        axes[-1].set_xlabel("hours since the scored half began")
        axes[-1].set_xlim(0, len(shown[0].course.demand_rps) / 60)

    return paint


def _demand(axes: "Axes", result: Result, lead_s: float, most_rps: float) -> None:
    course = result.course
    hours = _hours(course)
    axes.fill_between(hours, _bucketed(course.demand_rps), color=_DEMAND, lw=0, label="demand")
    axes.plot(
        hours, _bucketed(course.ordered_rps), color=_ORDERED, lw=1.0, ls="--", label="capacity with what is on its way"
    )
    axes.plot(hours, _bucketed(course.carried_rps), color=_CARRIED, lw=1.2, label="capacity that serves")
    bad = bad_minutes(result, lead_s=lead_s)
    for cause in Cause:
        at = [minute / 60 for minute, found in bad.items() if found is cause]
        if at:
            label = f"bad: {cause.value} ({len(at)} min)"
            axes.vlines(at, -0.12 * most_rps, -0.03 * most_rps, color=_COLOURS[cause], lw=1.0, label=label)
    axes.set_ylim(-0.15 * most_rps, 1.08 * most_rps)
    axes.set_ylabel("requests / s")
    share = f"{result.bad_minutes_share * 100:.2f} % bad minutes"
    axes.set_title(f"{result.policy}: {result.usd:,.0f} USD, {share}", loc="left", fontsize=10)
    _legend(axes)


def _markets(axes: "Axes", course: Course, most_usd: float) -> None:
    spot = course.usd_per_hour_spot
    parts = {"on-demand and reserved": course.usd_per_hour - spot, "spot": spot}
    kept = {name: _bucketed(usd) for name, usd in parts.items() if name != "spot" or spot.any()}
    axes.stackplot(_hours(course), *kept.values(), labels=list(kept), colors=(_ON_DEMAND, _SPOT), lw=0, alpha=0.8)
    axes.set_ylim(0, 1.08 * most_usd)
    axes.set_ylabel("USD / h")
    _legend(axes)


def _frontier(board: Board) -> Callable[["Figure"], None]:
    """Every policy by its bad minutes and its cost: lower left is better; whiskers are the range over the seeds."""

    def paint(figure: "Figure") -> None:
        axes = figure.subplots()
        known = [each for each in board.standings if each.bad_minutes_share is not None]
        for number, standing in enumerate(known, start=1):
            x, y, colour = _percent(standing), standing.usd, _colour(standing)
            across, up = _percent_range(standing), [[y.mean - y.least], [y.most - y.mean]]
            label = f"{number}  {standing.policy}"
            axes.errorbar(x, y.mean, xerr=across, yerr=up, fmt="o", color=colour, ms=6, lw=1, capsize=2, label=label)
        edge = sorted((each for each in known if family(each.policy) != ORACLE), key=_percent)
        best = [each for at, each in enumerate(edge) if all(each.usd.mean < one.usd.mean for one in edge[:at])]
        steps = [_percent(each) for each in best], [each.usd.mean for each in best]
        axes.step(*steps, where="post", color=_DEMAND, zorder=0, label="the least at no more bad minutes")
        axes.axvline(TOLERATED * 100, color=_DEMAND, ls=":", lw=1.2, label=f"{TOLERATED * 100:.1f} % bad minutes")
        axes.set_xscale("symlog", linthresh=0.1)
        axes.set_xticks(_TICKS, labels=[f"{tick:g}" for tick in _TICKS], minor=False)
        axes.set_xlim(-0.02, 1.5 * max((_percent(each) for each in known), default=0.0) + 0.5)
        _dollars(axes, [each.usd for each in known])
        axes.set_xlabel("bad minutes, % (linear up to 0.1, logarithmic beyond)")
        axes.set_ylabel("cost of the scored half, USD (logarithmic)")
        axes.grid(color="#e6e6e6", lw=0.6)
        axes.set_axisbelow(True)
        _legend(axes)
        _numbered(axes, known)

    return paint


def _numbered(axes: "Axes", standings: Sequence[Standing]) -> None:
    """The rank beside each point, left and right in turn, and above each other where points are neighbours."""
    figure = axes.get_figure()
    if figure is None:
        return
    figure.draw_without_rendering()  # type: ignore[union-attr]
    per_pixel = 72.0 / figure.dpi
    points = [
        (axes.transData.transform((_percent(each), each.usd.mean)), number, each)
        for number, each in enumerate(standings, start=1)
    ]
    column: list[int] = []
    highest: dict[tuple[int, int], float] = {}
    for (x, y), number, standing in sorted(points, key=lambda point: float(point[0][1])):
        at = round(x / _COLUMN)
        side = -1 if column.count(at) % 2 else 1
        column.append(at)
        place = max(y * per_pixel, highest.get((at, side), -np.inf) + _LINE)
        highest[at, side] = place
        axes.annotate(
            str(number),
            (_percent(standing), standing.usd.mean),
            (7 * side, place - y * per_pixel - 3.0),
            textcoords="offset points",
            ha="left" if side > 0 else "right",
            color=_colour(standing),
            fontsize=9,
        )


def _dollars(axes: "Axes", paid: Sequence[Spread]) -> None:
    """Logarithmic, since one policy that runs away would press all others onto the axis; linear where one is free."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

    least, most = min((usd.least for usd in paid), default=0.0), max((usd.most for usd in paid), default=1.0)
    if least <= 0:
        axes.set_ylim(0, 1.08 * most or 1.0)
        return
    axes.set_yscale("log")
    axes.set_ylim(least / 1.2, most * 1.2)
    few = most > 30 * least
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if few else (1, 1.2, 1.5, 2, 2.5, 3, 4, 5, 6, 8)))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter(FuncFormatter(lambda usd, _: f"{usd:,.0f}" if usd >= 10 else f"{usd:,.2f}"))


def _causes(board: Board) -> Callable[["Figure"], None]:
    """What share of each policy's bad minutes had which cause; how many they were stands beside it."""

    def paint(figure: "Figure") -> None:
        axes = figure.subplots()
        names = [standing.policy for standing in board.standings]
        totals = [sum(standing.causes.values()) for standing in board.standings]
        before = np.zeros(len(names))
        for cause in Cause:
            minutes = [standing.causes[cause] for standing in board.standings]
            part = np.array([100.0 * one / (total or 1.0) for one, total in zip(minutes, totals, strict=True)])
            axes.barh(names, part, left=before, color=_COLOURS[cause], label=cause.value)
            before += part
        for place, (standing, total) in enumerate(zip(board.standings, totals, strict=True)):
            share = "" if standing.bad_minutes_share is None else f" ({_percent(standing):.2f} %)"
            axes.annotate(f"{total:,.0f} bad min{share}", (101, place), va="center", fontsize=9)
        axes.set_xlim(0, 126)
        axes.set_xticks(range(0, 101, 20))
        axes.invert_yaxis()
        axes.set_xlabel("of a policy's bad minutes, %; beside it their number per seed, and share of all minutes")
        _legend(axes)

    return paint


def _percent(standing: Standing) -> float:
    share = standing.bad_minutes_share
    return np.nan if share is None else share.mean * 100


def _percent_range(standing: Standing) -> list[list[float]] | None:
    share = standing.bad_minutes_share
    return None if share is None else [[(share.mean - share.least) * 100], [(share.most - share.mean) * 100]]


def _colour(standing: Standing) -> str:
    return {OURS: _OURS, ORACLE: _SPOT}.get(family(standing.policy), _PEER)


def _legend(axes: "Axes") -> None:
    """Beside the picture, where it covers nothing."""
    axes.legend(loc="upper left", bbox_to_anchor=(1.005, 1.0), frameon=False, fontsize=8)
    axes.spines[["top", "right"]].set_visible(False)


def _bucketed(values: Floats) -> Floats:
    """Means over equal buckets of minutes; the rest of a last bucket is left out."""
    width = -(-len(values) // _MOST_POINTS)
    whole = len(values) // width * width
    means: Floats = values[:whole].reshape(-1, width).mean(axis=1)
    return means


def _hours(course: Course) -> Floats:
    minutes: Floats = np.arange(len(course.demand_rps), dtype=np.float64) + 0.5
    return _bucketed(minutes / 60.0)


def _slug(name: str) -> str:
    return "".join(letter if letter.isalnum() or letter in "-.+" else "-" for letter in name)
