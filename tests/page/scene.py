"""A cluster with two teams' fleets, an operator that serves the page, and users with different rights."""

import math
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from wharfage_autoscaler.ledger import Ledger
from wharfage_autoscaler.offers import Market
from wharfage_autoscaler.spend import Account, Payer, Spend
from wharfage_operator.books import parts, written_part
from wharfage_operator.kinds import CONFIG_MAPS, LLM_BUDGETS, LLM_DEPLOYMENTS, OFFER_CATALOGS

from tests.cluster.lab import CATALOG, MACHINES, llm
from tests.cluster.process import OperatorProcess
from tests.cluster.server import Object, Server, eventually
from tests.devcluster.cluster import Cluster
from tests.ports import free_port

SYSTEM = "wharfage-system"
FLEETS = {
    "shop": {"chat": 3, "search": 2, "translate": 1},
    "research": {"agents": 1, "judge": 1, "summaries": 9},
}
"""Replicas by namespace and deployment; the last has eight accelerators of its own, so that one finds no room."""

_HOUR_S = 3600.0
_WEEK_H = 7 * 24


@dataclass
class Scene:
    """What runs, and where the page is."""

    cluster: Cluster
    server: Server
    folder: Path
    operators: list[OperatorProcess] = field(default_factory=list)

    def start(self, **settings: str) -> str:
        """Start one more operator; returns where its page is, once it is ready."""
        port = free_port()
        chosen = {"namespace": SYSTEM, "page_port": str(port), "budgets_every_s": "5", **settings}
        log = self.folder / f"operator-{len(self.operators)}.log"
        started = OperatorProcess(self.cluster.kubeconfig, log, chosen)
        self.operators.append(started)
        eventually(lambda: started.ready, what="the operator is ready")
        return f"http://127.0.0.1:{port}/"

    def account(self, name: str, namespace: str = "default") -> str:
        """A token of a new ServiceAccount without rights, as users make one."""
        self.cluster.kubectl("create", "serviceaccount", name, "--namespace", namespace)
        return self.cluster.kubectl("create", "token", name, "--namespace", namespace).strip()

    def allow(self, account: str, resource: str, namespace: str = "", *, of: str = "default") -> None:
        """Let a ServiceAccount list a resource in a namespace, or in all."""
        name, where = f"{account}-{resource}", ("--namespace", namespace) if namespace else ()
        kind = "role" if namespace else "clusterrole"
        rule = ("--verb=list", f"--resource={resource}.wharfage.dev")
        self.cluster.kubectl("create", kind, name, *rule, *where)
        subject = f"--serviceaccount={of}:{account}"
        self.cluster.kubectl("create", f"{kind}binding", name, f"--{kind}={name}", subject, *where)

    def forbid(self, account: str, resource: str, namespace: str) -> None:
        """Take that away again."""
        self.cluster.kubectl("delete", "rolebinding", f"{account}-{resource}", "--namespace", namespace)

    def ready(self, namespace: str, name: str) -> bool:
        """Whether a deployment has all its replicas, and knows what they cost."""
        status = (self.server.get(LLM_DEPLOYMENTS, namespace, name) or {}).get("status") or {}
        wanted = sum(row["wanted"] for row in status.get("fleet") or ())
        return 0 < wanted == status.get("readyReplicas") and "usdToday" in (status.get("cost") or {})

    def blocked(self, namespace: str, name: str) -> bool:
        """Whether a deployment waits for a machine."""
        status = (self.server.get(LLM_DEPLOYMENTS, namespace, name) or {}).get("status") or {}
        return (status.get("summary") or {}).get("reason") == "Unschedulable"


@contextmanager
def scene(cluster: Cluster, folder: Path) -> Iterator[Scene]:
    """Two fleets on two machines, a budget for each, and a week of dollars before."""
    place = Scene(cluster, Server(cluster), folder)
    for name, labels, capacity in MACHINES:
        cluster.fake_node(name, labels, capacity)
    place.server.create(OFFER_CATALOGS, CATALOG)
    for namespace in (SYSTEM, *FLEETS):
        cluster.kubectl("create", "namespace", namespace)
    payers = []
    for namespace, fleet in FLEETS.items():
        for name, replicas in fleet.items():
            placement = {"accelerators": ["L40S" if name == "summaries" else "L4"]}
            count = {"minReplicas": replicas, "maxReplicas": replicas}
            made = llm(namespace, name, scaling=count, placement=placement)
            made["metadata"]["labels"] = {"team": namespace}
            answer = place.server.create(LLM_DEPLOYMENTS, made)
            payers.append((Payer(answer["metadata"]["uid"], namespace, name, namespace), float(min(replicas, 3))))
        selector = {"matchLabels": {"kubernetes.io/metadata.name": namespace}}
        spec = {"usd": {"shop": "1400", "research": "680"}[namespace], "namespaceSelector": selector, "period": "Week"}
        place.server.create(LLM_BUDGETS, {"metadata": {"name": namespace}, "spec": spec})
    write_week(place.server, payers, now_s=time.time())
    try:
        yield place
    finally:
        for operator in place.operators:
            if operator.process.poll() is None:
                operator.kill()
        place.server.close()


def write_week(server: Server, payers: Sequence[tuple[Payer, float]], *, now_s: float) -> None:
    """A week of closed hours as an operator would have written it: more by day, by each payer's dollars per hour."""
    first_s = now_s - now_s % _HOUR_S - _WEEK_H * _HOUR_S
    rows = {first_s + _HOUR_S * hour: _row(payers, first_s / _HOUR_S + hour) for hour in range(_WEEK_H)}
    for name, ledger in parts(Ledger(rows)).items():
        server.create(CONFIG_MAPS, _plain(written_part(SYSTEM, name, ledger)))


def _row(payers: Sequence[tuple[Payer, float]], hour: float) -> dict[Account, Spend]:
    found = {}
    for number, (payer, usd) in enumerate(payers):
        noon = math.cos(2 * math.pi * (hour % 24 - 15 - number) / 24)
        weekend = 0.55 if (hour // 24 + 4) % 7 in (0, 6) else 1.0
        busy = usd * weekend * (1.0 + 0.45 * noon + 0.12 * math.sin(1.7 * hour + 2.1 * number))
        account = Account(payer, ("cluster-lab", "lab.l4", Market.ON_DEMAND, ""), (payer.namespace,))
        grows = max(0.0, -math.sin(2 * math.pi * (hour % 24 - 15 - number) / 24))
        found[account] = Spend(serving=busy * 0.86, idle=usd * 0.12, startup=usd * 0.1 * grows)
    return found


def _plain(manifest: Object) -> Object:
    return {name: part for name, part in manifest.items() if name not in ("apiVersion", "kind")}
