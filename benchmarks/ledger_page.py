"""How long the page takes to load with 300 deployments and a week of dollars: a real browser, operator and API server.

Each load is a tab of its own with a token that the operator has not seen, so that it asks whose it is. The time runs
from the navigation until the frame after the one with all rows in it is begun.
"""

import json
import statistics
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from playwright.sync_api import Browser
from wharfage_autoscaler.spend import Payer
from wharfage_operator.kinds import LLM_BUDGETS, LLM_DEPLOYMENTS, OFFER_CATALOGS

from tests.cluster.lab import CATALOG, MACHINES, llm
from tests.cluster.server import Server, eventually
from tests.conftest import defined
from tests.page.browser import WIDE, chromium
from tests.page.scene import SYSTEM, Scene, write_week

DEPLOYMENTS = 300
NAMESPACES = 10
LOADS = 9
_PER_MACHINE = 8
_SHOWN = """
const looks = new MutationObserver(() => {
  if (document.querySelectorAll("tr.row").length < %d) return;
  looks.disconnect();
  const shown = () => { document.documentElement.dataset.shownMs = performance.now(); };
  requestAnimationFrame(() => requestAnimationFrame(shown));
});
looks.observe(document, { childList: true, subtree: true });
sessionStorage.setItem("wharfage-token", %s);
"""


_ASKED = """
() => {
  const [asked] = performance.getEntriesByType("resource").filter((each) => each.name.endsWith("/api/fleet"));
  return [asked.startTime, asked.responseEnd];
}
"""


@dataclass(frozen=True, slots=True)
class Load:
    """Seconds from the navigation: until the fleet is asked for, is there, is shown. And bytes that are sent of it."""

    asked_s: float
    answered_s: float
    shown_s: float
    sent_bytes: int


def figures() -> dict[str, float]:
    """Seconds of a load: the median, the quickest, which others on the machine delay least, the slowest.

    The medians of its parts: until the fleet is asked for; until it is there, whose token it is and what they may list
    included; until it is drawn. And bytes of its answer as they are sent, and of the list of deployments behind it.
    """
    with tempfile.TemporaryDirectory() as folder, defined() as cluster:
        place = Scene(cluster, Server(cluster), Path(folder))
        try:
            _fill(place)
            origin = place.start()
            for resource in ("llmdeployments", "llmbudgets"):
                place.allow("viewer", resource)
            tokens = [place.account("viewer"), *(_token(place) for _ in range(LOADS - 1))]
            eventually(lambda: _are_ready(place), what="all deployments are ready", within_s=300)
            listed = place.server.call("GET", LLM_DEPLOYMENTS.path())
            with chromium() as browser:
                loads = [_load(browser, origin, token) for token in tokens]
        finally:
            for operator in place.operators:
                operator.kill()
            place.server.close()
    return {
        "page_load_s_300": statistics.median(each.shown_s for each in loads),
        "page_load_quickest_s_300": min(each.shown_s for each in loads),
        "page_load_slowest_s_300": max(each.shown_s for each in loads),
        "page_asking_s_300": statistics.median(each.asked_s for each in loads),
        "page_answer_s_300": statistics.median(each.answered_s - each.asked_s for each in loads),
        "page_drawing_s_300": statistics.median(each.shown_s - each.answered_s for each in loads),
        "page_answer_bytes_300": loads[-1].sent_bytes,
        "list_bytes_300": len(json.dumps(listed)),
    }


def _fill(place: Scene) -> None:
    """Deployments of one replica in some namespaces, machines for all of them, a budget each, a week of dollars."""
    _, labels, capacity = MACHINES[0]
    for number in range(-(-DEPLOYMENTS // _PER_MACHINE)):
        place.cluster.fake_node(f"gpu-{number}", labels, capacity)
    place.server.create(OFFER_CATALOGS, CATALOG)
    namespaces = [f"team-{number}" for number in range(NAMESPACES)]
    for namespace in (SYSTEM, *namespaces):
        place.cluster.kubectl("create", "namespace", namespace)
    for namespace in namespaces:
        selector = {"matchLabels": {"kubernetes.io/metadata.name": namespace}}
        spec = {"usd": "100000", "namespaceSelector": selector}
        place.server.create(LLM_BUDGETS, {"metadata": {"name": namespace}, "spec": spec})
    payers = []
    for number in range(DEPLOYMENTS):
        namespace, name = namespaces[number % NAMESPACES], f"model-{number:03}"
        made = llm(namespace, name, scaling={"minReplicas": 1, "maxReplicas": 1})
        answer = place.server.create(LLM_DEPLOYMENTS, made)
        payers.append((Payer(answer["metadata"]["uid"], namespace, name), 0.8))
    write_week(place.server, payers, now_s=time.time())


def _token(place: Scene) -> str:
    return place.cluster.kubectl("create", "token", "viewer").strip()


def _are_ready(place: Scene) -> bool:
    statuses = [each.get("status") or {} for each in place.server.all(LLM_DEPLOYMENTS)]
    return sum(1 for status in statuses if status.get("readyReplicas")) == DEPLOYMENTS


def _load(browser: Browser, origin: str, token: str) -> Load:
    context = browser.new_context(viewport=WIDE)
    try:
        page = context.new_page()
        page.add_init_script(_SHOWN % (DEPLOYMENTS, json.dumps(token)))
        with page.expect_response("**/api/fleet") as answered:
            page.goto(origin)
        shown = page.locator("html[data-shown-ms]")
        shown.wait_for(timeout=60_000)
        shown_ms = float(shown.get_attribute("data-shown-ms") or "nan")
        asked_ms, answered_ms = page.evaluate(_ASKED)
        sent_bytes = int(answered.value.headers["content-length"])
        return Load(asked_ms / 1000, answered_ms / 1000, shown_ms / 1000, sent_bytes)
    finally:
        context.close()
