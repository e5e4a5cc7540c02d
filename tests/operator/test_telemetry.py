"""Log lines: JSON, one each, without secrets and without what names may smuggle in."""

import json
import logging

import pytest
from wharfage_autoscaler.offers import Market
from wharfage_autoscaler.savings import saved_usd
from wharfage_autoscaler.spend import Account, Payer, Served, Spend, Used
from wharfage_autoscaler.tenants import OTHERS
from wharfage_operator.gauges import Figures
from wharfage_operator.spend_counters import MOST_TENANTS
from wharfage_operator.tariffs import on_demand
from wharfage_operator.telemetry import JsonLines, Telemetry, redacted

from tests.builders import offer

CANARIES = [
    "Authorization: Bearer abcdefghijklmnop123",
    "hf_AbCdEfGhIjKlMnOp",
    "sk-proj-abcdefghijklmnop",
    "https://x/?token=s3cr3tvalue&x=1",
    "--api-key s3cr3tvalue",
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl",
]


@pytest.mark.parametrize("text", CANARIES)
def test_credentials_do_not_reach_the_log(text: str) -> None:
    record = logging.LogRecord("x", logging.INFO, "f", 1, "said %s", (text,), None)
    record.extra_field = text
    line = JsonLines().format(record)
    for secret in ("abcdefghijklmnop", "AbCdEfGhIjKlMnOp", "s3cr3tvalue", "c2lnbmF0dXJl"):
        assert secret not in line
    assert "[redacted]" in line


def test_a_line_stays_a_line() -> None:
    record = logging.LogRecord("x", logging.INFO, "f", 1, 'name\n{"level": "forged"}\x1b[31m', (), None)
    line = JsonLines().format(record)
    assert "\n" not in line
    assert "\x1b" not in line
    assert json.loads(line)["level"] == "INFO"


def test_a_long_text_is_cut() -> None:
    assert len(redacted("x" * 5000)) == 1024


def test_a_deployment_that_is_gone_has_no_series() -> None:
    told = Telemetry()
    told.deployment(("shop", "chat"), Figures(usd_per_hour=1.5, ready=1, wanted=2))
    assert told.registry.get_sample_value("wharfage_usd_per_hour", {"namespace": "shop", "name": "chat"}) == 1.5
    told.forget(("shop", "chat"))
    told.forget(("shop", "never-was"))
    assert told.registry.get_sample_value("wharfage_usd_per_hour", {"namespace": "shop", "name": "chat"}) is None


def test_a_cost_that_is_not_known_any_more_has_no_sample() -> None:
    told, labels = Telemetry(), {"namespace": "shop", "name": "chat"}
    told.deployment(("shop", "chat"), Figures(usd_per_hour=1.5, ready=1, wanted=1))
    told.deployment(("shop", "chat"), Figures(ready=1, wanted=1))
    told.deployment(("shop", "other"), Figures(ready=1, wanted=1))
    assert told.registry.get_sample_value("wharfage_usd_per_hour", labels) is None
    assert told.registry.get_sample_value("wharfage_replicas", {**labels, "state": "ready"}) == 1


def test_the_age_of_prices_ends_with_their_catalog() -> None:
    told, labels = Telemetry(), {"catalog": "aws"}
    told.prices_observed.labels("aws").set(1.7e9)
    assert told.registry.get_sample_value("wharfage_prices_observed_timestamp_seconds", labels) == 1.7e9
    told.forget_catalog("aws")
    told.forget_catalog("never-was")
    assert told.registry.get_sample_value("wharfage_prices_observed_timestamp_seconds", labels) is None


def test_what_a_condition_said_before_has_no_series() -> None:
    told, labels = Telemetry(), {"namespace": "shop", "name": "chat", "type": "Ready"}
    waits, serves = (
        {**labels, "status": "False", "reason": "Scaling"},
        {**labels, "status": "True", "reason": "Serving"},
    )
    told.deployment(("shop", "chat"), Figures(conditions={"Ready": ("False", "Scaling")}))
    assert told.registry.get_sample_value("wharfage_condition", waits) == 1
    told.deployment(("shop", "chat"), Figures(conditions={"Ready": ("True", "Serving")}))
    assert told.registry.get_sample_value("wharfage_condition", waits) is None
    assert told.registry.get_sample_value("wharfage_condition", serves) == 1


def test_what_is_not_measured_any_more_has_no_sample() -> None:
    told, labels = Telemetry(), {"namespace": "shop", "name": "chat"}
    told.deployment(("shop", "chat"), Figures(measured={"requests_per_second": 2.5}))
    assert told.registry.get_sample_value("wharfage_requests_per_second", labels) == 2.5
    told.deployment(("shop", "chat"), Figures())
    assert told.registry.get_sample_value("wharfage_requests_per_second", labels) is None


def test_prices_are_shown_of_what_can_be_had_and_end_with_it() -> None:
    told = Telemetry()
    spot = {"catalog": "cloud", "offer": "g6.xlarge", "market": "Spot", "zone": "a", "accelerator": "L4"}
    labels = {**spot, "accelerators": "1"}
    told.prices.show(
        (
            offer(market=Market.SPOT, zone="a", usd_per_hour=0.4),
            offer("g7.none", obtainable=""),
            offer("g8.unknown", usd_per_hour=0.0),
        )
    )
    assert told.registry.get_sample_value("wharfage_price_usd_per_hour", labels) == 0.4
    shown = [
        sample.labels["offer"]
        for metric in told.registry.collect()
        for sample in metric.samples
        if "price_usd" in sample.name
    ]
    assert shown == ["g6.xlarge"]
    told.prices.show(())
    assert told.registry.get_sample_value("wharfage_price_usd_per_hour", labels) is None


def test_what_is_booked_is_counted_each_token_once() -> None:
    told = Telemetry()
    account = Account(Payer("u", "shop", "chat", "search"), ("aws", "g6", Market.SPOT, "a"))
    served = Served(requests=3.0, prompt_tokens=100.0, cached_tokens=40.0, output_tokens=20.0, prompt_work=6.0)
    told.spend.booked(account, Spend(serving=2.0, idle=1.0, interruptions=1.0, served=served))
    told.spend.booked(account, Spend(startup=0.5))
    whose = {"namespace": "shop", "name": "chat", "team": "search"}
    payer = {**whose, "offer": "g6", "market": "Spot"}

    def shown(counter: str, /, **labels: str) -> float | None:
        return told.registry.get_sample_value(f"wharfage_{counter}_total", labels)

    assert shown("cost", **payer, currency="USD") == 3.5
    assert (shown("idle_cost", **payer), shown("startup_cost", **payer)) == (1.0, 0.5)
    assert shown("spot_interruptions", **payer) == 1.0
    assert shown("served_requests", **whose) == 3.0
    assert [shown("tokens", **whose, type=kind) for kind in ("prompt", "cached", "output")] == [60.0, 40.0, 20.0]
    assert [shown("work", **whose, type=kind) for kind in ("prompt", "cached", "output")] == [6.0, 0.0, 20.0]


def test_what_tenants_used_is_counted_of_each() -> None:
    told = Telemetry()
    account = Account(Payer("u", "shop", "chat", "search"), ("aws", "g6", Market.SPOT, "a"))
    told.spend.booked(account, Spend(tenants=(("", Used(1.0, 5.0, 1.0)), ("red", Used(2.0, 70.0, 30.0)))))
    told.spend.booked(account, Spend(tenants=(("red", Used(1.0, 10.0, 4.0)),)))

    def shown(tenant: str, kind: str) -> float | None:
        whose = {"namespace": "shop", "name": "chat", "team": "search", "tenant": tenant, "type": kind}
        return told.registry.get_sample_value("wharfage_tenant_tokens_total", whose)

    assert (shown("red", "prompt"), shown("red", "output")) == (80.0, 34.0)
    assert (shown("", "prompt"), shown("", "output")) == (5.0, 1.0)


def test_of_many_tenants_those_that_came_late_are_counted_together() -> None:
    told = Telemetry()
    account = Account(Payer("u", "shop", "chat", "search"), ("aws", "g6", Market.SPOT, "a"))
    tenants = tuple((f"t{number:03}", Used(1.0, 7.0, 2.0)) for number in range(MOST_TENANTS + 20))
    told.spend.booked(account, Spend(tenants=tenants))
    told.spend.booked(account, Spend(tenants=tenants[:1] + tenants[-1:]))
    shown = {
        sample.labels["tenant"]: sample.value
        for metric in told.registry.collect()
        for sample in metric.samples
        if sample.name == "wharfage_tenant_tokens_total" and sample.labels["type"] == "prompt"
    }
    assert len(shown) == MOST_TENANTS + 1
    assert (shown["t000"], shown[OTHERS]) == (14.0, 7.0 * 21)


def test_what_spot_saves_is_counted_against_the_same_machine_on_demand_and_never_falls() -> None:
    told = Telemetry()
    spot, booked, unlisted = (
        Account(Payer("u", "shop", "chat", "search"), (catalog, "g6", market, "a"))
        for catalog, market in (("aws", Market.SPOT), ("aws", Market.ON_DEMAND), ("own", Market.SPOT))
    )
    listed = on_demand([offer("g6", usd_per_hour=price, catalog="aws") for price in (0.9, 1.0)])

    def count(account: Account, spend: Spend) -> float | None:
        told.spend.booked(account, spend, saved_usd=saved_usd(account, spend, listed))
        payer = {"namespace": "shop", "name": "chat", "team": "search", "offer": "g6"}
        return told.registry.get_sample_value("wharfage_savings_usd_total", {**payer, "market": account.offer[2].value})

    assert count(spot, Spend(serving=0.3, idle=0.1, machine_hours=1.0)) == pytest.approx(0.6)
    assert count(booked, Spend(serving=0.5, machine_hours=1.0)) is None
    assert count(unlisted, Spend(serving=0.5, machine_hours=1.0)) == pytest.approx(0.6)
    assert count(spot, Spend(serving=1.2, machine_hours=1.0)) == pytest.approx(0.6)  # dearer than on demand
    assert count(spot, Spend(serving=0.6, machine_hours=1.0)) == pytest.approx(0.8)


def test_what_is_charged_again_after_somebody_else_wrote_the_ledger_counts_once() -> None:
    told, account = Telemetry(), Account(Payer("1", "shop", "chat"), ("cloud", "g6", Market.SPOT, "a"))
    labels = {"namespace": "shop", "name": "chat", "team": "", "offer": "g6", "market": "Spot", "currency": "USD"}

    def count(usd: float) -> float | None:
        told.spend.booked(account, Spend(serving=usd))
        return told.registry.get_sample_value("wharfage_cost_total", labels)

    def written() -> None:
        told.spend.sent()
        told.spend.kept()

    assert count(2.0) == 2.0
    written()
    assert count(1.0) == 3.0
    told.spend.dropped()
    assert [count(0.5), count(0.5), count(0.25)] == [3.0, 3.0, 3.25]
    told.spend.dropped()
    told.spend.dropped()
    assert count(0.25) == 3.25, "of what was dropped twice, nothing was ever kept"
    written()
    assert count(2.0) == 4.25


def test_what_was_charged_while_a_write_was_in_doubt_counts_once_whether_it_was_written_or_not() -> None:
    told, account = Telemetry(), Account(Payer("1", "shop", "chat"), ("cloud", "g6", Market.SPOT, "a"))
    labels = {"namespace": "shop", "name": "chat", "team": "", "offer": "g6", "market": "Spot", "currency": "USD"}

    def count(usd: float) -> float | None:
        told.spend.booked(account, Spend(serving=usd))
        return told.registry.get_sample_value("wharfage_cost_total", labels)

    count(2.0)
    told.spend.sent()  # its answer is lost
    assert count(1.0) == 3.0
    told.spend.kept()  # it is there; what came after it is charged again from there
    told.spend.dropped()
    assert [count(1.0), count(0.5)] == [3.0, 3.5]
    told.spend.sent()  # its answer is lost
    assert count(0.5) == 4.0
    told.spend.dropped()  # another's is there: all since 2.0 is charged again
    assert [count(1.5), count(0.5), count(0.25)] == [4.0, 4.0, 4.25]
    told.spend.sent()  # is refused, so what comes goes with the next
    assert count(0.75) == 5.0
    told.spend.sent()
    told.spend.kept()
    assert count(1.0) == 6.0
