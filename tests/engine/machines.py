"""Two kinds of machines that two cores can play: a replica gets .4 of a core on one, .8 on the other.

Both kinds are the one real node, which carries the labels of both. What makes a pod slow is the kubelet's own CFS
quota: an admission policy of the cluster writes it into the pods of each kind, as a cloud would sell smaller cores. The
operator knows nothing of it. It sees a catalog in which a replica takes one core of a `small` machine and two of a
`large` one, since one core's share of a large machine's memory does not hold it; and node groups, since of machines
that only a node can give it would take the one that is there.
"""

from dataclasses import dataclass
from typing import Any

Manifest = dict[str, Any]

CATALOG = "lab"
_LABEL = "lab.wharfage.dev"


@dataclass(frozen=True, slots=True)
class Machine:
    """One kind: what the catalog says of it, and the share of a core that all its declared cores get together."""

    name: str
    cores: int
    memory_gib: int
    quota: str

    @property
    def label(self) -> str:
        """The key of the node's label; its value is `yes`."""
        return f"{_LABEL}/{self.name}"

    def offer(self, usd_per_hour: str) -> Manifest:
        """Its row in a catalog."""
        return {
            "name": self.name,
            "machine": self.name,
            "accelerator": {"name": "CPU", "count": self.cores},
            "vcpus": self.cores,
            "memoryGiB": self.memory_gib,
            "nodeSelector": {self.label: "yes"},
            "nodeGroup": self.name,
            "prices": [{"market": "OnDemand", "usdPerHour": usd_per_hour}],
        }

    def policy(self) -> list[Manifest]:
        """The quota of the pods that are pinned to it."""
        name = f"cpu-{self.name}"
        terms = "object.spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms"
        resources = "/spec/containers/0/resources"
        patches = ", ".join(
            f'JSONPatch{{op: "{verb}", path: "{resources}/{part}/cpu", value: "{self.quota}"}}'
            for verb, part in (("replace", "requests"), ("add", "limits"))
        )
        created = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}
        api = "admissionregistration.k8s.io/v1"
        return [
            {
                "apiVersion": api,
                "kind": "MutatingAdmissionPolicy",
                "metadata": {"name": name},
                "spec": {
                    "matchConstraints": {"resourceRules": [created]},
                    "matchConditions": [
                        {
                            "name": "pinned",
                            "expression": f"has(object.spec.affinity) && has(object.spec.affinity.nodeAffinity) && "
                            f"{terms}.exists(t, t.matchExpressions.exists(e, e.key == '{self.label}'))",
                        }
                    ],
                    "failurePolicy": "Fail",
                    "reinvocationPolicy": "Never",
                    "mutations": [{"patchType": "JSONPatch", "jsonPatch": {"expression": f"[{patches}]"}}],
                },
            },
            {
                "apiVersion": api,
                "kind": "MutatingAdmissionPolicyBinding",
                "metadata": {"name": name},
                "spec": {"policyName": name},
            },
        ]


SMALL = Machine("small", cores=1, memory_gib=2, quota="400m")
LARGE = Machine("large", cores=2, memory_gib=3, quota="800m")
BOTH = (SMALL, LARGE)


def catalog(usd_per_hour: dict[str, str]) -> Manifest:
    """Both kinds at these prices."""
    return {
        "apiVersion": "wharfage.dev/v1alpha1",
        "kind": "OfferCatalog",
        "metadata": {"name": CATALOG},
        "spec": {
            "provider": "onprem",
            "region": "lab",
            "observedAt": "2026-11-24T00:00:00Z",
            "offers": [machine.offer(usd_per_hour[machine.name]) for machine in BOTH],
        },
    }
