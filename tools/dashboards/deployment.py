"""One deployment: what is asked of it, what was foreseen, what it can carry, what was decided, and what that costs."""

from grafana_foundation_sdk.builders.dashboard import Dashboard, Row

from tools.dashboards.panels import (
    RATIO,
    RPS,
    SECONDS,
    USD,
    USD_PER_HOUR,
    Asked,
    dashboard,
    figure,
    lines,
    marks,
    table,
    variable,
)

_OURS = 'namespace="$namespace", name="$name"'
_AT_GATEWAY = 'namespace="$namespace", model="$name"'
_WANTED = f'wharfage_replicas{{{_OURS}, state="wanted"}}'
_NO_FORECAST = "less than some hours of load are known, or scaling.forecast is off"
_NO_ANSWERS = "too few requests were answered in the last minute"
_NO_EXPORTER = "no DCGM exporter is read by the Prometheus of setting prometheus_url"
_NO_GATEWAY = "it has no gateway, or Prometheus does not read it"
_NO_TENANTS = "no gateway has counted tokens of it"
_NOT_LED = "its count does not follow its load"


def _gauge(name: str, *, by: str = "", where: str = "") -> str:
    """The value that the leader tells; a standby tells none, and one that led before stops."""
    chosen = f"{_OURS}, {where}" if where else _OURS
    return f"max by ({by}) (wharfage_{name}{{{chosen}}})" if by else f"max(wharfage_{name}{{{chosen}}})"


def _grown(counter: str, by: str) -> str:
    """What a counter of rare things grew by. One that was not there before has grown from nothing to what it is."""
    interval = "$__rate_interval"
    grown = f"increase({counter}[{interval}]) > 0 or ({counter} unless {counter} offset {interval})"
    return f"sum by ({by}) ({grown})"


def _rate(counter: str, *, by: str) -> str:
    """Of a counter on the gateways' own pages."""
    return f"sum by ({by}) (rate(wharfage_gateway_{counter}{{{_AT_GATEWAY}}}[$__rate_interval]))"


def _recorded(name: str, where: str = "") -> str:
    return f"wharfage:{name}{{{_OURS}{', ' + where if where else ''}}}"


def deployment() -> Dashboard:
    """The dashboard."""
    board = (
        dashboard(
            "Deployment", "wharfage-deployment", "One LLMDeployment: demand, forecast, capacity, decisions, cost."
        )
        .with_variable(variable("namespace", "Namespace", "label_values(wharfage_replicas, namespace)"))
        .with_variable(variable("name", "Deployment", 'label_values(wharfage_replicas{namespace="$namespace"}, name)'))
        .annotation(marks("Wanted replicas changed", f"changes({_WANTED}[1m]) > 0", "orange"))
    )
    return _cost(_gateway(_answers(_course(_figures(board)))))


def _figures(board: Dashboard) -> Dashboard:
    return (
        board.with_panel(figure("Ready", "Replicas that serve.", _gauge("replicas", where='state="ready"')))
        .with_panel(figure("Wanted", "Replicas that are aimed for.", _gauge("replicas", where='state="wanted"')))
        .with_panel(
            figure("Ordered", "Dollars per hour of its fleet.", _recorded("cost:usd_per_hour"), unit=USD_PER_HOUR)
        )
        .with_panel(
            figure(
                "Spent",
                "Dollars booked in the time range that is shown.",
                f"sum(increase(wharfage_cost_total{{{_OURS}}}[$__range]))",
                unit=USD,
            )
        )
        .with_panel(
            figure(
                "Per million tokens",
                "Dollars, prompts and answers together, over the last hour.",
                _recorded("cost_per_million_tokens:usd_1h"),
                unit=USD,
                empty_while="no engine of it has made a token in the last hour",
            )
        )
        .with_panel(
            figure(
                "Used capacity",
                "Demand by what the ready replicas carry within the objectives.",
                _recorded("utilisation:ratio"),
                unit=RATIO,
                colours=((None, "text"), (1.0, "red")),
            )
        )
    )


def _course(board: Dashboard) -> Dashboard:
    return (
        board.with_row(Row("Demand, forecast, capacity, decisions"))
        .with_panel(
            lines(
                "Demand and capacity",
                "Requests per second of the kind that capacity is told in: a long one counts for several. Held for: "
                "what the count law keeps replicas for.",
                Asked(_recorded("demand:rps"), "demand"),
                Asked(_recorded("capacity:rps"), "ready replicas carry"),
                Asked(_gauge("wanted_requests_per_second"), "held for"),
                unit=RPS,
                empty_while="no load is known",
            )
        )
        .with_panel(
            lines(
                "Demand and forecast",
                "What was foreseen of the minutes that run: demand stays below the lines half of the time, and in 95 "
                "of 100 cases. Expected: for when a replica that is ordered now would serve.",
                Asked(_recorded("demand:rps"), "demand"),
                Asked(_recorded("forecast:rps", 'quantile="0.5"'), "foreseen, median"),
                Asked(_recorded("forecast:rps", 'quantile="0.95"'), "foreseen, 95 %"),
                Asked(_gauge("expected_requests_per_second"), "expected"),
                unit=RPS,
                empty_while=_NO_FORECAST,
            )
        )
        .with_panel(
            lines(
                "Replicas",
                "Wanted, and ready.",
                Asked(_gauge("replicas", by="state"), "{{state}}"),
                steps=True,
            )
        )
        .with_panel(
            lines(
                "Decisions",
                "Changes of what is wanted, by where they lead and the reason of the last step "
                "(docs/reference/conditions.md has all reasons).",
                Asked(_grown(f"wharfage_decisions_total{{{_OURS}}}", "direction, reason"), "{{direction}}: {{reason}}"),
                steps=True,
                empty_while="nothing else is decided than before",
            )
        )
        .with_panel(
            lines(
                "Replicas by machine",
                "Ready ones, by what they run and on which accelerators.",
                Asked(
                    _gauge("engine_replicas", by="variant, accelerator, accelerators"),
                    "{{accelerator}} x{{accelerators}} {{variant}}",
                ),
                stacked=True,
                steps=True,
            )
        )
        .with_panel(
            lines(
                "Forecast error",
                "Sum of the misses of the last hour by the sum of the demand.",
                Asked(_recorded("forecast_error:ratio_1h"), "error"),
                unit=RATIO,
                empty_while=_NO_FORECAST,
            )
        )
    )


def _answers(board: Dashboard) -> Dashboard:
    return (
        board.with_row(Row("What clients see"))
        .with_panel(
            lines(
                "Requests",
                "That come, and that wait in the engines.",
                Asked(_gauge("requests_per_second"), "per second"),
                Asked(_gauge("requests_waiting"), "waiting"),
            )
        )
        .with_panel(
            lines(
                "Tokens per second",
                "Of prompts, cached ones included, and of answers.",
                Asked(_gauge("prompt_tokens_per_second"), "prompts"),
                Asked(_gauge("output_tokens_per_second"), "answers"),
            )
        )
        .with_panel(
            lines(
                "Late answers",
                "Share of the answers of five minutes that missed an objective; the objective is missed above 5 %.",
                Asked(_gauge("late_ratio"), "late"),
                unit=RATIO,
                empty_while=_NO_ANSWERS,
            )
        )
        .with_panel(
            lines(
                "Latency, 95th percentile",
                "Time to the first token, and time per output token after it.",
                Asked(_recorded("ttft_p95:seconds"), "first token"),
                Asked(_recorded("tpot_p95:seconds"), "each token"),
                unit=SECONDS,
                empty_while=_NO_ANSWERS,
            )
        )
    )


def _gateway(board: Dashboard) -> Dashboard:
    of_each = "Without a tenant: of those who have no key."
    return (
        board.with_row(Row("Tenants, at the gateway"))
        .with_panel(
            lines(
                "Sent to replicas, by tenant",
                f"Requests per second by tenant and class. {of_each}",
                Asked(_rate("admitted_total", by="tenant, class"), "{{tenant}} {{class}}"),
                unit=RPS,
                empty_while=_NO_GATEWAY,
            )
        )
        .with_panel(
            lines(
                "Refused, by tenant",
                "Requests in each interval, by tenant, class and the reason that clients are told "
                "(docs/howto/gateway.md has all of them).",
                Asked(
                    _grown(f"wharfage_gateway_refused_total{{{_AT_GATEWAY}}}", "tenant, class, reason"),
                    "{{tenant}} {{class}}: {{reason}}",
                ),
                steps=True,
                empty_while=f"nobody is refused, {_NO_GATEWAY}",
            )
        )
        .with_panel(
            lines(
                "Waiting, by tenant",
                f"Requests in the gateway's queue, by tenant and class. {of_each}",
                Asked(
                    f"sum by (tenant, class) (wharfage_gateway_waiting{{{_AT_GATEWAY}}})",
                    "{{tenant}} {{class}}",
                ),
                empty_while=_NO_GATEWAY,
            )
        )
        .with_panel(
            lines(
                "Waited, 95th percentile",
                "How long requests that went to a replica had waited before, by class.",
                Asked(
                    f"histogram_quantile(0.95, {_rate('wait_seconds_bucket', by='class, le')})",
                    "{{class}}",
                ),
                unit=SECONDS,
                empty_while=_NO_GATEWAY,
            )
        )
        .with_panel(
            lines(
                "Tokens per second, by tenant",
                f"Of prompts, cached ones included, and of answers, as the ledger books them. {of_each}",
                Asked(_recorded("tenant_tokens:per_second"), "{{tenant}} {{type}}"),
                empty_while=_NO_TENANTS,
            )
        )
        .with_panel(
            lines(
                "Dollars per hour, by tenant",
                "Of the dollars that the ledger books, by what each tenant's prompts and answers took the engines.",
                Asked(_recorded("tenant_spend:usd_per_hour"), "{{tenant}}"),
                unit=USD_PER_HOUR,
                stacked=True,
                empty_while=f"{_NO_TENANTS}, or nothing is known of its engines' tokens",
            )
        )
        .with_panel(
            lines(
                "Throttle",
                "Tokens per second that each tenant may use, over all gateways, by the budget and its stage.",
                Asked(
                    f"max by (budget, stage) (wharfage_gateway_throttle_tokens_per_second{{{_AT_GATEWAY}}})",
                    "{{budget}}: {{stage}}",
                ),
                steps=True,
                empty_while=f"no budget is at a stage that throttles, {_NO_GATEWAY}",
            )
        )
        .with_panel(
            lines(
                "Under way, and slots",
                "Requests that replicas have by the gateways' count, and how many they may have.",
                Asked(f"sum(wharfage_gateway_running{{{_AT_GATEWAY}}})", "under way"),
                Asked(f"max(wharfage_gateway_slots{{{_AT_GATEWAY}}})", "slots"),
                empty_while=_NO_GATEWAY,
            )
        )
    )


def _cost(board: Dashboard) -> Dashboard:
    return (
        board.with_row(Row("What it costs, and why"))
        .with_panel(
            lines(
                "Dollars per hour",
                "Ordered: its fleet at the prices of now. Booked: what the ledger charges, whole machines included.",
                Asked(_recorded("cost:usd_per_hour"), "ordered"),
                Asked(_recorded("spend:usd_per_hour"), "booked"),
                unit=USD_PER_HOUR,
            )
        )
        .with_panel(
            lines(
                "Dollars per million tokens",
                "Over the last hour, and over the last day.",
                Asked(_recorded("cost_per_million_tokens:usd_1h"), "hour"),
                Asked(_recorded("cost_per_million_tokens:usd_24h"), "day"),
                unit=USD,
                empty_while="no engine of it has made a token",
            )
        )
        .with_panel(
            lines(
                "Dollars per million tokens, by type",
                "Over the last day: of prompts, of prompts out of a cache, of answers. Dollars go to each by what its "
                "tokens take the engines, as calibrated.",
                Asked(_recorded("cost_per_million_tokens_by_type:usd_24h"), "{{type}}"),
                unit=USD,
                empty_while="no engine of it has made a token, or engines are read through a Prometheus",
            )
        )
        .with_panel(
            lines(
                "Dollars per million tokens, hours",
                "Half of the hours that are shown cost less than the median, 95 of 100 less than the upper line.",
                *(
                    Asked(
                        f"quantile_over_time({quantile}, {_recorded('cost_per_million_tokens:usd_1h')}[$__range])",
                        words,
                    )
                    for quantile, words in (("0.5", "median"), ("0.95", "95 %"))
                ),
                unit=USD,
                empty_while="no engine of it has made a token",
            )
        )
        .with_panel(
            lines(
                "GPUs busy",
                "Share of the time in which any kernel ran, as NVIDIA's DCGM exporter tells it.",
                Asked(_gauge("gpu_busy_ratio"), "busy"),
                unit=RATIO,
                empty_while=_NO_EXPORTER,
            )
        )
        .with_panel(
            lines(
                "Power of GPUs",
                "All of them together.",
                Asked(_gauge("gpu_power_watts"), "power"),
                unit="watt",
                empty_while=_NO_EXPORTER,
            )
        )
        .with_panel(
            lines(
                "Energy per token",
                "Of the GPUs, per token of answers.",
                Asked(f"{_gauge('gpu_power_watts')} / ({_gauge('output_tokens_per_second')} > 0)", "energy"),
                unit="joule",
                empty_while=_NO_EXPORTER,
            )
        )
        .with_panel(
            lines(
                "What one replica carries",
                "Within the objectives: by the model of its engine alone, and as its engines have taught.",
                Asked(
                    _gauge("capacity_requests_per_second", by="accelerator, accelerators, variant, calibrated"),
                    "{{accelerator}} x{{accelerators}} {{variant}} taught: {{calibrated}}",
                ),
                unit=RPS,
                empty_while=_NOT_LED,
            )
        )
        .with_panel(
            table(
                "Conditions",
                "What its conditions say now.",
                _gauge("condition", by="type, status, reason"),
            )
        )
    )
