"""Puts a cluster together in its folder: credentials, then the components in the order in which they can start."""

import json
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

from tests.devcluster import components, network, objects, pki
from tests.devcluster.components import Component, Layout
from tests.devcluster.instance_types import instance_types, read_catalogs

EXAMPLE_CATALOGS = Path(__file__).resolve().parents[2] / "examples" / "catalogs"
_EMPTY_AFTER_S = 10.0


@dataclass(frozen=True, slots=True)
class Assembly:
    """The parts of the cluster at `layout`."""

    layout: Layout

    @property
    def _instance_types(self) -> Path:
        return self.layout.folder / "instance-types.json"

    def write_credentials(self) -> str:
        """Make certificates, tokens and kubeconfigs; returns the administrator's token."""
        authority = pki.Authority.create(self.layout.folder / "pki")
        first_service = network.SERVICES.network_address + 1
        alternatives = [f"IP:{address}" for address in ("127.0.0.1", self.layout.address, first_service)]
        names = ("localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc")
        authority.issue(
            "apiserver", subject="/CN=kube-apiserver", alternatives=[*alternatives, *(f"DNS:{name}" for name in names)]
        )
        authority.issue("kubelet-client", subject="/O=system:masters/CN=kube-apiserver-kubelet-client")
        authority.new_key("service-accounts")
        tokens = pki.write_tokens(authority.folder / "tokens.csv")
        for user, token in tokens.items():
            path = self.layout.kubeconfig(user)
            path.touch(mode=0o600)
            text = components.kubeconfig(self.layout.url, certificate_authority=authority.certificate, token=token)
            path.write_text(text, encoding="utf-8")
        return tokens["admin"]

    def store_and_server(self) -> list[Component]:
        """What must run before anything can be asked."""
        return [components.etcd(self.layout), components.api_server(self.layout)]

    def controllers(self) -> list[Component]:
        """What makes objects happen."""
        return [components.controller_manager(self.layout), components.scheduler(self.layout)]

    def definitions(self, *, kwok: bool, karpenter: bool) -> str:
        """The CRDs of kwok and Karpenter, as YAML."""
        wanted = [*(["kwok-crds"] if kwok else []), *(["karpenter-crds"] if karpenter else [])]
        return self._manifests(*wanted) if wanted else ""

    def defaults(self, *, kwok: bool, karpenter: bool, catalogs: Sequence[Path], boot_s: float) -> str:
        """What kwok and Karpenter work by: stages; node class and pools over the catalogs' machines. YAML.

        Raises `ValueError` when Karpenter would have nothing to buy.
        """
        documents = self._manifests("kwok-stages") if kwok else ""
        if not karpenter:
            return documents
        types = instance_types(read_catalogs(catalogs or sorted(EXAMPLE_CATALOGS.glob("*.yaml"))))
        if not types:
            raise ValueError(f"no OfferCatalog with a price per hour among {list(catalogs) or EXAMPLE_CATALOGS}")
        self._instance_types.write_text(json.dumps(types), encoding="utf-8")
        pools = objects.node_pools(types, boot_s=boot_s, empty_after_s=_EMPTY_AFTER_S)
        return documents + "\n---\n" + yaml.safe_dump_all(pools)

    def fakes(self, *, kwok: bool, karpenter: bool) -> list[Component]:
        """What plays machines, and what buys them."""
        played = [components.kwok(self.layout)] if kwok else []
        bought = [components.karpenter(self.layout, instance_types=self._instance_types)] if karpenter else []
        return played + bought

    def _manifests(self, *sets: str) -> str:
        """Manifests that the Go modules carry, printed by the binary that was built from them."""
        command = [str(self.layout.binary), "manifests", *sets]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout
