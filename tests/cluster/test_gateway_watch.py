"""What a gateway knows of its namespace on a real API server: as it comes, changes, and leaves."""

import asyncio
import ssl
import time
from base64 import b64encode
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

import pytest
from wharfage_gateway.identity import Identity, identity
from wharfage_gateway.view import View
from wharfage_gateway.watch import Followed, Watcher, opened
from wharfage_operator.kinds import LLM_DEPLOYMENTS, PODS, SERVICE_ACCOUNTS, Kind

from tests.cluster.lab import Lab
from tests.cluster.server import condition, eventually, eventually_is

SECRETS = Kind("", "v1", "secrets", "Secret")
KEYS = "team-keys"


class Seen:
    """The views of a watcher, from the first to the last."""

    def __init__(self) -> None:
        self.views: list[View] = []
        self._past = 0

    async def until(self, is_it: Callable[[View], bool], what: str, *, within_s: float = 120.0) -> View:
        deadline = time.monotonic() + within_s
        while time.monotonic() < deadline:
            # What the operator mends at once may be gone from the last one.
            for number in range(self._past, len(self.views)):
                if is_it(self.views[number]):
                    self._past = number
                    return self.views[number]
            await asyncio.sleep(0.02)
        raise AssertionError(f"{what}: {self.views[-1:]}")


@asynccontextmanager
async def watching(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Seen]:
    monkeypatch.setenv("KUBECONFIG", str(lab.cluster.kubeconfig))
    found = await identity()
    seen = Seen()
    async with opened(found) as session:
        watcher = Watcher(found, session, Followed(lab.namespace, (KEYS,)), seen.views.append)
        running = asyncio.create_task(watcher.run())
        try:
            yield seen
        finally:
            running.cancel()
            with suppress(asyncio.CancelledError):
                await running
            assert watcher.age_s < 300.0


def keys_of(view: View) -> list[str]:
    return [each.key for each in view.credentials]


def keyed(lab: Lab, **keys: str) -> None:
    data = {tenant: b64encode(key.encode()).decode() for tenant, key in keys.items()}
    if lab.server.get(SECRETS, lab.namespace, KEYS) is None:
        lab.server.create(SECRETS, {"metadata": {"name": KEYS, "namespace": lab.namespace}, "data": data})
    else:
        lab.server.merge(SECRETS, lab.namespace, KEYS, {"data": data})


async def test_it_knows_a_model_its_replicas_and_their_leave_and_follows_the_keys(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with watching(lab, monkeypatch) as seen:
        await seen.until(lambda view: view == View(keys_required=True), "nothing is there, and nobody may ask")
        keyed(lab, red="sk-1")
        await seen.until(lambda view: keys_of(view) == ["sk-1"], "the first key")
        keyed(lab, red="sk-2")
        await seen.until(lambda view: keys_of(view) == ["sk-2"], "the key that took its place")

        operator = lab.start(gateways=lab.namespace)
        await asyncio.to_thread(
            lab.create, routing="Gateway", gateway={"hold": "30s"}, scaling={"mode": "Manual"}, replicas=2
        )
        view = await seen.until(
            lambda view: "chat" in view.models and sum(each.open for each in view.models["chat"].replicas) == 2,
            "two replicas",
            within_s=120.0,
        )
        assert view.models["chat"].hold_s == 30.0
        assert all(each.slots > 1 for each in view.models["chat"].replicas)
        where = f"http://wharfage-gateway.{lab.namespace}.svc/v1"
        eventually(
            lambda: ((lab.llm() or {}).get("status") or {}).get("endpoint") == where, what="the endpoint is told"
        )

        victim = view.models["chat"].replicas[0].name
        leaving = {"metadata": {"labels": {"wharfage.dev/serving": "leaving"}}}
        with operator.paused():  # it takes such a label back at once
            lab.server.merge(PODS, lab.namespace, victim, leaving)
            await seen.until(
                lambda view: any(each.draining for each in view.models["chat"].replicas if each.name == victim),
                "the one on notice drains",
            )
        lab.server.delete(LLM_DEPLOYMENTS, lab.namespace, "chat")
        await seen.until(lambda view: not view.models, "the model is gone")
        lab.server.delete(SECRETS, lab.namespace, KEYS)
        await seen.until(lambda view: not view.credentials, "no key is left")


def test_a_pod_s_service_account_is_taken_by_a_real_api_server(lab: Lab) -> None:
    account, bind = f"--serviceaccount={lab.namespace}:default", f"{lab.namespace}-reads"
    lab.cluster.kubectl("create", "rolebinding", bind, "-n", lab.namespace, "--clusterrole=cluster-admin", account)
    eventually(lambda: lab.server.get(SERVICE_ACCOUNTS, lab.namespace, "default"), what="the namespace has its account")
    (lab.folder / "token").write_text(lab.cluster.kubectl("create", "token", "default", "-n", lab.namespace))
    (lab.folder / "ca.crt").write_bytes(lab.cluster.ca.read_bytes())
    at = urlsplit(lab.cluster.url)
    environment = {"KUBERNETES_SERVICE_HOST": str(at.hostname), "KUBERNETES_SERVICE_PORT": str(at.port)}

    async def who() -> tuple[Identity, str]:
        found = await identity(environment, lab.folder)
        return found, await found.authorization()

    found, authorization = asyncio.run(who())
    assert found.host == lab.cluster.url
    tls = found.tls
    assert isinstance(tls, ssl.SSLContext)
    asked = Request(f"{found.host}/api/v1/namespaces/{lab.namespace}/pods")
    asked.add_header("Authorization", authorization)

    def status() -> int:
        try:
            with urlopen(asked, context=tls, timeout=30) as answer:
                return int(answer.status)
        except HTTPError as refusal:
            with refusal:
                return refusal.code

    eventually_is(status, 200, what="the answer, once the API server's authorizer has heard of the binding")


def test_without_a_gateway_it_is_refused_with_the_command_that_installs_one(lab: Lab) -> None:
    lab.start()
    lab.create(routing="Gateway", scaling={"minReplicas": 0})
    told = eventually(
        lambda: condition(lab.llm(), "Accepted").get("reason") == "NoGateway" and lab.llm(), what="no gateway"
    )
    assert f"gateway.namespaces={{{lab.namespace}}}" in condition(told, "Accepted")["message"]
    lab.server.merge(
        LLM_DEPLOYMENTS, lab.namespace, "chat", {"spec": {"routing": "Service", "scaling": {"minReplicas": 1}}}
    )
    lab.ready()
