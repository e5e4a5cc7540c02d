"""The chart as Helm renders it, and Helm itself: real ones, for tests."""

import json
import os
import subprocess
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from tests.devcluster import build

CHART = Path(__file__).resolve().parents[2] / "charts" / "wharfage"
NAMESPACE = "wharfage-system"

Manifest = dict[str, Any]


class HelmError(AssertionError):
    """Helm refused; the message is what it said."""


def helm(*arguments: str | Path, values: Mapping[str, Any] | None = None, kubeconfig: Path | None = None) -> str:
    """What Helm prints; `values` as a values file. Raises `HelmError` with its words when it fails."""
    command = [str(build.helm()), *(str(each) for each in arguments)]
    if values is not None:
        command += ["--values", "-"]
    done = subprocess.run(
        command,
        input=yaml.safe_dump(values) if values is not None else "",
        env=os.environ | ({"KUBECONFIG": str(kubeconfig)} if kubeconfig else {}),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise HelmError(done.stderr)
    return done.stdout


def rendered(
    values: Mapping[str, Any] | None = None,
    *options: str,
    name: str = "wharfage",
    namespace: str = NAMESPACE,
) -> tuple[Manifest, ...]:
    """Every object of a release with these values. Raises `HelmError` when they are refused."""
    text = _templated(json.dumps(values or {}), name, "--namespace", namespace, *options)
    return tuple(each for each in yaml.safe_load_all(text) if each)


@cache
def _templated(values: str, name: str, *options: str) -> str:
    return helm("template", name, CHART, *options, values=json.loads(values))


def of_kind(manifests: tuple[Manifest, ...], kind: str) -> tuple[Manifest, ...]:
    """Those of one kind, in order."""
    return tuple(each for each in manifests if each["kind"] == kind)


def the(manifests: tuple[Manifest, ...], kind: str) -> Manifest:
    """The only one of its kind."""
    (found,) = of_kind(manifests, kind)
    return found


def pod_specs(manifests: tuple[Manifest, ...]) -> dict[str, Manifest]:
    """The pods of the release: the operator's and the helm test's."""
    return {
        "operator": the(manifests, "Deployment")["spec"]["template"]["spec"],
        "doctor": the(manifests, "Pod")["spec"],
    }
