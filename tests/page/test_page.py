"""What people see of the page in a real browser, against a real API server: what they may list, nothing else."""

import re

import pytest
from wharfage_operator.kinds import LLM_DEPLOYMENTS

from tests.cluster.lab import llm
from tests.cluster.server import eventually
from tests.page.browser import PHONE
from tests.page.conftest import Opened
from tests.page.scene import FLEETS, SYSTEM, Scene

HOSTILE = "<img src=x onerror=\"document.title='owned'\"><script>document.title='owned'</script>"


def all_of(namespace: str) -> list[str]:
    return sorted(f"{namespace}/{name}" for name in FLEETS[namespace])


def test_two_users_see_two_fleets(opened: Opened, tokens: dict[str, str]) -> None:
    for namespace, other in (("shop", "research"), ("research", "shop")):
        tab = opened(tokens[namespace])
        tab.page.locator("td.name").first.wait_for()
        assert sorted(tab.names()) == all_of(namespace)
        assert tab.page.locator("#namespace option").all_inner_texts() == ["all", namespace]
        assert tab.page.locator("#user").inner_text() == f"system:serviceaccount:default:{namespace}"
        assert "You may not list LLMBudgets" in tab.page.locator("#budgets").inner_text()
        assert other not in tab.page.locator("body").inner_text()


def test_who_may_see_everything_sees_both_and_the_budgets(opened: Opened, tokens: dict[str, str]) -> None:
    tab = opened(tokens["everybody"])
    tab.page.locator("td.name").first.wait_for()
    assert sorted(tab.names()) == sorted(all_of("shop") + all_of("research"))
    tab.page.locator(".budget .top b").nth(1).wait_for()
    assert sorted(tab.page.locator(".budget .top b").all_inner_texts()) == ["research", "shop"]
    week = tab.page.locator("#course").get_attribute("aria-label") or ""
    assert float(week.split()[0].replace(",", "")) > 100.0
    tab.page.get_by_label("Namespace").select_option("shop")
    assert sorted(tab.names()) == all_of("shop")
    less = tab.page.locator("#course").get_attribute("aria-label") or ""
    assert 0.0 < float(less.split()[0].replace(",", "")) < float(week.split()[0].replace(",", ""))


def test_who_may_see_nothing_is_told_what_is_missing(opened: Opened, tokens: dict[str, str]) -> None:
    tab = opened(tokens["nobody"])
    tab.page.get_by_text("you need the right to list llmdeployments.wharfage.dev").wait_for()
    assert tab.names() == []


def test_a_token_that_is_none_is_refused_in_words(opened: Opened) -> None:
    tab = opened()
    tab.sign_in("eyJhbGciOiJSUzI1NiJ9.e30.bm9uZQ")
    tab.page.get_by_role("alert").filter(has_text="this token is not accepted").wait_for()
    assert tab.page.locator("#shown").is_hidden()
    tab.sign_in("zwei Wörter")
    tab.page.get_by_role("alert").filter(has_text="one word").wait_for()
    assert tab.page.evaluate("sessionStorage.length") == 0


def test_a_right_that_ends_ends_what_is_seen(opened: Opened, place: Scene) -> None:
    token = place.account("leaver")
    place.allow("leaver", "llmdeployments", "shop")
    tab = opened(token)
    tab.page.locator("td.name").first.wait_for()
    assert sorted(tab.names()) == all_of("shop")
    place.forbid("leaver", "llmdeployments", "shop")
    tab.page.get_by_text("There is no LLMDeployment that you may see").wait_for()
    assert tab.names() == []
    assert "shop" not in tab.page.locator("#shown").inner_text()


def test_signing_out_leaves_nothing_behind(opened: Opened, tokens: dict[str, str]) -> None:
    tab = opened(tokens["shop"])
    tab.page.locator("td.name").first.wait_for()
    tab.page.get_by_role("button", name="Sign out").click()
    tab.page.get_by_label("Bearer token").wait_for()
    assert "chat" not in tab.page.content()
    assert tokens["shop"] not in tab.page.content()
    tab.open()
    assert tab.page.locator("#shown").is_hidden()


def test_a_name_opens_its_decision_by_keyboard(opened: Opened, tokens: dict[str, str], place: Scene) -> None:
    eventually(lambda: place.blocked("research", "summaries"), what="nine replicas find no room")
    tab = opened(tokens["research"])
    tab.page.locator("tr.row").filter(has_text="nodes are available").wait_for()
    name = tab.page.get_by_role("button", name="summaries")
    name.focus()
    tab.page.keyboard.press("Enter")
    details = tab.page.locator("tr.details")
    details.get_by_text("MinReplicas").first.wait_for()
    assert "cluster-lab/lab.l4" in details.inner_text()
    assert tab.page.evaluate("document.activeElement.textContent") == "summaries"
    tab.page.keyboard.press("Enter")
    details.wait_for(state="detached")


def test_hours_are_read_by_keyboard(opened: Opened, tokens: dict[str, str]) -> None:
    tab = opened(tokens["shop"])
    reading = tab.page.locator("#reading")
    reading.filter(has_text="Seven days").wait_for()
    tab.page.locator("#course").focus()
    for _ in range(3):
        tab.page.keyboard.press("ArrowLeft")
    assert re.search(r"serving \d+\.\d\d.*[A-Z][a-z]{2} \d+, \d\d:00: \$\d+\.\d\d", reading.inner_text())


def test_columns_are_sorted_and_searched(opened: Opened, tokens: dict[str, str]) -> None:
    tab = opened(tokens["everybody"])
    tab.page.locator("td.name").first.wait_for()
    tab.page.get_by_role("button", name="$/h").click()
    cells = tab.page.locator("tbody tr.row td:nth-child(5)").all_inner_texts()
    numbers = [float(each) for each in cells if each[0].isdigit()]
    assert numbers == sorted(numbers, reverse=True)
    tab.page.get_by_label("Search").fill("shop TRANS")
    assert tab.names() == ["shop/translate"]
    assert tab.page.locator("#count").inner_text() == "1 of 6 deployments"


def test_what_somebody_wrote_into_a_status_is_shown_as_text(
    opened: Opened, tokens: dict[str, str], place: Scene
) -> None:
    made = llm("shop", "hostile")
    made["metadata"]["annotations"] = {"wharfage.dev/paused": "true"}
    place.server.create(LLM_DEPLOYMENTS, made)
    decision = {"at": "2026-01-01T00:00:00Z", "summary": HOSTILE, "steps": [{"reason": "Forged", "message": HOSTILE}]}
    summary = {"fleet": HOSTILE[:60], "reason": "Forged"}
    rows = [
        {
            "type": "Ready",
            "status": "False",
            "reason": "Forged",
            "message": HOSTILE,
            "lastTransitionTime": "2026-01-01T00:00:00Z",
        }
    ]
    path = LLM_DEPLOYMENTS.path("shop", "hostile") + "/status"
    status = {"status": {"decision": decision, "conditions": rows, "summary": summary}}
    answer = place.server.call("PATCH", path, status, content_type="application/merge-patch+json")
    assert answer["httpStatus"] == 200, answer
    tab = opened(tokens["shop"])
    tab.page.get_by_role("button", name="hostile").click()
    tab.page.locator("tr.details li").get_by_text(HOSTILE).wait_for()
    tab.page.locator("#decisions").get_by_text(HOSTILE).wait_for()
    assert tab.page.locator("img").count() == 0
    assert tab.page.title() == "wharfage"
    place.server.delete(LLM_DEPLOYMENTS, "shop", "hostile")


def test_a_standby_shows_the_same_and_says_that_it_is_one(
    opened: Opened, tokens: dict[str, str], place: Scene, origin: str
) -> None:
    at = place.start(identity="second")
    tab = opened(tokens["shop"], at=at)
    tab.page.locator("td.name").first.wait_for()
    assert sorted(tab.names()) == all_of("shop")
    assert tab.page.locator("#replica").inner_text().startswith("answered by second, on standby; ")
    assert float((tab.page.locator("#course").get_attribute("aria-label") or "").split()[0].replace(",", "")) > 100.0
    assert at != origin


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_on_a_phone_nothing_lies_beyond_the_edge(opened: Opened, tokens: dict[str, str], *, dark: bool) -> None:
    tab = opened(tokens["everybody"], size=PHONE, dark=dark)
    tab.page.locator("td.name").first.wait_for()
    assert tab.page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


def test_an_operator_that_goes_is_said_and_what_was_seen_stays(
    opened: Opened, tokens: dict[str, str], place: Scene
) -> None:
    at = place.start(identity="third", namespace=SYSTEM)
    tab = opened(tokens["shop"], at=at)
    tab.page.locator("td.name").first.wait_for()
    place.operators[-1].stop()
    tab.page.get_by_text("The operator does not answer").wait_for()
    assert sorted(tab.names()) == all_of("shop")
