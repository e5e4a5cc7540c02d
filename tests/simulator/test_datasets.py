"""The published data sets, in files of their shape with numbers of our own."""

import gzip
from pathlib import Path

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest
from wharfage_simulator.clients import ClientTrace, Gap
from wharfage_simulator.datasets import dataset
from wharfage_simulator.tables import TraceError
from wharfage_simulator.traces import RequestTrace

STATS = "dataset,client,window_start_s," + ",".join(
    f"{field}_{name}" for field in ("input_tokens", "output_tokens") for name in ("mean", "p50", "p90", "p99")
)


@pytest.fixture
def servegen(tmp_path: Path) -> Path:
    """Two clients in four windows, of which the third was missed; lengths are known of the first client only."""
    folder = tmp_path / "servegen"
    folder.mkdir()
    rows = [
        # client, t_s, rate, family, shape
        (7, 0, 1.0, "Gamma", 0.5),
        (7, 600, 2.0, "Weibull", 0.7),
        (7, 1200, 0.01, "Gamma", 0.5),
        (7, 1800, 3.0, "Exponential", 0.3),
        (8, 600, 4.0, "Gamma", 2.0),
    ]
    client, t_s, rate, family, shape = zip(*rows, strict=True)
    table = {
        "dataset": ["m-small"] * 5,
        "client": client,
        "t_s": t_s,
        "req_per_s": rate,
        "dist": family,
        "dist_param1": shape,
    }
    pyarrow.parquet.write_table(pyarrow.table(table), folder / "client_rates.parquet")
    gaps = "".join(f"m-small,{t},1,1,1,{int(t == 1200)}\n" for t in (0, 600, 1200, 1800))
    zipped(folder / "rates_10min.csv.gz", "dataset,t_s,req_per_s,active_clients,mean_client_cv,gap\n" + gaps)
    zipped(folder / "token_stats_6h.csv.gz", f"{STATS}\nm-small,7,0,100,100,100,100,10,10,10,10\n")
    histogram = "m-small,{0},1000,2000,1.0\nm-small,{0},131072,,0.0\n"
    text = histogram.format("input_tokens") + histogram.format("output_tokens")
    zipped(folder / "token_histograms.csv.gz", "dataset,field,tokens_from,tokens_below,probability\n" + text)
    return tmp_path


def zipped(path: Path, text: str) -> None:
    path.write_bytes(gzip.compress(text.encode()))


def clients(folder: Path) -> ClientTrace:
    trace = dataset(folder, "servegen/m-small")
    assert isinstance(trace, ClientTrace)
    return trace


def test_servegen_is_read_client_by_client(servegen: Path) -> None:
    trace = clients(servegen)
    assert trace.clients == 2
    assert trace.family.tolist() == [Gap.GAMMA, Gap.WEIBULL, Gap.WEIBULL, Gap.EXPONENTIAL, Gap.GAMMA, Gap.GAMMA]
    assert trace.shape.tolist() == pytest.approx([0.5, 0.7, 0.7, 1.0, 2.0, 2.0])


def test_a_window_that_the_collection_missed_repeats_the_one_before(servegen: Path) -> None:
    trace = clients(servegen)
    assert trace.req_per_s.tolist() == pytest.approx([1, 6, 6, 3])
    assert trace.bridged == 1


def test_lengths_are_the_clients_own_where_they_are_known(servegen: Path) -> None:
    trace = clients(servegen)
    known = trace.client == 7
    assert trace.prompts.means[trace.prompt_row[known]] == pytest.approx(100)
    assert trace.outputs.means[trace.output_row[known]] == pytest.approx(10)
    assert (trace.prompts.means[trace.prompt_row[~known]] > 1000).all()


def test_mooncakes_seen_blocks_are_cached_tokens(tmp_path: Path) -> None:
    (tmp_path / "mooncake-2024").mkdir()
    text = "t_s,input_tokens,output_tokens,prompt_blocks,prefix_hit_blocks\n0,700,5,2,0\n1,1024,5,2,2\n2,2000,5,4,1\n"
    zipped(tmp_path / "mooncake-2024" / "conversation.csv.gz", text)
    trace = dataset(tmp_path, "mooncake-2024/conversation")
    assert isinstance(trace, RequestTrace)
    assert trace.cached_tokens.tolist() == [0, 1023, 512]


def test_azure_is_a_trace_of_requests(tmp_path: Path) -> None:
    (tmp_path / "azure-llm-2023").mkdir()
    zipped(tmp_path / "azure-llm-2023" / "code.csv.gz", "t_s,input_tokens,output_tokens\n0,3,4\n1,5,6\n")
    trace = dataset(tmp_path, "azure-llm-2023/code")
    assert isinstance(trace, RequestTrace)
    assert trace.name == "azure-llm-2023/code"
    assert np.array_equal(trace.output_tokens, [4, 6])


@pytest.mark.parametrize("name", ["servegen/m-medium", "burstgpt", ""])
def test_a_data_set_that_does_not_exist_is_answered_with_those_that_do(tmp_path: Path, name: str) -> None:
    with pytest.raises(TraceError, match="there are servegen/m-large, servegen/m-small"):
        dataset(tmp_path, name)


def test_a_folder_without_the_files_says_which_one_is_missing(tmp_path: Path) -> None:
    with pytest.raises(TraceError, match=r"client_rates\.parquet: no such file"):
        dataset(tmp_path, "servegen/m-large")
