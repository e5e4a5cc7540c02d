"""Whose dollars count for which budget, and where hours are cut."""

from datetime import UTC, datetime
from typing import Any

import pytest
from wharfage_api.llmbudget import Period
from wharfage_operator.cache import Cache
from wharfage_operator.hours import row_of
from wharfage_operator.kinds import LLM_BUDGETS, NAMESPACES
from wharfage_operator.scopes import Scopes

CHAT = {"metadata": {"name": "chat", "namespace": "shop", "labels": {"team": "search"}}}


def budgets(**specs: dict[str, Any]) -> Scopes:
    cache = Cache()
    labels = {"environment": "production"}
    cache.put(NAMESPACES, {"metadata": {"name": "shop", "uid": "n", "resourceVersion": "1", "labels": labels}})
    for number, (name, spec) in enumerate(specs.items(), start=2):
        metadata = {"name": name, "uid": name, "resourceVersion": str(number)}
        cache.put(LLM_BUDGETS, {"metadata": metadata, "spec": {"usd": "10", **spec}})
    return Scopes(cache)


def matching(**labels: str) -> dict[str, Any]:
    return {"matchLabels": labels}


def test_a_budget_counts_those_whom_it_selects() -> None:
    scopes = budgets(
        everybody={},
        other={"selector": matching(team="ads")},
        production={"namespaceSelector": matching(environment="production")},
        search={"selector": matching(team="search"), "mode": "Observe"},
        staging={"namespaceSelector": matching(environment="staging")},
        unreadable={"usd": "nothing"},
    )
    assert scopes.selecting(CHAT) == ("everybody", "production", "search")


@pytest.mark.parametrize(
    ("zone", "period", "cut"),
    [
        pytest.param("Asia/Kathmandu", Period.DAY, {"18:15"}, id="midnight in Kathmandu"),
        pytest.param("Asia/Kathmandu", Period.HOUR, {f"{hour:02}:15" for hour in range(24)}, id="its hours"),
        pytest.param("Europe/Berlin", Period.DAY, set(), id="Berlin's midnight is an hour's beginning"),
        pytest.param("Asia/Kolkata", Period.WEEK, set(), id="no week begins on that day"),
    ],
)
def test_hours_are_cut_where_a_period_begins(zone: str, period: Period, cut: set[str]) -> None:
    begins_s = datetime(2026, 8, 4, tzinfo=UTC).timestamp()
    rows, moment_s = row_of({(period, zone)}), begins_s
    edges = set()
    while moment_s < begins_s + 86400:
        assert rows(moment_s + 1)[0] == moment_s
        edges.add(datetime.fromtimestamp(moment_s, UTC).strftime("%H:%M"))
        moment_s = rows(moment_s)[1]
    assert edges - {f"{hour:02}:00" for hour in range(24)} == cut
    assert len(edges) == 24 + len(cut)


def test_a_budget_in_a_time_zone_that_does_not_exist_cuts_nothing() -> None:
    scopes = budgets(nowhere={"timeZone": "Europe/Atlantis"}, there={"timeZone": "Asia/Kathmandu", "period": "Hour"})
    hour_s = datetime(2026, 8, 4, tzinfo=UTC).timestamp()
    assert scopes.rows()(hour_s) == (hour_s, hour_s + 900)
