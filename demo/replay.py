"""Two hours of load in four minutes: the operator scales a model on machines that Karpenter buys; then the bill.

There is a spike, and a storm that takes a zone's spot machines. The bill says what others would have paid.

The control plane is real (tests/devcluster), the engines are the simulator's (demo/emulator).
"""

import argparse
import json
import os
import sys
import time
import urllib.request
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from wharfage_autoscaler.objectives import Objectives
from wharfage_operator.gather import objectives
from wharfage_simulator.result import Result
from wharfage_simulator.workload import requests, taken

from demo import two_hours
from demo.budget_hour import budget_hour
from demo.course import HEAD, bill, clock, line
from demo.emulator.__main__ import led_in
from demo.emulator.stages import DELETE, READY, leaving, loading
from demo.kubectl import CommandFailed, Kubectl
from demo.operator_process import PROCESS, last_words, start_operator
from demo.picture import draw
from demo.quickstart import NAME, NAMESPACE, ROOT, SYSTEM, install, readiness
from demo.rivals import Rivals, rivals
from demo.screen import Screen
from demo.two_hours import CATALOG, DEPLOYMENT, LEAD_IN_S, MINUTE_S, MINUTES, SPEED, STORM
from demo.whole_day import whole_day
from tests.devcluster import build, registry
from tests.devcluster.cluster import Cluster, ClusterError

EMULATOR = "emulator"
EVERY_S = 120.0  # of the load, a line of the table
EMPTY_S = 60.0
"""A machine on which nothing runs ends after so long of the engines' time: what Karpenter takes by its defaults."""
SEED = 1
_LEAST_LEAD_S = 60.0


def settings(address: str, speed: float) -> dict[str, str]:
    """The operator's: what it measures and decides in the engines' time, as in production; its patience scaled."""
    return {
        "scrape_proxy": address,
        "time_scale": f"{speed:g}",
        "scrape_every_s": "15",
        "scrape_timeout_s": "0.4",
        "status_every_s": "1",
        "resync_s": "10",
        "surge_patience_s": f"{600.0 / speed:g}",
        "machine_patience_s": "15",  # Karpenter and the scheduler take some seconds, whatever the speed
        "events_after_s": "1",
        "events_every_s": "2",
        "backoff_longest_s": "2",
        "lease_duration_s": "120",  # a busy machine is no reason to end: there is no other replica
        "lease_renew_deadline_s": "100",
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """Parse the command line and run; returns the exit status."""
    parser = argparse.ArgumentParser(prog="make demo", description=__doc__)
    parser.add_argument("--minutes", type=float, default=float(MINUTES), help="of the two hours to replay")
    parser.add_argument("--speed", type=float, default=SPEED, help="slower where the machine is busy; default: 40")
    parser.add_argument("--out", type=Path, default=Path("demo-two-hours"), help="folder of the picture and the ledger")
    parser.add_argument("--ledger", type=Path, help="bill and picture of a run that was written, without running it")
    options = parser.parse_args(arguments)
    screen = Screen()
    try:
        if options.ledger:
            settle(screen, json.loads(options.ledger.read_text(encoding="utf-8")), options.out)
            return 0
        seen = run(screen, minutes=options.minutes, speed=options.speed, out=options.out)
    except (CommandFailed, ClusterError, build.BuildError, TimeoutError) as trouble:
        screen.bad(str(trouble))
        return 1
    except KeyboardInterrupt:
        screen.bad("interrupted; everything this demo started has been stopped")
        return 130
    return 0 if seen else 1


def run(screen: Screen, *, minutes: float, speed: float, out: Path) -> bool:
    """Bring everything up, let the hours pass, write the ledger, say what it cost; whether every stage was seen."""
    screen.step(f"A real Kubernetes with Karpenter; engines from the simulator, {speed:g} times as fast")
    out.mkdir(parents=True, exist_ok=True)
    build.binary()
    with screen.timed("control plane up"):
        cluster = Cluster.up(karpenter=True, catalogs=[CATALOG])
    with cluster:
        kubectl = Kubectl(build.kubectl(), cluster.kubeconfig)
        try:
            prepare(cluster, kubectl, speed)
            install(screen, cluster.kubeconfig)
            address = start_emulator(screen, cluster, speed)
            start_operator(cluster, kubectl, namespace=SYSTEM, settings=settings(address, speed))
            screen.step("Ask for a served model")
            for path in (CATALOG, DEPLOYMENT):
                kubectl.run("apply", "--server-side", "-f", str(path), folder=ROOT)
            screen.wait(f"{NAMESPACE}/{NAME} is Ready", lambda: readiness(kubectl), timeout_s=120)
            screen.step(f"{minutes:g} minutes, after {LEAD_IN_S / MINUTE_S:g} to find its feet in")
            watch(screen, cluster, kubectl, address, until_s=LEAD_IN_S + minutes * MINUTE_S, speed=speed)
            ledger = asked(address, "ledger")
            screen.step("An hour with a budget of less than half of what its load asks for (at most three minutes)")
            screen.say(HEAD)
            course = budget_hour(screen, kubectl, speed=speed, shown=lambda: show(screen, kubectl, address))
        except BaseException:
            screen.say(f"\nThe operator's last words:\n{last_words(cluster)}")
            raise
        finally:
            for name in (PROCESS, EMULATOR):
                with suppress(OSError):
                    (out / f"{name}.log").write_text(cluster.log(name), encoding="utf-8")
    (out / "ledger.json").write_text(json.dumps(ledger, indent=1), encoding="utf-8")
    settle(screen, ledger, out)
    return not course.missing


def prepare(cluster: Cluster, kubectl: Kubectl, speed: float) -> None:
    """Pods and machines take their time, and the market has its weather."""
    for name, made in ((READY, lambda stage: loading(stage, speed=speed)), (DELETE, leaving)):
        cluster.apply(made(kubectl.json("get", "stage", name)))
    for pool in kubectl.json("get", "nodepools")["items"]:
        patch = json.dumps({"spec": {"disruption": {"consolidateAfter": "Never"}}})  # the emulator ends empty machines
        kubectl.run("patch", "nodepool", pool["metadata"]["name"], "--type=merge", "-p", patch)
    cluster.market(**two_hours.market(-1.0, speed=speed))
    cluster.kubectl("create", "namespace", NAMESPACE)


def start_emulator(screen: Screen, cluster: Cluster, speed: float) -> str:
    """Run the emulator beside the cluster; its address, once it answers."""
    load = cluster.folder / "load.csv"
    two_hours.written(two_hours.trace(), load)
    (port,) = registry.free_ports(1)
    command = [sys.executable, "-m", "demo.emulator", "--load", f"{NAMESPACE}/{NAME}={load}", "--port", str(port)]
    command += ["--speed", f"{speed:g}", "--lead-in-s", f"{LEAD_IN_S:g}", "--seed", str(SEED)]
    command += ["--empty-s", f"{EMPTY_S:g}"]
    environment = {"KUBECONFIG": str(cluster.kubeconfig), "PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path])}
    cluster.start(EMULATOR, command, environment=environment)
    address = f"http://127.0.0.1:{port}"

    def answers() -> tuple[bool | None, str]:
        if (ended := cluster.processes()[EMULATOR]["exited"]) is not None:
            raise CommandFailed(f"the emulator ended with {ended}:\n{cluster.log(EMULATOR)}")
        try:
            return bool(asked(address, "now")), ""
        except CommandFailed:
            return None, "it compiles its engines"

    screen.wait("the emulator answers", answers, timeout_s=180)
    return address


def watch(screen: Screen, cluster: Cluster, kubectl: Kubectl, address: str, *, until_s: float, speed: float) -> None:
    """Show how it goes until so much of the load has passed, and bring the storm when its time has come."""
    screen.say(HEAD)
    raging, said = False, ""
    while (row := asked(address, "now"))["t_s"] < until_s:
        now_s = row["t_s"] - LEAD_IN_S
        if raging != (STORM.begin_s <= now_s < STORM.end_s):
            raging = not raging
            cluster.market(**two_hours.market(now_s, speed=speed))
            screen.say(
                f"{clock(now_s):>6}   * {STORM.zone} {'loses its spot machines' if raging else 'has some again'}"
            )
        if cluster.processes()[PROCESS]["exited"] is not None:
            raise CommandFailed("the operator has ended")
        decided = show(screen, kubectl, address)
        if decided != said:
            said = decided
            screen.say(f"         > {said}")
        time.sleep(EVERY_S / speed)


def show(screen: Screen, kubectl: Kubectl, address: str) -> str:
    """Add a line of the load and the fleet; what the operator decided last, in words."""
    status = kubectl.json("get", "llm", "-n", NAMESPACE, NAME).get("status") or {}
    screen.say(line(asked(address, "now"), (status.get("summary") or {}).get("fleet", ""), since_s=LEAD_IN_S))
    return str((status.get("decision") or {}).get("summary", ""))


def settle(screen: Screen, ledger: dict[str, Any], out: Path) -> None:
    """The bill and the picture of a run, and the bill of the whole day that it is a part of."""
    screen.step("The bill: those two hours, and by replay of the same requests what others would have paid")
    lead_s = max(_LEAST_LEAD_S, ledger.get("lead_s") or _LEAST_LEAD_S)
    screen.say(f"  a replica took {lead_s:.0f} s from its order to its first answer here (median): so do theirs")
    others = compared(lead_s, objectives(two_hours.deployment()), until_s=ledger["seconds"])
    (own,) = ledger["deployments"].values()
    rows = {
        f"fixed count for the peak, {others.static.tuned}": of(others.static),
        f"best {others.hpa.tuned}": of(others.hpa),
        "wharfage, on the control plane": (sum(ledger["usd"].values()), own["bad_minutes"], own["minutes"]),
    }
    for text in bill(rows):
        screen.say(text)
    out.mkdir(parents=True, exist_ok=True)
    draw(ledger, others.hpa.course, STORM, out / "two-hours.png")
    screen.step(
        "The bill of the whole day, all of it by replay (one to two minutes): what is tuned is tuned on the day before"
    )
    day = whole_day(lead_s=lead_s, objectives=objectives(two_hours.deployment()), seed=SEED)
    of_day = {
        f"fixed count for the day before, {day.static.tuned}": of(day.static),
        f"best {day.hpa.tuned}": of(day.hpa),
        "wharfage": of(day.wharfage),
    }
    for text in bill(of_day):
        screen.say(text)
    written = {"lead_s": lead_s, "two_hours": figures(rows), "day": figures(of_day)}
    (out / "bill.json").write_text(json.dumps(written, indent=1) + "\n", encoding="utf-8")
    screen.good(f"{out}/two-hours.png, {out}/bill.json and {out}/ledger.json written")


def compared(lead_s: float, promised: Objectives, *, until_s: float) -> Rivals:
    """What others make of the very requests that the emulator drew."""
    load = requests(led_in(two_hours.trace(), LEAD_IN_S), seed=SEED)
    context = two_hours.deployment().spec.engine.max_model_tokens
    served = taken(load, context).between(0.0, until_s)
    return rivals(served, lead_s=lead_s, since_s=LEAD_IN_S, objectives=promised, seed=SEED)


def figures(rows: dict[str, tuple[float, int, int]]) -> dict[str, dict[str, float]]:
    """A bill's rows, which are in this order, by who they are of."""
    return {
        who: {"usd": round(usd, 2), "bad_minutes": bad, "minutes": minutes}
        for who, (usd, bad, minutes) in zip(("static", "hpa", "wharfage"), rows.values(), strict=True)
    }


def of(result: Result) -> tuple[float, int, int]:
    """Dollars, bad minutes, minutes."""
    return result.usd, result.bad_minutes, result.minutes


def asked(address: str, what: str) -> dict[str, Any]:
    """What the emulator says. `CommandFailed` when it does not answer."""
    try:
        with urllib.request.urlopen(f"{address}/{what}", timeout=10) as answer:
            read: dict[str, Any] = json.loads(answer.read())
    except OSError as error:
        raise CommandFailed(f"the emulator does not answer: {error}") from error
    return read


if __name__ == "__main__":
    sys.exit(main())
