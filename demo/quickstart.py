"""`make quickstart`: from nothing to a served model on machines that a cluster autoscaler bought for it.

On a cluster of its own (a real control plane with Karpenter and fake GPU nodes, see tests/devcluster)
by default; `--kube current` does the same on the cluster of the current kubeconfig context.
"""

import argparse
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from wharfage_cli.status import condition

from demo.current import on_current_cluster
from demo.kubectl import CommandFailed, Kubectl, run
from demo.operator_process import NOBODY_ANSWERS, last_words, start_operator
from demo.screen import Screen
from tests.devcluster import build, registry
from tests.devcluster.cluster import Cluster, ClusterError
from tests.devcluster.registry import NameTakenError

ROOT = Path(__file__).resolve().parent.parent
APPLIED = ("examples/catalogs/aws-us-east-1.yaml", "examples/quickstart/")
SYSTEM = "wharfage-system"
NAMESPACE = "shop"
NAME = "chat"
KEPT = "demo"
ENDS_IT = f"cd {ROOT} && {sys.executable} -m tests.devcluster down --name {KEPT}"
LLM_COLUMNS = ("get", "llm", "-n", NAMESPACE)
NOTICE_S = 5.0
NODE_LABELS = "node.kubernetes.io/instance-type,karpenter.sh/capacity-type,topology.kubernetes.io/zone"
NODE_COLUMNS = ("get", "nodes", "-L", NODE_LABELS)


def main(arguments: Sequence[str] | None = None) -> int:
    """Parse the command line and run the demo; returns the exit status."""
    parser = argparse.ArgumentParser(prog="make quickstart", description=__doc__)
    parser.add_argument("--kube", choices=["devcluster", "current"], default=os.environ.get("KUBE") or "devcluster")
    parser.add_argument("--keep", action="store_true", default=os.environ.get("KEEP") == "1")
    parser.add_argument("--yes", action="store_true", default=os.environ.get("YES") == "1")
    parser.add_argument("--image", default=os.environ.get("IMAGE"))
    options = parser.parse_args(arguments)
    screen = Screen()
    try:
        if options.kube == "current":
            on_current_cluster(screen, image=options.image, yes=options.yes, keep=options.keep)
        else:
            on_devcluster(screen, keep=options.keep)
    except NameTakenError:
        screen.bad("the demo's cluster is up already (KEEP=1?); this ends it:")
        screen.say(f"  {ENDS_IT}")
        return 1
    except (CommandFailed, ClusterError, build.BuildError, TimeoutError) as trouble:
        screen.bad(str(trouble))
        return 1
    except KeyboardInterrupt:
        screen.bad("interrupted; everything this demo started has been stopped")
        return 130
    return 0


def on_devcluster(screen: Screen, *, keep: bool) -> None:
    """Start a cluster, install, serve, break, repair; then take it all down unless asked not to."""
    screen.step("A real Kubernetes: etcd, API server, controllers, scheduler, Karpenter; fake machines from kwok")
    build.binary()
    with screen.timed("control plane up"):
        cluster = Cluster.up(name=KEPT if keep else None, karpenter=True, catalogs=[ROOT / APPLIED[0]], detached=keep)
    try:
        kubectl = Kubectl(build.kubectl(), cluster.kubeconfig)
        install(screen, cluster.kubeconfig)
        (port,) = registry.free_ports(1)
        start_operator(cluster, kubectl, namespace=SYSTEM, settings={**NOBODY_ANSWERS, "http_port": str(port)})
        serve(screen, kubectl)
        break_a_child(screen, kubectl)
        lose_the_machines(screen, kubectl, cluster)
        look_around(screen, cluster.kubeconfig, f"http://127.0.0.1:{port}")
    except BaseException:
        screen.say(f"\nThe operator's last words:\n{last_words(cluster)}")
        cluster.down()
        raise
    if keep:
        leave(screen, cluster.kubeconfig)
        return
    cluster.down()
    screen.say("\nThe cluster is gone. make quickstart KEEP=1 leaves it up for you to play with.")


def install(screen: Screen, kubeconfig: Path) -> None:
    """Install the chart; the operator runs as a process here, since fake machines run no pods."""
    screen.step("Install wharfage with Helm")
    command = ["upgrade", "--install", "wharfage", "charts/wharfage", "-n", SYSTEM, "--create-namespace"]
    command += ["--set", "operator.replicas=0"]
    screen.command(["helm", *command])
    with screen.timed("chart installed; its operator has no replicas, since fake machines run no pods"):
        run([str(build.helm()), *command], kubeconfig=kubeconfig, folder=ROOT)


def serve(screen: Screen, kubectl: Kubectl) -> None:
    """Apply the quick start and watch it become machines and pods."""
    screen.step("Ask for a served model")
    for path in APPLIED:
        show(screen, kubectl, "apply", "--server-side", "-f", path)
    screen.wait(f"{NAMESPACE}/{NAME} is Ready", lambda: readiness(kubectl), timeout_s=120)
    show(screen, kubectl, *LLM_COLUMNS)
    show(screen, kubectl, *NODE_COLUMNS)


def break_a_child(screen: Screen, kubectl: Kubectl) -> None:
    """Delete what the operator made, and see it come back."""
    screen.step("Break something: delete the Deployment behind the model")
    before, pods = pools(kubectl), serving_pods(kubectl)
    began = time.monotonic()
    show(screen, kubectl, "delete", "deployment", "-n", NAMESPACE, *sorted(before), "--wait=false")

    def restored() -> tuple[bool | None, str]:
        now = pools(kubectl)
        back = now.keys() == before.keys() and not set(now.values()) & set(before.values())
        return (True if back else None), f"{len(now)} of {len(before)} Deployments"

    screen.wait("a new Deployment of the same name is there", restored, timeout_s=30, every_s=0.05)

    def serving() -> tuple[bool | None, str]:
        new = serving_pods(kubectl) - pods
        return (True if len(new) == len(pods) else None), f"{len(new)} of {len(pods)} new replicas serve"

    screen.wait(f"{len(pods)} new replicas serve", serving, timeout_s=120)
    screen.wait(f"{NAMESPACE}/{NAME} is Ready", lambda: readiness(kubectl), timeout_s=120)
    screen.say(f"  {time.monotonic() - began:.1f} s from the deletion to as it was")


def lose_the_machines(screen: Screen, kubectl: Kubectl, cluster: Cluster) -> None:
    """Take the machines away, as a spot market does, and see new ones bought."""
    screen.step("Lose the machines: the spot market takes them back")
    lost, replicas = serving_nodes(kubectl), len(serving_pods(kubectl))
    labels = kubectl.json("get", "node", lost[0])["metadata"]["labels"]
    place = "/".join(labels[key] for key in NODE_LABELS.split(","))
    screen.say(f"  all of {place} gets {NOTICE_S:.0f} s of notice")
    cluster.market(interrupted=[place], notice_s=NOTICE_S)

    def gone() -> tuple[bool | None, str]:
        left = [node for node in lost if kubectl.find("get", "node", node)]
        return (True if not left else None), f"{len(left)} of {len(lost)} machines are still there"

    screen.wait(f"{len(lost)} machines are gone", gone, timeout_s=90)
    cluster.market()

    def replaced() -> tuple[bool | None, str]:
        ready, seen = readiness(kubectl)
        whole = len(serving_pods(kubectl)) == replicas and not set(lost) & set(serving_nodes(kubectl))
        return (True if ready and whole else None), seen

    screen.wait(f"{NAMESPACE}/{NAME} is whole again, on other machines", replaced, timeout_s=120)
    show(screen, kubectl, *LLM_COLUMNS)
    show(screen, kubectl, *NODE_COLUMNS)


def look_around(screen: Screen, kubeconfig: Path, operator: str) -> None:
    """What the command line says about all this; `operator` is its process's address, as there is no pod to ask."""
    screen.step("Ask wharfage itself")
    for command in (
        ["status", "-A"],
        ["explain", NAME, "-n", NAMESPACE, "--operator", operator],
        ["doctor", "--operator-namespace", SYSTEM],
    ):
        screen.command(["wharfage", *command])
        screen.say(run([sys.executable, "-m", "wharfage_cli", *command], kubeconfig=kubeconfig).rstrip())


def leave(screen: Screen, kubeconfig: Path) -> None:
    """Say how to go on with the cluster that stays, and how to end it."""
    screen.say(f"\nThe cluster stays up, with Karpenter and the operator in it.\n  export KUBECONFIG={kubeconfig}")
    screen.say(f"  export PATH={build.kubectl().parent}:{Path(sys.executable).parent}:$PATH    # kubectl and wharfage")
    screen.say(f"  kubectl edit llm -n {NAMESPACE} {NAME}\n  kubectl get llm -A -w    # nodes: kubectl get nodes -w")
    screen.say(f"  {ENDS_IT}    # ends it all")


def show(screen: Screen, kubectl: Kubectl, *arguments: str) -> None:
    """Run a command the reader could type, and print it with its output."""
    screen.command(["kubectl", *arguments])
    screen.say(kubectl.run(*arguments, folder=ROOT).rstrip())


def readiness(kubectl: Kubectl) -> tuple[bool | None, str]:
    """True once Ready, else None; and what the status says it is waiting for."""
    found = kubectl.find("get", "llm", "-n", NAMESPACE, NAME)
    if found is None:
        return None, "not there yet"
    status = found.get("status") or {}
    ready = condition(status, "Ready")
    current = ready.get("observedGeneration") == found["metadata"]["generation"]
    seen = f"{ready.get('reason', 'not seen by the operator yet')}: {ready.get('message', '')}"
    return (True if ready.get("status") == "True" and current else None), seen


def pools(kubectl: Kubectl) -> dict[str, str]:
    """Name to uid of the Deployments behind the model."""
    found = kubectl.json("get", "deployments", "-n", NAMESPACE, "-l", f"wharfage.dev/llmdeployment={NAME}")
    return {each["metadata"]["name"]: each["metadata"]["uid"] for each in found["items"]}


def serving_pods(kubectl: Kubectl) -> set[str]:
    """The uids of the model's ready pods."""
    found = kubectl.json("get", "pods", "-n", NAMESPACE, "-l", f"wharfage.dev/llmdeployment={NAME}")
    return {
        each["metadata"]["uid"]
        for each in found["items"]
        if any(c["type"] == "Ready" and c["status"] == "True" for c in each["status"].get("conditions", ()))
    }


def serving_nodes(kubectl: Kubectl) -> list[str]:
    """The machines that carry the model's pods."""
    found = kubectl.json("get", "pods", "-n", NAMESPACE, "-l", f"wharfage.dev/llmdeployment={NAME}")
    return sorted({each["spec"]["nodeName"] for each in found["items"] if each["spec"].get("nodeName")})


if __name__ == "__main__":
    sys.exit(main())
