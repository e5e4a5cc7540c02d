"""What is shown of each budget on the operator's page: gauges that change and end with it."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from prometheus_client import CollectorRegistry, Counter, Gauge

Labels = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class BudgetFigures:
    """One budget's; what is not known is absent, never 0.

    `forecast_usd` is of the whole period, by low, mid and high; `usd_per_hour` is what runs under it now, `ends_s` the
    period's end (Unix seconds); `stages` says of each stage whether it is in force.
    """

    period: str
    limit_usd: float | None = None
    spent_usd: float | None = None
    forecast_usd: Mapping[str, float] = field(default_factory=dict)
    usd_per_hour: float | None = None
    ends_s: float | None = None
    cap_usd_per_hour: float | None = None
    stages: Mapping[str, bool] = field(default_factory=dict)


class BudgetGauges:
    """All budgets'."""

    def __init__(self, registry: CollectorRegistry) -> None:
        """The registry that shows them."""

        def gauge(name: str, about: str, *labels: str) -> Gauge:
            return Gauge(f"wharfage_budget_{name}", about, ["budget", *labels], registry=registry)

        self._limit = gauge("limit_usd", "Dollars of the period, an override included", "period")
        self._spent = gauge("spent_usd", "Dollars spent in the period", "period")
        self._forecast = gauge("forecast_usd", "Dollars of the whole period if nothing is held down", "period", "case")
        self._used = gauge("used_ratio", "Share of the period's dollars that is spent", "period")
        self._pace = gauge("usd_per_hour", "Dollars per hour of what is ordered under it", "period")
        self._ends = gauge("period_ends_timestamp_seconds", "When its period ends, in Unix seconds", "period")
        self._cap = gauge("cap_usd_per_hour", "Dollars per hour that it leaves; absent where it holds nothing down")
        self._stages = gauge("stage", "1 while a stage is in force", "stage")
        known = (self._limit, self._spent, self._forecast, self._used, self._pace, self._ends, self._cap, self._stages)
        self._all = known
        self._waiting = gauge("notifications_waiting", "Transitions that its webhook is still to be told")
        self.notifications = Counter(
            "wharfage_budget_notifications",
            "Attempts to tell a budget's webhook of a transition: delivered or failed; dropped after a day of them",
            ["budget", "outcome"],
            registry=registry,
        )

    def show(self, budgets: Mapping[str, BudgetFigures]) -> None:
        """What holds of all of them now; the series of those that are gone end."""
        shown: dict[Gauge, dict[Labels, float]] = {}
        for name, figures in budgets.items():
            for gauge, labels, value in self._rows(figures):
                shown.setdefault(gauge, {})[name, *labels] = value
        for gauge in self._all:
            gauge.clear()
            for labels, value in shown.get(gauge, {}).items():
                gauge.labels(*labels).set(value)

    def show_waiting(self, counts: Mapping[str, int]) -> None:
        """How much budgets' webhooks are still to be told; those that are not named have heard all of it."""
        self._waiting.clear()
        for name, count in counts.items():
            self._waiting.labels(name).set(count)

    def _rows(self, figures: BudgetFigures) -> list[tuple[Gauge, Labels, float]]:
        of = (figures.period,)
        rows: list[tuple[Gauge, Labels, float]]
        rows = [(self._forecast, (*of, case), usd) for case, usd in figures.forecast_usd.items()]
        rows += [(self._stages, (stage,), float(on)) for stage, on in figures.stages.items()]
        if figures.limit_usd is not None and figures.spent_usd is not None:
            rows += [(self._limit, of, figures.limit_usd), (self._spent, of, figures.spent_usd)]
            if figures.limit_usd > 0.0:
                rows.append((self._used, of, figures.spent_usd / figures.limit_usd))
        if figures.usd_per_hour is not None:
            rows.append((self._pace, of, figures.usd_per_hour))
        if figures.ends_s is not None:
            rows.append((self._ends, of, figures.ends_s))
        if figures.cap_usd_per_hour is not None:
            rows.append((self._cap, (), figures.cap_usd_per_hour))
        return rows
