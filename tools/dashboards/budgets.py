"""Budgets: what is spent, what is left, how fast it goes, and which stage acts."""

from grafana_foundation_sdk.builders.dashboard import Dashboard, Row

from tools.dashboards.panels import RATIO, USD, USD_PER_HOUR, Asked, bars, dashboard, lines, states, table, variable

_OURS = 'budget=~"$budget"'


def _gauge(name: str, by: str = "budget, period", where: str = "") -> str:
    return f"max by ({by}) (wharfage_budget_{name}{{{_OURS}{', ' + where if where else ''}}})"


def budgets() -> Dashboard:
    """The dashboard."""
    return (
        dashboard("Budgets", "wharfage-budgets", "Every LLMBudget: spent, left, expected, and what its stages do.")
        .with_variable(variable("budget", "Budget", "label_values(wharfage_budget_limit_usd, budget)", multi=True))
        .with_panel(
            bars(
                "Spent",
                "Share of the period's dollars, an override included.",
                Asked(_gauge("used_ratio"), "{{budget}} ({{period}})"),
                unit=RATIO,
                colours=((None, "green"), (0.8, "orange"), (1.0, "red")),
            )
        )
        .with_panel(
            table(
                "Left",
                "Dollars until the period ends.",
                f"wharfage:budget_left:usd{{{_OURS}}}",
                unit=USD,
            )
        )
        .with_row(Row("The course of the period"))
        .with_panel(
            lines(
                "Spent and expected",
                "Expected: dollars of the whole period if nothing were held down; low and high hold 80 of 100 cases.",
                Asked(_gauge("spent_usd"), "{{budget}} spent"),
                Asked(_gauge("limit_usd"), "{{budget}} limit"),
                Asked(_gauge("forecast_usd", by="budget, period, case"), "{{budget}} expected, {{case}}"),
                unit=USD,
            )
        )
        .with_panel(
            lines(
                "Burn rate",
                "At 1 the dollars that are left end with the period, at 2 they last for half of what is left of it. "
                "By the rate of the last hour, and of the last day.",
                Asked(f"wharfage:budget_burn:ratio_1h{{{_OURS}}}", "{{budget}} hour"),
                Asked(f"wharfage:budget_burn:ratio_24h{{{_OURS}}}", "{{budget}} day"),
            )
        )
        .with_panel(
            lines(
                "Dollars per hour",
                "What is ordered under the budget.",
                Asked(_gauge("usd_per_hour"), "{{budget}}"),
                unit=USD_PER_HOUR,
            )
        )
        .with_panel(
            lines(
                "Cap",
                "Dollars per hour that the budget leaves.",
                Asked(_gauge("cap_usd_per_hour", by="budget"), "{{budget}}"),
                unit=USD_PER_HOUR,
                empty_while="no stage holds anything down",
            )
        )
        .with_panel(
            states(
                "Stages",
                "Orange while a stage is in force, green while it is not.",
                Asked(_gauge("stage", by="budget, stage"), "{{budget}} {{stage}}"),
            )
        )
        .with_panel(
            table(
                "Hours left",
                "Until the period ends.",
                f"wharfage:budget_left:hours{{{_OURS}}}",
                unit="h",
            )
        )
    )
