"""`wharfage offers` against a real API server: one field manager, only what changed, with the chart's rights."""

import json
import os
import secrets
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from kubernetes import client, config
from wharfage_cli.connection import Connection
from wharfage_cli.offers.apply import FIELD_MANAGER, Withheld, apply
from wharfage_cli.offers.catalog import Description, manifest, offered
from wharfage_cli.offers.change import report
from wharfage_cli.offers.price import Price
from wharfage_operator.kinds import NODES, OFFER_CATALOGS

from tests.charts.release import of_kind, rendered
from tests.cli.offers.prices import price, spot
from tests.cluster.server import Object, Server, condition, eventually
from tests.devcluster.cluster import AccessError, Cluster


class Shelf:
    """One catalog of a test's own, and the two ways to it: the command's, and that of another writer."""

    def __init__(self, cluster: Cluster) -> None:
        settings = client.Configuration()
        config.load_kube_config(config_file=str(cluster.kubeconfig), client_configuration=settings)
        self.cluster = cluster
        self.connection = Connection(client.ApiClient(settings), "default")
        self.server = Server(cluster)
        self.name = f"test-{secrets.token_hex(4)}"

    def of(self, *prices: Price) -> Object:
        """The catalog of these prices."""
        about = Description(self.name, "aws", "us-east-1", Decimal(1), {"prices": "p.csv"})
        return manifest(offered(prices, "aws"), about)

    @property
    def stored(self) -> Object:
        """The catalog as it stands."""
        found = self.server.get(OFFER_CATALOGS, "", self.name)
        assert found is not None
        return found

    def prices(self) -> dict[tuple[str, str], str]:
        """What stands in it: dollars by offer and market."""
        return {(row["name"], each["market"]): each["usdPerHour"] for row in self.offers() for each in row["prices"]}

    def offers(self) -> list[Object]:
        """Its offers."""
        found: list[Object] = self.stored["spec"]["offers"]
        return found

    def another_applies(self, *offers: Object) -> None:
        """Somebody else applies offers, as `kubectl apply --server-side` does."""
        spec = {"provider": "aws", "region": "us-east-1", "observedAt": "2026-07-20T00:00:00Z", "offers": list(offers)}
        whole = {"apiVersion": OFFER_CATALOGS.api_version, "kind": "OfferCatalog", "metadata": {"name": self.name}}
        self.cluster.kubectl("apply", "--server-side", "-f", "-", stdin=json.dumps({**whole, "spec": spec}))


@pytest.fixture
def shelf(cluster: Cluster) -> Iterator[Shelf]:
    """A catalog that does not exist yet; it is gone afterwards."""
    made = Shelf(cluster)
    yield made
    made.server.call("DELETE", OFFER_CATALOGS.path(name=made.name))
    made.server.close()


def test_a_new_catalog_is_created_under_the_commands_own_field_manager(shelf: Shelf) -> None:
    outcome = apply(shelf.connection, shelf.of(price(), spot()))
    assert (outcome.written, outcome.change.exists) == (True, False)
    managers = {(each["manager"], each["operation"]) for each in shelf.stored["metadata"]["managedFields"]}
    assert managers == {(FIELD_MANAGER, "Apply")}
    assert shelf.stored["metadata"]["annotations"] == {"wharfage.dev/prices": "p.csv"}


def test_what_is_the_same_is_not_written(shelf: Shelf) -> None:
    apply(shelf.connection, shelf.of(price(), spot()))
    before = shelf.stored
    outcome = apply(shelf.connection, shelf.of(price(), spot()))
    assert (outcome.written, report(outcome.change)) == (False, ["nothing to change"])
    assert shelf.stored["metadata"]["resourceVersion"] == before["metadata"]["resourceVersion"]


def test_a_price_that_moved_is_the_only_thing_that_changes(shelf: Shelf) -> None:
    apply(shelf.connection, shelf.of(price(), spot(), price("g6.2xlarge", "2")))
    before = shelf.stored["spec"]
    outcome = apply(shelf.connection, shelf.of(price(), spot(per_hour="0.44"), price("g6.2xlarge", "2")))
    assert report(outcome.change) == [
        "~ g6.xlarge Spot 0.4 -> 0.44 per hour (+10.0 %)",
        "0 offers added, 0 removed, 1 price moved",
    ]
    before["offers"][1]["prices"][1]["usdPerHour"] = "0.44"
    assert sorted(before["offers"], key=str) == sorted(shelf.offers(), key=str)


def test_offers_come_and_go_with_the_prices(shelf: Shelf) -> None:
    apply(shelf.connection, shelf.of(price("a"), price("b")))
    outcome = apply(shelf.connection, shelf.of(price("b"), price("c")))
    assert (outcome.change.added, outcome.change.removed) == (("c",), ("a",))
    assert sorted(row["name"] for row in shelf.offers()) == ["b", "c"]


def test_prices_with_a_newer_date_bring_it_along(shelf: Shelf) -> None:
    apply(shelf.connection, shelf.of(price()))
    outcome = apply(shelf.connection, shelf.of(replace(price(), observed_at=datetime(2026, 8, 1, tzinfo=UTC))))
    assert outcome.change.fields == ("observedAt 2026-07-20T00:00:00Z -> 2026-08-01T00:00:00Z",)
    assert shelf.stored["spec"]["observedAt"] == "2026-08-01T00:00:00Z"


def test_what_another_writer_added_stays(shelf: Shelf) -> None:
    apply(shelf.connection, shelf.of(price()))
    own = {"market": "Reserved", "usdPerHour": "0.5", "count": 4}
    facts = {key: value for key, value in shelf.offers()[0].items() if key != "prices"}
    other = {**facts, "name": "ours", "machine": "ours", "prices": [own]}
    shelf.another_applies({**facts, "nodeGroup": "gpu", "prices": [own]}, other)
    outcome = apply(shelf.connection, shelf.of(price(per_hour="1.1")))
    assert outcome.kept == ("ours",)
    assert shelf.prices() == {
        ("g6.xlarge", "OnDemand"): "1.1",
        ("g6.xlarge", "Reserved"): "0.5",
        ("ours", "Reserved"): "0.5",
    }
    assert next(row for row in shelf.offers() if row["name"] == "g6.xlarge")["nodeGroup"] == "gpu"


def test_a_price_that_another_writer_holds_is_taken_over_only_on_request(shelf: Shelf) -> None:
    shelf.another_applies(shelf.of(price())["spec"]["offers"][0])
    with pytest.raises(Withheld, match=r'(?s)another writer holds fields.*--force-conflicts.*"kubectl"'):
        apply(shelf.connection, shelf.of(price(per_hour="1.1")))
    assert shelf.prices() == {("g6.xlarge", "OnDemand"): "1"}
    apply(shelf.connection, shelf.of(price(per_hour="1.1")), force_conflicts=True)
    assert shelf.prices() == {("g6.xlarge", "OnDemand"): "1.1"}


def test_a_dry_run_tells_the_change_and_writes_nothing(shelf: Shelf) -> None:
    outcome = apply(shelf.connection, shelf.of(price()), dry_run=True)
    assert (outcome.written, outcome.change.added) == (False, ("g6.xlarge",))
    assert shelf.server.get(OFFER_CATALOGS, "", shelf.name) is None


def test_a_change_that_is_too_large_to_be_true_is_withheld(shelf: Shelf) -> None:
    apply(shelf.connection, shelf.of(price()))
    with pytest.raises(Withheld, match=r"(?s)--accept-large-changes.*g6.xlarge OnDemand 1 -> 100 per hour"):
        apply(shelf.connection, shelf.of(price(per_hour="100")))
    assert shelf.prices() == {("g6.xlarge", "OnDemand"): "1"}
    apply(shelf.connection, shelf.of(price(per_hour="100")), accept_large_changes=True)
    assert shelf.prices() == {("g6.xlarge", "OnDemand"): "100"}


def run(*arguments: str, kubeconfig: Path) -> subprocess.CompletedProcess[str]:
    """The command line as its own process."""
    return subprocess.run(
        [sys.executable, "-m", "wharfage_cli", *arguments],
        env=os.environ | {"KUBECONFIG": str(kubeconfig)},
        capture_output=True,
        text=True,
        check=False,
    )


def table(folder: Path, per_hour: str) -> Path:
    """A price table of today."""
    path = folder / "prices.csv"
    path.write_text(f"machine,price_per_hour,date\ng6.xlarge,{per_hour},{datetime.now(UTC).date()}\n")
    return path


@pytest.fixture
def account(shelf: Shelf, namespace: str, tmp_path: Path) -> Iterator[Path]:
    """The way to the API server of an account with the chart's role for this catalog, and no other."""
    catalogs = [{"provider": "aws", "region": "us-east-1", "name": shelf.name}]
    release = rendered({"offersRefresh": {"enabled": True, "catalogs": catalogs}}, namespace=namespace)
    ours: list[dict[str, Any]] = [
        each
        for kind in ("ServiceAccount", "ClusterRole", "ClusterRoleBinding")
        for each in of_kind(release, kind)
        if each["metadata"]["name"].endswith("offers")
    ]
    assert len(ours) == 3
    shelf.cluster.apply(ours)
    user = f"--as=system:serviceaccount:{namespace}:wharfage-offers"

    def may_read() -> bool:
        try:
            shelf.cluster.kubectl("auth", "can-i", "get", f"offercatalogs.wharfage.dev/{shelf.name}", user)
        except AccessError:  # kubectl exits with 1 for "no"
            return False
        return True

    eventually(may_read, what="the authorizer, which has a watch of its own, has heard of the role")
    token = shelf.cluster.kubectl("create", "token", "wharfage-offers", "-n", namespace).strip()
    access = json.loads(shelf.cluster.kubeconfig.read_text(encoding="utf-8"))
    access["users"][0]["user"] = {"token": token}
    path = tmp_path / "kubeconfig"
    path.write_text(json.dumps(access), encoding="utf-8")
    yield path
    shelf.cluster.kubectl("delete", "clusterrole,clusterrolebinding", f"wharfage.{namespace}.offers")


def test_the_charts_account_can_create_and_refresh_its_catalog_and_no_other(
    shelf: Shelf, account: Path, tmp_path: Path
) -> None:
    build = ("offers", "build", "--provider=aws", "--region=us-east-1", "--apply")
    for per_hour, said in (("0.8", "created"), ("0.9", "updated"), ("0.9", "unchanged")):
        prices = str(table(tmp_path, per_hour))
        done = run(*build, f"--name={shelf.name}", "--from", prices, kubeconfig=account)
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout.splitlines()[0] == f"offercatalog/{shelf.name} {said}"
    assert shelf.prices() == {("g6.xlarge", "OnDemand"): "0.9"}
    other = run(*build, "--name=another", "--from", prices, kubeconfig=account)
    assert other.returncode == 2
    assert 'cannot get resource "offercatalogs"' in other.stderr


def test_the_list_says_what_can_be_had_and_what_would_admit_the_rest(shelf: Shelf) -> None:
    apply(shelf.connection, shelf.of(price("test.gpu", "0.9"), price("test.other", "0.8")))
    labels = {"node.kubernetes.io/instance-type": "test.gpu"}
    shelf.cluster.fake_node(shelf.name, labels, {"cpu": "8", "memory": "32Gi", "pods": "10", "nvidia.com/gpu": "1"})
    try:
        eventually(lambda: condition(shelf.server.get(NODES, "", shelf.name), "Ready").get("status") == "True")
        done = run("offers", "--accelerator=L4", kubeconfig=shelf.cluster.kubeconfig)
    finally:
        shelf.cluster.kubectl("delete", "node", shelf.name)
    assert (done.returncode, done.stderr) == (0, "")
    ours = [line.split() for line in done.stdout.splitlines() if line.startswith(shelf.name)]
    assert [line[1] for line in ours] == ["test.other", "test.gpu"]
    assert ours[0][-1] == "group"
    assert "no needs a ready test.other node" in " ".join(ours[0])
    assert " ".join(ours[1]).endswith(f"yes node {shelf.name}")


def test_who_may_not_read_nodes_still_sees_the_prices(shelf: Shelf, account: Path, namespace: str) -> None:
    apply(shelf.connection, shelf.of(price("test.gpu", "0.9")))
    role = f"wharfage.{namespace}.offers"
    listing = {"apiGroups": ["wharfage.dev"], "resources": ["offercatalogs"], "verbs": ["list"]}
    patch = json.dumps([{"op": "add", "path": "/rules/-", "value": listing}])
    shelf.cluster.kubectl("patch", "clusterrole", role, "--type=json", "-p", patch)

    def listed() -> subprocess.CompletedProcess[str] | None:
        done = run("-o", "json", "offers", kubeconfig=account)
        return done if done.returncode == 0 else None  # the authorizer has its own watch

    done = eventually(listed, what="the new rule holds")
    assert "whether offers can be had is not known" in done.stderr
    (line,) = (each for each in json.loads(done.stdout) if each["catalog"] == shelf.name)
    assert (line["usd_per_hour"], line["obtainable"]) == ("0.9", "?")
