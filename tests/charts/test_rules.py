"""The chart's recording rules and alerts: what they ask for exists, and each alert fires when it should only."""

import json
import re
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client import CollectorRegistry, generate_latest
from wharfage_gateway.board import Board
from wharfage_gateway.metrics import Counts
from wharfage_operator.telemetry import Telemetry

from tests.charts.release import CHART, rendered, the
from tests.devcluster import build

RULES = CHART / "rules.yaml"
RUNBOOKS = CHART.parents[1] / "docs" / "reference" / "alerts.md"
LOADED: dict[str, Any] = yaml.safe_load(RULES.read_text())
ALL = [rule for group in LOADED["groups"] for rule in group["rules"]]
ALERTS = {rule["alert"]: rule for rule in ALL if "alert" in rule}
CHAT = 'namespace="shop",name="chat"'
WHOSE = {"namespace": "shop", "name": "chat"}

Series = Mapping[str, str]
"""Values by series, in promtool's notation: one each time that rules are evaluated."""


def promtool(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [build.prometheus() / "promtool", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@dataclass(frozen=True)
class Alarm:
    """What makes an alert fire by `at`, the labels that it then has beside its severity, and what does not.

    `value` is how its words tell the value; rules are evaluated, and samples come, once in `every`.
    """

    name: str
    told: Series
    silent: Series
    at: str = "30m"
    labels: Mapping[str, str] = field(default_factory=lambda: WHOSE)
    value: str = "3"
    every: str = "1m"


def says(about: str, status: str, reason: str, values: str = "1x60") -> Series:
    return {f'wharfage_condition{{{CHAT},type="{about}",status="{status}",reason="{reason}"}}': values}


def strikes(market: str, values: str) -> Series:
    return {f'wharfage_offer_strikes{{catalog="aws",offer="g6",market="{market}",zone="a"}}': values}


def budget(period: str, *, spent: str, forecast: float, usd_per_hour: str, hours: float) -> Series:
    """A budget of 1,000 dollars whose period ends so many hours after the beginning."""
    of = f'budget="search",period="{period}"'
    return {
        f"wharfage_budget_limit_usd{{{of}}}": "1000x3000",
        f"wharfage_budget_spent_usd{{{of}}}": spent,
        f'wharfage_budget_forecast_usd{{{of},case="mid"}}': f"{forecast}x3000",
        f"wharfage_budget_usd_per_hour{{{of}}}": usd_per_hour,
        f"wharfage_budget_period_ends_timestamp_seconds{{{of}}}": f"{3600 * hours:.0f}x3000",
    }


def tokens(cost: str) -> Series:
    """What a million tokens of the chat cost, every ten minutes of eight days."""
    return {f"wharfage:cost_per_million_tokens:usd_1h{{{CHAT}}}": cost}


def foreseen(rps: float) -> Series:
    return {
        f"wharfage_demand_requests_per_second{{{CHAT}}}": "10x180",
        f'wharfage_forecast_requests_per_second{{{CHAT},quantile="0.5"}}': f"{rps}x180",
        f'wharfage_forecast_requests_per_second{{{CHAT},quantile="0.95"}}': "100x180",
    }


def price(values: str, *, used: bool = True) -> Series:
    """Of a spot machine, every ten minutes of two days."""
    machine = 'offer="g6",market="Spot"'
    return {
        f'wharfage_price_usd_per_hour{{catalog="aws",{machine},zone="a",accelerator="L4",accelerators="1"}}': values,
        f'wharfage_cost_total{{{CHAT},team="",{machine},currency="USD"}}': "0+0.1x300" if used else "5x300",
    }


def kept(ledger: int, *, leads: int = 1) -> Series:
    return {
        'wharfage_ledger_kept{instance="a:8080"}': f"{ledger}x60",
        'wharfage_leader{instance="a:8080"}': f"{leads}x60",
    }


def asked(refused: str, arrivals: str, *, reason: str, tenant: str = "red") -> Series:
    """What a gateway counts of one tenant of the chat."""
    of = f'namespace="shop",model="chat",class="default",tenant="{tenant}",pod="a"'
    return {
        f'wharfage_gateway_refused_total{{{of},reason="{reason}"}}': refused,
        f"wharfage_gateway_arrivals_total{{{of}}}": arrivals,
    }


def heard(age: str) -> Series:
    return {'wharfage_gateway_endpoints_age_seconds{namespace="shop",pod="a",instance="a:8081"}': age}


SEARCH = {"budget": "search", "period": "Month"}
SPOT = {"catalog": "aws", "offer": "g6", "market": "Spot", "zone": "a"}
LEADS = {'wharfage_leader{pod="a"}': "1x60", 'wharfage_leader{pod="b"}': "0x60"}
ALARMS = (
    Alarm("WharfageOperatorDown", {'wharfage_leader{pod="b"}': "0x60"}, LEADS, labels={}),
    Alarm("WharfageSpotThrash", strikes("Spot", "1x10 2x10 3x60"), strikes("Spot", "1x10 2x60"), labels=SPOT),
    Alarm(
        "WharfageCapacityUnavailable",
        says("CapacityAvailable", "False", "CapacityUnavailable"),
        says("CapacityAvailable", "False", "CapacityUnavailable", "1x10 _x60"),
        labels={**WHOSE, "reason": "CapacityUnavailable"},
    ),
    Alarm(
        "WharfageNotReady",
        says("Ready", "False", "EngineFailed"),
        says("Ready", "True", "Serving"),
        labels={**WHOSE, "reason": "EngineFailed"},
    ),
    Alarm(
        "WharfageHistoryUnreadable",
        says("MetricsFresh", "False", "HistoryUnreadable"),
        says("MetricsFresh", "False", "NoMetrics"),
    ),
    Alarm(
        "WharfageMetricsNotFresh",
        says("MetricsFresh", "False", "NoMetrics"),
        says("MetricsFresh", "False", "HistoryUnreadable"),
        labels={**WHOSE, "reason": "NoMetrics"},
    ),
    Alarm("WharfageDecisionHeld", says("Progressing", "False", "DecisionHeld"), says("Progressing", "False", "Steady")),
    Alarm(
        "WharfagePricesNotFresh",
        says("PricesFresh", "False", "PricesStale", "1x120"),
        says("PricesFresh", "True", "PricesCurrent", "1x120"),
        at="70m",
    ),
    Alarm("WharfageScaleIgnored", says("Accepted", "True", "ScaleIgnored"), says("Accepted", "True", "Accepted")),
    Alarm(
        "WharfageBudgetWebhookFails",
        {'wharfage_budget_notifications_waiting{budget="all"}': "2x60"},
        {'wharfage_budget_notifications_waiting{budget="all"}': "2x10 _x60"},
        labels={"budget": "all"},
    ),
    Alarm(
        "WharfageObjectivesMissed",
        says("ObjectivesMet", "False", "ObjectivesMissed"),
        says("ObjectivesMet", "True", "ObjectivesMet"),
    ),
    Alarm(  # 600 dollars for 100 hours, at 30 an hour: 20 of the hours
        "WharfageBudgetBurnsFast",
        budget("Month", spent="400x3000", forecast=1000, usd_per_hour="30x3000", hours=100),
        # An hour that was dear, and is over.
        budget("Month", spent="400x3000", forecast=1000, usd_per_hour="60x40 2x3000", hours=100),
        at="70m",
        labels=SEARCH,
    ),
    Alarm(  # 600 dollars for 100 hours, at 8 an hour
        "WharfageBudgetBurnsSlowly",
        budget("Month", spent="400x3000", forecast=1200, usd_per_hour="8x3000", hours=100),
        # The same day before a weekend of which the forecast knows.
        budget("Month", spent="400x3000", forecast=900, usd_per_hour="8x3000", hours=100),
        at="180m",
        labels=SEARCH,
    ),
    Alarm(
        "WharfageCostAnomaly",
        tokens("0.40x1010 0.70x130"),
        tokens("0.40x2 0.70x130 0.40x876 0.70x130"),  # as dear as in the same hour of the week before
        at="10150m",
        value="0.70",
        every="10m",
    ),
    Alarm(
        "WharfageSavingsGone",
        {"wharfage:fleet_savings:ratio_1h": "0.40x1010 0.05x130"},
        {"wharfage:fleet_savings:ratio_1h": "0.40x2 0.05x130 0.40x876 0.05x130"},  # as little as a week before
        at="10260m",
        labels={},
        value="5%",
        every="10m",
    ),
    Alarm(
        "WharfageTenantThrottled",
        asked("0+30x60", "0+60x60", reason="tokens_exhausted"),
        # A burst that was refused, and is over; then as many that are refused for want of room.
        {
            **asked("0+30x10 300x50", "0+60x60", reason="tokens_exhausted"),
            **asked("0+30x60", "0+60x60", reason="queue_full"),
        },
        at="50m",
        labels={"namespace": "shop", "model": "chat", "tenant": "red"},
        value="50%",
    ),
    Alarm(
        "WharfageGatewayRefuses",
        asked("0+6x60", "0+60x60", reason="queue_timeout"),
        {
            **asked("0+6x60", "0+60x60", reason="tokens_exhausted"),
            **asked("0+1x60", "0+60x60", reason="queue_full"),
        },
        labels={"namespace": "shop", "model": "chat"},
        value="10%",
    ),
    Alarm(
        "WharfageGatewayCutOff",
        heard("0+60x60"),
        heard("0+60x4 0+60x4 0+60x4 0+60x4 0+60x4 0+60x4 0+60x4 0+60x4"),
        labels={"namespace": "shop", "pod": "a", "instance": "a:8081"},
        value="30m 0s",
    ),
    Alarm("WharfageDemandOffForecast", foreseen(4.0), foreseen(7.0), at="100m", value="60%"),
    Alarm(
        "WharfageUnitPriceJump",
        price("1x150 1.3x150"),
        price("1x150 1.3x150", used=False),
        at="1600m",
        labels=SPOT,
        value="1.30",
        every="10m",
    ),
    Alarm("WharfageLedgerNotKept", kept(0), kept(0, leads=0), labels={"instance": "a:8080"}),
)


def test_the_rules_are_valid() -> None:
    done = promtool("check", "rules", "--lint=all", "--lint-fatal", RULES)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_release_has_them_as_they_are() -> None:
    made = rendered({"metrics": {"prometheusRule": {"enabled": True}}}, "--api-versions=monitoring.coreos.com/v1")
    assert the(made, "PrometheusRule")["spec"] == LOADED


def pages() -> str:
    """What the operator and a gateway show of themselves."""
    gateway = CollectorRegistry()
    gateway.register(Counts(Board("b"), lambda: 0.0))
    return "".join(generate_latest(registry).decode() for registry in (Telemetry().registry, gateway))


def test_every_metric_that_a_rule_asks_for_is_on_the_operators_or_a_gateways_page() -> None:
    shown = set(re.findall(r"^# TYPE (\S+)", pages(), re.MULTILINE))
    asked = {name for rule in ALL for name in re.findall(r"\bwharfage_[a-z0-9_]+\b", rule["expr"])}
    assert asked
    assert asked - shown == set()


def test_every_recorded_series_that_a_rule_asks_for_is_recorded_before() -> None:
    known: set[str] = set()
    for rule in ALL:
        assert set(re.findall(r"wharfage:[a-z0-9_:]+", rule["expr"])) <= known, rule
        known |= {rule["record"]} if "record" in rule else set()


def test_every_alert_is_tried_and_says_what_to_do() -> None:
    assert sorted(alarm.name for alarm in ALARMS) == sorted(ALERTS)
    for name, rule in ALERTS.items():
        assert rule["labels"]["severity"] in ("critical", "warning", "info"), name
        assert rule["annotations"].keys() == {"summary", "description", "runbook_url"}, name


def test_every_alert_has_a_runbook_where_its_link_leads() -> None:
    headings = re.findall(r"^## (\w+)$", RUNBOOKS.read_text(encoding="utf-8"), re.MULTILINE)
    assert sorted(headings) == sorted(ALERTS)
    for name, rule in ALERTS.items():
        page, _, anchor = rule["annotations"]["runbook_url"].partition("#")
        assert (page.rpartition("/main/")[2], anchor) == ("docs/reference/alerts.md", name.lower())


def tried(cases: list[dict[str, Any]], folder: Path, every: str = "1m") -> None:
    written = folder / "tests.yaml"
    cases = [{**case, "interval": every} for case in cases]
    told = {"rule_files": [str(RULES)], "evaluation_interval": every, "tests": cases}
    written.write_text(json.dumps(told), encoding="utf-8")
    done = promtool("test", "rules", written)
    assert done.returncode == 0, done.stdout + done.stderr


def case(series: Series, **checks: Any) -> dict[str, Any]:
    rows = [{"series": name, "values": values} for name, values in series.items()]
    return {"input_series": rows, **checks}


@pytest.mark.parametrize("alarm", ALARMS, ids=lambda alarm: alarm.name)
def test_an_alert_fires_when_it_should_and_is_silent_else(alarm: Alarm, tmp_path: Path) -> None:
    question = {"eval_time": alarm.at, "alertname": alarm.name}
    fired = {"exp_labels": {**alarm.labels, **ALERTS[alarm.name]["labels"]}}
    # The words are those of the rules with labels filled in; what is compared are the alerts themselves.
    fired["exp_annotations"] = _filled(ALERTS[alarm.name]["annotations"], alarm)
    tried(
        [
            case(alarm.told, alert_rule_test=[{**question, "exp_alerts": [fired]}]),
            case(alarm.silent, alert_rule_test=[{**question, "exp_alerts": []}]),
        ],
        tmp_path,
        alarm.every,
    )


def _filled(annotations: Mapping[str, str], alarm: Alarm) -> dict[str, str]:
    def value(found: re.Match[str]) -> str:
        return alarm.value if found[1] == "$value" else alarm.labels[found[1].removeprefix("$labels.")]

    return {name: re.sub(r"\{\{ (\S+)(?: \| [^}]+)? \}\}", value, text) for name, text in annotations.items()}


def test_what_is_recorded_of_a_deployment(tmp_path: Path) -> None:
    l4, l40s = (f'{CHAT},variant="",accelerator="{name}",accelerators="1"' for name in ("L4", "L40S"))
    series = {
        f"wharfage_requests_per_second{{{CHAT}}}": "10x10",
        f"wharfage_demand_requests_per_second{{{CHAT}}}": "15x10",
        f"wharfage_late_ratio{{{CHAT}}}": "0.2x10",
        f"wharfage_engine_replicas{{{l4}}}": "2x10",
        f"wharfage_engine_replicas{{{l40s}}}": "3x10",
        f'wharfage_capacity_requests_per_second{{{l4},calibrated="false"}}': "4x10",
        f'wharfage_capacity_requests_per_second{{{l40s},calibrated="false"}}': "9x10",
        f'wharfage_capacity_requests_per_second{{{l40s},calibrated="true"}}': "8x10",
        f"wharfage_usd_per_hour{{{CHAT}}}": "12.5x10",
        'wharfage_usd_per_hour{namespace="shop",name="other"}': "7.5x10",
    }
    expected = {
        f"wharfage:demand:rps{{{CHAT}}}": 15.0,
        f"wharfage:good:rps{{{CHAT}}}": 8.0,
        f"wharfage:capacity:rps{{{CHAT}}}": 2 * 4.0 + 3 * 8.0,
        f"wharfage:utilisation:ratio{{{CHAT}}}": 15.0 / 32.0,
        "wharfage:fleet_cost:usd_per_hour": 20.0,
    }
    checks = [
        {"expr": labels, "eval_time": "5m", "exp_samples": [{"labels": labels, "value": value}]}
        for labels, value in expected.items()
    ]
    tried([case(series, promql_expr_test=checks)], tmp_path)


def test_what_is_recorded_of_money(tmp_path: Path) -> None:
    paid = f'{CHAT},team="",offer="g6",market="Spot"'
    # Two replicas of the operator have led: what the first one counted stays where it was.
    series = {
        f'wharfage_cost_total{{{paid},currency="USD",pod="a"}}': "7x90",
        f'wharfage_cost_total{{{paid},currency="USD",pod="b"}}': "0+0.2x90",
        f'wharfage_idle_cost_total{{{paid},pod="b"}}': "0+0.05x90",
        f"wharfage_requests_per_second{{{CHAT}}}": "10x90",
        f"wharfage_prompt_tokens_per_second{{{CHAT}}}": "7000x90",
        f"wharfage_output_tokens_per_second{{{CHAT}}}": "_x10 1000x30 _x10 1000x40",
        f"wharfage_demand_requests_per_second{{{CHAT}}}": "10x90",
        f'wharfage_forecast_requests_per_second{{{CHAT},quantile="0.5"}}': "8x90",
        **budget("Month", spent="400x90", forecast=900, usd_per_hour="8x90", hours=101.5),
    }
    # A token of the prompt takes a tenth of one of the answer: 6 of 16 parts of the work are the prompts'.
    for kind, tokens_per_minute, work_per_minute in (("prompt", 60, 6), ("output", 10, 10), ("cached", 0, 0)):
        series[f'wharfage_tokens_total{{{CHAT},team="",type="{kind}"}}'] = f"0+{tokens_per_minute}x90"
        series[f'wharfage_work_total{{{CHAT},team="",type="{kind}"}}'] = f"0+{work_per_minute}x90"
    usd_per_hour = 0.2 * 60
    usd_per_minute = usd_per_hour / 60
    by_type = "wharfage:cost_per_million_tokens_by_type:usd_24h"
    expected = {
        f"wharfage:spend:usd_per_hour{{{CHAT}}}": usd_per_hour,
        "wharfage:fleet_spend:usd_per_hour": usd_per_hour,
        f"wharfage:tokens:per_second{{{CHAT}}}": 8000.0,
        f"wharfage:cost_per_million_tokens:usd_1h{{{CHAT}}}": 1e6 * usd_per_hour / (8000 * 3600),
        f"wharfage:cost_per_million_tokens:usd_24h{{{CHAT}}}": 1e6 * usd_per_hour / (8000 * 3600),
        f'{by_type}{{{CHAT},type="prompt"}}': 1e6 * usd_per_minute * 6 / 16 / 60,
        f'{by_type}{{{CHAT},type="output"}}': 1e6 * usd_per_minute * 10 / 16 / 10,
        f"wharfage:cost_per_request:usd_1h{{{CHAT}}}": usd_per_hour / (10 * 3600),
        f"wharfage:idle:ratio_1h{{{CHAT}}}": 0.25,
        "wharfage:fleet_idle:ratio_1h": 0.25,
        f"wharfage:forecast_error:ratio_1h{{{CHAT}}}": 0.2,
        'wharfage:budget_left:usd{budget="search", period="Month"}': 600.0,
        'wharfage:budget_left:hours{budget="search", period="Month"}': 100.0,
        'wharfage:budget_burn:ratio_1h{budget="search", period="Month"}': 8 * 100 / 600,
    }
    tried([case(series, promql_expr_test=agreeing(expected))], tmp_path)


def agreeing(expected: Mapping[str, float], at: str = "90m") -> list[dict[str, Any]]:
    """Questions whether each series is what it should be; a mean over a day is low, since rates begin low."""
    return [
        {
            "expr": f"abs({name} / {value} - 1) < bool {0.03 if ':usd_24h' in name else 1e-9}",
            "eval_time": at,
            "exp_samples": [{"labels": f"{{{name.partition('{')[2]}" if "{" in name else "{}", "value": 1}],
        }
        for name, value in expected.items()
    ]


def test_what_spot_saves_is_recorded(tmp_path: Path) -> None:
    spot, booked = (f'{CHAT},team="",offer="g6",market="{market}"' for market in ("Spot", "OnDemand"))
    series = {
        f'wharfage_cost_total{{{spot},currency="USD"}}': "0+0.2x90",
        f'wharfage_cost_total{{{booked},currency="USD"}}': "0+0.3x90",
        f"wharfage_savings_usd_total{{{spot}}}": "0+0.5x90",
    }
    expected = {
        f"wharfage:savings:usd_per_hour{{{CHAT}}}": 0.5 * 60,
        "wharfage:fleet_savings:usd_per_hour": 0.5 * 60,
        "wharfage:fleet_savings:ratio_1h": 0.5,
    }
    tried([case(series, promql_expr_test=agreeing(expected))], tmp_path)


def test_what_a_tenant_pays_is_its_part_of_the_work(tmp_path: Path) -> None:
    """A minute's work: 6 of prompts, 10 of answers. Engines tell late of prompts, and of more answers than gateways."""
    other = 'namespace="shop",name="straight"'
    series = {f'wharfage_cost_total{{{each},offer="g6",market="OnDemand"}}': "0+0.2x90" for each in (CHAT, other)}
    for whose in (CHAT, other):
        for kind, tokens, work in (("prompt", 60, 5), ("cached", 40, 1), ("output", 10, 10)):
            series[f'wharfage_tokens_total{{{whose},type="{kind}"}}'] = f"0+{tokens}x90"
            series[f'wharfage_work_total{{{whose},type="{kind}"}}'] = f"0+{work}x90"
    for tenant, team, prompt, output in (("red", "a", 15, 2), ("red", "b", 15, 1), ("blue", "", 90, 1), ("", "", 0, 1)):
        of = f'{CHAT},tenant="{tenant}",team="{team}"'
        series[f'wharfage_tenant_tokens_total{{{of},type="prompt"}}'] = f"0+{prompt}x90"
        series[f'wharfage_tenant_tokens_total{{{of},type="output"}}'] = f"0+{output}x90"
    usd_per_hour, tokens_per_hour = 0.2 * 60, {"red": 33 * 60, "blue": 91 * 60}
    share = {"red": (30 / 120 * 6 + 3 / 10 * 10) / 16, "blue": (90 / 120 * 6 + 1 / 10 * 10) / 16}
    usd = {tenant: usd_per_hour * part for tenant, part in share.items()}
    expected = {f'wharfage:tenant_spend:usd_per_hour{{{CHAT},tenant="{tenant}"}}': usd[tenant] for tenant in usd}
    per_million = "wharfage:tenant_cost_per_million_tokens:usd_1h"
    expected |= {
        f'{per_million}{{{CHAT},tenant="{tenant}"}}': 1e6 * usd[tenant] / tokens_per_hour[tenant] for tenant in usd
    }
    checks = agreeing(expected)
    count = {"expr": "count(wharfage:tenant_spend:usd_per_hour)", "eval_time": "90m"}
    checks.append({**count, "exp_samples": [{"labels": "{}", "value": 2}]})
    tried([case(series, promql_expr_test=checks)], tmp_path)
