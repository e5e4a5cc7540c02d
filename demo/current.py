"""The demo on a cluster the reader already has: kind, k3s or a cloud.

It says what it is about to do and asks; works in one namespace of its own; never touches a node;
and deletes exactly what it made.
"""

import math
import shutil
import sys
import time
from pathlib import Path
from typing import Any

import yaml
from wharfage_cli.status import condition

from demo.catalog import catalog_of, prices_of
from demo.kubectl import CommandFailed, Kubectl, run
from demo.screen import Screen
from tests.devcluster import build

ROOT = Path(__file__).resolve().parent.parent
NAMESPACE = "wharfage-demo"
RELEASE = "wharfage-demo"
CATALOG = "wharfage-demo"
DEFINITIONS = ("llmdeployments.wharfage.dev", "llmbudgets.wharfage.dev", "offercatalogs.wharfage.dev")
LOCAL_IMAGE = "wharfage-operator:demo"
READY_WITHIN_S = 1200.0
PULLED_WITHIN_S = 120.0
"""A pull that fails for so long is no passing trouble of a registry."""


def on_current_cluster(screen: Screen, *, image: str | None, yes: bool, keep: bool) -> None:
    """Install, serve and repair on the cluster of the current context."""
    context = run([str(build.kubectl()), "config", "current-context"]).strip()
    kubectl = Kubectl(build.kubectl(), context=context)
    nodes = kubectl.json("get", "nodes")["items"]
    known = prices_of(sorted((ROOT / "examples" / "catalogs").glob("*.yaml")))
    catalog = catalog_of(nodes, known, name=CATALOG)
    missing = [name for name in DEFINITIONS if kubectl.find("get", "crd", name) is None]
    refuse_if_taken(kubectl)
    announce(screen, context, catalog, missing)
    if not (yes or agreed()):
        screen.say("Nothing was changed.")
        return
    made: list[tuple[str, ...]] = []
    try:
        install(screen, kubectl, context, image or local_image(screen, context), made, missing)
        serve(screen, kubectl, catalog, made)
        repair(screen, kubectl)
    finally:
        if keep:
            screen.say(f"\nLeft as it is. To remove it: kubectl delete llm --all -n {NAMESPACE};")
            screen.say(f"helm uninstall {RELEASE} -n {NAMESPACE}; kubectl delete namespace {NAMESPACE}")
        else:
            clear(screen, kubectl, made)


def refuse_if_taken(kubectl: Kubectl) -> None:
    """Raise `CommandFailed` where the demo's own names are somebody else's already."""
    if kubectl.find("get", "namespace", NAMESPACE) is not None:
        raise CommandFailed(
            f"namespace {NAMESPACE} exists already: an earlier demo left it (KEEP=1?) or it is yours; "
            f"delete it (kubectl delete namespace {NAMESPACE}) and try again"
        )


def announce(screen: Screen, context: str, catalog: dict[str, Any], missing: list[str]) -> None:
    """Print the plan; `CommandFailed` when this cluster has nothing to serve on."""
    screen.step(f"The plan for context {context}")
    offers = catalog["spec"]["offers"]
    if not offers:
        raise CommandFailed(f"no ready node to serve on in context {context}: kubectl get nodes. Nothing was changed.")
    screen.say(f"  create  namespace {NAMESPACE}, and in it Helm release {RELEASE} and one LLMDeployment")
    screen.say(f"  create  OfferCatalog {CATALOG}, made from your ready nodes:")
    for offer in offers:
        what = f"{offer['accelerator']['name']} x{offer['accelerator']['count']}"
        screen.say(f"            {offer['name']}: {what}, {offer['prices'][0]['usdPerHour']} USD/h")
    screen.say(f"  create  {', '.join(missing)}" if missing else "  use     the definitions that are there already")
    screen.say("  never   touch a node, or anything outside the namespace but the above")


def agreed() -> bool:
    """Ask; `CommandFailed` without a terminal."""
    if not sys.stdin.isatty():
        raise CommandFailed("no terminal to ask on: YES=1 answers. Nothing was changed.")
    return input("Go ahead? [y/N] ").strip().lower() in ("y", "yes")


def local_image(screen: Screen, context: str) -> str:
    """Build the operator's image and load it into kind; elsewhere the reader names one with IMAGE."""
    if not context.startswith("kind-") or not shutil.which("kind") or not shutil.which("docker"):
        raise CommandFailed("which image? IMAGE=registry/wharfage-operator:tag make quickstart KUBE=current")
    screen.step("Build the operator's image and load it into kind")
    run(["docker", "build", "--target", "operator", "-t", LOCAL_IMAGE, str(ROOT)])
    run(["kind", "load", "docker-image", LOCAL_IMAGE, "--name", context.removeprefix("kind-")])
    return LOCAL_IMAGE


def install(
    screen: Screen, kubectl: Kubectl, context: str, image: str, made: list[tuple[str, ...]], missing: list[str]
) -> None:
    """Install the chart into the demo's namespace, watching that namespace only."""
    screen.step("Install wharfage with Helm")
    made.append(("namespace", NAMESPACE))
    made.extend(("crd", name) for name in missing)
    repository, _, tag = image.rpartition(":")
    values = {
        "image.repository": repository,
        "image.tag": tag,
        "crds.enabled": str(bool(missing)).lower(),
        "rbac.namespaced": "true",
        "watchNamespaces[0]": NAMESPACE,
    }
    command = [str(build.helm()), "install", RELEASE, str(ROOT / "charts" / "wharfage"), "-n", NAMESPACE]
    command += ["--create-namespace", "--kube-context", context, "--wait", "--timeout", "3m"]
    for key, value in values.items():
        command += ["--set-string" if key == "image.tag" else "--set", f"{key}={value}"]
    screen.command(["helm", *command[1:]])
    made.insert(0, ("release", RELEASE))
    screen.say("  waiting for the operator's pod, 3 minutes at most")
    try:
        with screen.timed("chart installed, its operator is ready"):
            run(command)
    except CommandFailed as failed:
        pods = kubectl.run("get", "pods", "-n", NAMESPACE)
        warnings = kubectl.run("get", "events", "-n", NAMESPACE, "--field-selector=type=Warning")
        raise CommandFailed(f"{failed}\n{pods}{warnings}".rstrip()) from None


def serve(screen: Screen, kubectl: Kubectl, catalog: dict[str, Any], made: list[tuple[str, ...]]) -> None:
    """Apply the catalog and the example that suits the machines, and wait until it serves."""
    screen.step("Serve a model")
    kubectl.run("apply", "-f", "-", stdin=yaml.safe_dump(catalog))
    made.insert(0, ("offercatalog", CATALOG))
    gpus = any(offer["accelerator"]["name"] != "CPU" for offer in catalog["spec"]["offers"])
    deployment = example(ROOT / "examples" / ("quickstart" if gpus else "cpu"))
    kubectl.run("apply", "-n", NAMESPACE, "-f", "-", stdin=yaml.safe_dump(deployment))
    name = deployment["metadata"]["name"]
    pulls_since_s = math.inf

    def ready() -> tuple[bool | None, str]:
        nonlocal pulls_since_s
        status = kubectl.json("get", "llm", "-n", NAMESPACE, name).get("status") or {}
        said = condition(status, "Ready")
        pulls = said.get("reason") == "ImagePullFailed"
        pulls_since_s = min(pulls_since_s, time.monotonic()) if pulls else math.inf
        if time.monotonic() - pulls_since_s > PULLED_WITHIN_S:
            raise CommandFailed(f"{name} will not come up: {said.get('message')}")
        return (True if said.get("status") == "True" else None), str(said.get("message", "not seen yet"))

    screen.wait(f"{name} is Ready", ready, timeout_s=READY_WITHIN_S, every_s=2)
    screen.say(kubectl.run("get", "llm", "-n", NAMESPACE).rstrip())


def repair(screen: Screen, kubectl: Kubectl) -> None:
    """Delete the Service behind the model and see it restored; nothing that serves is touched."""
    screen.step("Break something: delete the Service behind the model")
    service = kubectl.json("get", "services", "-n", NAMESPACE, "-l", "app.kubernetes.io/managed-by=wharfage")["items"][
        0
    ]
    name, uid = service["metadata"]["name"], service["metadata"]["uid"]
    kubectl.run("delete", "service", "-n", NAMESPACE, name)

    def back() -> tuple[bool | None, str]:
        found = kubectl.find("get", "service", "-n", NAMESPACE, name)
        return (True if found and found["metadata"]["uid"] != uid else None), "gone"

    screen.wait(f"Service {name} is back", back, timeout_s=60)


def clear(screen: Screen, kubectl: Kubectl, made: list[tuple[str, ...]]) -> None:
    """Delete what this demo made, newest first."""
    screen.step("Clear up")
    for kind, name in made:
        if kind == "release":
            run([str(build.helm()), "uninstall", name, "-n", NAMESPACE, "--ignore-not-found", "--wait"])
        else:
            kubectl.run("delete", kind, name, "--ignore-not-found", "--timeout=120s")
        screen.good(f"{kind} {name} deleted")


def example(folder: Path) -> dict[str, Any]:
    """The LLMDeployment of an example folder, for one replica in any namespace."""
    for path in sorted(folder.glob("*.yaml")):
        for document in yaml.safe_load_all(path.read_text()):
            if document and document["kind"] == "LLMDeployment":
                document["metadata"].pop("namespace", None)
                document["spec"].get("placement", {}).pop("catalogs", None)
                document["spec"].get("scaling", {}).pop("minReplicas", None)  # one: there may be no second GPU
                found: dict[str, Any] = document
                return found
    raise CommandFailed(f"{folder}: no LLMDeployment in it")
