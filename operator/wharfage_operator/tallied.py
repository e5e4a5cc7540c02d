"""What every engine has counted, as a Prometheus that scrapes them tells it: tokens where no page is read.

One question for all counters, so that they are of one moment: a pod that has begun anew shows so in all of them or in
none. Series are believed to be a pod's by their label `pod`, or by the address in `instance`, within their namespace.
Where two jobs scrape the same pods, one of them is believed, always the same.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

from wharfage_autoscaler.counting import Counters

from wharfage_operator.kinds import Object
from wharfage_operator.readings import CACHED, OUTPUT_TOKENS, PROMPT_TOKENS, REQUESTS

_NAMES = (*REQUESTS, *PROMPT_TOKENS, *OUTPUT_TOKENS, *CACHED)

Figures = Mapping[str, float]
Tallies = Mapping[tuple[str, str, str, str], Mapping[str, Figures]]
"""By namespace, pod, address and engine, then by job: the counters that there are, by their names."""


def question(label: str) -> str:
    """What to ask; `label` is the one that names the deployment."""
    group = f"__name__,namespace,{label},job,pod,instance,engine"
    return f'sum by({group})({{__name__=~"{"|".join(_NAMES)}",{label}!=""}})'


def tallied(body: Any) -> Tallies:
    """The parsed JSON of an answer. ValueError for what Prometheus does not say."""
    found: dict[tuple[str, str, str, str], dict[str, dict[str, float]]] = defaultdict(lambda: defaultdict(dict))
    try:
        for row in body["data"]["result"]:
            metric, value = row["metric"], float(row["value"][1])
            host = metric.get("instance", "").rpartition(":")[0].strip("[]")
            engine = metric.get("namespace", ""), metric.get("pod", ""), host, metric.get("engine", "0")
            found[engine][metric.get("job", "")][metric["__name__"]] = value
    except (AttributeError, KeyError, IndexError, TypeError, ValueError) as error:
        raise ValueError("it does not answer as Prometheus does") from error
    return found


def counters(tallies: Tallies, pods: Iterable[Object]) -> dict[str, Counters]:
    """By the pod's uid and the engine's name in it (`uid/0`); of pods that are there."""
    uids: dict[tuple[str, str], str] = {}
    for pod in pods:
        metadata, address = pod["metadata"], (pod.get("status") or {}).get("podIP", "")
        uids[metadata["namespace"], metadata["name"]] = uids[metadata["namespace"], address] = metadata["uid"]
    found: dict[str, Counters] = {}
    for (namespace, pod_name, host, engine), jobs in tallies.items():
        uid = uids.get((namespace, pod_name)) if pod_name else uids.get((namespace, host))
        figures = jobs[min(jobs)]
        if uid is not None and PROMPT_TOKENS[0] in figures and OUTPUT_TOKENS[0] in figures:
            found[f"{uid}/{engine}"] = _counters(figures)
    return found


def _counters(figures: Figures) -> Counters:
    cached = next((figures[name] for name in CACHED if name in figures), 0.0)
    requests = next((figures[name] for name in REQUESTS if name in figures), 0.0)
    return Counters(requests, figures[PROMPT_TOKENS[0]], cached, figures[OUTPUT_TOKENS[0]])
