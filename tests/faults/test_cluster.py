"""The proxy before a real API server, with a real client."""

import asyncio
import subprocess
from asyncio.subprocess import Process

from tests.devcluster import build
from tests.devcluster.cluster import Cluster
from tests.faults.proxy import FaultProxy
from tests.faults.rules import Answer, LoseLine, Match, Repeat, Rule, Stale


async def kubectl(proxy: FaultProxy, *arguments: str) -> tuple[int, str]:
    """Exit status and output of kubectl through the proxy."""
    process = await started(proxy, *arguments)
    said, _ = await process.communicate()
    return process.returncode or 0, said.decode()


async def started(proxy: FaultProxy, *arguments: str) -> Process:
    """Kubectl through the proxy, with what it says as one stream."""
    return await asyncio.create_subprocess_exec(
        str(build.kubectl()),
        f"--kubeconfig={proxy.kubeconfig}",
        f"--cache-dir={proxy.kubeconfig.parent}/cache",
        *arguments,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )


async def test_real_requests_are_recorded_as_rbac_names_them(cluster: Cluster, namespace: str) -> None:
    async with FaultProxy(cluster) as proxy:
        assert await kubectl(proxy, "create", "configmap", "new", f"-n={namespace}") == (0, "configmap/new created\n")
        status, said = await kubectl(proxy, "auth", "whoami", "-o=jsonpath={.status.userInfo.username}")
    assert (status, said) == (0, "admin")
    assert [request.rule for request in proxy.writes] == [
        ("create", "", "configmaps"),
        ("create", "authentication.k8s.io", "selfsubjectreviews"),
    ]
    assert all(request.user_agent.startswith("kubectl") for request in proxy.requests)


async def test_a_refusal_is_read_as_the_api_server_s_own(cluster: Cluster, namespace: str) -> None:
    rule = Rule(fault=Answer(409), match=Match(verb="create", resource="configmaps"))
    async with FaultProxy(cluster, rules=[rule]) as proxy:
        status, said = await kubectl(proxy, "create", "configmap", "refused", f"-n={namespace}")
        assert status == 1
        assert "Conflict" in said
        assert await kubectl(proxy, "create", "configmap", "refused", f"-n={namespace}") == (
            0,
            "configmap/refused created\n",
        )


async def test_a_create_that_arrives_twice_creates_once(cluster: Cluster, namespace: str) -> None:
    rule = Rule(fault=Repeat(shown=2), match=Match(verb="create", resource="configmaps"))
    async with FaultProxy(cluster, rules=[rule]) as proxy:
        status, said = await kubectl(proxy, "create", "configmap", "twice", f"-n={namespace}")
    assert status == 1
    assert '"twice" already exists' in said


async def test_a_list_can_be_that_of_before(cluster: Cluster, namespace: str) -> None:
    show = ("get", "configmaps", f"-n={namespace}", "--field-selector=metadata.name=late", "-o=name")
    async with FaultProxy(cluster) as proxy:
        assert await kubectl(proxy, *show) == (0, "")
        await asyncio.to_thread(cluster.kubectl, "create", "configmap", "late", f"-n={namespace}")
        proxy.schedule.add(Rule(fault=Stale(), match=Match(verb="list", resource="configmaps")))
        assert await kubectl(proxy, *show) == (0, "")
        assert await kubectl(proxy, *show) == (0, "configmap/late\n")


async def test_a_watch_streams_and_can_lose_an_event(cluster: Cluster, namespace: str) -> None:
    rule = Rule(fault=LoseLine(number=1), match=Match(verb="watch", resource="configmaps"))
    async with FaultProxy(cluster, rules=[rule]) as proxy:
        # The cluster puts one of its own into each namespace, sooner or later.
        ours = ("--field-selector=metadata.name!=kube-root-ca.crt", "-o=name")
        watching = await started(proxy, "get", "configmaps", f"-n={namespace}", "--watch-only", *ours)
        for _ in range(1200):
            if any(request.verb == "watch" and request.forwarded for request in proxy.requests):
                break
            await asyncio.sleep(0.05)
        for name in ("lost", "seen"):
            await asyncio.to_thread(cluster.kubectl, "create", "configmap", name, f"-n={namespace}")
        assert watching.stdout is not None
        assert await asyncio.wait_for(watching.stdout.readline(), timeout=60) == b"configmap/seen\n"
        watching.terminate()
        await watching.wait()
