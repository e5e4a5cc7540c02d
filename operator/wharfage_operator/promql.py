"""What to ask a Prometheus for the load of all deployments at once, and what its answers mean.

One question a figure, grouped by namespace and by the label that names the deployment; `rate` sees to counters that
begin again. Everything is asked of the last minute at least twice scraped: what was scraped last five minutes ago is
not there. Where two jobs scrape the same pods, the one that reads more of them is believed, and not their sum.
"""

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from wharfage_autoscaler.load import Load
from wharfage_autoscaler.objectives import Objectives

from wharfage_operator.kinds import Key
from wharfage_operator.latency import EMPTY, Histogram, histogram
from wharfage_operator.measured import FEWEST_REQUESTS, bad_share
from wharfage_operator.readings import (
    BY_REASON,
    CACHED,
    GAPS,
    KV_USED,
    OUTPUT_TOKENS,
    PROMPT_TOKENS,
    REFUSED,
    REQUESTS,
    RUNNING,
    STEPS,
    TPOT,
    TTFT,
    WAITING,
)
from wharfage_operator.stints import Stint

Answer: TypeAlias = Mapping[Key, Mapping[str, Sequence[tuple[str, float]]]]
"""Of one question: by deployment and job, the edge of a bucket ("" where it is none) and the value."""

WINDOWS = (("1m", 60), ("5m", 300))
NEEDED = frozenset({"pods", "begun_1m", "prompt", "output", "running", "waiting"})
"""Without these there is no load; any other may be missing."""
SLOW = frozenset({"ttft_5m", "tpot_5m", "ttft_30m", "tpot_30m"})
"""Long ranges of many buckets, which move slowly."""


@dataclass(frozen=True, slots=True)
class Told:
    """The figures of one deployment, by question, from one job; what was not told is not there."""

    values: Mapping[str, float]
    histograms: Mapping[str, Histogram]


def questions(label: str) -> dict[str, str]:
    """Every question by the name of its figure; `label` is the one that names the deployment."""
    group, chosen = f"by(namespace,{label},job)", f'{{{label}!=""}}'

    def of(aggregate: str, names: Iterable[str], each: str) -> str:
        """The first of the names that there are samples of."""
        return " or ".join(f"{aggregate} {group}({each.format(name + chosen)})" for name in names)

    first_tokens = tuple(f"{name}_count" for name in TTFT)
    asked = {
        "pods": f"count {group}(count by(namespace,{label},job,instance)(last_over_time({RUNNING[0]}{chosen}[1m])))",
        "begun_15s": of("sum", (*first_tokens, *REQUESTS), "irate({}[1m])"),
        "queued_15s": of("sum", WAITING, "deriv({}[1m])"),
        "finished": of("sum", REQUESTS, "rate({}[1m])"),
        "prompt": of("sum", PROMPT_TOKENS, "rate({}[1m])"),
        "output": of("sum", OUTPUT_TOKENS, "rate({}[1m])"),
        "running": of("sum", RUNNING, "last_over_time({}[1m])"),
        "waiting": of("sum", WAITING, "last_over_time({}[1m])"),
        "deferred": f'sum {group}(last_over_time({BY_REASON}{{{label}!="",reason="deferred"}}[1m]))',
        "kv": of("avg", KV_USED, "last_over_time({}[1m])"),
        "least": of("min", RUNNING, "min_over_time({}[1m])"),
        "cached": of("sum", CACHED, "rate({}[1m])"),
        "steps": of("sum", (STEPS,), "rate({}[1m])"),
        "gaps": of("sum", (f"{name}_count" for name in GAPS), "rate({}[1m])"),
        "gaps_s": of("sum", (f"{name}_sum" for name in GAPS), "rate({}[1m])"),
    }
    for window, seconds in WINDOWS:
        asked[f"begun_{window}"] = of("sum", (*first_tokens, *REQUESTS), f"rate({{}}[{window}])")
        asked[f"queued_{window}"] = of("sum", WAITING, f"delta({{}}[{window}])") + f" / {seconds}"
        asked[f"refused_{window}"] = of("sum", (REFUSED,), f"rate({{}}[{window}])")
    buckets = f"by(namespace,{label},job,le)"
    for window in ("1m", "5m", "30m"):
        for figure, names in (("ttft", TTFT), ("tpot", TPOT)):
            asked[f"{figure}_{window}"] = " or ".join(
                f"sum {buckets}(increase({name}_bucket{chosen}[{window}]))" for name in names
            )
    return asked


def answered(body: Any, label: str) -> Answer:
    """The parsed JSON of an answer. ValueError for what Prometheus does not say; NaN and infinity are nothing."""
    found: dict[Key, dict[str, list[tuple[str, float]]]] = defaultdict(lambda: defaultdict(list))
    try:
        for row in body["data"]["result"]:
            metric, value = row["metric"], float(row["value"][1])
            if math.isfinite(value):
                key = metric["namespace"], metric[label]
                found[key][metric.get("job", "")].append((metric.get("le", ""), value))
    except (KeyError, IndexError, TypeError, ValueError) as error:
        raise ValueError("it does not answer as Prometheus does") from error
    return found


def told(answers: Mapping[str, Answer], key: Key) -> Told | None:
    """What is told of one deployment by the job that reads most of its pods; None where none does."""
    jobs = {job: rows[0][1] for job, rows in answers.get("pods", {}).get(key, {}).items() if rows}
    if not jobs:
        return None
    best = min(jobs, key=lambda job: (-jobs[job], job))
    values: dict[str, float] = {}
    histograms: dict[str, Histogram] = {}
    for figure, answer in answers.items():
        rows = answer.get(key, {}).get(best, ())
        if rows and figure.startswith(("ttft_", "tpot_")):
            histograms[figure] = _histogram(rows)
        elif len(rows) == 1:
            values[figure] = rows[0][1]
    return Told(values, histograms)


def load(seen: Told | None, ready: int, objectives: Objectives) -> Load | None:
    """The load of a deployment of so many ready pods; None where half of them or more are not told of.

    The others do what those do that are.
    """
    if seen is None or not ready or not seen.values.keys() >= NEEDED:
        return None
    values = seen.values
    pods = values["pods"]
    if 2 * pods <= ready:
        return None
    each = max(1.0, ready / pods)

    def arrived(window: str) -> float | None:
        begun = values.get(f"begun_{window}")
        if begun is None:
            return None
        came = begun + values.get(f"queued_{window}", 0.0) + values.get(f"refused_{window}", 0.0)
        return each * max(0.0, came)

    minute = arrived("1m")
    ttft, tpot = (seen.histograms.get(f"{figure}_1m", EMPTY) for figure in ("ttft", "tpot"))

    def bad(window: str) -> float | None:
        histograms = seen.histograms
        return bad_share(histograms.get(f"ttft_{window}", EMPTY), histograms.get(f"tpot_{window}", EMPTY), objectives)

    finished = values.get("finished")
    return Load(
        window_s=60.0,
        requests_per_second=minute or 0.0,
        prompt_tokens_per_second=each * values["prompt"],
        output_tokens_per_second=each * values["output"],
        running=each * values["running"],
        waiting=each * max(0.0, values["waiting"] - values.get("deferred", 0.0)),
        ttft_p95_s=ttft.quantile(0.95) if ttft.total >= FEWEST_REQUESTS else None,
        tpot_p95_s=tpot.quantile(0.95) if tpot.total >= FEWEST_REQUESTS else None,
        requests_per_second_15s=arrived("15s"),
        requests_per_second_5m=arrived("5m"),
        bad_share_1m=bad("1m"),
        bad_share_5m=bad("5m"),
        bad_share_30m=bad("30m"),
        requests_finished_per_second=None if finished is None else each * finished,
        kv_used=values["kv"] if 0.0 <= values.get("kv", -1.0) <= 1.0 else None,
    )


def stint(seen: Told | None, *, end_s: float) -> Stint | None:
    """The last minute of a deployment as that of its mean pod, busy if none of them was ever seen idle."""
    if seen is None or not seen.values.keys() >= NEEDED:
        return None
    values = {figure: value / seen.values["pods"] for figure, value in seen.values.items()}
    minute = {
        figure: 60.0 * values[figure] if figure in values else None for figure in ("cached", "steps", "gaps", "gaps_s")
    }
    return Stint(
        begin_s=end_s - 60.0,
        end_s=end_s,
        tokens=60.0 * values["output"],
        begun=60.0 * values["begun_1m"],
        prompt_tokens=60.0 * values["prompt"],
        running=values["running"],
        cached_tokens=minute["cached"],
        steps=minute["steps"],
        gaps=minute["gaps"],
        gaps_s=minute["gaps_s"],
        kv_used=seen.values["kv"] if 0.0 <= seen.values.get("kv", -1.0) <= 1.0 else None,
        busy=seen.values.get("least", 0.0) >= 1.0,
    )


def _histogram(rows: Sequence[tuple[str, float]]) -> Histogram:
    """From increases of buckets, which are extrapolated each for itself: where one falls below the last, it is that."""
    highest, found = 0.0, []
    for edge, count in sorted((float(edge), count) for edge, count in rows if edge):
        highest = max(highest, count)
        found.append((edge, highest))
    return histogram(found)
