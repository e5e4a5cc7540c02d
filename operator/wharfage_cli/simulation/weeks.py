"""What a Prometheus server recorded of one's own engines, as loads to replay.

Windows in which nothing was recorded are gaps, and treated like those of a file: refused, unless they may be bridged.
"""

import os
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from wharfage_operator.prometheus import Address, ForbiddenError, PrometheusError, connected
from wharfage_operator.recorded import Recorded, matchers, recorded
from wharfage_simulator.tables import Floats
from wharfage_simulator.traces import Gaps, RateTrace

from wharfage_cli.simulation.question import QuestionError, seconds

TOKEN = "WHARFAGE_PROMETHEUS_TOKEN"  # noqa: S105 -- the name of a variable
_DAY_S = 86_400
_WINDOW_S = (30, 3600)
_ENOUGH = 20.0  # requests, for their mean length to be one's own window's
_HOUR_S = 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """Which server, the series of which deployments, how far back from `until_s` (Unix seconds), in which windows."""

    address: Address
    matches: tuple[str, ...]
    until_s: int
    days: float
    window_s: int


@dataclass(frozen=True, slots=True, eq=False)
class Weeks:
    """What one deployment was asked for, from the first window that was recorded to the last; NaN in gaps.

    Columns as in a trace; lengths are there where the engines counted tokens.
    """

    name: str
    window_s: int
    columns: Mapping[str, Floats]
    jobs: tuple[str, ...] = ()

    @property
    def gaps(self) -> int:
        """Windows without a measurement."""
        return int(np.isnan(self.columns["req_per_s"]).sum())


def recording(
    url: str,
    matches: Iterable[str],
    *,
    days: float,
    window: str,
    token_file: Path | None,
    ca_file: Path | None,
    now_s: float,
) -> Recording:
    """What the options say; the last window is the last whole one before now."""
    if not days > 0.0:  # NaN, too
        raise QuestionError(f"--days: how far back to look, more than 0, not {days:g}")
    window_s = seconds("--window", window)
    least_s, most_s = _WINDOW_S
    if window_s != round(window_s) or not least_s <= window_s <= most_s:
        raise QuestionError(f"--window: whole seconds from {least_s} s to {most_s} s, not {window}")
    try:
        chosen = tuple(dict.fromkeys(matchers(match) for match in matches)) or ("",)
    except ValueError as error:
        raise QuestionError(f"--match {error}") from error
    if ca_file is not None and not ca_file.is_file():
        raise QuestionError(f"--prometheus-ca-file {ca_file}: no such file")
    token = os.environ.get(TOKEN, "") if token_file is None else _token(token_file)
    if not token.isascii() or not token.isprintable():
        raise QuestionError(f"the token for {url} cannot be sent: it has characters beyond ASCII, or several lines")
    width_s = round(window_s)
    return Recording(
        address=Address(url, token, ca_file),
        matches=chosen,
        until_s=int(now_s) // width_s * width_s,
        days=days,
        window_s=width_s,
    )


def asked(of: Recording) -> tuple[Weeks, ...]:
    """What the server has of each deployment. QuestionError where it cannot be asked, or has nothing."""
    windows = max(1, round(of.days * _DAY_S / of.window_s))
    first_s = of.until_s - windows * of.window_s
    try:
        with connected(of.address) as server:
            found = [
                recorded(server, match, first_s=first_s, last_s=of.until_s, step_s=of.window_s) for match in of.matches
            ]
    except ForbiddenError as error:
        raise QuestionError(f"{error}; give a token with --prometheus-token-file FILE, or in {TOKEN}") from error
    except PrometheusError as error:
        raise QuestionError(str(error)) from error
    names = ["+".join(each.models) for each in found]
    several = Counter(names)
    return tuple(
        weeks(each, name=match if several[name] > 1 else name)
        for each, name, match in zip(found, names, of.matches, strict=True)
    )


def weeks(of: Recorded, *, name: str) -> Weeks:
    """From the first window with a measurement to the last; there is one."""
    requests = np.array(of.requests)
    known = np.flatnonzero(np.isfinite(requests))
    part = slice(int(known[0]), int(known[-1]) + 1)
    columns = {"t_s": (of.start_s + np.arange(len(requests)) * float(of.step_s))[part], "req_per_s": requests[part]}
    if of.prompt_tokens and of.output_tokens:
        prompt, output = (
            np.maximum(1.0, _lengths(np.array(tokens), requests, of.step_s)[part])
            for tokens in (of.prompt_tokens, of.output_tokens)
        )
        columns |= {"prompt_tokens": prompt, "output_tokens": output}
        if of.cached_tokens:
            cached = _lengths(np.array(of.cached_tokens), requests, of.step_s)[part]
            columns["cached_tokens"] = np.minimum(cached, prompt)
    return Weeks(name, of.step_s, columns, of.jobs)


def trace(of: Weeks, *, gaps: Gaps) -> RateTrace:
    """The load to replay. QuestionError for gaps that may not be bridged, and where there was never a request."""
    rates = of.columns["req_per_s"]
    measured = np.isfinite(rates)
    if not rates[measured].any():
        raise QuestionError(f"{of.name}: not one request in {len(rates)} windows of {of.window_s} s: nothing to replay")
    if of.gaps and gaps is Gaps.REFUSE:
        begin, length = _longest(~measured)
        raise QuestionError(
            f"{of.name}: nothing was recorded in {of.gaps} of {len(rates)} windows of {of.window_s} s, the longest gap "
            f"from {_instant(of.columns['t_s'][begin])} on for {length * of.window_s / 60:g} minutes; missing is not "
            "zero: bridge gaps with --bridge-gaps, or look at fewer --days"
        )
    return RateTrace(
        of.name,
        float(of.columns["t_s"][0]),
        float(of.window_s),
        np.interp(np.arange(len(rates)), np.flatnonzero(measured), rates[measured]),
        of.columns.get("prompt_tokens"),
        of.columns.get("output_tokens"),
        of.gaps,
        of.columns.get("cached_tokens"),
    )


def doubts(of: Weeks) -> list[str]:
    """What may make the load another than the user's, in sentences."""
    found = []
    if len(of.jobs) > 1:
        found.append(
            f"{of.name}: series of several jobs are added up: {', '.join(of.jobs)}; if they scrape the same engines, "
            f"choose one with --match 'job=\"{of.jobs[0]}\"'"
        )
    if "prompt_tokens" not in of.columns:
        found.append(f"{of.name}: the server has no counts of tokens: lengths are drawn")
    elif "cached_tokens" not in of.columns:
        found.append(f"{of.name}: the server has no counts of cached tokens: no prompt is taken to be cached")
    return found


def write(of: Weeks, path: Path) -> None:
    """The load as a file that `--trace` reads; the rate of a gap is nan."""
    rows = np.column_stack(list(of.columns.values()))
    try:
        np.savetxt(
            path,
            rows,
            fmt=["%d", *["%.9g"] * (rows.shape[1] - 1)],
            delimiter=",",
            header=",".join(of.columns),
            comments="",
        )
    except OSError as error:
        raise QuestionError(f"{path}: it cannot be written: {error}") from error


def _lengths(tokens: Floats, requests: Floats, step_s: int) -> Floats:
    """Tokens per request: of the window, of the hour around it where it has few requests, or of the whole time.

    A request's tokens may be counted in the window after it, which matters where there are few.
    """
    known = np.isfinite(tokens) & np.isfinite(requests)
    counted = [np.where(known, each, 0.0) * step_s for each in (tokens, requests)]
    half = round(_HOUR_S / step_s / 2)
    places = np.arange(len(tokens))
    low, high = np.maximum(places - half, 0), np.minimum(places + half + 1, len(tokens))
    hourly = [np.diff(np.append(0.0, np.cumsum(each))[np.stack([low, high])], axis=0)[0] for each in counted]
    whole = float(counted[0].sum() / max(counted[1].sum(), 1e-12))
    found = np.full(len(tokens), whole)
    for amount, requested in (hourly, counted):
        np.divide(amount, requested, out=found, where=requested >= _ENOUGH)
    return found


def _longest(missing: NDArray[np.bool_]) -> tuple[int, int]:
    """Where the longest run begins, and how long it is."""
    edges = np.flatnonzero(np.diff(np.concatenate(([False], missing, [False])).astype(np.int8)))
    begins, ends = edges[::2], edges[1::2]
    longest = int(np.argmax(ends - begins))
    return int(begins[longest]), int(ends[longest] - begins[longest])


def _instant(at_s: float) -> str:
    return datetime.fromtimestamp(at_s, UTC).strftime("%Y-%m-%dT%H:%MZ")


def _token(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise QuestionError(f"--prometheus-token-file {path}: it cannot be read: {error}") from error
