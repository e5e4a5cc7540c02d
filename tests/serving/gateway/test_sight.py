"""From the objects of a namespace to what the gateway knows, as they may be: new, half made, leaving, wrong."""

import base64
import logging
from typing import Any

import pytest
from wharfage_gateway.sight import Company, company, keys, model, replica, view
from wharfage_gateway.view import Credential, Replica, Throttle, View

Object = dict[str, Any]


def llm(
    name: str = "chat", *, created: str = "2026-01-01T00:00:00Z", status: Object | None = None, **spec: Any
) -> Object:
    return {
        "metadata": {"name": name, "namespace": "shop", "uid": name, "creationTimestamp": created},
        "spec": {"model": {"source": "hf://Qwen/Qwen3-8B"}, "routing": "Gateway", **spec},
        "status": status or {},
    }


def pod(
    name: str = "chat-a", *, owner: str = "chat", ready: str = "True", ip: str = "10.0.0.7", **metadata: Any
) -> Object:
    labels = {
        "app.kubernetes.io/name": "wharfage-engine",
        "wharfage.dev/llmdeployment": owner,
        "wharfage.dev/serving": "true",
        **metadata.pop("labels", {}),
    }
    annotations = {"wharfage.dev/slots": "32", **metadata.pop("annotations", {})}
    return {
        "metadata": {"name": name, "labels": labels, "annotations": annotations, **metadata},
        "status": {"podIP": ip, "conditions": [{"type": "Ready", "status": ready}]},
    }


def secret(name: str = "keys", **entries: str) -> Object:
    data = {entry.replace("__", "."): base64.b64encode(text.encode()).decode() for entry, text in entries.items()}
    return {"metadata": {"name": name}, "data": data}


def test_a_deployment_and_its_pods_are_a_model_and_its_replicas() -> None:
    told = view([llm()], [pod("chat-b"), pod("chat-a", ip="10.0.0.6")], [], keys_required=False, gateways=2)
    found = told.models["chat"]
    assert [(each.name, each.endpoint, each.slots) for each in found.replicas] == [
        ("chat-a", "10.0.0.6:8000", 32.0),
        ("chat-b", "10.0.0.7:8000", 32.0),
    ]
    assert (found.slots, found.at_zero, told.gateways) == (64.0, False, 2)


@pytest.mark.parametrize(
    ("changed", "opened"),
    [
        pytest.param(pod(), True, id="ready"),
        pytest.param(pod(ready="False"), False, id="not ready"),
        pytest.param(pod(labels={"wharfage.dev/serving": "leaving"}), False, id="on notice"),
        pytest.param(pod(deletionTimestamp="2026-01-01T00:00:00Z"), False, id="deleted"),
    ],
)
def test_a_replica_gets_new_requests_while_it(changed: Object, opened: bool) -> None:
    found = replica(changed)
    assert found is not None
    assert found.open is opened


def test_pods_without_an_address_and_those_that_are_no_engine_are_no_replicas() -> None:
    assert replica(pod(ip="")) is None
    assert replica(pod(labels={"app.kubernetes.io/name": "wharfage-reader"})) is None


@pytest.mark.parametrize("written", ["", "-3", "nan", "inf", "many"])
def test_slots_that_cannot_be_are_one(written: str) -> None:
    found = replica(pod(annotations={"wharfage.dev/slots": written}))
    assert found is not None
    assert found.slots == 1.0


def test_what_the_user_wrote_reaches_the_model() -> None:
    written = {
        "hold": "90s",
        "queue": {"maxRequests": 20},
        "classes": [{"name": "interactive", "weight": 4}, {"name": "bulk"}],
        "affinity": "None",
        "maxPromptTokens": 6000,
        "maxOutputTokens": 200,
        "split": [{"variant": "int4", "share": "0.05"}, {"variant": "bf16", "share": "0"}],
        "fallback": [{"variant": "int4"}, {"deployment": "small"}],
    }
    variants = [{"name": "bf16", "quality": "1"}, {"name": "int4", "quality": "0.97", "quantization": "awq"}]
    found = model(llm(gateway=written, variants=variants, objectives={"qualityFloor": "0.9"}), ())
    assert found is not None
    assert (found.hold_s, found.most_waiting, found.prefix_affinity) == (90.0, 20, False)
    assert found.classes == {"interactive": 4, "bulk": 1}
    assert (found.most_prompt_tokens, found.most_output_tokens) == (6000, 200)
    assert (found.order, found.split) == (("bf16", "int4"), {"int4": 0.05})
    assert found.fallback == ("variant/int4", "deployment/small")


@pytest.mark.parametrize(
    ("status", "gateway", "hold_s"),
    [
        pytest.param({}, {}, 600.0, id="nothing is known: the default"),
        pytest.param({"fleet": [{"leadTime": "70s"}, {"leadTime": "100s"}]}, {}, 200.0, id="twice the lead time"),
        pytest.param({"fleet": [{"leadTime": "3600s"}]}, {}, 900.0, id="no longer than Envoy waits"),
        pytest.param({"fleet": [{"leadTime": "70s"}]}, {"hold": "5s"}, 5.0, id="as written"),
        pytest.param({"fleet": [{"leadTime": "soon"}]}, {}, 600.0, id="a time that cannot be read"),
    ],
)
def test_a_request_waits_at_most(status: Object, gateway: Object, hold_s: float) -> None:
    found = model(llm(status=status, gateway=gateway), ())
    assert found is not None
    assert found.hold_s == hold_s


def test_what_is_not_routed_here_or_leaves_is_no_model() -> None:
    going = llm()
    going["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    assert model(llm(routing="Service"), ()) is None
    assert model(going, ()) is None


def test_one_that_cannot_be_read_leaves_the_others(caplog: pytest.LogCaptureFixture) -> None:
    broken = llm("broken", gateway={"hold": "soon"})
    with caplog.at_level(logging.WARNING):
        told = view([broken, llm()], [], [], keys_required=False, gateways=0)
    assert list(told.models) == ["chat"]
    assert told.gateways == 1
    assert "cannot be read" in caplog.text


def test_of_two_that_are_called_the_same_the_older_is_served() -> None:
    younger = llm("a", created="2026-02-01T00:00:00Z", model={"source": "hf://a/b", "servedName": "chat"})
    told = view([younger, llm()], [pod(owner="a")], [], keys_required=False, gateways=1)
    assert (told.models["chat"].key, told.models["chat"].replicas) == ("chat", ())


def test_keys_tell_tenant_and_class_and_a_tenant_may_have_two_while_one_is_replaced() -> None:
    told = keys(secret(red="sk-1", blue="bulk sk-2", blue__new="bulk sk-3\n"))
    assert told == (
        Credential("sk-2", "blue", "bulk"),
        Credential("sk-3", "blue", "bulk"),
        Credential("sk-1", "red", ""),
    )


def test_a_key_that_cannot_be_read_is_left_out_and_never_shown(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        told = keys(secret(red="a b sk-secret", blue="sk-2", green=""))
    assert [each.tenant for each in told] == ["blue"]
    assert "sk-secret" not in caplog.text + str([vars(record) for record in caplog.records])
    assert "sk-2" not in repr(told)


def test_variants_come_from_the_pods() -> None:
    assert replica(pod(annotations={"wharfage.dev/variant": "int4"})) == Replica(
        "chat-a", "10.0.0.7", slots=32.0, variant="int4"
    )


def test_what_the_operator_worked_out_of_a_pool_goes_before_what_its_engine_takes_up() -> None:
    status = {"fleet": [{"pool": "abc", "slots": 12}, {"pool": "new"}, {"market": "Spot"}]}
    pods = [pod("a", labels={"wharfage.dev/pool": "abc"}), pod("b", labels={"wharfage.dev/pool": "new"})]
    told = view([llm(status=status)], pods, [], keys_required=False, gateways=1)
    assert [(each.slots, each.most) for each in told.models["chat"].replicas] == [(12.0, 12.0), (32.0, 32.0)]


def test_in_a_burst_a_replica_is_sent_as_many_as_the_operator_says() -> None:
    status = {"fleet": [{"pool": "abc", "slots": 12, "burstSlots": 18}]}
    told = view(
        [llm(status=status)], [pod("a", labels={"wharfage.dev/pool": "abc"})], [], keys_required=False, gateways=1
    )
    assert [(each.slots, each.most) for each in told.models["chat"].replicas] == [(12.0, 18.0)]


def test_a_limit_that_only_the_engine_has_is_left_to_the_engine() -> None:
    for raw in (llm(), llm(engine={"maxModelTokens": 512})):
        found = model(raw, ())
        assert found is not None
        assert found.most_prompt_tokens is None


def test_an_address_of_ipv6_is_in_brackets_as_envoy_writes_it() -> None:
    found = replica(pod(ip="fd00::7"))
    assert found is not None
    assert found.endpoint == "[fd00::7]:8000"


def test_the_stage_of_its_budget_throttles_a_model_and_turns_the_order_of_variants() -> None:
    variants = [
        {"name": name, "quality": quality} for name, quality in (("bf16", "1"), ("int4", "0.97"), ("toy", "0.5"))
    ]
    told = {"name": "search", "stage": "Throttle", "mode": "Enforce", "tokensPerSecondPerTenant": 50, "burstTokens": 90}
    raw = llm(status={"budget": told}, variants=variants, objectives={"qualityFloor": "0.9"})
    found = model(raw, ())
    assert found is not None
    assert found.throttle == Throttle(50.0, 90.0, "Throttle", "search")
    assert found.order == ("int4", "bf16")


def test_a_name_of_before_is_served_as_long_as_a_replica_of_then_is_open() -> None:
    def named(name: str, served: str, ready: str = "True", **more: Any) -> Object:
        found = pod(name, ready=ready, **more)
        return {**found, "spec": {"containers": [{"args": ["--served-model-name", served, "--port", "8000"]}]}}

    renamed = llm(model={"source": "hf://Qwen/Qwen3-8B", "servedName": "new"})

    def seen(*pods: Object) -> View:
        return view([renamed], pods, [], keys_required=False, gateways=1)

    during = seen(named("a", "old"), named("b", "new", ready="False"))
    assert during.former == {"old": "new"}
    assert during.model("old") is during.model("new") is during.models["new"]
    assert [each.served for each in during.models["new"].replicas] == ["old", "new"]
    after = seen(named("a", "old", deletionTimestamp="2026-01-01T00:00:00Z"), named("b", "new"))
    assert after.model("old") is None
    assert after.model("") is None


def test_a_name_of_before_that_another_deployment_has_now_is_that_ones() -> None:
    renamed = llm(model={"source": "hf://Qwen/Qwen3-8B", "servedName": "new"})
    taker = llm("taker", model={"source": "hf://Qwen/Qwen3-8B", "servedName": "old"})
    old = {**pod(), "spec": {"containers": [{"args": ["--served-model-name", "old"]}]}}
    told = view([renamed, taker], [old], [], keys_required=False, gateways=1)
    assert told.former == {}
    found = told.model("old")
    assert found is not None
    assert found.key == "taker"


def test_of_its_company_a_gateway_knows_how_many_are_ready_and_where_the_others_are() -> None:
    gateways = [pod("gateway-b", ip="10.0.0.6"), pod("gateway-a", ip="10.0.0.5"), pod("gateway-c", ready="False")]
    assert company(gateways, "gateway-b", 8081) == Company(2, 1, ("10.0.0.5:8081",))
    assert company(gateways, "gateway-c", 8081) == Company(2, None, ("10.0.0.5:8081", "10.0.0.6:8081"))
