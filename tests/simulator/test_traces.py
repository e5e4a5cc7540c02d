"""What a file of load must hold, and that every mistake is named with its row."""

import gzip
from pathlib import Path

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest
from wharfage_simulator.tables import TraceError
from wharfage_simulator.traces import Gaps, RateTrace, RequestTrace, halves, read_trace


def written(folder: Path, text: str, name: str = "load.csv") -> Path:
    path = folder / name
    path.write_text(text)
    return path


def rates(path: Path, *, gaps: Gaps = Gaps.REFUSE) -> RateTrace:
    trace = read_trace(path, gaps=gaps)
    assert isinstance(trace, RateTrace)
    return trace


def requests(path: Path) -> RequestTrace:
    trace = read_trace(path)
    assert isinstance(trace, RequestTrace)
    return trace


def test_rates_are_read_with_the_window_their_distance_says(tmp_path: Path) -> None:
    trace = rates(written(tmp_path, "t_s,req_per_s\n3600,1\n4200,2.5\n4800,0\n"))
    assert (trace.name, trace.start_s, trace.window_s, trace.duration_s) == ("load", 3600, 600, 1800)
    assert trace.req_per_s.tolist() == [1, 2.5, 0]
    assert trace.prompt_tokens is None


def test_mean_lengths_come_along_under_either_name(tmp_path: Path) -> None:
    trace = rates(written(tmp_path, "output_tokens,input_tokens,t_s,req_per_s\n20,100,0,1\n30,200,60,2\n"))
    assert trace.prompt_tokens is not None
    assert trace.output_tokens is not None
    assert (trace.prompt_tokens.tolist(), trace.output_tokens.tolist()) == ([100, 200], [20, 30])


def test_what_is_cached_of_the_mean_prompt_comes_along_and_is_cut_with_the_rest(tmp_path: Path) -> None:
    text = "t_s,req_per_s,prompt_tokens,output_tokens,cached_tokens\n0,1,100,5,40\n60,nan,1,1,1\n120,2,200,5,0\n"
    trace = rates(written(tmp_path, text), gaps=Gaps.BRIDGE)
    assert trace.cached_tokens is not None
    assert trace.cached_tokens.tolist() == [40, 1, 0]
    second = halves(trace)[1].cached_tokens
    assert second is not None
    assert second.tolist() == [1, 0]
    assert rates(written(tmp_path, "t_s,req_per_s,cached_tokens\n0,1,4\n60,1,4\n")).cached_tokens is None


def test_requests_are_read_one_a_row_and_other_columns_ignored(tmp_path: Path) -> None:
    trace = requests(written(tmp_path, 'who,t_s,input_tokens,output_tokens\n"a,b",5,100,7\nc,5,200,8\nd,9,300,9\n'))
    assert (trace.start_s, trace.t_s.tolist(), trace.prompt_tokens.tolist()) == (5, [0, 0, 4], [100, 200, 300])
    assert trace.output_tokens.tolist() == [7, 8, 9]
    assert trace.cached_tokens.tolist() == [0, 0, 0]
    assert trace.duration_s == pytest.approx(6)


def test_gzip_and_parquet_hold_the_same_as_text(tmp_path: Path) -> None:
    text = "t_s,prompt_tokens,output_tokens,cached_tokens\n0,10,1,4\n1.5,20,2,0\n"
    plain = requests(written(tmp_path, text))
    (tmp_path / "load.csv.gz").write_bytes(gzip.compress(text.encode()))
    columns = {"t_s": [0, 1.5], "prompt_tokens": [10, 20], "output_tokens": [1, 2], "cached_tokens": [4, 0]}
    pyarrow.parquet.write_table(pyarrow.table(columns), tmp_path / "load.parquet")
    for name in ("load.csv.gz", "load.parquet"):
        other = requests(tmp_path / name)
        for field in ("t_s", "prompt_tokens", "output_tokens", "cached_tokens"):
            assert getattr(other, field).tolist() == getattr(plain, field).tolist()


def test_a_byte_order_mark_and_blank_lines_do_no_harm(tmp_path: Path) -> None:
    assert rates(written(tmp_path, "\ufefft_s,req_per_s\n\n0,1\n\n60,2\n\n")).req_per_s.tolist() == [1, 2]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param("", "the file is empty", id="a file without a line is empty"),
        pytest.param("t_s,req_per_s\n", "a header and no rows", id="a header alone is no trace"),
        pytest.param("t_s,req_per_s\n0,1\n", "line 2: one row", id="one row has no window"),
        pytest.param("time,qps\n0,1\n", "it has columns time, qps", id="foreign columns are listed"),
        pytest.param("t_s,req_per_s\n0,1\n60,x\n", "line 3: req_per_s is 'x'", id="text is no rate"),
        pytest.param("t_s,req_per_s\n0,1\n60,\n", "line 3: req_per_s is empty", id="an empty field is not zero"),
        pytest.param("t_s,req_per_s\n0,1\n\n60,nan\n", "line 4: req_per_s is missing", id="NaN is not zero"),
        pytest.param("t_s,req_per_s\n0,1\n60,inf\n", "line 3: req_per_s is inf", id="an infinite rate is none"),
        pytest.param("t_s,req_per_s\n0,1\n60,-2\n", "line 3: req_per_s is -2", id="a rate is not negative"),
        pytest.param("t_s,req_per_s\n0,1\n60\n", "line 3: 1 fields", id="a short row is named"),
        pytest.param("t_s,req_per_s\n60,1\n0,1\n", "line 3: t_s 0 comes after 60", id="time does not go back"),
        pytest.param("t_s,req_per_s\nnan,1\n0,1\n", "line 2: t_s is nan", id="a time is a number"),
        pytest.param(
            "t_s,req_per_s\n1764132300,1\n1764132000,1\n",
            "t_s 1764132000 comes after 1764132300",
            id="times since 1970 are shown whole",
        ),
        pytest.param("t_s,req_per_s\n0,1\n60,1\n60,2\n", "line 4: t_s 60 stands twice", id="a window has one row"),
        pytest.param(
            "t_s,req_per_s\n0,1\n60,1\n120,1\n300,1\n360,1\n",
            "line 5: no measurement for the window at t_s 180 before it; 2 of 7 windows",
            id="a gap is named with what is missing",
        ),
        pytest.param(
            "t_s,req_per_s\n0,1\n60,1\n90,1\n150,1\n", "line 4: t_s 90 is no multiple", id="windows are equal"
        ),
        pytest.param("t_s,req_per_s\n0,0\n60,0\n", "every rate is 0", id="no load at all is a mistake"),
        pytest.param(
            "t_s,req_per_s,prompt_tokens,output_tokens\n0,1,10,10\n60,1,0,10\n",
            "line 3: prompt_tokens is 0 where there are requests",
            id="requests have a length",
        ),
        pytest.param("t_s,prompt_tokens,output_tokens\n0,1,1\n", "line 2: one row", id="one request has no duration"),
        pytest.param("t_s,prompt_tokens,output_tokens\n0,1,1\n0,1,1\n", "one instant", id="a burst has no duration"),
        pytest.param("t_s,prompt_tokens,output_tokens\n0,1,1\n1,-5,1\n", "line 3: prompt_tokens is -5", id="negative"),
        pytest.param("t_s,prompt_tokens,output_tokens\n0,1,1\n1,5,0\n", "line 3: output_tokens is 0", id="no output"),
        pytest.param("t_s,prompt_tokens,output_tokens\n0,1,1\n1,5,2.5\n", "tokens are whole", id="half a token"),
        pytest.param("t_s,prompt_tokens,output_tokens\n0,1,1\n1,3e9,1\n", "right column", id="three billion tokens"),
        pytest.param(
            "t_s,prompt_tokens,output_tokens,cached_tokens\n0,9,1,2\n1,5,1,6\n",
            "line 3: cached_tokens is 6, more than the prompt has",
            id="no more can be cached than there is",
        ),
        pytest.param(
            "t_s,req_per_s,prompt_tokens,output_tokens,cached_tokens\n0,1,9,1,2\n60,1,5,1,6\n",
            "line 3: cached_tokens is 6 where there are requests; it is 0 to what the prompt has",
            id="no more of a mean prompt either",
        ),
    ],
)
def test_a_mistake_is_named_with_its_row(tmp_path: Path, text: str, message: str) -> None:
    path = written(tmp_path, text)
    with pytest.raises(TraceError) as refused:
        read_trace(path)
    assert message in str(refused.value)
    assert str(path) in str(refused.value)


def test_a_row_of_a_parquet_file_is_counted_from_one(tmp_path: Path) -> None:
    pyarrow.parquet.write_table(pyarrow.table({"t_s": [0, 60], "req_per_s": [1.0, None]}), tmp_path / "load.parquet")
    with pytest.raises(TraceError, match="row 2: req_per_s is missing"):
        read_trace(tmp_path / "load.parquet")


def test_a_file_that_is_not_there_or_no_text_says_so(tmp_path: Path) -> None:
    with pytest.raises(TraceError, match="no such file"):
        read_trace(tmp_path / "none.csv")
    (tmp_path / "load.csv").write_bytes(b"t_s,req_per_s\n\xff\xfe,1\n")
    with pytest.raises(TraceError, match=r"cannot be read|no CSV"):
        read_trace(tmp_path / "load.csv")


def test_gaps_are_bridged_on_demand_and_counted(tmp_path: Path) -> None:
    path = written(tmp_path, "t_s,req_per_s\n0,1\n60,nan\n120,3\n240,7\n")
    trace = rates(path, gaps=Gaps.BRIDGE)
    assert trace.req_per_s.tolist() == [1, 2, 3, 5, 7]
    assert trace.bridged == 2


def test_a_trace_is_cut_in_halves_at_a_window(tmp_path: Path) -> None:
    first, second = halves(rates(written(tmp_path, "t_s,req_per_s\n0,1\n60,2\n120,3\n180,4\n240,5\n")))
    assert (first.req_per_s.tolist(), second.req_per_s.tolist()) == ([1, 2], [3, 4, 5])
    assert second.start_s == 120


def test_a_cut_of_requests_counts_from_its_own_beginning(tmp_path: Path) -> None:
    trace = requests(written(tmp_path, "t_s,prompt_tokens,output_tokens\n0,1,1\n10,2,1\n20,3,1\n30,4,1\n"))
    cut = trace.between(5, 25)
    assert (cut.t_s.tolist(), cut.prompt_tokens.tolist(), cut.duration_s) == ([5, 15], [2, 3], 20)
    with pytest.raises(TraceError, match="no request arrives"):
        trace.between(1, 2)


def test_requests_become_rates_and_mean_lengths(tmp_path: Path) -> None:
    text = "t_s,prompt_tokens,output_tokens\n0,10,1\n1,30,3\n12,50,5\n19,70,7\n"
    binned = requests(written(tmp_path, text)).rates(10)
    assert binned.prompt_tokens is not None
    assert (binned.req_per_s.tolist(), binned.prompt_tokens.tolist()) == ([0.2, 0.2], [20, 60])
    with pytest.raises(TraceError, match="hold no two windows"):
        requests(tmp_path / "load.csv").rates(20)
    assert np.isclose(binned.req_per_s.sum() * 10, 4)
