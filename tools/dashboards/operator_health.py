"""The operator itself: whether one leads, hears, decides and writes, and what that takes."""

from grafana_foundation_sdk.builders.dashboard import Dashboard, Row

from tools.dashboards.panels import SECONDS, Asked, dashboard, figure, lines

_IN_TIME = "[$__rate_interval]"
_NOTHING_REFUSED = "the API server has refused no write"


def _p95(histogram: str, by: str) -> str:
    return f"histogram_quantile(0.95, sum by ({by}, le) (rate(wharfage_{histogram}_bucket{_IN_TIME})))"


def _per_second(counter: str, by: str) -> str:
    return f"sum by ({by}) (rate(wharfage_{counter}_total{_IN_TIME}))"


def operator_health() -> Dashboard:
    """The dashboard."""
    board = dashboard(
        "Operator", "wharfage-operator", "The operator itself: whether it leads, hears, decides and writes."
    )
    board = (
        board.with_panel(
            figure(
                "Leaders",
                "Replicas of the operator that lead: one.",
                "sum(wharfage_leader)",
                colours=((None, "red"), (1.0, "text"), (2.0, "red")),
            )
        )
        .with_panel(figure("Queue", "Objects that wait for a look.", "max(wharfage_queue_depth)"))
        .with_panel(figure("Deployments", "LLMDeployments in the cache.", _cached("llmdeployments")))
        .with_panel(figure("Pods", "Pods in the cache: those of the engines.", _cached("pods")))
        .with_panel(
            figure(
                "Ledger kept",
                "1 while dollars are written where they last.",
                "max(wharfage_ledger_kept)",
                colours=((None, "red"), (1.0, "text")),
            )
        )
        .with_panel(
            figure("Worker starts", "Of the process that solves and forecasts.", "max(wharfage_worker_starts_total)")
        )
    )
    return _cost(_work(board))


def _cached(resource: str) -> str:
    return f'max(wharfage_cached_objects{{resource="{resource}"}})'


def _work(board: Dashboard) -> Dashboard:
    return (
        board.with_row(Row("Hear, decide, write"))
        .with_panel(
            lines(
                "Looks per second",
                "By what is looked at and how that ended.",
                Asked(_per_second("reconciles", "kind, outcome"), "{{kind}} {{outcome}}"),
            )
        )
        .with_panel(
            lines(
                "Duration of a look, 95th percentile",
                "Writes included.",
                Asked(_p95("reconcile_seconds", "kind"), "{{kind}}"),
                unit=SECONDS,
            )
        )
        .with_panel(
            lines(
                "Last heard of",
                "Seconds since the API server said anything about a kind, bookmarks included.",
                Asked("max by (resource) (wharfage_watch_last_event_age_seconds)", "{{resource}}"),
                unit=SECONDS,
            )
        )
        .with_panel(
            lines(
                "Writes per second",
                "To the API server.",
                Asked(_per_second("writes", "resource, verb"), "{{verb}} {{resource}}"),
            )
        )
        .with_panel(
            lines(
                "Refused writes per second",
                "By the status that the API server answered with.",
                Asked(_per_second("write_failures", "resource, status"), "{{resource}} {{status}}"),
                empty_while=_NOTHING_REFUSED,
            )
        )
        .with_panel(
            lines(
                "Readings of engines per second",
                "Of the pods' own metrics, and questions to a Prometheus where one is set, by outcome.",
                Asked(_per_second("scrapes", "outcome"), "pods {{outcome}}"),
                Asked(_per_second("prometheus_questions", "outcome"), "Prometheus {{outcome}}"),
                empty_while="no engine is ready",
            )
        )
    )


def _cost(board: Dashboard) -> Dashboard:
    return (
        board.with_row(Row("What it takes"))
        .with_panel(
            lines(
                "Errands of the worker per second",
                "Optimisations, forecasts and laws of counts, by outcome.",
                Asked(_per_second("worker_errands", "kind, outcome"), "{{kind}} {{outcome}}"),
                empty_while="no count follows its load",
            )
        )
        .with_panel(
            lines(
                "Duration of an errand, 95th percentile",
                "Once it was begun.",
                Asked(_p95("worker_errand_seconds", "kind"), "{{kind}}"),
                unit=SECONDS,
                empty_while="no count follows its load",
            )
        )
        .with_panel(
            lines(
                "Processor time",
                "Cores, by replica of the operator; the worker's apart.",
                Asked(f"rate(process_cpu_seconds_total{_IN_TIME}) and on (instance) wharfage_leader", "{{instance}}"),
                Asked(f"rate(wharfage_worker_cpu_seconds_total{_IN_TIME})", "{{instance}} worker"),
            )
        )
        .with_panel(
            lines(
                "Memory",
                "Resident, by replica of the operator; the worker's apart.",
                Asked("process_resident_memory_bytes and on (instance) wharfage_leader", "{{instance}}"),
                Asked("wharfage_worker_resident_memory_bytes", "{{instance}} worker"),
                unit="bytes",
            )
        )
        .with_panel(
            lines(
                "From an order to the first answer",
                "By offer: until there is a machine, and from there until its engine is ready.",
                Asked(
                    "max by (catalog, offer, market, zone, part) (wharfage_lead_seconds)",
                    "{{offer}} {{market}} {{part}}",
                ),
                unit=SECONDS,
                empty_while="no machine was ever ordered",
            )
        )
    )
