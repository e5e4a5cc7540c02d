"""Every panel of the dashboards after a run, asked of a real Prometheus that has read a real operator's page."""

import json
import math
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest
from wharfage_autoscaler.experience import Experience
from wharfage_operator.archive import config_map
from wharfage_operator.history import STEP_S, rows_of
from wharfage_operator.kinds import CONFIG_MAPS, LLM_BUDGETS

from tests.charts.release import CHART
from tests.cluster.emulated import READS, SPEED, EmulatorProcess
from tests.cluster.lab import Lab
from tests.cluster.money import has_spent
from tests.cluster.server import eventually
from tests.cluster.test_rules import RECORDED
from tests.prometheus import scraping
from tools.dashboards.__main__ import BUILDERS, panels

EMPTY = {
    "Cap": "the budget's one stage tells, and holds nothing down",
    "wharfage_gpu_": "kwok has no GPUs, and this Prometheus no exporter",
    "wharfage_spot_interruptions": "no machine of this run is a spot machine",
    "Offers that were short": "every machine of this run came at once",
    "Refused writes per second": "the API server refuses nothing here",
    "prometheus_questions": "the engines are read themselves",
}
"""What may find nothing, by the panel's title or a part of its question, and why."""

LIMIT_USD = 1000.0
PROMPT_TOKENS, OUTPUT_TOKENS = 900, 220
CALM, BUSY = 0.2, 2.0
DAYS = 7
CALM_MINUTES = 20


@pytest.fixture
def budget(lab: Lab) -> Iterator[str]:
    """A budget that everything is spent under, whose only stage is in force at once and holds nothing down."""
    selector = {"matchLabels": {"kubernetes.io/metadata.name": lab.namespace}}
    spec = {
        "usd": f"{LIMIT_USD:g}",
        "period": "Day",
        "namespaceSelector": selector,
        "stages": [{"action": "Notify", "at": "0.000001"}],
    }
    answer = lab.server.create(LLM_BUDGETS, {"metadata": {"name": lab.namespace}, "spec": spec})
    assert answer["httpStatus"] == 201, answer
    yield lab.namespace
    lab.server.delete(LLM_BUDGETS, "", lab.namespace)


@pytest.fixture
def emulator(lab: Lab) -> Iterator[EmulatorProcess]:
    """A load that rises for good after some minutes."""
    rates = [*[CALM] * CALM_MINUTES, BUSY]
    started = EmulatorProcess(lab, *rates, tokens=(PROMPT_TOKENS, OUTPUT_TOKENS))
    yield started
    started.stop()


class Reader:
    """A person before Grafana: asks what panels ask, over the time since the run began."""

    def __init__(self, url: str, variables: dict[str, str]) -> None:
        self._url = url
        self._began_s = time.time()
        # As long as the shortest that Grafana chooses for a scrape a second, and long enough for the ledger's charges.
        self._macros = {"$__rate_interval": "40s", "$__range": "10m", **variables}
        self.boards = {name: json.loads((CHART / "dashboards" / f"{name}.json").read_text()) for name in BUILDERS}

    def panel(self, board: str, title: str) -> Any:
        (found,) = (panel for panel in panels(self.boards[board]) if panel["title"] == title)
        return found

    def values(self, board: str, title: str, place: int = 0) -> dict[str, float]:
        """What a panel's question finds now, by the text of its legend's labels."""
        target = self.panel(board, title)["targets"][place]
        rows = self._asked("query", {"query": self._plain(target["expr"])})
        return {" ".join(sorted(row["metric"].values())): float(row["value"][1]) for row in rows}

    def value(self, board: str, title: str, place: int = 0) -> float:
        """The only one."""
        (found,) = self.values(board, title, place).values()
        return found

    def found(self, expression: str) -> bool:
        """Whether there was anything to draw since the run began."""
        window = {"start": f"{self._began_s:.0f}", "end": f"{time.time():.0f}", "step": "1"}
        return bool(self._asked("query_range", {"query": self._plain(expression), **window}))

    def without(self) -> list[str]:
        """The questions that found nothing, and may not."""
        asked = [
            (name, panel["title"], target["expr"])
            for name, board in self.boards.items()
            for panel in panels(board)
            for target in panel["targets"]
        ]
        asked += [("rules.yaml", "recorded", series) for series in RECORDED]
        asked += [(name, "marks", mark["expr"]) for name, board in self.boards.items() for mark in _marks(board)]
        return [
            f"{name}: {title}: {expression}"
            for name, title, expression in asked
            if not any(each == title or each in expression for each in EMPTY) and not self.found(expression)
        ]

    def _plain(self, expression: str) -> str:
        for macro, value in self._macros.items():
            expression = expression.replace(macro, value)
        return expression

    def _asked(self, path: str, form: dict[str, str]) -> Any:
        with urllib.request.urlopen(f"{self._url}/api/v1/{path}?{urllib.parse.urlencode(form)}", timeout=10) as answer:
            return json.loads(answer.read())["data"]["result"]


def _marks(board: dict[str, Any]) -> list[dict[str, str]]:
    return [mark for mark in board["annotations"].get("list", ()) if "expr" in mark]


def remembered(lab: Lab, uid: str) -> None:
    """A week of the load that comes, as an operator of before has written it down: enough to foresee by."""
    count = round(DAYS * 86400 / STEP_S)
    rates = [BUSY * (1.0 + 0.1 * math.sin(2.0 * math.pi * place * STEP_S / 86400)) for place in range(count)]
    start_s = (int(time.time()) // STEP_S - count) * STEP_S
    rows = rows_of(start_s, rates, *([tokens * rate for rate in rates] for tokens in (PROMPT_TOKENS, OUTPUT_TOKENS)))
    lab.server.create(CONFIG_MAPS, config_map((lab.namespace, "chat"), uid, rows, Experience()))


def settled(lab: Lab) -> bool:
    """Whether what is wanted has not changed for a minute of the emulator's, is there, and is more than one."""
    rows = ((lab.llm() or {}).get("status") or {}).get("fleet") or []
    if sum(row["wanted"] for row in rows) < 2 or any(row["wanted"] != row["ready"] for row in rows):
        return False
    time.sleep(60.0 / SPEED)
    return bool(rows == ((lab.llm() or {}).get("status") or {}).get("fleet"))


def _agreements(lab: Lab, reader: Reader) -> dict[str, Callable[[], bool]]:
    """What panels show, against the status of what they show it of; both move, so each is looked at until it holds."""
    about = pytest.approx
    deployment = partial(reader.value, "deployment")
    cost, budget = partial(reader.value, "fleet-cost"), partial(reader.value, "budgets")

    def status() -> Any:
        return (lab.llm() or {})["status"]

    def usd_per_hour() -> float:
        return float(status()["cost"]["usdPerHour"])

    def booked() -> float:
        """The ledger charges in the emulator's time, Prometheus counts the wall's."""
        return sum(reader.values("fleet-cost", "Dollars per hour by machine").values()) / SPEED

    return {
        "dollars per hour of the fleet": lambda: cost("Ordered") == about(usd_per_hour(), rel=0.05),
        "dollars per hour of the deployment": lambda: deployment("Ordered") == about(usd_per_hour(), rel=0.05),
        "dollars booked": lambda: booked() == about(usd_per_hour(), rel=0.1),
        "prices": lambda: set(reader.values("fleet-cost", "Prices").values()) == {6.40, 14.88},
        "ready": lambda: deployment("Ready") == status()["readyReplicas"],
        "wanted": lambda: deployment("Wanted") == sum(row["wanted"] for row in status()["fleet"]),
        "requests": lambda: deployment("Requests") == about(BUSY, rel=0.3),
        "tokens of prompts": lambda: deployment("Tokens per second", 0) == about(BUSY * PROMPT_TOKENS, rel=0.3),
        "tokens of answers": lambda: deployment("Tokens per second", 1) == about(BUSY * OUTPUT_TOKENS, rel=0.3),
        "utilisation": lambda: (
            deployment("Used capacity") * deployment("Demand and capacity", 1)
            == about(deployment("Demand and capacity", 0), rel=0.1)
        ),
        "forecast": lambda: BUSY * 0.8 < deployment("Demand and forecast", 1) < BUSY * 1.3,
        "dollars left": lambda: budget("Left") == about(LIMIT_USD - budget("Spent and expected", 0), rel=0.01),
        "share spent": lambda: budget("Spent") == about(budget("Spent and expected", 0) / LIMIT_USD, rel=0.1),
        "dollars spent": lambda: budget("Spent and expected", 0) == about(has_spent(lab, lab.namespace), rel=0.2),
        "dollars per hour of the budget": lambda: budget("Dollars per hour") == about(usd_per_hour(), rel=0.1),
        "leaders": lambda: reader.value("operator", "Leaders") == 1.0,
        "deployments": lambda: reader.value("operator", "Deployments") == 1.0,
        "a ledger that is kept": lambda: reader.value("operator", "Ledger kept") == 1.0,
    }


def test_every_panel_is_answered_and_the_main_ones_are_right(lab: Lab, emulator: EmulatorProcess, budget: str) -> None:
    created = lab.create(scaling={"maxReplicas": 8}, placement={"accelerators": ["L4"]})
    remembered(lab, created["metadata"]["uid"])
    operator = lab.start(None, scrape_proxy=emulator.address, **READS, budgets_every_s="1")
    lab.ready()
    served = {"namespace": "operators", "job": "wharfage"}
    address = f"127.0.0.1:{operator.port}"
    with scraping({address: served}, lab.folder, rules=CHART / "rules.yaml") as url:
        reader = Reader(url, {"$namespace": lab.namespace, "$name": "chat", "$budget": budget})
        try:
            eventually(lambda: not reader.without(), within_s=120.0, what="every panel is answered")
        except AssertionError as error:
            decision = ((lab.llm() or {}).get("status") or {}).get("decision")
            raise AssertionError(f"{error}: {reader.without()}; {decision}") from None
        eventually(lambda: settled(lab), within_s=200.0, what="as many as the load asks for, and all of them ready")
        for what, agrees in _agreements(lab, reader).items():
            eventually(agrees, within_s=90.0, what=what)
    assert operator.tracebacks == []
