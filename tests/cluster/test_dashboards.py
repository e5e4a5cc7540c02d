"""Every panel of the dashboards after a run, asked of a real Prometheus that has read a real operator's page."""

import json
import math
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import partial
from typing import Any

import pytest
from wharfage_autoscaler.experience import Experience
from wharfage_operator.archive import config_map
from wharfage_operator.history import STEP_S, rows_of
from wharfage_operator.kinds import CONFIG_MAPS, LLM_BUDGETS, LLM_DEPLOYMENTS, OFFER_CATALOGS

from tests.charts.release import CHART
from tests.cluster import machines
from tests.cluster.brain import BrainProcess
from tests.cluster.clients import Clients
from tests.cluster.emulated import READS, SPEED, EmulatorProcess
from tests.cluster.lab import CATALOG, Lab, llm
from tests.cluster.money import has_spent
from tests.cluster.server import eventually
from tests.cluster.test_rules import RECORDED
from tests.prometheus import scraping
from tools.dashboards.__main__ import BUILDERS, panels

EMPTY = {
    "Cap": "the budget's one stage tells, and holds nothing down",
    "wharfage_gpu_": "kwok has no GPUs, and this Prometheus no exporter",
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

SPOT_USD, ON_DEMAND_USD = 0.25, 0.80
"""Per hour of the machine that `batch` is on."""
MOST_TOKENS_PER_S = 10_000_000
LONG = (90_000, 22_000)
"""Tokens of each request at the gateway: in the emulator's time more than the engines tell of."""


@pytest.fixture
def budget(lab: Lab) -> Iterator[str]:
    """A budget that everything is spent under, whose only stage is in force at once and holds nothing down."""
    yield from _budget(lab, lab.namespace, {"action": "Notify", "at": "0.000001"})


@pytest.fixture
def throttle(lab: Lab) -> Iterator[str]:
    """A budget of `batch` alone, which throttles at once, and only who asks for a billion tokens."""
    stage = {"action": "Throttle", "at": "0.000001", "of": "Spent", "tokensPerSecondPerTenant": MOST_TOKENS_PER_S}
    yield from _budget(lab, f"{lab.namespace}-batch", stage, {"team": "batch"})


def _budget(lab: Lab, name: str, stage: dict[str, Any], labels: dict[str, str] | None = None) -> Iterator[str]:
    spec = {
        "usd": f"{LIMIT_USD:g}",
        "period": "Day",
        "selector": {"matchLabels": labels or {}},
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": lab.namespace}},
        "stages": [stage],
    }
    answer = lab.server.create(LLM_BUDGETS, {"metadata": {"name": name}, "spec": spec})
    assert answer["httpStatus"] == 201, answer
    yield name
    lab.server.delete(LLM_BUDGETS, "", name)


@pytest.fixture
def emulator(lab: Lab) -> Iterator[EmulatorProcess]:
    """A load that rises for good after some minutes, and beside it one that stays."""
    rates = [*[CALM] * CALM_MINUTES, BUSY]
    tokens = (PROMPT_TOKENS, OUTPUT_TOKENS)
    started = EmulatorProcess(lab, *rates, tokens=tokens, beside={"batch": CALM})
    yield started
    started.stop()


@pytest.fixture
def batch(lab: Lab) -> Iterator[str]:
    """A deployment behind a gateway, on a spot machine of its own."""
    observed_at = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"  # by prices of long ago spot costs what it would on demand
    lab.server.create(OFFER_CATALOGS, {**machines.CHEAP, "spec": {**machines.CHEAP["spec"], "observedAt": observed_at}})
    machines.machine(lab.cluster, "spot-1")
    spec = {
        "routing": "Gateway",
        "replicas": 1,
        "scaling": {"mode": "Manual"},
        "placement": {"catalogs": ["spots"], "spot": {"policy": "Require"}},
    }
    asked = llm(lab.namespace, "batch", **spec)
    lab.server.create(LLM_DEPLOYMENTS, {**asked, "metadata": {**asked["metadata"], "labels": {"team": "batch"}}})
    yield "batch"
    lab.server.delete(OFFER_CATALOGS, "", "spots")
    lab.cluster.kubectl("delete", "node", "spot-1")


@pytest.fixture
def gateway(lab: Lab, batch: str, brains: Callable[[str], BrainProcess]) -> Iterator[BrainProcess]:
    """Its brain, and clients: red asks three times as often as blue."""
    brain = brains("gateway-a")
    clients = Clients(brain, batch, ["red", "red", "blue", "red"], tokens=LONG, greedy="greedy")
    yield brain
    clients.stop()


class Reader:
    """A person before Grafana: asks what panels ask, over the time since the run began."""

    def __init__(self, url: str, variables: dict[str, str], names: tuple[str, ...]) -> None:
        """`names` are what the variable of that name may be set to; the first one is."""
        self._url = url
        self._began_s = time.time()
        # As long as the shortest that Grafana chooses for a scrape a second, and long enough for the ledger's charges.
        self._macros = {"$__rate_interval": "40s", "$__range": "10m", **variables}
        self._names = names
        self.boards = {name: json.loads((CHART / "dashboards" / f"{name}.json").read_text()) for name in BUILDERS}

    def panel(self, board: str, title: str) -> Any:
        (found,) = (panel for panel in panels(self.boards[board]) if panel["title"] == title)
        return found

    def values(self, board: str, title: str, place: int = 0, *, name: str = "") -> dict[str, float]:
        """What a panel's question finds now, by the text of its legend's labels."""
        target = self.panel(board, title)["targets"][place]
        rows = self._asked("query", {"query": self._plain(target["expr"], name or self._names[0])})
        return {" ".join(sorted(row["metric"].values())): float(row["value"][1]) for row in rows}

    def value(self, board: str, title: str, place: int = 0, *, name: str = "") -> float:
        """The only one."""
        (found,) = self.values(board, title, place, name=name).values()
        return found

    def found(self, expression: str) -> bool:
        """Whether there was anything to draw since the run began, of any deployment."""
        window = {"start": f"{self._began_s:.0f}", "end": f"{time.time():.0f}", "step": "1"}
        asked = {self._plain(expression, name) for name in self._names}
        return any(self._asked("query_range", {"query": each, **window}) for each in sorted(asked))

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

    def _plain(self, expression: str, name: str) -> str:
        for macro, value in {**self._macros, "$name": name}.items():
            expression = expression.replace(macro, value)
        return expression

    def _asked(self, path: str, form: dict[str, str]) -> Any:
        with urllib.request.urlopen(f"{self._url}/api/v1/{path}?{urllib.parse.urlencode(form)}", timeout=60) as answer:
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

    def status(name: str = "chat") -> Any:
        return (lab.llm(name) or {})["status"]

    def usd_per_hour(*names: str) -> float:
        return sum(float(status(name)["cost"]["usdPerHour"]) for name in names or ("chat", "batch"))

    def booked() -> float:
        """The ledger charges in the emulator's time, Prometheus counts the wall's."""
        return sum(reader.values("fleet-cost", "Dollars per hour by machine").values()) / SPEED

    return {
        "dollars per hour of the fleet": lambda: cost("Ordered") == about(usd_per_hour(), rel=0.05),
        "dollars per hour of the deployment": lambda: deployment("Ordered") == about(usd_per_hour("chat"), rel=0.05),
        "dollars booked": lambda: booked() == about(usd_per_hour(), rel=0.1),
        "prices": lambda: set(reader.values("fleet-cost", "Prices").values()) == {6.40, 14.88, SPOT_USD},
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
        "deployments": lambda: reader.value("operator", "Deployments") == 2.0,
        "a ledger that is kept": lambda: reader.value("operator", "Ledger kept") == 1.0,
    }


def _holds(agrees: Callable[[], bool]) -> bool:
    """Whether it does; of a page that came a second late Prometheus knows nothing until it comes again."""
    try:
        return agrees()
    except (ValueError, ZeroDivisionError):
        return False


def _of_tenants(lab: Lab, reader: Reader, throttle: str) -> dict[str, Callable[[], bool]]:
    """What panels show of savings and of tenants, against the prices and against who asked how often."""
    about = pytest.approx
    cost, at_gateway = partial(reader.value, "fleet-cost"), partial(reader.values, "deployment", name="batch")

    def of_batch(title: str) -> float:
        """Dollars per hour of `batch`: over five minutes, of which the run may be less."""
        (found,) = (usd for who, usd in reader.values("fleet-cost", title).items() if who.split()[0] == "batch")
        return found

    def shared(values: dict[str, float], whole: float) -> bool:
        """Whether red has three parts of it, and blue one."""
        red, blue = (sum(value for who, value in values.items() if name in who.split()) for name in ("red", "blue"))
        return red == about(0.75 * whole, rel=0.1) and blue == about(0.25 * whole, rel=0.2)

    return {
        "saved by spot": lambda: (
            of_batch("Saved per hour by deployment")
            == about((ON_DEMAND_USD / SPOT_USD - 1.0) * of_batch("Dollars per hour by deployment"), rel=0.1)
        ),
        "saved by all": lambda: cost("Saved per hour") == about(of_batch("Saved per hour by deployment"), rel=0.1),
        "share saved": lambda: cost("Saved share") == about(cost("Saved") / (cost("Saved") + cost("Spent")), rel=0.2),
        "dollars on demand": lambda: (
            cost("Dollars per hour, and on demand", 1) == about(cost("Booked") + cost("Saved per hour"), rel=0.1)
        ),
        "dollars by tenant": lambda: shared(
            reader.values("fleet-cost", "Dollars per hour by tenant"),
            of_batch("Dollars per hour by deployment"),
        ),
        "dollars by tenant of the deployment": lambda: shared(
            at_gateway("Dollars per hour, by tenant"), of_batch("Dollars per hour by deployment")
        ),
        "sent by tenant": lambda: shared(
            at_gateway("Sent to replicas, by tenant"), sum(at_gateway("Sent to replicas, by tenant").values())
        ),
        "refused by tenant": lambda: at_gateway("Refused, by tenant").keys() == {"default greedy tokens_exhausted"},
        "throttle": lambda: at_gateway("Throttle") == {f"Throttle {throttle}": MOST_TOKENS_PER_S},
    }


def test_every_panel_is_answered_and_the_main_ones_are_right(
    lab: Lab, emulator: EmulatorProcess, budget: str, throttle: str, gateway: BrainProcess
) -> None:
    placement = {"accelerators": ["L4"], "catalogs": [CATALOG["metadata"]["name"]]}
    created = lab.create(scaling={"maxReplicas": 8}, placement=placement)
    remembered(lab, created["metadata"]["uid"])
    reads = {"scrape_proxy": emulator.address, "gateways": f"{lab.namespace}={gateway.url}", **READS}
    operator = lab.start(None, **reads, budgets_every_s="1")
    lab.ready(within_s=120.0)
    pages = {
        f"127.0.0.1:{operator.port}": {"namespace": "operators", "job": "wharfage"},
        f"127.0.0.1:{gateway.port}": {"namespace": lab.namespace, "job": "gateway"},
    }
    with scraping(pages, lab.folder, rules=CHART / "rules.yaml") as url:
        reader = Reader(url, {"$namespace": lab.namespace, "$budget": budget}, ("chat", "batch"))
        try:
            eventually(lambda: not reader.without(), within_s=240.0, what="every panel is answered")
        except AssertionError as error:
            decision = ((lab.llm() or {}).get("status") or {}).get("decision")
            raise AssertionError(f"{error}: {reader.without()}; {decision}") from None
        eventually(lambda: settled(lab), within_s=300.0, what="as many as the load asks for, and all of them ready")
        for what, agrees in {**_agreements(lab, reader), **_of_tenants(lab, reader, throttle)}.items():
            eventually(partial(_holds, agrees), within_s=240.0, what=what)
    assert operator.tracebacks == []
