"""How clients reach a deployment, and what is refused where they could not."""

from typing import Any

import pytest
from wharfage_autoscaler.reasons import Reason
from wharfage_operator.errors import Rejected
from wharfage_operator.routing import ServedNames, endpoint, require_gateway, require_own_name, variants

from tests.operator.objects import Object, deployment

GATED = deployment(routing="Gateway")


def other(name: str, *, at: str = "2026-01-01T00:00:00Z", namespace: str = "shop", **spec: Any) -> Object:
    spec = {"model": {"source": "hf://Qwen/Qwen3-8B"}, "routing": "Gateway", **spec}
    return {"metadata": {"name": name, "namespace": namespace, "creationTimestamp": at}, "spec": spec}


MINE = other("chat", at="2026-02-01T00:00:00Z")


def test_a_gateway_elsewhere_is_none_and_the_message_installs_one_beside_those_that_are_there() -> None:
    with pytest.raises(
        Rejected, match=r"in namespace shop, and there is one only in team: .* helm upgrade .* -n ours "
    ) as told:
        require_gateway(GATED, ("team",), release_namespace="ours")
    assert told.value.reason is Reason.NO_GATEWAY
    assert "--set 'gateway.namespaces={team,shop}'" in str(told.value)


def test_where_there_is_one_or_none_is_asked_for_nothing_is_refused() -> None:
    require_gateway(GATED, ("team", "shop=http://127.0.0.1:8081"), release_namespace="ours")
    require_gateway(deployment(), (), release_namespace="ours")


@pytest.mark.parametrize(
    "rival",
    [
        pytest.param(other("older", model={"source": "hf://a/b", "servedName": "chat"}), id="by its served name"),
        pytest.param(
            other("b", at=MINE["metadata"]["creationTimestamp"], model={"servedName": "chat"}), id="of a moment"
        ),
    ],
)
def test_of_two_that_clients_call_the_same_the_older_is_served(rival: Object) -> None:
    with pytest.raises(Rejected, match=rf"LLMDeployment {rival['metadata']['name']} is served as 'chat'") as told:
        require_own_name(GATED, ServedNames().older(GATED, [MINE, rival], 0))
    assert told.value.reason is Reason.SERVED_NAME_CONFLICT


@pytest.mark.parametrize(
    "rival",
    [
        pytest.param(other("chat-2"), id="another name"),
        pytest.param(other("chat", namespace="team"), id="in another namespace"),
        pytest.param(other("older", routing="Service", model={"servedName": "chat"}), id="behind a Service"),
        pytest.param(other("younger", at="2026-03-01T00:00:00Z", model={"servedName": "chat"}), id="younger"),
    ],
)
def test_nobody_else_is_in_the_way(rival: Object) -> None:
    require_own_name(GATED, ServedNames().older(GATED, [MINE, rival], 0))


def test_two_behind_services_may_be_called_the_same() -> None:
    plain = deployment()
    require_own_name(plain, ServedNames().older(plain, [other("older", model={"servedName": "chat"})], 0))


def test_names_are_looked_up_again_once_a_deployment_has_changed() -> None:
    names, rival = ServedNames(), other("older", model={"servedName": "chat"})
    assert names.older(GATED, [MINE, rival], 1) == "older"
    assert names.older(GATED, iter(()), 1) == "older", "nothing has changed since"
    assert names.older(GATED, [MINE], 2) == ""


def test_the_status_tells_where_to_send() -> None:
    assert endpoint(deployment(), "wharfage-gateway") == "http://chat.shop.svc:8000/v1"
    assert endpoint(GATED, "wharfage-gateway") == "http://wharfage-gateway.shop.svc/v1"


def test_variants_serve_together_where_the_user_mixes_them() -> None:
    assert [variants(deployment(routing="Gateway", variantPolicy=policy)) for policy in ("One", "Mixed")] == [1, 3]
    assert variants(deployment()) == 1
