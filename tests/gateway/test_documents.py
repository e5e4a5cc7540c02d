"""What Envoy is configured with: word for word as reviewed, and taken by Envoy itself."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from wharfage_gateway import headers
from wharfage_gateway.envoy import Options, bootstrap
from wharfage_gateway.view import View
from wharfage_gateway.xds import Files, documents, write

from tests.devcluster import build
from tests.gateway.documents import FOLDER, GOLDEN, VIEW, made


@pytest.mark.parametrize("name", sorted(made()))
def test_a_document_is_as_it_was_reviewed(name: str) -> None:
    written = json.loads((GOLDEN / f"{name}.json").read_text(encoding="utf-8"))
    assert made()[name] == written, "if it is meant: python -m tests.gateway.documents"


def test_no_golden_file_is_left_behind() -> None:
    assert {path.stem for path in GOLDEN.glob("*.json")} == set(made())


@pytest.mark.parametrize("keys_required", [False, True], ids=["without keys", "with keys"])
def test_envoy_takes_the_bootstrap(keys_required: bool, tmp_path: Path) -> None:
    write(VIEW, tmp_path)
    assert validated(bootstrap(Options(folder=str(tmp_path), keys_required=keys_required)), tmp_path) == ""


def test_envoy_takes_clusters_replicas_and_keys(tmp_path: Path) -> None:
    write(VIEW, tmp_path)
    files, whole = Files(str(tmp_path)), bootstrap(Options(folder=str(tmp_path), keys_required=True))
    found = documents(VIEW, files)
    clusters = [{**each, "type": "EDS"} for each in found[files.clusters]["resources"]]
    for each in clusters:
        del each["@type"]
        # Replicas are read when Envoy runs; here they stand in the cluster, so that they are read now.
        replicas = found[files.endpoints(each["name"])]["resources"][0]
        del each["eds_cluster_config"]
        each |= {"type": "STATIC", "load_assignment": {key: value for key, value in replicas.items() if key != "@type"}}
    whole["static_resources"]["clusters"] += clusters
    manager = whole["static_resources"]["listeners"][0]["filter_chains"][0]["filters"][0]["typed_config"]
    [keys] = found[files.keys]["resources"]
    place = next(number for number, each in enumerate(manager["http_filters"]) if each["name"] == keys["name"])
    manager["http_filters"][place] = {"name": keys["name"], "typed_config": keys["typed_config"]}
    assert validated(whole, tmp_path) == ""


def test_envoy_refuses_a_document_with_a_word_that_it_does_not_know(tmp_path: Path) -> None:
    write(VIEW, tmp_path)
    whole = bootstrap(Options(folder=str(tmp_path)))
    whole["static_resources"]["clusters"][0]["conect_timeout"] = "1s"
    assert "conect_timeout" in validated(whole, tmp_path)


def test_a_key_that_two_tenants_have_is_nobodys() -> None:
    red, blue = VIEW.credentials
    shared = View(credentials=(red, blue, type(red)(blue.key, "green")))
    files = Files(FOLDER)
    [keys] = documents(shared, files)[files.keys]["resources"]
    assert keys["typed_config"]["credentials"] == [{"key": red.key, "client": headers.client("red", "")}]


def test_what_is_logged_has_neither_keys_nor_prompts() -> None:
    [listener] = bootstrap(Options(folder=FOLDER))["static_resources"]["listeners"]
    manager = listener["filter_chains"][0]["filters"][0]["typed_config"]
    [log] = manager["access_log"]
    logged = set(log["typed_config"]["additional_request_headers_to_log"])
    assert logged <= {*headers.TOLD, *headers.ANSWERED}


def validated(document: dict[str, Any], folder: Path) -> str:
    """What Envoy has against it; nothing for nothing."""
    path = folder / "envoy.json"
    path.write_text(json.dumps(document), encoding="utf-8")
    command = [build.envoy(), "--mode", "validate", "-c", path, "--disable-hot-restart", "--log-level", "error"]
    done = subprocess.run([str(each) for each in command], capture_output=True, text=True, check=False)
    return "" if done.returncode == 0 else done.stderr + done.stdout
