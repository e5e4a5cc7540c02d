"""The ledger on a real control plane: what is written is the integral of what the API server says has run."""

import itertools
import time
from collections.abc import Mapping
from datetime import datetime

import pytest
from wharfage_autoscaler.ledger import DAY_S, Ledger, by_day
from wharfage_autoscaler.metering import HOUR_S
from wharfage_autoscaler.offers import Market
from wharfage_autoscaler.spend import Account, Payer, Spend
from wharfage_operator.books import OPEN, Open, day_name, part_name, parts, read_open, read_part, written_part
from wharfage_operator.kinds import CONFIG_MAPS, EVENTS, LLM_DEPLOYMENTS, PODS

from tests.cluster.lab import CATALOG, Lab
from tests.cluster.machines import pods
from tests.cluster.process import OperatorProcess
from tests.cluster.server import Object, eventually

PRICES = {
    offer["name"]: float(offer["prices"][0]["usdPerHour"]) / offer["accelerator"]["count"]
    for offer in CATALOG["spec"]["offers"]
}
"""Dollars per hour of one accelerator: other tests' pods may be on the machines, and who shares pays for parts."""


def books(lab: Lab) -> Open | None:
    found = lab.server.get(CONFIG_MAPS, lab.system, OPEN)
    return None if found is None else read_open(found)


def bound_s(pod: Object) -> float | None:
    rows = pod.get("status", {}).get("conditions") or ()
    moments = [row["lastTransitionTime"] for row in rows if row["type"] == "PodScheduled" and row["status"] == "True"]
    return datetime.fromisoformat(moments[0]).timestamp() if moments else None


def running(lab: Lab) -> dict[str, Object]:
    return {pod["metadata"]["uid"]: pod for pod in pods(lab.server, lab.namespace).values() if bound_s(pod)}


def uids(lab: Lab) -> set[str]:
    """Of all pods, those included that are on their way out."""
    return {pod["metadata"]["uid"] for pod in lab.server.all(PODS, lab.namespace)}


def priced(lab: Lab, pod: Object) -> float:
    """Dollars per second of a replica of one accelerator."""
    node = lab.server.get(PODS, lab.namespace, pod["metadata"]["name"])
    machine = (node or pod)["spec"]["nodeName"]
    usd_per_hour: float = {"gpu-1": PRICES["lab.l4"], "gpu-2": PRICES["lab.l40s"]}[machine]
    return usd_per_hour / 3600


def integral(
    known: Mapping[str, Object], rates: Mapping[str, float], ends: Mapping[str, float], mark_s: float
) -> float:
    """What these pods cost until a moment; those that have ended, until then."""
    return sum(
        rates[uid] * max(0.0, min(ends.get(uid, mark_s), mark_s) - (bound_s(pod) or mark_s))
        for uid, pod in known.items()
    )


def ready(lab: Lab, replicas: int) -> bool:
    found = lab.llm() or {}
    return (found.get("status") or {}).get("readyReplicas") == replicas and len(running(lab)) == replicas


def uid_of(lab: Lab) -> str:
    found = lab.llm()
    assert found is not None
    return str(found["metadata"]["uid"])


def written_after(lab: Lab, moment_s: float) -> Open:
    """What was written later than that, when the ledger has heard of all who run."""

    def look() -> Open | None:
        found = books(lab)
        if found is None or found.meter.mark_s <= moment_s:
            return None
        known = {uid for machine in found.meter.machines.values() for uid in machine.stays}
        return found if running(lab).keys() <= known else None

    return eventually(look, what="the ledger is written", within_s=120.0)


def begun(lab: Lab, replicas: int) -> OperatorProcess:
    operator = lab.start()
    lab.create(scaling={"minReplicas": replicas, "maxReplicas": replicas})
    lab.ready(within_s=90)
    eventually(lambda: ready(lab, replicas), what="all replicas are there", within_s=120.0)
    return operator


def test_a_ledger_survives_kills_and_a_deletion_while_nobody_watched(lab: Lab) -> None:
    operator = begun(lab, 2)
    first = running(lab)
    rates = {uid: priced(lab, pod) for uid, pod in first.items()}
    found = written_after(lab, max(bound_s(pod) or 0.0 for pod in first.values()))
    assert found.ledger.spend.usd == pytest.approx(integral(first, rates, {}, found.meter.mark_s), rel=1e-3)

    for _ in range(3):  # killed at any moment: what was not written is charged again from what is there
        operator.kill()
        operator = lab.start()
        found = written_after(lab, found.meter.mark_s)
        assert found.ledger.spend.usd == pytest.approx(integral(first, rates, {}, found.meter.mark_s), rel=1e-3)
        assert found.ledger.spend.estimated == pytest.approx(0.0, abs=1e-9)

    operator.kill()
    gone, name = next((uid, pod["metadata"]["name"]) for uid, pod in first.items())
    lab.server.delete(PODS, lab.namespace, name)
    eventually(lambda: gone not in uids(lab), what="it is gone", within_s=90)
    gone_s = time.time()
    time.sleep(2.0)
    lab.start()
    eventually(lambda: ready(lab, 2), what="another is there", within_s=90)
    after = written_after(lab, max(bound_s(pod) or 0.0 for pod in running(lab).values()))
    every = first | running(lab)
    rates |= {uid: priced(lab, pod) for uid, pod in running(lab).items() if uid not in rates}
    truth = integral(every, rates, {gone: gone_s}, after.meter.mark_s)
    spend = after.ledger.spend
    assert spend.estimated > 0.0
    assert spend.usd >= truth * (1 - 1e-3)
    assert spend.usd - spend.estimated <= truth * (1 + 1e-3)


def test_a_deployment_that_is_made_again_is_another_payer_and_the_first_keeps_its_dollars(lab: Lab) -> None:
    operator = begun(lab, 1)
    uid = uid_of(lab)
    (first,) = running(lab)
    written_after(lab, bound_s(running(lab)[first]) or 0.0)
    eventually(lambda: (found := books(lab)) is not None and found.meter.machines, what="the ledger knows of it")
    lab.server.delete(LLM_DEPLOYMENTS, lab.namespace, "chat")
    eventually(lambda: not uids(lab), what="its pods are gone", within_s=90)
    gone_s = time.time()
    lab.create(scaling={"minReplicas": 1, "maxReplicas": 1})
    eventually(lambda: ready(lab, 1) and first not in running(lab), what="the second is there", within_s=90)
    again = uid_of(lab)
    found = written_after(lab, gone_s)
    assert paid(found, uid) > 0.0
    operator.stop()
    last = books(lab)
    assert last is not None
    assert last.meter.mark_s > found.meter.mark_s, "a clean exit writes"
    assert paid(last, again) > 0.0
    assert paid(last, uid) == pytest.approx(paid(found, uid), abs=1e-6)


def paid(found: Open | None, uid: str) -> float:
    ledger = Ledger() if found is None else found.ledger
    rows = itertools.chain.from_iterable(row.items() for row in ledger.rows.values())
    return sum(spend.usd for account, spend in rows if account.payer.uid == uid)


def test_what_cannot_be_read_is_left_alone_and_said(lab: Lab) -> None:
    metadata = {"name": OPEN, "namespace": lab.system, "labels": {"wharfage.dev/ledger": "open"}}
    lab.server.create(CONFIG_MAPS, {"metadata": metadata, "data": {"form": "99"}})
    operator = lab.start()
    eventually(lambda: operator.ready, what="the operator is ready", within_s=120.0)
    lab.create(scaling={"minReplicas": 1, "maxReplicas": 1})
    eventually(lambda: ready(lab, 1), what="it serves all the same", within_s=90)
    eventually(
        lambda: any(record["message"] == "the ledger is not kept" for record in operator.records), what="it is said"
    )
    found = lab.server.get(CONFIG_MAPS, lab.system, OPEN)
    assert found is not None
    assert found["data"] == {"form": "99"}
    assert "binaryData" not in found
    assert operator.metric("wharfage_ledger_kept") == 0.0
    words = f"ConfigMap {lab.system}/{OPEN} of the ledger cannot be read"
    (event,) = eventually(lambda: unreadable(lab), what="an Event says it")
    assert words in event


def unreadable(lab: Lab) -> list[str]:
    """What the Events about a ledger that cannot be read say."""
    return [each["message"] for each in lab.server.all(EVENTS, lab.system) if each["reason"] == "LedgerUnreadable"]


def test_old_days_are_folded_into_one_each_and_those_of_last_year_go(lab: Lab) -> None:
    midnight_s = (time.time() - 210 * DAY_S) // DAY_S * DAY_S
    account = Account(Payer("1", "shop", "chat", "search"), ("cloud", "g6", Market.SPOT, "a"), ("all",))
    hours = {midnight_s + hour * HOUR_S: {account: Spend(serving=1.0, idle=0.5)} for hour in range(48)}
    found = {name: written_part(lab.system, name, rows) for name, rows in parts(Ledger(hours)).items()}
    whole, interrupted = day_name(midnight_s), day_name(midnight_s + DAY_S)
    rest = {each: row for each, row in hours.items() if each >= midnight_s + DAY_S}
    found[interrupted] = written_part(lab.system, interrupted, by_day(Ledger(rest)))
    del found[part_name(midnight_s + DAY_S)]  # a process that died had deleted the first quarter
    last_year = day_name(midnight_s - 400 * DAY_S)
    found[last_year] = written_part(lab.system, last_year, Ledger())
    for each in found.values():
        lab.server.create(CONFIG_MAPS, each)
    operator = lab.start()

    def closed() -> dict[str, Object]:
        every = lab.server.all(CONFIG_MAPS, lab.system)
        return {each["metadata"]["name"]: each for each in every if each["metadata"].get("labels")}

    eventually(lambda: {*closed()} - {OPEN} == {whole, interrupted}, what="the days are folded", within_s=120.0)
    for name, begins_s in ((whole, midnight_s), (interrupted, midnight_s + DAY_S)):
        (row,) = read_part(closed()[name]).rows.items()
        assert row[0] == begins_s
        assert row[1][account] == Spend(serving=24.0, idle=12.0)
    assert operator.tracebacks == []
