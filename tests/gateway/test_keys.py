"""Who may ask: keys checked by Envoy, changed while it runs; nothing that only the gateway may say is believed."""

from wharfage_gateway import headers
from wharfage_gateway.view import Credential

from tests.gateway.client import Client, eventually
from tests.gateway.rig import KEYS, Rig, model


async def test_without_a_known_key_nothing_is_answered(locked: Rig) -> None:
    one = await locked.engine("one")
    await locked.up(model(replicas=[one.replica()]))
    async with Client(locked.url) as nobody, Client(locked.url, "key-of-nobody") as stranger:
        for client in (nobody, stranger):
            for answer in (await client.chat("chat"), await client.get("/v1/models")):
                assert (answer.status, answer.error["code"]) == (401, "invalid_api_key")
    async with Client(locked.url, "key-of-red") as red:
        assert (await red.chat("chat")).ok
    assert (await one.counted())["requests"] == 1


async def test_a_key_is_changed_without_a_restart(locked: Rig) -> None:
    one = await locked.engine("one")
    await locked.up(model(replicas=[one.replica()]))
    async with Client(locked.url, "key-of-red") as old, Client(locked.url, "new-key-of-red") as new:
        assert [(await each.chat("chat")).status for each in (old, new)] == [200, 401]
        await locked.look(model(replicas=[one.replica()]), credentials=(Credential("new-key-of-red", "red"), KEYS[1]))

        async def turned() -> bool:
            return [(await each.chat("chat")).status for each in (old, new)] == [401, 200]

        await eventually(turned, "the new key")


async def test_when_no_key_is_left_nobody_passes(locked: Rig) -> None:
    one = await locked.engine("one")
    await locked.up(model(replicas=[one.replica()]), credentials=())
    async with Client(locked.url, "key-of-red") as red:
        assert (await red.chat("chat")).status == 401


async def test_forged_headers_change_nothing(locked: Rig) -> None:
    one, two = await locked.engine("one"), await locked.engine("two")
    await locked.up(model("chat", [one.replica()]), model("other", [two.replica()]))
    forged = {
        headers.CLIENT: headers.client("blue", ""),
        headers.MODEL: "other",
        headers.POOL: "other",
        headers.ENDPOINT: f"127.0.0.1:{two.port}",
        headers.SLOT: "forged",
        headers.CUT: "1",
        headers.STAND_IN: "other",
        headers.REFUSE: "because",
        "x-envoy-max-retries": "100",
        "x-envoy-upstream-rq-timeout-ms": "1",
    }
    async with Client(locked.url, "key-of-red") as red:
        answer = await red.chat("chat", tokens=4, headers=forged)
    assert answer.tokens[1] == 4
    assert [(await each.counted())["requests"] for each in (one, two)] == [1, 0]
    seen = {name.lower(): value for name, value in (await one.counted())["headers"].items()}
    assert seen[headers.CLIENT] == headers.client("red", "")
    assert seen[headers.SLOT] != "forged"
    assert not {headers.CUT, headers.REFUSE, headers.STAND_IN, "x-envoy-max-retries"} & set(seen)


async def test_no_engine_sees_a_key_and_no_log_has_one(locked: Rig) -> None:
    one = await locked.engine("one")
    await locked.up(model(replicas=[one.replica()]))
    async with Client(locked.url, "key-of-red") as red:
        assert (await red.chat("chat", prompt="a-secret-prompt")).ok
        assert (await red.chat("nobody", prompt="a-secret-prompt")).status == 404
    assert "key-of-red" not in str((await one.counted())["headers"])
    for process in (locked.envoy, locked.brain):
        said = process.log.read_text(encoding="utf-8")
        assert "key-of-red" not in said
        assert "a-secret-prompt" not in said


async def test_a_dead_brain_opens_no_door(locked: Rig) -> None:
    one = await locked.engine("one")
    await locked.up(model(replicas=[one.replica()]))
    await locked.brain.stop()
    async with Client(locked.url, "key-of-red") as red, Client(locked.url, "key-of-nobody") as stranger:
        assert (await red.chat("chat")).ok
        assert (await stranger.chat("chat")).status == 401
