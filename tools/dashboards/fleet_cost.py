"""What the whole fleet costs, for whom, on what, and what is had for it."""

from grafana_foundation_sdk.builders.dashboard import Dashboard, Row

from tools.dashboards.panels import RATIO, SECONDS, USD, USD_PER_HOUR, Asked, dashboard, figure, lines, table

_NO_TOKENS = "no engine has made a token in the last hour"
_NO_TENANTS = "no gateway has counted tokens of a tenant, or nothing is known of those of its engines"
_NO_SPOT = "nothing runs on spot machines"
_BASELINE = "Baseline: the same machines for the same hours on demand, by the catalogs' prices of the time."


def _paid(*labels: str, metric: str = "cost") -> str:
    return f"3600 * sum by ({', '.join(labels)}) (rate(wharfage_{metric}_total[$__rate_interval]))"


def _share(part: str) -> str:
    """Of the dollars of the last hour; a market that nobody uses has no series, and is none of them."""
    return f"(sum(rate({part}[1h])) or vector(0)) / (sum(rate(wharfage_cost_total[1h])) > 0)"


def fleet_cost() -> Dashboard:
    """The dashboard."""
    board = dashboard(
        "Fleet cost", "wharfage-fleet-cost", "What all LLMDeployments cost, from the ledger and from prices."
    )
    return _on_what(_against_on_demand(_for_whom(_figures(board))))


def _figures(board: Dashboard) -> Dashboard:
    return (
        board.with_panel(
            figure(
                "Ordered",
                "Dollars per hour of what runs and is ordered, at the prices of now.",
                "wharfage:fleet_cost:usd_per_hour",
                unit=USD_PER_HOUR,
            )
        )
        .with_panel(
            figure(
                "Booked",
                "Dollars per hour that the ledger books: whole machines where nobody else is on them, and start-up.",
                "wharfage:fleet_spend:usd_per_hour",
                unit=USD_PER_HOUR,
            )
        )
        .with_panel(
            figure(
                "Spent",
                "Dollars booked in the time range that is shown. A report reads the ledger itself, to the cent.",
                "sum(increase(wharfage_cost_total[$__range]))",
                unit=USD,
            )
        )
        .with_panel(
            figure(
                "Idle share",
                "Share of the last hour's dollars that went for machines, or parts of them, that nobody was on.",
                "wharfage:fleet_idle:ratio_1h",
                unit=RATIO,
            )
        )
        .with_panel(
            figure(
                "Spot share",
                "Share of the last hour's dollars that went for spot machines.",
                _share('wharfage_cost_total{market="Spot"}'),
                unit=RATIO,
            )
        )
        .with_panel(
            figure(
                "Guessed share",
                "Share of the last hour's dollars that rest on a guess: a gap, or a price that nobody knew.",
                _share("wharfage_estimated_cost_total"),
                unit=RATIO,
            )
        )
    )


def _for_whom(board: Dashboard) -> Dashboard:
    return (
        board.with_row(Row("For whom"))
        .with_panel(
            lines(
                "Dollars per hour by deployment",
                "As the ledger books them.",
                Asked("wharfage:spend:usd_per_hour", "{{namespace}}/{{name}}"),
                unit=USD_PER_HOUR,
                stacked=True,
            )
        )
        .with_panel(
            lines(
                "Dollars per hour by team",
                "By the label team of the deployment; without a name: those that have none.",
                Asked(_paid("team"), "{{team}}"),
                unit=USD_PER_HOUR,
                stacked=True,
            )
        )
        .with_panel(
            lines(
                "Dollars per million tokens",
                "Of prompts and answers together, over the last hour.",
                Asked("wharfage:cost_per_million_tokens:usd_1h", "{{namespace}}/{{name}}"),
                unit=USD,
                empty_while=_NO_TOKENS,
            )
        )
        .with_panel(
            lines(
                "Dollars per request",
                "Over the last hour.",
                Asked("wharfage:cost_per_request:usd_1h", "{{namespace}}/{{name}}"),
                unit=USD,
                empty_while=_NO_TOKENS,
            )
        )
        .with_panel(
            lines(
                "Dollars per hour by tenant",
                "Of the dollars that the ledger books, by what each tenant's prompts and answers took the engines. "
                "What came past a gateway, or without a key, is in none of them.",
                Asked("sum by (namespace, tenant) (wharfage:tenant_spend:usd_per_hour)", "{{namespace}}/{{tenant}}"),
                unit=USD_PER_HOUR,
                stacked=True,
                empty_while=_NO_TENANTS,
            )
        )
        .with_panel(
            lines(
                "Dollars per million tokens by tenant",
                "Of prompts and answers together, as gateways counted them, over the last hour.",
                Asked("wharfage:tenant_cost_per_million_tokens:usd_1h", "{{namespace}}/{{name}} {{tenant}}"),
                unit=USD,
                empty_while=_NO_TENANTS,
            )
        )
    )


def _against_on_demand(board: Dashboard) -> Dashboard:
    """What spot saves. What the count saves is known only afterwards: reports have it."""
    return (
        board.with_row(Row("Against the same machines on demand"))
        .with_panel(
            figure(
                "Saved per hour",
                f"Dollars per hour that spot machines cost less. {_BASELINE}",
                "wharfage:fleet_savings:usd_per_hour",
                unit=USD_PER_HOUR,
                empty_while=_NO_SPOT,
                span=8,
            )
        )
        .with_panel(
            figure(
                "Saved",
                f"Dollars that spot machines cost less in the time range that is shown. {_BASELINE}",
                "sum(increase(wharfage_savings_usd_total[$__range]))",
                unit=USD,
                empty_while=_NO_SPOT,
                span=8,
            )
        )
        .with_panel(
            figure(
                "Saved share",
                "Share of what the last hour would have cost with all spot machines on demand.",
                "wharfage:fleet_savings:ratio_1h",
                unit=RATIO,
                span=8,
            )
        )
        .with_panel(
            lines(
                "Saved per hour by deployment",
                f"Dollars per hour that its spot machines cost less. {_BASELINE}",
                Asked("wharfage:savings:usd_per_hour", "{{namespace}}/{{name}}"),
                unit=USD_PER_HOUR,
                stacked=True,
                empty_while=_NO_SPOT,
            )
        )
        .with_panel(
            lines(
                "Dollars per hour, and on demand",
                "As the ledger books them, and what the same machines would cost if none were a spot machine.",
                Asked("wharfage:fleet_spend:usd_per_hour", "booked"),
                Asked(
                    "wharfage:fleet_spend:usd_per_hour + (wharfage:fleet_savings:usd_per_hour or vector(0))",
                    "on demand",
                ),
                unit=USD_PER_HOUR,
            )
        )
    )


def _on_what(board: Dashboard) -> Dashboard:
    return (
        board.with_row(Row("On what"))
        .with_panel(
            lines(
                "Dollars per hour by machine",
                "By offer and market.",
                Asked(_paid("offer", "market"), "{{offer}} {{market}}"),
                unit=USD_PER_HOUR,
                stacked=True,
            )
        )
        .with_panel(
            lines(
                "What dollars go for",
                "Serving: from the first answer on. Start-up: images and weights. Idle: machines that nobody is on.",
                Asked(
                    "3600 * (sum(rate(wharfage_cost_total[$__rate_interval]))"
                    " - sum(rate(wharfage_idle_cost_total[$__rate_interval]))"
                    " - sum(rate(wharfage_startup_cost_total[$__rate_interval])))",
                    "serving",
                ),
                Asked("3600 * sum(rate(wharfage_startup_cost_total[$__rate_interval]))", "start-up"),
                Asked("3600 * sum(rate(wharfage_idle_cost_total[$__rate_interval]))", "idle"),
                unit=USD_PER_HOUR,
                stacked=True,
            )
        )
        .with_panel(
            table(
                "Prices",
                "Of the whole machine per hour, of every offer that this cluster can give.",
                "max by (catalog, offer, market, zone, accelerator, accelerators) (wharfage_price_usd_per_hour)",
                unit=USD,
            )
        )
        .with_panel(
            lines(
                "Age of prices",
                "Since they were true, by catalog. Of one older than a day, the price on demand is booked if dearer.",
                Asked("time() - max by (catalog) (wharfage_prices_observed_timestamp_seconds)", "{{catalog}}"),
                unit=SECONDS,
            )
        )
        .with_panel(
            lines(
                "Machines that go",
                "Nodes that say so, by what it means: an interruption of the spot market, a drain, silence, gone.",
                Asked("max by (means) (wharfage_nodes_noticed)", "{{means}}"),
                steps=True,
            )
        )
        .with_panel(
            lines(
                "Replicas lost with their spot machine",
                "By offer, in each interval.",
                Asked(
                    'sum by (offer) (increase(wharfage_spot_interruptions_total{market="Spot"}[$__rate_interval]))',
                    "{{offer}}",
                ),
                steps=True,
                empty_while="nothing runs on spot machines",
            )
        )
        .with_panel(
            lines(
                "Offers that were short",
                "How often, less than three hours apart; each time such an offer is left alone for a while.",
                Asked(
                    "max by (catalog, offer, market, zone) (wharfage_offer_strikes)", "{{offer}} {{market}} {{zone}}"
                ),
                steps=True,
                empty_while="every machine that was ordered lately has come",
            )
        )
    )
