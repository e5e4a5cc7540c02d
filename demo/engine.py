"""`make demo-engine` (root): the gateway in front of a real vLLM, in pods of a real node.

The cluster, the images and the example are those of the suite `make test-engine`, which asserts what is shown here.
"""

import os
import sys
from pathlib import Path

from demo.engine_steps import Shown, show
from demo.screen import Screen
from tests.devcluster import debian
from tests.devcluster.access import AccessError
from tests.devcluster.build import BuildError
from tests.devcluster.cluster import ClusterError
from tests.devcluster.debian import MissingPackagesError
from tests.devcluster.images import ImageError
from tests.devcluster.network import NamespaceError
from tests.devcluster.node import NodeError
from tests.engine.environment import EnvironmentFailed
from tests.engine.lab import Late, open_empty
from tests.node.release import HelmError

BROKEN = (
    AccessError,
    BuildError,
    ClusterError,
    EnvironmentFailed,
    HelmError,
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
        debian.require({"curl": Path("/usr/bin/curl")})
        with open_empty(lambda stage: screen.step(stage)) as lab:
            shown = show(screen, lab)
    except (Late, TimeoutError, *BROKEN) as trouble:
        screen.bad(str(trouble))
        return 1
    except KeyboardInterrupt:
        screen.bad("interrupted; everything this demo started has been stopped")
        return 130
    screen.say("\nCluster, node and pods are gone.")
    screen.good(proved(shown))
    return 0


def proved(shown: Shown) -> str:
    """All of it in a sentence."""
    return (
        f"a model of which nothing ran answered the request that woke it after {shown.woken_s:.0f} s; "
        f"{shown.tokens} tokens of two tenants were counted as the engine counted them; "
        f"none of {shown.drained} streams failed while a replica was taken away"
    )


if __name__ == "__main__":
    sys.exit(main())
