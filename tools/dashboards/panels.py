"""What the dashboards have in common: a Prometheus of the reader's choice, and panels of one question each or a few.

A panel says in its description what it shows. One that may rightly show nothing says while what: `empty_while`.
"""

from collections.abc import Sequence
from typing import NamedTuple

from grafana_foundation_sdk.builders.bargauge import Panel as BarGauge
from grafana_foundation_sdk.builders.common import (
    ReduceDataOptions,
    StackingConfig,
    VizLegendOptions,
    VizTooltipOptions,
)
from grafana_foundation_sdk.builders.dashboard import (
    AnnotationQuery,
    Dashboard,
    DashboardLink,
    DatasourceVariable,
    FieldColor,
    QueryVariable,
    ThresholdsConfig,
)
from grafana_foundation_sdk.builders.prometheus import Dataquery
from grafana_foundation_sdk.builders.stat import Panel as Stat
from grafana_foundation_sdk.builders.statetimeline import Panel as StateTimeline
from grafana_foundation_sdk.builders.table import Panel as Table
from grafana_foundation_sdk.builders.timeseries import Panel as TimeSeries
from grafana_foundation_sdk.models.common import (
    BigValueGraphMode,
    LegendDisplayMode,
    LegendPlacement,
    LineInterpolation,
    StackingMode,
    TooltipDisplayMode,
    VisibilityMode,
)
from grafana_foundation_sdk.models.dashboard import (
    DashboardCursorSync,
    DashboardLinkType,
    DataSourceRef,
    DataTransformerConfig,
    FieldColorModeId,
    Threshold,
    ThresholdsMode,
    VariableRefresh,
    VariableSort,
)
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

SOURCE = DataSourceRef(type_val="prometheus", uid="${datasource}")
TAG = "wharfage"
USD, USD_PER_HOUR, RPS, RATIO, SECONDS = "currencyUSD", "currencyUSD", "reqps", "percentunit", "s"
_FINE = 4  # digits of dollars: tokens cost fractions of a cent
_FULL, _HALF = 24, 12

Colours = tuple[tuple[float | None, str], ...]
"""Of values from each bound on, lowest first; None is below all. Unless told, Grafana paints what is above 80 red."""

PLAIN: Colours = ((None, "text"),)
SWITCHED_ON: Colours = ((None, "green"), (1.0, "orange"))


class Asked(NamedTuple):
    """One question, and what its series are called; `{{label}}` is a label's value."""

    expression: str
    legend: str = ""


def dashboard(title: str, uid: str, description: str) -> Dashboard:
    """An empty one, with the variable that names the data source and links to the others."""
    others = DashboardLink("wharfage").type(DashboardLinkType.DASHBOARDS).tags([TAG]).as_dropdown(True)
    return (
        Dashboard(f"wharfage / {title}")
        .uid(uid)
        .description(description)
        .tags([TAG])
        .time("now-6h", "now")
        .refresh("1m")
        .timezone("browser")
        .tooltip(DashboardCursorSync.CROSSHAIR)
        .link(others.include_vars(True).keep_time(True))
        .with_variable(DatasourceVariable("datasource").label("Prometheus").type("prometheus"))
    )


def variable(name: str, label: str, query: str, *, multi: bool = False) -> QueryVariable:
    """A choice among what `query` finds, read again with each change of the time range."""
    chosen = (
        QueryVariable(name)
        .label(label)
        .query(query)
        .datasource(SOURCE)
        .refresh(VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(VariableSort.ALPHABETICAL_ASC)
    )
    return chosen.multi(True).include_all(True).all_value(".*") if multi else chosen


def marks(name: str, expression: str, colour: str) -> AnnotationQuery:
    """A vertical line at each moment of which `expression` says something."""
    return AnnotationQuery().name(name).datasource(SOURCE).enable(True).icon_color(colour).expr(expression)


def lines(
    title: str,
    about: str,
    *asked: Asked,
    unit: str = "short",
    stacked: bool = False,
    steps: bool = False,
    empty_while: str = "",
    span: int = _HALF,
) -> TimeSeries:
    """Lines over time."""
    panel = (
        TimeSeries()
        .title(title)
        .description(_described(about, empty_while))
        .datasource(SOURCE)
        .unit(unit)
        .min(0)
        .span(span)
        .height(8)
        .fill_opacity(30 if stacked else 0)
        .line_width(1)
        .show_points(VisibilityMode.NEVER)
        .line_interpolation(LineInterpolation.STEP_AFTER if steps else LineInterpolation.LINEAR)
        .legend(
            VizLegendOptions().display_mode(LegendDisplayMode.LIST).placement(LegendPlacement.BOTTOM).show_legend(True)
        )
        .tooltip(VizTooltipOptions().mode(TooltipDisplayMode.MULTI))
    )
    if unit == USD:
        panel = panel.decimals(_FINE)
    if stacked:
        panel = panel.stacking(StackingConfig().mode(StackingMode.NORMAL))
    for query in _queries(asked):
        panel = panel.with_target(query.range())
    return panel


def figure(
    title: str,
    about: str,
    expression: str,
    *,
    unit: str = "short",
    colours: Colours = PLAIN,
    empty_while: str = "",
    span: int = 4,
) -> Stat:
    """One number, and behind it how it came there."""
    panel = (
        Stat()
        .title(title)
        .description(_described(about, empty_while))
        .datasource(SOURCE)
        .unit(unit)
        .thresholds(_thresholds(colours))
        .span(span)
        .height(4)
        .graph_mode(BigValueGraphMode.AREA)
        .reduce_options(ReduceDataOptions().calcs(["lastNotNull"]))
        .with_target(Dataquery().expr(expression).ref_id("A").range())
    )
    return panel.decimals(2) if unit in (USD, RATIO) else panel


def bars(
    title: str, about: str, asked: Asked, *, unit: str = "short", colours: Colours = PLAIN, empty_while: str = ""
) -> BarGauge:
    """One bar for each series, as it is now."""
    return (
        BarGauge()
        .title(title)
        .description(_described(about, empty_while))
        .datasource(SOURCE)
        .unit(unit)
        .thresholds(_thresholds(colours))
        .min(0)
        .span(_HALF)
        .height(8)
        .reduce_options(ReduceDataOptions().calcs(["lastNotNull"]))
        .with_target(Dataquery().expr(asked.expression).legend_format(asked.legend).ref_id("A").instant())
    )


def table(
    title: str, about: str, expression: str, *, unit: str = "short", empty_while: str = "", span: int = _HALF
) -> Table:
    """A row for each series, as it is now; its labels are columns."""
    return (
        Table()
        .title(title)
        .description(_described(about, empty_while))
        .datasource(SOURCE)
        .unit(unit)
        .span(span)
        .height(8)
        .filterable(True)
        .with_target(Dataquery().expr(expression).ref_id("A").instant().format(PromQueryFormat.TABLE))
        .with_transformation(DataTransformerConfig("organize", options={"excludeByName": {"Time": True}}))
    )


def states(title: str, about: str, *asked: Asked, empty_while: str = "", span: int = _FULL) -> StateTimeline:
    """A row for each series, coloured while its value is 1."""
    panel = (
        StateTimeline()
        .title(title)
        .description(_described(about, empty_while))
        .datasource(SOURCE)
        .color_scheme(FieldColor().mode(FieldColorModeId.THRESHOLDS))
        .thresholds(_thresholds(SWITCHED_ON))
        .span(span)
        .height(8)
        .show_value(VisibilityMode.NEVER)
        .line_width(0)
    )
    for query in _queries(asked):
        panel = panel.with_target(query.range())
    return panel


def _thresholds(colours: Colours) -> ThresholdsConfig:
    steps = [Threshold(value=bound, color=colour) for bound, colour in colours]
    return ThresholdsConfig().mode(ThresholdsMode.ABSOLUTE).steps(steps)


def _queries(asked: Sequence[Asked]) -> list[Dataquery]:
    return [
        Dataquery().expr(each.expression).legend_format(each.legend).ref_id(chr(ord("A") + place))
        for place, each in enumerate(asked)
    ]


def _described(about: str, empty_while: str) -> str:
    return f"{about} Empty while {empty_while}." if empty_while else about
