"""The chart's Grafana dashboards: what they ask for can be parsed and is told, and Grafana's sidecar finds them."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.charts.release import CHART, NAMESPACE, Manifest, of_kind, rendered
from tests.charts.test_rules import pages, promtool
from tools.dashboards.__main__ import BUILDERS, built, main, panels

RECORDED = {
    rule["record"]: rule["expr"]
    for group in yaml.safe_load((CHART / "rules.yaml").read_text())["groups"]
    for rule in group["rules"]
    if "record" in rule
}
BOARDS = {name: json.loads((CHART / "dashboards" / f"{name}.json").read_text()) for name in BUILDERS}
EVERY = [pytest.param(board, id=name) for name, board in BOARDS.items()]
UNITS = {"none", "short", "currencyUSD", "percentunit", "reqps", "s", "h", "bytes", "watt", "joule"}
"""By the names that `@grafana/data` has for them."""

MACROS = {"$__rate_interval": "1m", "$__range": "1h", "$namespace": "shop", "$name": "chat", "$budget": ".*"}


def plain(expression: str) -> str:
    """A question as Grafana puts it, with its macros and variables filled in."""
    for macro, value in MACROS.items():
        expression = expression.replace(macro, value)
    return expression


def expressions(board: dict[str, Any]) -> Iterator[str]:
    for panel in panels(board):
        yield from (target["expr"] for target in panel["targets"])
    yield from (mark["expr"] for mark in board["annotations"].get("list", ()) if "expr" in mark)


def labels_of(expression: str) -> set[str]:
    """Labels that a question may find: those that it, and what it asks for that is recorded, sum by or match on."""
    whole = expression
    while names := {name for name in re.findall(r"wharfage:[\w:]+", whole) if name in RECORDED}:
        for name in names:
            whole = re.sub(rf"{name}(?![\w:])", f"({RECORDED[name]})", whole)
    found = {label.strip() for labels in re.findall(r"\b(?:by|on) \(([^)]*)\)", whole) for label in labels.split(",")}
    return found | {"instance"}


def dashboards(**values: Any) -> tuple[Manifest, ...]:
    made = of_kind(rendered({"dashboards": {"enabled": True, **values}}), "ConfigMap")
    return tuple(each for each in made if "-dashboard-" in each["metadata"]["name"])


def test_they_are_what_their_builders_make() -> None:
    assert {path.name for path in built()} == {"dashboards.md", *(f"{name}.json" for name in BUILDERS)}
    assert main(["--check"]) == 0


@pytest.mark.parametrize("board", EVERY)
def test_every_question_is_promql(board: dict[str, Any], tmp_path: Path) -> None:
    rules = [{"record": f"asked:{place}", "expr": plain(each)} for place, each in enumerate(expressions(board))]
    (tmp_path / "asked.yaml").write_text(json.dumps({"groups": [{"name": "asked", "rules": rules}]}), encoding="utf-8")
    assert not [rule for rule in rules if "$" in rule["expr"]]
    done = promtool("check", "rules", "--lint=none", tmp_path / "asked.yaml")
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("board", EVERY)
def test_every_metric_is_on_the_operators_or_a_gateways_page_or_recorded(board: dict[str, Any]) -> None:
    page = pages()
    shown = set(re.findall(r"^# TYPE (\S+)", page, re.MULTILINE))
    histograms = set(re.findall(r"^# TYPE (\S+) histogram", page, re.MULTILINE))
    known = shown | {f"{name}_bucket" for name in histograms} | RECORDED.keys()
    asked = {name for each in expressions(board) for name in re.findall(r"\b(?:wharfage|process)[_:][\w:]+", each)}
    assert asked
    assert asked - known == set()


@pytest.mark.parametrize("board", EVERY)
def test_a_rate_is_taken_of_counters_only(board: dict[str, Any]) -> None:
    page = pages()
    counters = set(re.findall(r"^# TYPE (\S+) counter", page, re.MULTILINE))
    rated = {
        name for each in expressions(board) for name in re.findall(r"(?:rate|increase)\((\w+?)(?:_bucket)?[\[{]", each)
    }
    histograms = set(re.findall(r"^# TYPE (\S+) histogram", page, re.MULTILINE))
    assert rated - counters - histograms == set()


@pytest.mark.parametrize("board", EVERY)
def test_every_panel_asks_the_readers_own_prometheus_and_says_what_it_shows(board: dict[str, Any]) -> None:
    titles = [panel["title"] for panel in panels(board)]
    assert len(titles) == len(set(titles))
    assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"])
    for panel in panels(board):
        assert panel["datasource"] == {"type": "prometheus", "uid": "${datasource}"}, panel["title"]
        assert panel["description"].endswith("."), panel["title"]
        assert panel["fieldConfig"]["defaults"].get("unit") or panel["type"] == "state-timeline", panel["title"]
    (source, *_) = board["templating"]["list"]
    assert (source["name"], source["type"], source["query"]) == ("datasource", "datasource", "prometheus")


@pytest.mark.parametrize("board", EVERY)
def test_every_variable_is_declared_and_used(board: dict[str, Any]) -> None:
    variables = {each["name"]: each for each in board["templating"]["list"]}
    asked = [*expressions(board), *(each.get("query", "") for each in variables.values())]
    sources = [each["datasource"]["uid"] for each in (*panels(board), *board["annotations"].get("list", ()))]
    named = {name for text in (*asked, *sources) for name in re.findall(r"\$\{?([a-z]\w*)", text)}
    assert named == variables.keys()
    assert all(each["datasource"]["uid"] == "${datasource}" for each in variables.values() if each["type"] == "query")


@pytest.mark.parametrize("board", EVERY)
def test_every_line_and_bar_is_called_by_labels_that_it_has(board: dict[str, Any]) -> None:
    for panel in panels(board):
        targets = panel["targets"]
        assert len({target["refId"] for target in targets}) == len(targets), panel["title"]
        for target in targets:
            named = set(re.findall(r"{{(\w+)}}", target.get("legendFormat", "")))
            assert named <= labels_of(target["expr"]), panel["title"]
            assert target.get("legendFormat") or panel["type"] in ("stat", "table"), panel["title"]


@pytest.mark.parametrize("board", EVERY)
def test_every_panel_is_as_its_kind_asks(board: dict[str, Any]) -> None:
    for panel in panels(board):
        kind, defaults = panel["type"], panel["fieldConfig"]["defaults"]
        assert defaults.get("unit", "none") in UNITS, panel["title"]
        for target in panel["targets"]:
            assert target["instant"] is not target["range"], panel["title"]
            assert target["range"] is (kind in ("stat", "timeseries", "state-timeline")), panel["title"]
            assert target.get("format") == ("table" if kind == "table" else None), panel["title"]
        if kind not in ("timeseries", "table"):  # whose colours are those of thresholds; without any, red from 80 on
            bounds = [step["value"] for step in defaults["thresholds"]["steps"]]
            assert bounds[0] is None, panel["title"]
            assert bounds[1:] == sorted(set(bounds[1:])), panel["title"]


@pytest.mark.parametrize("board", EVERY)
def test_no_two_panels_lie_on_each_other(board: dict[str, Any]) -> None:
    taken: set[tuple[int, int]] = set()
    for panel in board["panels"]:
        place = panel["gridPos"]
        cells = {(place["x"] + x, place["y"] + y) for x in range(place["w"]) for y in range(place["h"])}
        assert max(x for x, _ in cells) < 24, panel["title"]
        assert not cells & taken, panel["title"]
        taken |= cells


def test_each_has_an_address_of_its_own() -> None:
    assert all(re.fullmatch(r"[a-z-]{1,40}", board["uid"]) for board in BOARDS.values())
    assert len({board["uid"] for board in BOARDS.values()}) == len(BOARDS)
    assert all("wharfage" in board["tags"] for board in BOARDS.values())


def test_by_default_there_are_none() -> None:
    assert not [each for each in of_kind(rendered(), "ConfigMap") if "dashboard" in each["metadata"]["name"]]


def test_the_sidecar_finds_each_by_its_label() -> None:
    made = dashboards(annotations={"grafana_folder": "LLM"})
    assert [each["metadata"]["labels"]["grafana_dashboard"] for each in made] == ["1"] * len(BOARDS)
    assert all(each["metadata"]["annotations"] == {"grafana_folder": "LLM"} for each in made)
    loaded = {name: json.loads(text) for each in made for name, text in each["data"].items()}
    assert loaded == {f"wharfage-{name}.json": board for name, board in BOARDS.items()}


def test_they_go_where_grafana_looks() -> None:
    assert {each["metadata"]["namespace"] for each in dashboards()} == {NAMESPACE}
    elsewhere = dashboards(namespace="monitoring", labels={"dashboards": "yes"})
    assert {each["metadata"]["namespace"] for each in elsewhere} == {"monitoring"}
    assert all(each["metadata"]["labels"]["dashboards"] == "yes" for each in elsewhere)
