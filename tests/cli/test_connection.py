"""Which API server and which namespace the command line talks about, and what it says where it cannot."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from kubernetes.config import kube_config
from wharfage_cli.connection import Unreachable, connect


def write_kubeconfig(folder: Path, text: str | dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    path = folder / "kubeconfig"
    path.write_text(text if isinstance(text, str) else yaml.safe_dump(text))
    # The client reads the variable once, when it is imported.
    monkeypatch.setattr(kube_config, "KUBE_CONFIG_DEFAULT_LOCATION", str(path))


def contexts(*, current: str | None = "here", server: str = "https://127.0.0.1:1") -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "c", "cluster": {"server": server}}],
        "users": [{"name": "u", "user": {"token": "t"}}],
        "contexts": [
            {"name": "here", "context": {"cluster": "c", "user": "u", "namespace": "shop"}},
            {"name": "there", "context": {"cluster": "c", "user": "u", "namespace": "search"}},
            {"name": "nowhere", "context": {"cluster": "c", "user": "u"}},
        ],
        **({"current-context": current} if current else {}),
    }


@pytest.mark.parametrize(
    ("context", "namespace", "expected"),
    [
        pytest.param(None, None, "shop", id="the current context's"),
        pytest.param("there", None, "search", id="that of the context that was asked for"),
        pytest.param("nowhere", None, "default", id="default where the context names none"),
        pytest.param("there", "mine", "mine", id="the one that was asked for"),
    ],
)
def test_the_namespace_is(
    context: str | None, namespace: str | None, expected: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_kubeconfig(tmp_path, contexts(), monkeypatch)
    assert connect(context=context, namespace=namespace).namespace == expected


def test_a_context_can_be_named_where_none_is_current(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_kubeconfig(tmp_path, contexts(current=None), monkeypatch)
    assert connect(context="there").namespace == "search"


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="empty"),
        pytest.param("a: b: c", id="no YAML"),
        pytest.param("[]", id="a list"),
        pytest.param("just words", id="a text"),
        pytest.param("apiVersion: v1\nkind: Config\ncurrent-context: x\n", id="without contexts"),
    ],
)
def test_a_kubeconfig_that_cannot_be_read_is_said_in_one_line(
    text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_kubeconfig(tmp_path, text, monkeypatch)
    with pytest.raises(Unreachable, match=r"^no cluster to talk to: [^\n]*; set KUBECONFIG or pass --context$"):
        connect()


def test_a_server_that_does_not_answer_is_named_with_the_cause_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_kubeconfig(tmp_path, contexts(), monkeypatch)
    with pytest.raises(Unreachable) as said:
        connect().get("/api")
    assert str(said.value) == "https://127.0.0.1:1 does not answer: Connection refused"
