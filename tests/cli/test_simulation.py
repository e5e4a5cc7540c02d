"""What `compare` and `simulate` make of a command line."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from wharfage_autoscaler.offers import Market, Offer
from wharfage_cli.simulation import course, question, spread
from wharfage_cli.simulation.question import Question, QuestionError
from wharfage_simulator.arrivals import Arrivals
from wharfage_simulator.boots import MEASURED, BootTimes
from wharfage_simulator.policies.registry import POLICIES
from wharfage_simulator.prices import CATALOG, Prices, Steps
from wharfage_simulator.result import Course, Result
from wharfage_simulator.scenario import Asked
from wharfage_simulator.spot import Availability, Runs
from wharfage_simulator.tables import TraceError
from wharfage_simulator.traces import Gaps, RateTrace
from wharfage_simulator.workload import Load

from tests.builders import offer

CATALOGS = Path(__file__).parents[2] / "examples" / "catalogs"
QWEN = question.variant("hf://Qwen/Qwen3-8B", None)
ASKED = question.asked(QWEN, ttft="2s", tpot="50ms", lead="5m", context_tokens=8192)


def result(**changed: Any) -> Result:
    """Two hours, the first not scored, one bad minute in each."""
    minutes = np.arange(120)
    flat = np.ones(120)
    bad = np.isin(minutes, (30, 90)).astype(np.float64)
    figures: dict[str, Any] = {
        "setting": "all",
        "trace": "chat",
        "policy": "keda",
        "seed": 1,
        "usd": 3.0,
        "bad_minutes": 1,
        "minutes": 60,
        "scored_from_s": 3600.0,
        "requests": 200,
        "failed": 1,
        "replica_hours": 2.0,
        "churn": 4,
        "spot_losses": 2,
        "course": Course(flat * 4, flat * 5 - bad * 2, flat * 5, flat * 3, flat * 0.75, bad * 0.5, bad),
    }
    return Result(**(figures | changed))


DATED = Prices({("g6", "OnDemand", ""): Steps((0.0,), (1.0,))})


def rates(name: str = "chat", prompt: float = 700.0) -> RateTrace:
    """A day of one request per second."""
    return RateTrace(name, 0.0, 600.0, np.ones(144), np.full(144, prompt), np.full(144, 100.0))


def test_the_example_catalogs_are_read_and_joined() -> None:
    found = question.offers(question.catalogs([CATALOGS / "aws-us-east-1.yaml", CATALOGS / "onprem.yaml"]))
    assert len({each.catalog for each in found}) == 2
    assert all(each.usd_per_hour >= 0 for each in found)


BAD_CATALOGS = [
    pytest.param("", "it is empty", id="empty"),
    pytest.param("a: [", "it is not YAML", id="no YAML"),
    pytest.param("kind: Pod", "it holds Pod, not an OfferCatalog", id="another kind"),
    pytest.param("just words", "it holds no object", id="words"),
    pytest.param(
        "{kind: OfferCatalog, metadata: {name: x}, spec: {provider: moon}}",
        r"spec\.provider: .*\(and",
        id="a bad field",
    ),
]


@pytest.mark.parametrize(("text", "message"), BAD_CATALOGS)
def test_a_catalog_that_cannot_be_used_is_named_with_the_field(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "catalog.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(QuestionError, match=rf"catalog\.yaml: {message}"):
        question.offers(question.catalogs([path]))


def test_a_price_that_is_not_believed_is_refused_before_anybody_wins_by_it(tmp_path: Path) -> None:
    path = tmp_path / "catalog.yaml"
    shipped = CATALOGS / "aws-us-east-1.yaml"
    path.write_text(shipped.read_text(encoding="utf-8").replace('"0.8048"', '"0.008"', 1), encoding="utf-8")
    with pytest.raises(QuestionError, match=r"costs 0\.008 usd/h per L4, others .*: not believed, correct the catalog"):
        question.offers(question.catalogs([path]))


def test_a_catalog_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(QuestionError, match=r"none\.yaml: it cannot be read"):
        question.offers(question.catalogs([tmp_path / "none.yaml"]))


def test_a_bad_row_of_a_trace_is_named(tmp_path: Path) -> None:
    path = tmp_path / "load.csv"
    path.write_text("t_s,req_per_s\n0,1\n600,-1\n", encoding="utf-8")
    with pytest.raises(TraceError, match=r"load\.csv: line 3: req_per_s is -1"):
        question.loads([path], [], None, gaps=Gaps.REFUSE)


def test_files_of_one_name_are_told_apart_by_their_folders(tmp_path: Path) -> None:
    paths = [tmp_path / folder / "load.csv" for folder in "ab"]
    for path in paths:
        path.parent.mkdir()
        path.write_text("t_s,req_per_s\n0,1\n600,1\n1200,1\n", encoding="utf-8")
    assert [each.name for each in question.loads(paths, [], None, gaps=Gaps.REFUSE)] == [str(path) for path in paths]
    assert [each.name for each in question.loads(paths[:1], [], None, gaps=Gaps.REFUSE)] == ["load"]


def test_a_trace_too_short_to_learn_from_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "short.csv"
    path.write_text("t_s,req_per_s\n0,1\n60,1\n", encoding="utf-8")
    with pytest.raises(QuestionError, match="short: it is 120 s long, and 1200 s are the least"):
        question.loads([path], [], None, gaps=Gaps.REFUSE)


BAD_WORDS: list[Any] = [
    pytest.param(lambda: question.loads([], [], None, gaps=Gaps.REFUSE), "no load", id="nothing to serve"),
    pytest.param(
        lambda: question.loads([], ["servegen/m-large"], None, gaps=Gaps.REFUSE), "needs --data", id="no folder"
    ),
    pytest.param(lambda: question.settings("one,two", spot=False), "there is no two; there are one, all", id="setting"),
    pytest.param(lambda: question.policies("keda,mine"), "there is no mine; there are wharfage", id="policy"),
    pytest.param(lambda: question.policies(" , "), "--policies: it is empty", id="no policy"),
    pytest.param(lambda: question.seconds("--ttft", "2"), "--ttft: write a duration with a unit", id="no unit"),
    pytest.param(lambda: question.seconds("--lead", "0s"), "--lead: it must be longer than 0", id="no lead time"),
    pytest.param(
        lambda: question.asked(
            QWEN, ttft="2s", tpot="50ms", lead="300s", context_tokens=8192, max_spot_share=float("nan")
        ),
        "--max-spot-share: it must be between 0 and 1, not nan",
        id="a share that is no number",
    ),
    pytest.param(lambda: question.arrivals("even"), "there is no even; there are renewal, stretched", id="arrivals"),
    pytest.param(lambda: spread.parallel("0"), "--parallel: a number of processes", id="no process"),
    pytest.param(lambda: spread.parallel("dask://"), "--parallel: a number of processes", id="no scheduler"),
    pytest.param(lambda: spread.parallel("dask://hal"), "or dask://HOST:PORT, not 'dask://hal'", id="no port"),
    pytest.param(
        lambda: question.variant("hf://Qwen/Qwen3-8b-mine", None),
        "--model-config FILE; known are .*hf://Qwen/Qwen3-8B",
        id="unknown model",
    ),
]


@pytest.mark.parametrize(("ask", "message"), BAD_WORDS)
def test_a_mistake_on_the_command_line_is_said_with_what_to_do(ask: Callable[[], object], message: str) -> None:
    with pytest.raises(QuestionError, match=message):
        ask()


def dated(folder: Path, rows: str) -> Path:
    """A file of prices."""
    path = folder / "prices.csv"
    path.write_text("offer,market,zone,t_s,usd_per_hour\n" + rows, encoding="utf-8")
    return path


def test_prices_are_those_of_the_catalogs_offers_and_who_would_see_nothing_of_them_is_told(tmp_path: Path) -> None:
    offered = (offer("g6.xlarge"), offer("g6.2xlarge"))
    path = dated(tmp_path, "g6.xlarge,OnDemand,,0,0.8\ng6.xlarge,OnDemand,,40000,0.9\np9,OnDemand,,0,5\n")
    read = question.prices(path, offered, None)
    assert read.usd_per_hour(offered[0], 50_000) == 0.9
    said = question.unused_prices(path, read, offered, [rates()])
    assert [doubt.removeprefix(f"{path}: ") for doubt in said] == [
        "rows of offers that are in no catalog are ignored: p9 OnDemand"
    ]
    elsewhere = replace(rates(), start_s=1.7e9)
    (_, doubt) = question.unused_prices(path, read, offered, [elsewhere])
    assert "no price changes while chat runs, from t_s 1700000000 to 1700086400" in doubt
    assert question.prices(None, offered, None) == CATALOG


def test_spot_prices_may_be_named_by_the_zones_of_the_availability_record(tmp_path: Path) -> None:
    anywhere = replace(offer("g6.xlarge", usd_per_hour=0.3), market=Market.SPOT)
    record = Availability("record", 100.0, {"x": Runs((0.0,), (1.0,))})
    path = dated(tmp_path, "g6.xlarge,Spot,x,0,0.2\n")
    assert question.prices(path, (anywhere,), record).steps
    with pytest.raises(QuestionError, match=r"none of its offers is in the catalogs; g6\.xlarge Spot x, and"):
        question.prices(path, (anywhere,), None)


def test_a_dated_price_that_is_not_believed_is_refused(tmp_path: Path) -> None:
    offered = tuple(offer(name) for name in ("a", "b", "c"))
    path = dated(tmp_path, "a,OnDemand,,0,0.8\na,OnDemand,,600,0.0001\n")
    with pytest.raises(QuestionError, match=r"a OnDemand costs 0\.0001 usd/h at its cheapest, far below other L4"):
        question.prices(path, offered, None)


def test_boot_times_are_those_measured_or_of_a_file_and_leave_time_for_the_engine(tmp_path: Path) -> None:
    path = tmp_path / "boots.csv"
    path.write_text("ready_s\n" + "40\n" * 10, encoding="utf-8")
    assert question.boots(None, lead_s=300.0) is None
    assert question.boots("measured", lead_s=300.0) == MEASURED
    assert question.boots(str(path), lead_s=300.0) == BootTimes((40.0,) * 21)
    with pytest.raises(QuestionError, match=r"take 83 s or longer to boot, and --lead, .* is 60 s: give a longer one"):
        question.boots("measured", lead_s=60.0)
    with pytest.raises(TraceError, match="none: no such file"):
        question.boots("none", lead_s=60.0)


def test_offers_of_an_unknown_accelerator_are_said_to_be_left_out() -> None:
    offered = (offer("g6.xlarge"), *(offer(name, accelerator="H10") for name in ("p6", "p5", "p5")))
    (said,) = question.left_out(offered)
    assert said.startswith("left out: p5, p6: accelerator 'H10' is not known; did you mean H100? known are T4, ")
    assert question.left_out(offered[:1]) == ()


def test_windows_that_were_not_measured_are_counted(tmp_path: Path) -> None:
    path = tmp_path / "load.csv"
    rows = "".join(f"{at},1\n" for at in range(0, 7200, 600) if at not in (1800, 2400))
    path.write_text("t_s,req_per_s\n" + rows, encoding="utf-8")
    read = question.loads([path], [], None, gaps=Gaps.BRIDGE)
    assert question.bridged((*read, rates())) == ("load: 2 windows of 600 s were not measured, and are bridged",)


def test_what_is_not_said_is_all_of_it() -> None:
    assert question.settings(None, spot=False) == ("all",)
    assert question.settings(None, spot=True) == ("all", "all+spot")
    assert question.policies("all") == ("wharfage", *POLICIES)
    assert question.policies("keda, wharfage,keda") == ("keda", "wharfage")


def test_a_model_of_ones_own_is_read_from_its_config(tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    path.write_text(
        '{"hidden_size": 128, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 512,'
        ' "vocab_size": 4096, "quantization_config": {"quant_method": "fp8"}}',
        encoding="utf-8",
    )
    found = question.variant("pvc://weights/mine", path)
    assert found.shape is not None
    assert (found.shape.layers, found.quantization, found.source) == (2, "fp8", "pvc://weights/mine")
    path.write_text('{"hidden_size": 128}', encoding="utf-8")
    with pytest.raises(QuestionError, match=r"config\.json: .*num_hidden_layers"):
        question.variant("pvc://weights/mine", path)
    path.write_text("[]", encoding="utf-8")
    with pytest.raises(QuestionError, match=r"config\.json: "):
        question.variant("pvc://weights/mine", path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param("{", "it is not JSON, as a model's config.json is", id="half a file"),
        pytest.param("[]", "it holds list, not the object of a model's config.json", id="a list"),
    ],
)
def test_a_config_that_is_none_is_said_to_be_none(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "config.json"
    path.write_text(text)
    with pytest.raises(QuestionError, match=rf"config\.json: {message}"):
        question.variant("mine", path)


def test_prices_of_last_year_are_said_to_be_old_and_those_of_last_week_are_not() -> None:
    written = CATALOGS / "aws-us-east-1.yaml"
    observed_at = yaml.safe_load(written.read_text(encoding="utf-8"))["spec"]["observedAt"]
    observed_s = datetime.fromisoformat(observed_at).timestamp()
    read = question.catalogs([written])
    (said,) = question.stale(read, now_s=observed_s + 365 * 86_400)
    assert "aws-us-east-1 were observed 365 days ago: `wharfage offers build`" in said
    assert question.stale(read, now_s=observed_s + 7 * 86_400) == ()


def test_processes_and_clusters() -> None:
    assert spread.parallel("4") == spread.Parallel(4)
    assert spread.parallel("dask://10.0.0.7:8786") == spread.Parallel(-1, "tcp://10.0.0.7:8786")


def test_each_load_is_asked_for_with_lengths_of_its_own_and_progress_is_of_all() -> None:
    sizes: list[tuple[str, float]] = []

    def compare(
        loads: Sequence[Load],
        offers: Sequence[Offer],
        asked: Asked,
        *,
        settings: Sequence[str],
        policies: Sequence[str],
        seeds: Sequence[int],
        availability: Availability | None = None,
        prices: Prices = CATALOG,
        boots: BootTimes | None = None,
        arrivals: Arrivals = Arrivals.RENEWAL,
        workers: int = 1,
        progress: spread.Progress | None = None,
    ) -> list[Result]:
        sizes.append((loads[0].name, asked.traffic.prompt_tokens))
        assert (prices, boots, arrivals) == (DATED, MEASURED, Arrivals.POISSON)
        assert progress is not None
        progress(1, 2)
        return [result(trace=loads[0].name, policy=policy) for policy in policies]

    told: list[tuple[int, int]] = []
    found = spread.answered(
        Question(
            loads=(rates("short", 200.0), rates("long", 1000.0)),
            offers=(offer(),),
            asked=ASKED,
            prices=DATED,
            boots=MEASURED,
            arrivals=Arrivals.POISSON,
        ),
        compare,
        settings=["all"],
        policies=["wharfage", "keda"],
        seeds=[1],
        progress=lambda done, whole: told.append((done, whole)),
    )
    assert [each.trace for each in found] == ["short", "short", "long", "long"]
    assert [name for name, _ in sizes] == ["short", "long"]
    assert [prompt for _, prompt in sizes] == pytest.approx([200.0, 1000.0], rel=0.05)
    assert told == [(1, 4), (3, 4)]


def test_a_course_is_told_by_the_hour_and_the_first_is_not_scored() -> None:
    first, second = course.hours(result(), lead_s=300.0)
    assert (first.bad_minutes, first.why) == ("-", "")
    assert (second.hour, second.demand, second.usd_per_hour, second.spot) == (1, "4.00", "3.00", "25 %")
    assert (second.bad_minutes, second.why, second.lost) == ("1", "replicas lost", 1)


def test_a_summary_says_what_it_cost_and_what_was_bad() -> None:
    said = course.summary(result())
    assert "keda on chat (all, seed 1): 3.00 USD for 2.0 replica hours; bad minutes 1.67 % (1 of 60)" in said
    assert "unknown, no minute had a request" in course.summary(result(minutes=0, bad_minutes=0))
