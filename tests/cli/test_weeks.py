"""From what a server recorded to a load to replay: gaps, lengths, files; and the command against a real Prometheus."""

import time
from dataclasses import replace
from math import nan
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from wharfage_cli.__main__ import cli
from wharfage_cli.simulation import weeks
from wharfage_cli.simulation.question import QuestionError
from wharfage_operator.recorded import Recorded
from wharfage_simulator.traces import Gaps, RateTrace, read_trace

from tests.prometheus import serving

AWS = str(Path(__file__).parents[2] / "examples" / "catalogs" / "aws-us-east-1.yaml")
NOW_S = 1_790_000_399.5
UNTIL_S = 1_790_000_100


def seen(*requests: float, **tokens: tuple[float, ...]) -> weeks.Weeks:
    """Windows of five minutes; tokens as they are given, else none."""
    nothing: dict[str, tuple[float, ...]] = {"prompt_tokens": (), "output_tokens": (), "cached_tokens": ()}
    of = Recorded(("chat",), ("engines",), 1_790_000_100, 300, requests, **{**nothing, **tokens})
    return weeks.weeks(of, name="chat")


def recording(*matches: str, **options: Any) -> weeks.Recording:
    usual: dict[str, Any] = {"days": 28.0, "window": "5m", "token_file": None, "ca_file": None, "now_s": NOW_S}
    return weeks.recording("http://127.0.0.1:9", matches, **{**usual, **options})


def test_a_load_begins_and_ends_where_something_was_recorded() -> None:
    found = weeks.trace(seen(nan, nan, 1.0, 3.0, nan), gaps=Gaps.REFUSE)
    assert (found.start_s, found.window_s, found.req_per_s.tolist()) == (1_790_000_700.0, 300.0, [1.0, 3.0])
    assert (found.prompt_tokens, found.output_tokens, found.cached_tokens, found.bridged) == (None, None, None, 0)


def test_gaps_are_refused_with_the_longest_of_them_or_bridged_and_counted() -> None:
    holed = seen(1.0, nan, 2.0, nan, nan, 5.0)
    with pytest.raises(
        QuestionError,
        match=r"chat: nothing was recorded in 3 of 6 windows of 300 s, .* from 2026-09-21T14:30Z on for 10 minutes",
    ):
        weeks.trace(holed, gaps=Gaps.REFUSE)
    bridged = weeks.trace(holed, gaps=Gaps.BRIDGE)
    assert (bridged.req_per_s.tolist(), bridged.bridged) == ([1.0, 1.5, 2.0, 3.0, 4.0, 5.0], 3)


def test_a_load_without_a_request_is_refused() -> None:
    with pytest.raises(QuestionError, match="chat: not one request in 2 windows of 300 s"):
        weeks.trace(seen(0.0, 0.0), gaps=Gaps.REFUSE)


def test_lengths_are_those_of_the_window_where_it_has_requests_enough() -> None:
    found = weeks.trace(
        seen(1.0, 2.0, prompt_tokens=(100.0, 400.0), output_tokens=(10.0, 20.0), cached_tokens=(50.0, 500.0)),
        gaps=Gaps.REFUSE,
    )
    columns = (found.prompt_tokens, found.output_tokens, found.cached_tokens)
    assert [column.tolist() for column in columns if column is not None] == [[100, 200], [10, 10], [50, 200]]


def test_lengths_of_few_requests_are_those_of_the_hour_and_of_fewer_those_of_the_whole_time() -> None:
    hour = 12
    requests = (*[0.01] * hour, *[0.0] * 2 * hour, *[1.0] * hour)
    output = (*[3.0] * hour, *[0.0] * 2 * hour, *[10.0] * hour)
    found = weeks.trace(seen(*requests, prompt_tokens=output, output_tokens=output), gaps=Gaps.REFUSE)
    assert found.output_tokens is not None
    whole = (0.03 + 0.1) * 100 / (0.01 + 1.0)
    assert found.output_tokens[hour // 2] == pytest.approx(300)
    assert found.output_tokens[2 * hour] == pytest.approx(whole)
    assert found.output_tokens[-1] == pytest.approx(10)
    assert np.isfinite(found.output_tokens).all()


def test_lengths_are_at_least_a_token() -> None:
    found = weeks.trace(seen(1.0, 1.0, prompt_tokens=(0.1, 0.2), output_tokens=(0.0, nan)), gaps=Gaps.REFUSE)
    assert found.prompt_tokens is not None
    assert found.output_tokens is not None
    assert (found.prompt_tokens.tolist(), found.output_tokens.tolist()) == ([1, 1], [1, 1])


@pytest.mark.parametrize("name", [pytest.param("load.csv", id="CSV"), pytest.param("load.csv.gz", id="gzipped")])
def test_what_is_saved_is_what_is_read_back_gaps_included(tmp_path: Path, name: str) -> None:
    of = seen(
        1.0, nan, 2.5, prompt_tokens=(90.0, nan, 250.0), output_tokens=(9.0, nan, 50.0), cached_tokens=(1.0, nan, 5.0)
    )
    weeks.write(of, tmp_path / name)
    read, direct = read_trace(tmp_path / name, gaps=Gaps.BRIDGE, name="chat"), weeks.trace(of, gaps=Gaps.BRIDGE)
    assert isinstance(read, RateTrace)
    assert (read.start_s, read.window_s, read.bridged) == (direct.start_s, direct.window_s, 1)
    for column in ("req_per_s", "prompt_tokens", "output_tokens", "cached_tokens"):
        assert getattr(read, column)[[0, 2]].tolist() == getattr(direct, column)[[0, 2]].tolist()


def test_a_file_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    with pytest.raises(QuestionError, match=r"none/load\.csv: it cannot be written"):
        weeks.write(seen(1.0, 1.0), tmp_path / "none" / "load.csv")


def test_what_is_doubtful_about_a_load_is_said() -> None:
    tokens = {"prompt_tokens": (1.0,), "output_tokens": (1.0,)}
    assert weeks.doubts(seen(1.0, **tokens, cached_tokens=(0.0,))) == []
    (no_cache,) = weeks.doubts(seen(1.0, **tokens))
    (no_tokens,) = weeks.doubts(seen(1.0))
    (twice,) = weeks.doubts(replace(seen(1.0, **tokens, cached_tokens=(0.0,)), jobs=("pods", "services")))
    assert "no counts of cached tokens" in no_cache
    assert "no counts of tokens: lengths are drawn" in no_tokens
    assert "several jobs are added up: pods, services" in twice
    assert """choose one with --match 'job="pods"'""" in twice


def test_the_last_window_is_the_last_whole_one_and_matches_are_taken_once() -> None:
    assert recording().until_s == UNTIL_S
    assert recording(window="60s").until_s == 1_790_000_340
    assert recording().matches == ("",)
    assert recording('{a="b"}', 'a = "b"', 'a="c"').matches == ('a="b"', 'a="c"')


def test_a_token_comes_from_a_file_or_from_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "token"
    path.write_text("from-file\n", encoding="utf-8")
    assert recording().address.token == ""
    monkeypatch.setenv("WHARFAGE_PROMETHEUS_TOKEN", "from-environment")
    assert recording().address.token == "from-environment"
    assert recording(token_file=path).address.token == "from-file"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        pytest.param({"window": "10s"}, "--window: whole seconds from 30 s to 3600 s, not 10s", id="a short window"),
        pytest.param({"window": "90500ms"}, "--window: whole seconds", id="half a second"),
        pytest.param({"days": nan}, "--days: how far back to look, more than 0, not nan", id="days that are no number"),
        pytest.param({"window": "5"}, "--window: write a duration with a unit", id="no unit"),
        pytest.param({"matches": ("shop",)}, "--match shop: matchers of labels", id="no matcher"),
        pytest.param({"token_file": Path("/none")}, "--prometheus-token-file /none: it cannot be read", id="no token"),
        pytest.param({"ca_file": Path("/none")}, "--prometheus-ca-file /none: no such file", id="no authority"),
        pytest.param({"token_file": Path(__file__)}, "cannot be sent", id="a file that holds no token"),
    ],
)
def test_a_mistake_is_said_before_the_server_is_asked(options: dict[str, Any], message: str) -> None:
    with pytest.raises(QuestionError, match=message):
        recording(*options.pop("matches", ()), **options)


def samples(until_s: int) -> str:
    """A day of one model, a sample a minute, and of another one with a night that nobody recorded."""
    metrics = {
        "vllm:time_to_first_token_seconds_count": 2.0,
        "vllm:prompt_tokens_total": 600.0,
        "vllm:generation_tokens_total": 100.0,
    }
    first_s, lines = until_s - 86_400, []
    for metric, per_s in metrics.items():
        kind = "counter" if metric.endswith("_total") else "histogram"
        lines.append(f"# TYPE {metric.removesuffix('_total').removesuffix('_count')} {kind}")
        for model, missing in (("chat", range(0)), ("holed", range(400, 1000))):
            lines += [
                f'{metric}{{model_name="{model}",job="engines"}} {per_s * 60 * minute:g} {first_s + 60 * minute}'
                for minute in range(1441)
                if minute not in missing
            ]
    return "\n".join([*lines, "# EOF", ""])


def test_a_load_comes_out_of_a_real_server_as_it_went_in(tmp_path: Path) -> None:
    with serving(samples(UNTIL_S), tmp_path) as url:
        asked = recording('model_name="chat"', 'model_name="holed"')
        asked = replace(asked, address=replace(asked.address, url=url))
        chat, holed = weeks.asked(asked)
        with pytest.raises(QuestionError, match=r"selects several models, .* chat, holed; choose one"):
            weeks.asked(replace(asked, matches=("",)))
    load = weeks.trace(chat, gaps=Gaps.REFUSE)
    assert (load.name, load.start_s, load.duration_s) == ("chat", UNTIL_S - 86_400, 86_400)
    assert load.prompt_tokens is not None
    assert load.output_tokens is not None
    assert load.req_per_s == pytest.approx(np.full(288, 2.0))
    assert load.prompt_tokens == pytest.approx(np.full(288, 300.0))
    assert load.output_tokens == pytest.approx(np.full(288, 50.0))
    assert (holed.name, holed.gaps) == ("holed", 120)


def test_the_command_saves_what_the_server_has_and_ends_with_2_where_it_cannot_go_on(tmp_path: Path) -> None:
    saved = tmp_path / "load.csv"
    (tmp_path / "server").mkdir()
    with serving(samples(int(time.time()) // 300 * 300), tmp_path / "server") as url:
        command = ["compare", "--catalog", AWS, "--prometheus", url, "--days", "2", "--save-trace", str(saved)]
        ended = CliRunner().invoke(cli, [*command, "--match", 'model_name="holed"'])
        unnamed = CliRunner().invoke(cli, command)
    assert ended.exit_code == unnamed.exit_code == 2
    assert "wharfage: holed: nothing was recorded in 120 of 288 windows" in ended.output
    assert "no counts of cached tokens" in ended.output
    assert "selects several models" in unnamed.output
    read = read_trace(saved, gaps=Gaps.BRIDGE)
    assert isinstance(read, RateTrace)
    assert read.bridged == 120


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        pytest.param(["--prometheus", "http://127.0.0.1:9"], "http://127.0.0.1:9: it cannot be asked: ", id="nobody"),
        pytest.param(["--match", 'a="b"'], "--match and --save-trace need --prometheus URL", id="no server"),
        pytest.param(["--prometheus", "p:9090"], "the address of a Prometheus server is http", id="no address"),
        pytest.param(["--prometheus", "http://p", "--days", "0"], "--days", id="no time"),
    ],
)
def test_a_mistake_about_a_server_is_one_line(arguments: list[str], message: str) -> None:
    ended = CliRunner().invoke(cli, ["simulate", "--catalog", AWS, *arguments])
    assert ended.exit_code == 2
    assert message in ended.output
    assert "Traceback" not in ended.output
