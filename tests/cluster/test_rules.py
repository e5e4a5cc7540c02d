"""The chart's rules on the page that an operator really shows, as a real Prometheus scrapes and evaluates them."""

import json
import urllib.parse
import urllib.request
from functools import partial
from typing import Any

import pytest
import yaml

from tests.charts.release import CHART
from tests.cluster.emulated import RATE, READS, EmulatorProcess
from tests.cluster.lab import Lab
from tests.cluster.server import eventually, eventually_is
from tests.prometheus import scraping

RULES = CHART / "rules.yaml"
RECORDED = [
    rule["record"]
    for group in yaml.safe_load(RULES.read_text())["groups"]
    for rule in group["rules"]
    if "record" in rule
]
ELSEWHERE = (
    "wharfage:forecast",
    "wharfage:budget",
    "wharfage:savings",
    "wharfage:fleet_savings",
    "wharfage:tenant",
)
"""What needs weeks of load, a budget, a spot machine or a gateway: `test_dashboards` has them, and asks for all."""


def asked(url: str, path: str) -> Any:
    with urllib.request.urlopen(f"{url}/api/v1/{path}", timeout=30) as answer:
        return json.loads(answer.read())["data"]


def values(url: str, series: str) -> dict[tuple[str | None, str | None], float]:
    found = asked(url, f"query?query={urllib.parse.quote(series)}")["result"]
    return {(row["metric"].get("namespace"), row["metric"].get("name")): float(row["value"][1]) for row in found}


def knows(url: str, series: str, whose: tuple[str | None, str | None]) -> bool:
    return whose in values(url, series)


def test_every_rule_finds_what_it_asks_for_on_a_real_page(lab: Lab, emulator: EmulatorProcess) -> None:
    operator = lab.start(None, scrape_proxy=emulator.address, **READS)
    lab.create(scaling={"minReplicas": 4, "maxReplicas": 4}, placement={"accelerators": ["L40S"]})
    lab.ready()
    served, chat = {"namespace": "operators", "job": "wharfage"}, (lab.namespace, "chat")
    with scraping({f"127.0.0.1:{operator.port}": served}, lab.folder, rules=RULES) as url:
        for series in (each for each in RECORDED if not each.startswith(ELSEWHERE)):
            whose = (None, None) if series.startswith("wharfage:fleet") else chat
            eventually(partial(knows, url, series, whose), what=series)
        eventually(lambda: abs(values(url, "wharfage:demand:rps")[chat] - RATE) < 0.2 * RATE)

        def replicas() -> float:
            carried = {which: values(url, f"wharfage:{which}:rps") for which in ("replica_capacity", "capacity")}
            return carried["capacity"].get(chat, 0.0) / carried["replica_capacity"].get(chat, 1.0)

        # Two questions, between which what one carries may be learned anew.
        eventually(lambda: replicas() == pytest.approx(4.0, rel=0.05), what="what all carry is four times that of one")
        assert values(url, "wharfage:fleet_replicas:ready") == {(None, None): 4.0}
        assert values(url, "wharfage:cost:usd_per_hour") == {chat: pytest.approx(14.88)}

        def unwell() -> dict[str, str | None]:
            rules = [rule for group in asked(url, "rules")["groups"] for rule in group["rules"]]
            return {rule["name"]: rule.get("lastError") for rule in rules if rule["health"] != "ok"}

        eventually_is(unwell, {}, what="rules that were not evaluated, or could not be")
        rules = [rule for group in asked(url, "rules")["groups"] for rule in group["rules"]]
        # What this page calls no alert: nothing is wrong, and a lone operator leads.
        assert [rule["name"] for rule in rules if rule["type"] == "alerting" and rule["state"] == "firing"] == []
    assert operator.tracebacks == []
