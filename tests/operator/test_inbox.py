"""Who is looked at again when something is heard."""

import asyncio

from wharfage_operator.cache import Cache
from wharfage_operator.inbox import BOUNDS, SUPPLY, Inbox, moment_s
from wharfage_operator.kinds import (
    DEPLOYMENTS,
    LLM_BUDGETS,
    LLM_DEPLOYMENTS,
    NAMESPACES,
    NODES,
    OFFER_CATALOGS,
    PODS,
    SERVICES,
    Object,
)
from wharfage_operator.loop import Item
from wharfage_operator.watch import Freshness
from wharfage_operator.workqueue import WorkQueue

CHAT: Item = (LLM_DEPLOYMENTS, ("shop", "chat"))


def inbox(settle_s: float = 0.0) -> tuple[Inbox, WorkQueue[Item], Cache]:
    cache, queue = Cache(), WorkQueue[Item]()
    return Inbox(cache, queue, Freshness(), settle_s=settle_s, children_settle_s=settle_s), queue, cache


def seen(name: str, version: int, *, namespace: str = "shop", owner: str = "", **more: object) -> Object:
    metadata: Object = {"name": name, "uid": name, "resourceVersion": str(version)}
    metadata |= {"namespace": namespace} if namespace else {}
    metadata |= {"labels": {"wharfage.dev/llmdeployment": owner}} if owner else {}
    return {"metadata": metadata, **more}


async def woken(queue: WorkQueue[Item]) -> list[Item]:
    await asyncio.sleep(0)
    await asyncio.sleep(0.001)
    found = []
    while len(queue):
        found.append(await queue.get())
        queue.done(found[-1])
    return found


async def test_a_deployment_is_looked_at_when_it_or_something_of_it_changes() -> None:
    box, queue, _ = inbox()
    box.heard(LLM_DEPLOYMENTS, "ADDED", seen("chat", 1))
    assert await woken(queue) == [CHAT]
    for kind, name in ((SERVICES, "chat"), (DEPLOYMENTS, "chat-1"), (PODS, "chat-1-x")):
        box.heard(kind, "ADDED", seen(name, 2, owner="chat"))
        assert await woken(queue) == [CHAT]


async def test_what_was_known_already_wakes_nobody() -> None:
    box, queue, _ = inbox()
    box.heard(SERVICES, None, seen("chat", 2, owner="chat"))
    await woken(queue)
    box.heard(SERVICES, None, seen("chat", 2, owner="chat"))
    box.heard(SERVICES, "MODIFIED", seen("chat", 1, owner="chat", spec={"older": True}))
    assert await woken(queue) == []


async def test_an_echo_of_our_own_write_is_no_news() -> None:
    box, _, cache = inbox()
    cache.put(SERVICES, seen("chat", 5, owner="chat"))
    assert not box.news(SERVICES, "MODIFIED", seen("chat", 5, owner="chat"))
    assert not box.news(SERVICES, None, seen("chat", 4, owner="chat"))
    assert box.news(SERVICES, "MODIFIED", seen("chat", 6, owner="chat"))
    assert box.news(SERVICES, "DELETED", seen("chat", 5, owner="chat"))
    assert box.news(SERVICES, "ADDED", seen("other", 1))


def test_the_more_there_is_to_do_the_longer_changes_are_gathered() -> None:
    assert moment_s(0.5, 0) == 0.5
    assert moment_s(0.5, 50) == 1.0
    assert moment_s(0.5, 100_000) == 5.0


async def test_a_deleted_child_wakes_its_owner_at_once() -> None:
    box, queue, _ = inbox(settle_s=60)
    box.heard(SERVICES, "ADDED", seen("chat", 2, owner="chat"))
    assert await woken(queue) == []
    box.heard(SERVICES, "DELETED", seen("chat", 3, owner="chat"))
    assert await woken(queue) == [CHAT]
    queue.close()


async def test_a_child_whose_label_was_taken_off_by_hand_still_wakes_its_owner() -> None:
    box, queue, _ = inbox()
    box.heard(SERVICES, "ADDED", seen("chat", 2, owner="chat"))
    await woken(queue)
    box.heard(SERVICES, "DELETED", seen("chat", 3))
    assert await woken(queue) == [CHAT]


async def test_many_nodes_make_one_look_at_what_can_be_rented() -> None:
    box, queue, _ = inbox()
    for number in range(50):
        box.heard(NODES, None, seen(f"n{number}", number + 1, namespace=""))
    assert await woken(queue) == [SUPPLY]


async def test_a_catalog_wakes_itself_and_supply() -> None:
    box, queue, _ = inbox()
    box.heard(OFFER_CATALOGS, "MODIFIED", seen("aws", 4, namespace=""))
    assert set(await woken(queue)) == {SUPPLY, (OFFER_CATALOGS, ("", "aws"))}


async def test_a_deleted_deployment_is_looked_at_once_more_to_be_forgotten() -> None:
    box, queue, cache = inbox()
    box.heard(LLM_DEPLOYMENTS, "ADDED", seen("chat", 1))
    await woken(queue)
    box.heard(LLM_DEPLOYMENTS, "DELETED", seen("chat", 2))
    assert await woken(queue) == [CHAT]
    assert cache.count(LLM_DEPLOYMENTS) == 0


async def test_a_budget_and_a_namespace_that_change_have_it_looked_at_who_is_bound() -> None:
    box, queue, _ = inbox()
    box.heard(LLM_BUDGETS, "MODIFIED", seen("search", 4, namespace=""))
    assert set(await woken(queue)) == {BOUNDS, (LLM_BUDGETS, ("", "search"))}
    box.heard(NAMESPACES, "MODIFIED", seen("shop", 5, namespace=""))
    assert await woken(queue) == [BOUNDS]
