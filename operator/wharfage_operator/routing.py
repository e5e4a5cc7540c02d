"""How clients reach a deployment: by a Service of its own, or by the gateway of its namespace, where there is one."""

from collections.abc import Iterable

from wharfage_api.gateway import Routing
from wharfage_api.llmdeployment import LLMDeployment
from wharfage_api.model import VariantPolicy
from wharfage_autoscaler.reasons import Reason
from wharfage_serving.arguments import PORT

from wharfage_operator.errors import Rejected
from wharfage_operator.kinds import Object
from wharfage_operator.settings import placed
from wharfage_operator.spec import served_name


def is_gated(deployment: LLMDeployment) -> bool:
    """Whether requests reach it through the gateway."""
    return deployment.spec.routing is Routing.GATEWAY


def shapes(deployment: LLMDeployment) -> int:
    """How many kinds of machines may serve together.

    A Service sends each replica as much as any other, so that a mix is worth its slowest; a gateway sends each what it
    carries. Three is what the mix is solved and measured with.
    """
    return 3 if is_gated(deployment) else 1


def variants(deployment: LLMDeployment) -> int:
    """How many variants may serve together; each is of a shape of its own, so that no more of them can."""
    return shapes(deployment) if deployment.spec.variant_policy is VariantPolicy.MIXED else 1


def require_gateway(deployment: LLMDeployment, gateways: Iterable[str], *, release_namespace: str) -> None:
    """Pass unless it is routed through a gateway that its namespace does not have; `gateways` as the setting has them.

    `release_namespace` is that of the operator, and so of the chart.

    Raises:
        Rejected: else, with what to do.

    """
    namespace = deployment.metadata.namespace
    served = sorted(placed(each)[0] for each in gateways)
    if is_gated(deployment) and namespace not in served:
        raise Rejected(
            Reason.NO_GATEWAY,
            f"routing: Gateway needs a gateway in namespace {namespace}, and there is "
            + (f"one only in {', '.join(served)}" if served else "none anywhere")
            + ": write routing: Service, or install it: helm upgrade wharfage charts/wharfage "
            f"-n {release_namespace} --reset-then-reuse-values --set gateway.enabled=true "
            f"--set 'gateway.namespaces={{{','.join([*served, namespace])}}}'",
        )


class ServedNames:
    """Who serves under which name, worked out once per change of deployments instead of once per look at one."""

    def __init__(self) -> None:
        self._changes = -1
        self._oldest: dict[tuple[str, str], tuple[str, str]] = {}

    def older(self, deployment: LLMDeployment, deployments: Iterable[Object], changes: int) -> str:
        """The older one of its namespace that the gateway knows by the same name; "" for none.

        `changes` counts those of `deployments` so far.
        """
        if not is_gated(deployment):
            return ""
        if changes != self._changes:
            self._changes, self._oldest = changes, {}
            for raw in deployments:
                self._note(raw)
        where = deployment.metadata.namespace, served_name(deployment)
        oldest = self._oldest.get(where, ("", ""))[1]
        return oldest if oldest != deployment.metadata.name else ""

    def _note(self, raw: Object) -> None:
        if raw["spec"].get("routing") != Routing.GATEWAY:
            return
        metadata = raw["metadata"]
        age = metadata.get("creationTimestamp", ""), metadata["name"]
        where = metadata.get("namespace", ""), _served(raw)
        self._oldest[where] = min(age, self._oldest.get(where, age))


def require_own_name(deployment: LLMDeployment, older: str) -> None:
    """Pass unless there is an older one of its namespace behind the gateway that clients call the same.

    Raises:
        Rejected: else; a gateway knows one model of a name.

    """
    if older:
        raise Rejected(
            Reason.SERVED_NAME_CONFLICT,
            f"LLMDeployment {older} is served as {served_name(deployment)!r} by the same gateway, and is older: "
            "write another model.servedName, or delete one of the two",
        )


def endpoint(deployment: LLMDeployment, gateway_service: str) -> str:
    """Where clients send what they ask."""
    name, namespace = deployment.metadata.name, deployment.metadata.namespace
    if is_gated(deployment):
        return f"http://{gateway_service}.{namespace}.svc/v1"
    return f"http://{name}.{namespace}.svc:{PORT}/v1"


def _served(raw: Object) -> str:
    return str((raw["spec"].get("model") or {}).get("servedName") or raw["metadata"]["name"])
