"""The files that Envoy reads while it runs: whole, only when new, in an order that Envoy can follow."""

import json
from dataclasses import replace
from pathlib import Path

from wharfage_gateway.view import Credential, Model, Replica, View
from wharfage_gateway.xds import Files, replicas, write

ONE = Model(key="one", served="one", replicas=(Replica("one-0", "198.18.0.1", slots=4.0),))
TWO = Model(key="two", served="org/two")


def view(*models: Model) -> View:
    return View(models={each.served: each for each in models})


def test_without_a_model_there_are_files_all_the_same_since_envoy_does_not_start_without(tmp_path: Path) -> None:
    files = Files(str(tmp_path))
    assert write(View(), tmp_path) == [Path(files.keys), Path(files.clusters)]


def test_replicas_are_written_before_the_cluster_that_they_are_of(tmp_path: Path) -> None:
    files = Files(str(tmp_path))
    written = [str(path) for path in write(view(ONE, TWO), tmp_path)]
    assert written.index(files.clusters) > max(
        written.index(files.endpoints("one")), written.index(files.endpoints("org/two"))
    )


def test_what_says_nothing_new_is_not_written(tmp_path: Path) -> None:
    write(view(ONE, TWO), tmp_path)
    assert write(view(ONE, TWO), tmp_path) == []


def test_a_replica_more_touches_the_file_of_its_model_only(tmp_path: Path) -> None:
    write(view(ONE, TWO), tmp_path)
    woken = replace(TWO, replicas=(Replica("two-0", "198.18.0.2"),))
    assert write(view(ONE, woken), tmp_path) == [Path(Files(str(tmp_path)).endpoints("org/two"))]


def test_the_file_of_a_model_that_is_gone_stays_until_envoy_has_lost_its_cluster(tmp_path: Path) -> None:
    gone = Path(Files(str(tmp_path)).endpoints("org/two"))
    write(view(ONE, TWO), tmp_path)
    write(view(ONE), tmp_path)
    assert gone.exists()
    write(view(ONE), tmp_path)
    assert not gone.exists()


def test_nothing_half_written_is_left_and_only_the_owner_reads_keys(tmp_path: Path) -> None:
    write(View(credentials=(Credential("secret", "red"),)), tmp_path)
    keys = Path(Files(str(tmp_path)).keys)
    assert not list(tmp_path.rglob("*.tmp"))
    assert keys.stat().st_mode & 0o777 == 0o600


def test_a_file_that_was_torn_is_mended_by_the_next_view(tmp_path: Path) -> None:
    write(view(ONE), tmp_path)
    torn = Path(Files(str(tmp_path)).endpoints("one"))
    whole = torn.read_text(encoding="utf-8")
    torn.write_text(whole[: len(whole) // 2], encoding="utf-8")
    assert write(view(ONE), tmp_path) == [torn]
    assert torn.read_text(encoding="utf-8") == whole


def test_slots_are_weights_and_none_is_lighter_than_one() -> None:
    model = replace(ONE, replicas=(Replica("a", "198.18.0.1", slots=49.6), Replica("b", "198.18.0.2", slots=0.2)))
    [group] = replicas(model)["endpoints"]
    assert [each["load_balancing_weight"] for each in group["lb_endpoints"]] == [50, 1]


def test_what_drains_or_is_not_ready_is_listed_and_gets_nothing() -> None:
    here = Replica("a", "198.18.0.1")
    model = replace(ONE, replicas=(here, replace(here, draining=True), replace(here, ready=False)))
    [group] = replicas(model)["endpoints"]
    assert [each["health_status"] for each in group["lb_endpoints"]] == ["HEALTHY", "DRAINING", "UNHEALTHY"]


def test_the_version_tells_documents_apart(tmp_path: Path) -> None:
    path = Path(Files(str(tmp_path)).clusters)
    write(view(ONE), tmp_path)
    first = json.loads(path.read_text(encoding="utf-8"))["version_info"]
    write(view(ONE, TWO), tmp_path)
    assert json.loads(path.read_text(encoding="utf-8"))["version_info"] != first
