"""`make demo-engine` (root): tokens out of a real vLLM, in a pod that the operator made on a real node.

The cluster, the image and the example are those of the suite `make test-engine`, which asserts what is shown here.
"""

import os
import sys
import time
from collections.abc import Callable

from demo.screen import Screen
from tests.devcluster.build import BuildError
from tests.devcluster.cluster import ClusterError
from tests.devcluster.debian import MissingPackagesError
from tests.devcluster.images import ImageError
from tests.devcluster.network import NamespaceError
from tests.devcluster.node import NodeError
from tests.engine.environment import EnvironmentFailed
from tests.engine.lab import NAME, READY_WITHIN_S, Lab, Late, open_lab, stream

QUESTION = "How much does a berth cost?"
CLIENTS = 4
BUSY_S = 3.0
TOKENS = "usdPerMillionTokens"
BROKEN = (
    BuildError,
    ClusterError,
    EnvironmentFailed,
    ImageError,
    MissingPackagesError,
    NamespaceError,
    NodeError,
)
"""What may fail on the way to a real node, each with words for people."""


def main() -> int:
    """Run the demo; returns the exit status."""
    screen = Screen()
    if os.geteuid() != 0:
        screen.bad("a real node needs root: sudo make demo-engine")
        return 1
    try:
        with open_lab(lambda stage: screen.step(stage)) as lab:
            show(screen, lab)
    except (Late, TimeoutError, *BROKEN) as trouble:
        screen.bad(str(trouble))
        return 1
    except KeyboardInterrupt:
        screen.bad("interrupted; everything this demo started has been stopped")
        return 130
    screen.say("\nCluster, node and pods are gone.")
    return 0


def show(screen: Screen, lab: Lab) -> None:
    """Serve, ask, measure, scale, drain."""
    screen.step("A real vLLM starts in the pod that the operator made")
    screen.wait("the model is Ready", seen(lab.readiness), timeout_s=READY_WITHIN_S)
    table(screen, lab, "get", "llm,pods", "-o", "wide")

    screen.step("Ask it something through its Service, and stream the answer (random weights, random words)")
    screen.say(f"> {QUESTION}")
    pieces = 0
    first_s = last_s = 0.0
    for at_s, piece in stream(lab.asking(QUESTION)):
        first_s = first_s or at_s
        last_s, pieces = at_s, pieces + 1
        print(piece, end="", file=screen.out, flush=True)
    screen.good(f"{pieces} pieces, the first after {first_s:.2f} s, the last after {last_s:.2f} s")

    with lab.clients(CLIENTS):
        screen.step(f"What it will be scaled on, read from its own /metrics while {CLIENTS} clients ask")
        screen.wait(f"cost per million tokens is known: {TOKENS}", lambda: priced(lab), timeout_s=60)
        for name, value in lab.figures(lab.ready_pods()[0]).items():
            screen.say(f"  {name:<55} {value:g}")
        screen.say(f"  load  {lab.load()}\n  cost  {lab.cost()}")

    screen.step("Scale it to two, as a user would")
    screen.command(["kubectl", "scale", "llm", NAME, "--replicas=2"])
    screen.say(lab.scale(2).rstrip())
    screen.wait("two replicas serve", seen(lab.readiness), timeout_s=READY_WITHIN_S)
    table(screen, lab, "get", "llm,pods")

    with lab.clients(CLIENTS) as running:
        time.sleep(BUSY_S)
        screen.step("Take one away under load, from clients that keep their connections")
        leaving, in_hand = lab.busiest()
        screen.say(f"  {leaving} has {in_hand:g} requests in hand")
        lab.take_away(leaving)
        screen.wait(f"{leaving} is gone", lambda: (lab.gone(leaving) or None, "it drains"), timeout_s=180)
        time.sleep(BUSY_S)
    tally = running.tally
    if tally is None or tally.failures:
        raise Late(f"requests failed while a replica was drained: {tally.failures[:3] if tally else 'no tally'}")
    screen.good(f"{tally.requests} requests, none failed; {CLIENTS} clients opened {tally.connections} connections")


def seen(look: Callable[[], tuple[bool, str]]) -> Callable[[], tuple[bool | None, str]]:
    """`look` in the form that `Screen.wait` asks for: None while it is not so."""

    def looked() -> tuple[bool | None, str]:
        so, words = look()
        return so or None, words

    return looked


def priced(lab: Lab) -> tuple[str | None, str]:
    """US dollars per million tokens, once the operator has measured the clients' load."""
    cost, load = lab.cost(), lab.load()
    busy = float(load.get("requestsPerSecond", 0)) > 0
    return cost.get(TOKENS) if busy else None, f"load {load}"


def table(screen: Screen, lab: Lab, *arguments: str) -> None:
    """Run a command that the reader could type."""
    screen.command(["kubectl", *arguments])
    screen.say(lab.kubectl(*arguments).rstrip())


if __name__ == "__main__":
    sys.exit(main())
