"""`python -m tests.devcluster up|down|kubeconfig|status`: a cluster that lives until it is taken down."""

import argparse
import sys
import time
from collections.abc import Sequence

from tests.devcluster import build, registry
from tests.devcluster.cluster import Cluster, ClusterError


def main(arguments: Sequence[str] | None = None) -> int:
    """Parse the command line and do it; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.devcluster", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    named = argparse.ArgumentParser(add_help=False)
    named.add_argument("--name", default="dev", help="which cluster (default: dev)")
    up = commands.add_parser("up", parents=[named], help="start a cluster")
    up.add_argument("--node", action="store_true", help="with a real node: containerd, kubelet, kube-proxy (root)")
    up.add_argument("--no-karpenter", action="store_true", help="nobody buys machines")
    commands.add_parser("down", parents=[named], help="end a cluster; nothing of it stays")
    commands.add_parser("kubeconfig", parents=[named], help="print where its kubeconfig is")
    commands.add_parser("status", help="list the running clusters and their processes")
    options = parser.parse_args(arguments)
    try:
        match options.command:
            case "up":
                _up(options.name, node=options.node, karpenter=not options.no_karpenter)
            case "down":
                Cluster.attach(options.name).down()
            case "kubeconfig":
                print(Cluster.attach(options.name).kubeconfig)
            case "status":
                _status()
    except (ClusterError, registry.NameTakenError, build.BuildError, ValueError) as problem:
        print(problem, file=sys.stderr)
        return 1
    return 0


def _up(name: str, *, node: bool, karpenter: bool) -> None:
    build.binary()
    began_s = time.monotonic()
    cluster = Cluster.up(name=name, karpenter=karpenter, node=node, detached=True)
    print(f"devcluster {name} is up after {time.monotonic() - began_s:.1f} s: {cluster.url}", file=sys.stderr)
    print(f"kubectl is {build.kubectl()}; `python -m tests.devcluster down --name {name}` ends it", file=sys.stderr)
    print(f"export KUBECONFIG={cluster.kubeconfig}")


def _status() -> None:
    for name in registry.names():
        try:
            cluster = Cluster.attach(name)
            processes = cluster.processes()
        except (ClusterError, FileNotFoundError):
            continue  # it is about to start, or has ended since it was listed
        except TimeoutError:
            print(f"{name}  does not answer; is its supervisor stopped?")
            continue
        print(f"{name}  {cluster.url}  {cluster.kubeconfig}")
        for process, state in processes.items():
            said = f"{state['rss_kib'] / 1024:.0f} MiB" if state["exited"] is None else f"ended with {state['exited']}"
            print(f"  {process:24} {state['pid']:>8}  {said}")
        print(f"  {'together':24} {'':8}  {sum(state['rss_kib'] for state in processes.values()) / 1024:.0f} MiB")


if __name__ == "__main__":
    raise SystemExit(main())
