"""Who else scales our Deployments: asked for only when somebody did, told until it is gone."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from aiohttp import web
from wharfage_operator.cache import SCALED_BY
from wharfage_operator.kinds import SCALERS, Object
from wharfage_operator.scalers import Scalers

from tests.operator.connected import connected

NOW = 1_000_000.0
CHAT = ("shop", "chat")
CALM: Object = {"metadata": {"name": "chat-l4"}}
SCALED = CALM | {SCALED_BY: "kube-controller-manager"}
ADVICE = ", whose count is decided here, so it is put back: scale LLMDeployment chat instead, with scaling.mode: Manual"


def scaler(name: str, target: str = "chat-l4", *, kind: str = "Deployment", of: str = "") -> Object:
    owners = [{"kind": "ScaledObject", "name": of}] if of else []
    wanted = {"apiVersion": "apps/v1", "kind": kind, "name": target}
    return {"metadata": {"name": name, "ownerReferences": owners}, "spec": {"scaleTargetRef": wanted}}


@dataclass
class Server:
    """Lists autoscalers, and counts how often it is asked for them."""

    scalers: list[Object] = field(default_factory=list)
    status: int = 200
    asked: int = 0

    async def answer(self, _: web.Request) -> web.Response:
        self.asked += 1
        if self.status != 200:
            return web.json_response({"message": "no"}, status=self.status)
        return web.json_response({"items": self.scalers, "metadata": {}})


@asynccontextmanager
async def looking(server: Server, folder: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Scalers]:
    app = web.Application()
    app.router.add_get(SCALERS.path("shop"), server.answer)
    async with connected(app, folder, monkeypatch) as connection:
        yield Scalers(connection, every_s=10.0)


async def said(scalers: Scalers, pool: Object, *, now: float = NOW) -> str:
    scalers.heard(CHAT, (pool,), {}, now=now)
    return (await scalers.about(CHAT, (CALM,), now=now))[0]


async def test_nobody_is_asked_for_while_nobody_scales(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    server = Server([scaler("idle")])
    async with looking(server, tmp_path, monkeypatch) as scalers:
        assert await said(scalers, CALM) == ""
    assert server.asked == 0


@pytest.mark.parametrize(
    ("there", "told"),
    [
        ([scaler("theirs")], f"HorizontalPodAutoscaler theirs scales Deployment chat-l4{ADVICE}, or delete it"),
        (
            [scaler("keda-hpa-chat", of="chat")],
            "HorizontalPodAutoscaler keda-hpa-chat of ScaledObject chat scales Deployment chat-l4"
            f"{ADVICE}, or delete it",
        ),
        (
            [scaler("other", "web"), scaler("alike", kind="StatefulSet")],
            f"kube-controller-manager scaled Deployment chat-l4{ADVICE}",
        ),
    ],
    ids=["an HPA", "an HPA of KEDA's", "none of those that are there"],
)
async def test_whoever_scales_a_pool_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, there: list[Object], told: str
) -> None:
    async with looking(Server(there), tmp_path, monkeypatch) as scalers:
        assert await said(scalers, SCALED) == told


async def test_it_is_told_until_it_is_gone_and_looked_for_now_and_then(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = Server([scaler("theirs")])
    async with looking(server, tmp_path, monkeypatch) as scalers:
        assert "theirs" in await said(scalers, SCALED)
        assert "theirs" in await said(scalers, CALM, now=NOW + 9.0)
        assert server.asked == 1
        assert "theirs" in await said(scalers, CALM, now=NOW + 400.0), "it is there, though it agrees by now"
        assert "theirs" in await said(scalers, SCALED, now=NOW + 405.0)
        server.scalers.clear()
        assert await said(scalers, CALM, now=NOW + 410.0) == ""
        assert await said(scalers, CALM, now=NOW + 420.0) == ""
        assert server.asked == 3


async def test_a_hand_is_told_for_a_while_and_asked_about_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    server = Server()
    async with looking(server, tmp_path, monkeypatch) as scalers:
        assert await said(scalers, CALM | {SCALED_BY: "kubectl"}) == f"kubectl scaled Deployment chat-l4{ADVICE}"
        assert await said(scalers, CALM, now=NOW + 299.0) != ""
        assert await said(scalers, CALM, now=NOW + 300.0) == ""
    assert server.asked == 1


async def test_what_was_told_before_a_restart_is_looked_into_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    status = {"conditions": [{"type": "Accepted", "reason": "ScaleIgnored"}]}
    async with looking(Server([scaler("theirs")]), tmp_path, monkeypatch) as scalers:
        scalers.heard(CHAT, (CALM,), status, now=NOW)
        assert "theirs" in (await scalers.about(CHAT, (CALM,), now=NOW))[0]


async def test_who_may_not_list_them_names_the_writer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with looking(Server(status=403), tmp_path, monkeypatch) as scalers:
        assert await said(scalers, SCALED) == f"kube-controller-manager scaled Deployment chat-l4{ADVICE}"
