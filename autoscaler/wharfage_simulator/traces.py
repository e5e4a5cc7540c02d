"""Load as it was recorded: rates per window, or one row per request; and what a file of it must hold.

A mistake in a trace is cheaper to find here than in a bill: times that go back, windows that are missing, rates
that are negative are refused with the row, and a window without a measurement is never taken for one without load.
Formats: docs/reference/traces.md.
"""

from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Protocol, Self, TypeVar

import numpy as np
import numpy.typing as npt

from wharfage_simulator.tables import Floats, Table, TraceError, names_of, read_numbers

Tokens = npt.NDArray[np.int32]

_MOST_TOKENS = 100_000_000  # no model reads as much; a byte count or a time in the wrong column does
_SAME = 1e-6  # of a window: times written with few decimals
_EXPECTED = (
    "a trace has t_s, req_per_s[, prompt_tokens, output_tokens[, cached_tokens]], or one request a row: "
    "t_s, prompt_tokens, output_tokens[, cached_tokens]"
)


class Gaps(StrEnum):
    """What to do about windows that a rate trace has no measurement for."""

    REFUSE = "refuse"
    BRIDGE = "bridge"


@dataclass(frozen=True, slots=True, eq=False)
class RateTrace:
    """Requests per second in windows of one length; window k covers [k, k + 1) x `window_s`.

    `prompt_tokens` and `output_tokens` are the means of a window's requests, None where the file has none;
    `cached_tokens` of each prompt are found in the prefix cache.
    `start_s` is the file's first `t_s`: times here count from it. `bridged` counts windows that were not measured.
    """

    name: str
    start_s: float
    window_s: float
    req_per_s: Floats
    prompt_tokens: Floats | None = None
    output_tokens: Floats | None = None
    bridged: int = 0
    cached_tokens: Floats | None = None

    @property
    def duration_s(self) -> float:
        """From the first window's start to the last one's end."""
        return len(self.req_per_s) * self.window_s

    @property
    def middle_s(self) -> float:
        """The edge of a window in the middle, or before it."""
        return len(self.req_per_s) // 2 * self.window_s

    def between(self, begin_s: float, end_s: float) -> "RateTrace":
        """The windows that lie wholly inside; `TraceError` when there is none."""
        first, last = _windows(self.name, self.window_s, len(self.req_per_s), begin_s, end_s)
        return replace(
            self,
            start_s=self.start_s + first * self.window_s,
            req_per_s=self.req_per_s[first:last],
            prompt_tokens=None if self.prompt_tokens is None else self.prompt_tokens[first:last],
            output_tokens=None if self.output_tokens is None else self.output_tokens[first:last],
            cached_tokens=None if self.cached_tokens is None else self.cached_tokens[first:last],
        )


@dataclass(frozen=True, slots=True, eq=False)
class RequestTrace:
    """Requests one by one, in order of arrival; times count from the file's first, which was `start_s`.

    `cached_tokens` of each prompt are found in the prefix cache; 0 where the file does not say.
    """

    name: str
    start_s: float
    duration_s: float
    t_s: Floats
    prompt_tokens: Tokens
    output_tokens: Tokens
    cached_tokens: Tokens

    @property
    def requests(self) -> int:
        """How many."""
        return len(self.t_s)

    @property
    def middle_s(self) -> float:
        """Half the duration."""
        return self.duration_s / 2

    def between(self, begin_s: float, end_s: float) -> "RequestTrace":
        """The requests that arrive in [begin_s, end_s); `TraceError` when there is none."""
        end_s = min(end_s, self.duration_s)
        first, last = (int(at) for at in np.searchsorted(self.t_s, (begin_s, end_s)))
        if first >= last:
            raise TraceError(f"{self.name}: no request arrives between {begin_s:.12g} s and {end_s:.12g} s")
        return RequestTrace(
            self.name,
            self.start_s + begin_s,
            end_s - begin_s,
            self.t_s[first:last] - begin_s,
            self.prompt_tokens[first:last],
            self.output_tokens[first:last],
            self.cached_tokens[first:last],
        )

    def rates(self, window_s: float) -> RateTrace:
        """The same load as rates and mean lengths; a last, incomplete window is left out.

        `TraceError` when the trace is shorter than two windows.
        """
        windows = int(self.duration_s / window_s + _SAME)
        if windows < 2:
            raise TraceError(f"{self.name}: {self.duration_s:.12g} s hold no two windows of {window_s:.12g} s")
        window = (self.t_s / window_s).astype(np.int64)
        inside = window < windows
        counts = np.bincount(window[inside], minlength=windows).astype(np.float64)
        prompt, output = (
            np.bincount(window[inside], weights=tokens[inside], minlength=windows) / np.maximum(counts, 1.0)
            for tokens in (self.prompt_tokens, self.output_tokens)
        )
        return RateTrace(self.name, self.start_s, window_s, counts / window_s, prompt, output)


Trace = RateTrace | RequestTrace


def read_trace(path: Path, *, gaps: Gaps = Gaps.REFUSE, name: str = "") -> Trace:
    """Read a CSV, CSV.gz or Parquet file of either format; `TraceError` names the row that is wrong.

    `input_tokens` is taken for `prompt_tokens`. Further columns are ignored.
    """
    names = names_of(path)
    prompt = next((alias for alias in ("prompt_tokens", "input_tokens") if alias in names), "")
    lengths = [prompt, "output_tokens"] if prompt and "output_tokens" in names else []
    if "t_s" not in names or ("req_per_s" not in names and not lengths):
        raise TraceError(f"{path}: it has columns {', '.join(names)}; {_EXPECTED}")
    title = name or path.name.split(".")[0]
    cached = ["cached_tokens"] if lengths and "cached_tokens" in names else []
    if "req_per_s" in names:
        table = read_numbers(path, ["t_s", "req_per_s", *lengths, *cached])
        return _rates(title, table, lengths, gaps)
    return _requests(title, read_numbers(path, ["t_s", *lengths, *cached]), lengths)


class Divisible(Protocol):
    """What has a duration and can be cut."""

    @property
    def duration_s(self) -> float:
        """From its beginning to its end."""
        ...

    @property
    def middle_s(self) -> float:
        """Where it can be cut in two, nearest to the middle and not behind it."""
        ...

    def between(self, begin_s: float, end_s: float) -> Self:
        """The part of it between these times."""
        ...


D = TypeVar("D", bound=Divisible)


def halves(trace: D) -> tuple[D, D]:
    """The first half to learn from and the second to be judged on, cut at a window's edge."""
    return trace.between(0.0, trace.middle_s), trace.between(trace.middle_s, trace.duration_s)


def _rates(name: str, table: Table, lengths: list[str], gaps: Gaps) -> RateTrace:
    times = table.columns["t_s"]
    _refuse_bad_times(table)
    if len(times) < 2:
        raise table.wrong(0, "one row; a rate trace needs two, whose distance is the length of a window")
    steps = np.diff(times)
    if (steps == 0).any():
        row = int(np.argmax(steps == 0)) + 1
        raise table.wrong(row, f"t_s {times[row]:.12g} stands twice; one row a window: select one series of the file")
    window_s = float(np.median(steps))
    places = (times - times[0]) / window_s
    whole = np.rint(places)
    if (off := np.abs(places - whole) > _SAME * np.maximum(1.0, whole)).any():
        row = int(np.argmax(off))
        raise table.wrong(
            row, f"t_s {times[row]:.12g} is no multiple of the window, {window_s:.12g} s, after {times[0]:.12g}"
        )
    at = whole.astype(np.int64)
    measured = np.zeros(int(at[-1]) + 1, dtype=np.bool_)
    measured[at[np.isfinite(table.columns["req_per_s"])]] = True
    _refuse_bad_rates(table, lengths, gaps)
    if not measured.all() and gaps is Gaps.REFUSE:
        window = int(np.argmin(measured))
        row = int(np.searchsorted(at, window))
        raise table.wrong(
            row,
            f"no measurement for the window at t_s {times[0] + window * window_s:.12g} before it; "
            f"{int((~measured).sum())} of {len(measured)} windows are missing, and missing is not zero: "
            "complete the file, or bridge gaps",
        )

    def filled(column: str) -> Floats:
        values = table.columns[column]
        known = np.isfinite(values)
        return np.interp(np.arange(len(measured)), at[known], values[known])

    rates = filled("req_per_s")
    if not rates.any():
        raise TraceError(f"{table.path}: every rate is 0: there is nothing to serve")
    prompt, output = (filled(column) for column in lengths) if lengths else (None, None)
    cached = filled("cached_tokens") if "cached_tokens" in table.columns else None
    return RateTrace(name, float(times[0]), window_s, rates, prompt, output, int((~measured).sum()), cached)


def _refuse_bad_times(table: Table) -> None:
    times = table.columns["t_s"]
    table.refuse("t_s", ~np.isfinite(times), "is {}, not a time in seconds")
    backwards = np.concatenate(([False], np.diff(times) < 0))
    if backwards.any():
        row = int(np.argmax(backwards))
        raise table.wrong(row, f"t_s {times[row]:.12g} comes after {times[row - 1]:.12g}: sort the file by t_s")


def _refuse_bad_rates(table: Table, lengths: list[str], gaps: Gaps) -> None:
    rates = table.columns["req_per_s"]
    missing = np.isnan(rates)
    if gaps is Gaps.REFUSE:
        table.refuse("req_per_s", missing, "is missing, which is not 0: complete the file, or bridge gaps")
    if missing.all():
        raise TraceError(f"{table.path}: no row has a req_per_s")
    table.refuse("req_per_s", np.isinf(rates), "is {}, not a rate")
    table.refuse("req_per_s", rates < 0, "is {}; a rate is 0 or more")
    for column in lengths:
        values = table.columns[column]
        unusable = (rates > 0) & ~((values > 0) & (values <= _MOST_TOKENS))
        table.refuse(column, unusable, "is {} where there are requests; a mean length is above 0")
    if "cached_tokens" in table.columns:
        cached, prompt = table.columns["cached_tokens"], table.columns[lengths[0]]
        unusable = (rates > 0) & ~((cached >= 0) & (cached <= prompt))
        table.refuse("cached_tokens", unusable, "is {} where there are requests; it is 0 to what the prompt has")


def _requests(name: str, table: Table, lengths: list[str]) -> RequestTrace:
    _refuse_bad_times(table)
    times = table.columns["t_s"]
    if len(times) < 2:
        raise table.wrong(0, "one row; a trace of requests needs two to have a duration")
    for column in lengths:
        _refuse_bad_tokens(table, column, 1)
    prompt, output = (table.columns[column].astype(np.int32) for column in lengths)
    cached = np.zeros_like(prompt)
    if "cached_tokens" in table.columns:
        _refuse_bad_tokens(table, "cached_tokens", 0)
        cached = table.columns["cached_tokens"].astype(np.int32)
        table.refuse("cached_tokens", cached > prompt, "is {}, more than the prompt has")
    since = times - times[0]
    if since[-1] <= 0:
        raise table.wrong(len(times) - 1, "all requests arrive at one instant: a trace needs a duration")
    # The request after the last would have come about one mean gap later.
    duration_s = float(since[-1]) * len(times) / (len(times) - 1)
    return RequestTrace(name, float(times[0]), duration_s, since, prompt, output, cached)


def _refuse_bad_tokens(table: Table, column: str, least: int) -> None:
    values = table.columns[column]
    table.refuse(column, ~np.isfinite(values), "is {}, not a number of tokens")
    table.refuse(column, values < least, f"is {{}}; at least {least}")
    table.refuse(column, values > _MOST_TOKENS, "is {}, which no model reads: is it the right column?")
    table.refuse(column, values != np.floor(values), "is {}; tokens are whole")


def _windows(name: str, window_s: float, count: int, begin_s: float, end_s: float) -> tuple[int, int]:
    first = max(0, int(np.ceil(begin_s / window_s - _SAME)))
    last = min(count, int(np.floor(end_s / window_s + _SAME)))
    if first >= last:
        raise TraceError(f"{name}: no window of {window_s:.12g} s lies between {begin_s:.12g} s and {end_s:.12g} s")
    return first, last
