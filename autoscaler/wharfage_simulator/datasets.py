"""The published data sets as traces: ServeGen's clients, Azure's and Mooncake's requests.

They stay outside this repository; docs/reference/traces.md says where they come from and how the files are made.
"""

from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from wharfage_simulator.clients import ClientTrace, Gap
from wharfage_simulator.lengths import Lengths, joined, of_histogram, of_quantiles
from wharfage_simulator.tables import Floats, TraceError, read_numbers, read_texts
from wharfage_simulator.traces import RequestTrace, read_trace
from wharfage_simulator.workload import Load

SERVEGEN = ("m-large", "m-small", "deepseek-r1", "mm-image")
AZURE = ("conv", "code")
MOONCAKE = ("conversation", "synthetic")

_WINDOW_S = 600.0
_MOONCAKE_BLOCK = 512
_FAMILIES = {"Exponential": Gap.EXPONENTIAL, "Gamma": Gap.GAMMA, "Weibull": Gap.WEIBULL}
_MARGINAL = 0
"""The row that lengths are drawn from where nothing is known of the client: the data set's own histogram."""


def dataset(folder: Path, name: str) -> Load:
    """The data set `servegen/m-large`, `azure-llm-2023/conv`, `mooncake-2024/conversation`, ... under `folder`.

    `TraceError` for a name that does not exist, or a folder without its files.
    """
    group, _, series = name.partition("/")
    match group:
        case "servegen" if series in SERVEGEN:
            return servegen(folder / group, series)
        case "azure-llm-2023" if series in AZURE:
            return read_trace(folder / group / f"{series}.csv.gz", name=name)
        case "mooncake-2024" if series in MOONCAKE:
            return mooncake(folder / group / f"{series}.csv.gz", name)
    groups = {"servegen": SERVEGEN, "azure-llm-2023": AZURE, "mooncake-2024": MOONCAKE}
    known = ", ".join(f"{group}/{series}" for group, all_series in groups.items() for series in all_series)
    raise TraceError(f"no data set {name!r}; there are {known}")


def mooncake(path: Path, name: str) -> RequestTrace:
    """A Mooncake file; leading blocks of a prompt that were seen before are found in the prefix cache."""
    trace = read_trace(path, name=name)
    if not isinstance(trace, RequestTrace):
        raise TraceError(f"{path}: it holds rates; a Mooncake file has one request a row")
    hits = read_numbers(path, ["prefix_hit_blocks"]).columns["prefix_hit_blocks"] * _MOONCAKE_BLOCK
    cached = np.clip(hits, 0, trace.prompt_tokens - 1).astype(np.int32)
    return replace(trace, cached_tokens=cached)


def servegen(folder: Path, series: str) -> ClientTrace:
    """One ServeGen data set with its clients; windows that its collection missed repeat the last one before them."""
    cells = _cells(folder / "client_rates.parquet", series)
    prompts, prompt_row = _lengths(folder, series, "input_tokens", cells)
    outputs, output_row = _lengths(folder, series, "output_tokens", cells)
    trace = replace(cells, prompts=prompts, outputs=outputs, prompt_row=prompt_row, output_row=output_row)
    return _bridged(trace, _missing(folder / "rates_10min.csv.gz", series))


def _cells(path: Path, series: str) -> ClientTrace:
    try:
        import pyarrow.parquet
    except ImportError as error:
        raise TraceError("ServeGen's clients come as Parquet: pip install 'wharfage[parquet]'") from error
    if not path.is_file():
        raise TraceError(f"{path}: no such file")
    table = pyarrow.parquet.read_table(path, filters=[("dataset", "==", series)])
    if not table.num_rows:
        raise TraceError(f"{path}: it has no data set {series!r}")
    column = {name: table[name].to_numpy() for name in ("client", "t_s", "req_per_s", "dist", "dist_param1")}
    order = np.lexsort((column["t_s"], column["client"]))
    column = {name: values[order] for name, values in column.items()}
    family = np.array([_FAMILIES[name] for name in column["dist"]], dtype=np.int8)
    window = np.rint(column["t_s"] / _WINDOW_S).astype(np.int32)
    unknown = np.zeros(len(window), dtype=np.int64)
    return ClientTrace(
        name=f"servegen/{series}",
        start_s=0.0,
        window_s=_WINDOW_S,
        windows=int(window.max()) + 1,
        client=column["client"].astype(np.int32),
        window=window,
        rate=column["req_per_s"].astype(np.float64),
        family=family,
        shape=np.where(family == Gap.EXPONENTIAL, 1.0, column["dist_param1"].astype(np.float64)),
        prompts=Lengths(np.zeros((1, 1))),
        outputs=Lengths(np.zeros((1, 1))),
        prompt_row=unknown,
        output_row=unknown,
    )


def _missing(path: Path, series: str) -> npt.NDArray[np.int64]:
    rows = read_texts(path, ["dataset", "t_s", "gap"])
    return np.array([round(float(t_s) / _WINDOW_S) for name, t_s, gap in rows if name == series and gap == "1"])


def _bridged(trace: ClientTrace, missing: npt.NDArray[np.int64]) -> ClientTrace:
    """The trace with every missing window replaced by the last measured one before it."""
    if not len(missing):
        return trace
    lost = np.isin(np.arange(trace.windows), missing)
    source = np.maximum.accumulate(np.where(lost, -1, np.arange(trace.windows)))
    if source[0] < 0:
        raise TraceError(f"{trace.name}: its first window is a gap; begin the period later")
    order = np.argsort(trace.window, kind="stable")
    starts = np.searchsorted(trace.window[order], np.arange(trace.windows + 1))
    taken = [order[starts[source[window]] : starts[source[window] + 1]] for window in range(trace.windows)]
    target = np.repeat(np.arange(trace.windows), [len(cells) for cells in taken]).astype(np.int32)
    kept = np.concatenate(taken)
    by_client = np.lexsort((target, trace.client[kept]))
    kept, target = kept[by_client], target[by_client]
    return replace(
        trace,
        client=trace.client[kept],
        window=target,
        rate=trace.rate[kept],
        family=trace.family[kept],
        shape=trace.shape[kept],
        prompt_row=trace.prompt_row[kept],
        output_row=trace.output_row[kept],
        bridged=int(lost.sum()),
    )


def _lengths(folder: Path, series: str, field: str, cells: ClientTrace) -> tuple[Lengths, npt.NDArray[np.int64]]:
    """The distributions of one field, and the row of each cell: its client's six hours, else the whole data set's."""
    parts = _IMAGE_PROMPT if (series, field) == ("mm-image", "input_tokens") else (field,)
    names = [f"{part}_{name}" for part in parts for name in ("mean", "p50", "p90", "p99")]
    rows = read_texts(folder / "token_stats_6h.csv.gz", ["dataset", "client", "window_start_s", *names])
    stats = np.array([[float(field) for field in row[1:]] for row in rows if row[0] == series and all(row)])
    if not len(stats):
        raise TraceError(f"{folder}: it has no {field} of {series!r}")
    stats = stats[np.lexsort((stats[:, 1], stats[:, 0]))]
    quantiles = stats[:, 2:].reshape(len(stats), len(parts), 4).sum(axis=1)
    if len(parts) > 1:
        marginal = of_quantiles(*quantiles.mean(axis=0, keepdims=True).T)
    else:
        marginal = _marginal(folder / "token_histograms.csv.gz", series, field)
    return joined(marginal, of_quantiles(*quantiles.T)), _rows_of(cells, stats)


_IMAGE_PROMPT = ("text_tokens", "image_tokens")  # published apart; the quantiles of the sum are taken for their sum


def _marginal(path: Path, series: str, field: str) -> Lengths:
    """The histogram over all clients. Its last bin has no upper edge: it holds less than one request in a million."""
    rows = read_texts(path, ["dataset", "field", "tokens_from", "tokens_below", "probability"])
    bins = np.array([[float(number) for number in row[2:]] for row in rows if row[:2] == (series, field) and row[3]])
    if not len(bins):
        raise TraceError(f"{path}: it has no {field} of {series!r}")
    return of_histogram(*bins.T)


def _rows_of(cells: ClientTrace, stats: Floats) -> npt.NDArray[np.int64]:
    """For each cell the last row of its client that began before it, or the client's first, or the marginal's."""
    span = cells.duration_s + 1.0
    starts = stats[:, 0] * span + stats[:, 1]
    asked = cells.client * span + cells.window * cells.window_s
    found = np.searchsorted(starts, asked, side="right") - 1
    first = np.searchsorted(stats[:, 0], cells.client, side="left")
    of_client = (first < len(stats)) & (stats[np.minimum(first, len(stats) - 1), 0] == cells.client)
    return np.where(of_client, np.maximum(found, first) + 1, _MARGINAL).astype(np.int64)
