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
from prometheus_client import generate_latest
from wharfage_operator.telemetry import Telemetry

from tests.charts.release import CHART, rendered, the
from tests.devcluster import build

RULES = CHART / "rules.yaml"
LOADED: dict[str, Any] = yaml.safe_load(RULES.read_text())
ALL = [rule for group in LOADED["groups"] for rule in group["rules"]]
ALERTS = {rule["alert"]: rule for rule in ALL if "alert" in rule}
CHAT = 'namespace="shop",name="chat"'
WHOSE = {"namespace": "shop", "name": "chat"}

Series = Mapping[str, str]
"""Values by series, in promtool's notation: one a minute for an hour."""


def promtool(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [build.prometheus() / "promtool", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@dataclass(frozen=True)
class Alarm:
    """What makes an alert fire by `at`, the labels that it then has beside its severity, and what does not."""

    name: str
    told: Series
    silent: Series
    at: str = "30m"
    labels: Mapping[str, str] = field(default_factory=lambda: WHOSE)


def says(about: str, status: str, reason: str, values: str = "1x60") -> Series:
    return {f'wharfage_condition{{{CHAT},type="{about}",status="{status}",reason="{reason}"}}': values}


def strikes(market: str, values: str) -> Series:
    return {f'wharfage_offer_strikes{{catalog="aws",offer="g6",market="{market}",zone="a"}}': values}


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
        "WharfageObjectivesMissed",
        says("ObjectivesMet", "False", "ObjectivesMissed"),
        says("ObjectivesMet", "True", "ObjectivesMet"),
    ),
)


def test_the_rules_are_valid() -> None:
    done = promtool("check", "rules", "--lint=all", "--lint-fatal", RULES)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_release_has_them_as_they_are() -> None:
    made = rendered({"metrics": {"prometheusRule": {"enabled": True}}}, "--api-versions=monitoring.coreos.com/v1")
    assert the(made, "PrometheusRule")["spec"] == LOADED


def test_every_metric_that_a_rule_asks_for_is_on_the_operators_page() -> None:
    page = generate_latest(Telemetry().registry).decode()
    shown = set(re.findall(r"^# TYPE (\S+)", page, re.MULTILINE))
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
        assert rule["annotations"].keys() == {"summary", "description"}, name


def tried(cases: list[dict[str, Any]], folder: Path) -> None:
    written = folder / "tests.yaml"
    written.write_text(
        json.dumps({"rule_files": [str(RULES)], "evaluation_interval": "1m", "tests": cases}), encoding="utf-8"
    )
    done = promtool("test", "rules", written)
    assert done.returncode == 0, done.stdout + done.stderr


def case(series: Series, **checks: Any) -> dict[str, Any]:
    rows = [{"series": name, "values": values} for name, values in series.items()]
    return {"interval": "1m", "input_series": rows, **checks}


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
    )


def _filled(annotations: Mapping[str, str], alarm: Alarm) -> dict[str, str]:
    def value(found: re.Match[str]) -> str:
        return "3" if found[1] == "$value" else alarm.labels[found[1].removeprefix("$labels.")]

    return {name: re.sub(r"\{\{ (\S+) \}\}", value, text) for name, text in annotations.items()}


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
