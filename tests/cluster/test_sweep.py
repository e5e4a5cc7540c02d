"""One deployment's life, with one thing going wrong at one place of one stream: the end is the same.

There are more places than a commit has time for: each commit runs the share that its hash names. To run all of
them, or another share:

    make test ARGS='tests/cluster/test_sweep.py' WHARFAGE_SWEEP=all
    make test ARGS='tests/cluster/test_sweep.py' WHARFAGE_SWEEP=3
"""

import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
from wharfage_operator.kinds import (
    CONFIG_MAPS,
    DEPLOYMENTS,
    DISRUPTION_BUDGETS,
    LLM_DEPLOYMENTS,
    NETWORK_POLICIES,
    PODS,
    SERVICE_ACCOUNTS,
    SERVICES,
    Kind,
)

from tests.cluster.between import Between
from tests.cluster.lab import KINDS, Lab
from tests.cluster.server import eventually, eventually_is
from tests.faults.rules import Expire, Fault, FreezeStream, LoseLine, Match, ResetStream, Rule, Stale, SwapLines
from tests.faults.shards import share

SHARES = 17  # prime, and few places are left over: every share has every sort of fault
EVENTS: Mapping[Kind, int] = {
    LLM_DEPLOYMENTS: 4,
    SERVICE_ACCOUNTS: 2,
    CONFIG_MAPS: 2,
    SERVICES: 4,
    DISRUPTION_BUDGETS: 4,
    NETWORK_POLICIES: 2,
    DEPLOYMENTS: 9,
    PODS: 9,
}
"""What changes in a deployment's life, and how many events are heard of it at the least."""

ONE_WATCH = {"watch_timeout_s": "60", "watch_inactivity_s": "60"}
SHORT_WATCHES = {"watch_timeout_s": "2", "watch_inactivity_s": "2"}


@dataclass(frozen=True, slots=True)
class Wrong:
    """What goes wrong, and for how long a watch lasts: one that lasts a whole life counts all of its events."""

    what: str
    kind: Kind
    rules: tuple[Rule, ...]
    watches: Mapping[str, str]

    @property
    def faults(self) -> set[str]:
        """As the proxy writes them down."""
        return {type(rule.fault).__name__ for rule in self.rules}


def on_watch(what: str, kind: Kind, fault: Fault, watches: Mapping[str, str] = ONE_WATCH) -> Wrong:
    """Something befalls the first watch of a kind."""
    return Wrong(what, kind, (Rule(fault=fault, match=Match(verb="watch", resource=kind.plural)),), watches)


def lagging(kind: Kind, ago: int) -> Wrong:
    """What is listed of a kind is always what it was some lists ago; and kopf lists again, because a watch expires."""
    watch, lists = (Match(verb=verb, resource=kind.plural) for verb in ("watch", "list"))
    rules = Rule(fault=Expire(), match=watch, nth=2), Rule(fault=Stale(ago=ago), match=lists, nth=4, times=None)
    return Wrong(f"lists of {ago} lists ago", kind, rules, SHORT_WATCHES)


PLACES: list[Wrong] = [
    *(on_watch(f"lose event {n}", kind, LoseLine(n)) for kind, last in EVENTS.items() for n in range(1, last + 1)),
    *(
        on_watch(f"swap events {n} and {n + 1}", kind, SwapLines(n))
        for kind, last in EVENTS.items()
        for n in range(1, last)
    ),
    *(on_watch(f"reset after event {n}", kind, ResetStream(n)) for n in (0, 1) for kind in EVENTS),
    *(on_watch("freeze after event 1", kind, FreezeStream(1)) for kind in EVENTS),
    *(on_watch("freeze at once", kind, FreezeStream(0), SHORT_WATCHES) for kind in EVENTS),
    *(lagging(kind, ago) for ago in (1, 2, 3) for kind in EVENTS),
]


def commit() -> str:
    """The hash of what is checked out; empty where there is no history."""
    root = Path(__file__).resolve().parents[2]
    asked = subprocess.run(("git", "-C", root, "rev-parse", "HEAD"), capture_output=True, text=True, check=False)
    return asked.stdout.strip()


def chosen() -> list[Wrong]:
    """What this run goes through."""
    return share(PLACES, SHARES, asked=os.environ.get("WHARFAGE_SWEEP", ""), commit=commit())


@pytest.mark.parametrize("wrong", chosen(), ids=lambda wrong: f"{wrong.kind.plural}: {wrong.what}")
def test_a_life_ends_the_same_whatever_goes_wrong_on_the_way(lab: Lab, wrong: Wrong) -> None:
    with Between(lab.cluster, *wrong.rules) as proxy:
        operator = lab.start(proxy.kubeconfig, resync_s="0.5", **wrong.watches)
        lab.create()
        lab.ready(within_s=120.0)
        lab.server.delete(SERVICES, lab.namespace, "chat")
        lab.move(within_s=120.0)
        eventually(lambda: operator.rests, within_s=120.0, what="nothing is left to do")
        assert sorted(kind for kind, _ in lab.children()) == sorted(kind.name for kind in KINDS)
        lab.server.delete(LLM_DEPLOYMENTS, lab.namespace, "chat")
        eventually(lambda: lab.llm() is None and not lab.children(), within_s=120.0)
        eventually(lambda: not lab.server.all(PODS, lab.namespace), within_s=120.0)
        known = {kind.plural: 0.0 for kind in EVENTS}
        eventually_is(lambda: {name: operator.metric(cached(name)) for name in known}, known, what="what is remembered")
        eventually(lambda: operator.rests, within_s=120.0, what="nothing is left to do")
        assert not lab.children()
        assert wrong.faults <= {request.fault for request in proxy.seen.requests}, "it did go wrong"
        assert operator.process.poll() is None
        assert operator.tracebacks == []
        lab.stop_all()


def cached(plural: str) -> str:
    return f'wharfage_cached_objects{{resource="{plural}"}}'
