"""One POST: what counts as delivered, where it is never sent, and that no message betrays the address."""

import asyncio
import socket

import pytest
from wharfage_operator.destinations import refusal
from wharfage_operator.webhook import WebhookError, opened

from tests.operator.hook import hooked

BODY = {"id": "1", "text": "LLMBudget all: stage Freeze begins."}


async def test_a_body_arrives_as_json() -> None:
    async with hooked() as hook, opened(loopback=True) as webhook:
        hook.status = 204
        await webhook.post(hook.url, BODY)
        assert hook.heard == [BODY]


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (404, "it answered with status 404"),
        (503, "it answered with status 503"),
        (307, r"it redirects \(status 307\), which is not followed"),
    ],
)
async def test_any_other_answer_is_none(status: int, words: str) -> None:
    async with hooked() as elsewhere, hooked() as hook, opened(loopback=True) as webhook:
        hook.status, hook.location = status, elsewhere.url
        with pytest.raises(WebhookError, match=words):
            await webhook.post(hook.url, BODY)
        assert len(hook.heard) == 1
        assert elsewhere.heard == []


@pytest.mark.parametrize(
    "url", ["", "hooks.example.com/x", "file:///etc/passwd", "http://", "http://h:99999/", "http://[/"]
)
async def test_what_is_no_address_of_a_server_is_said(url: str) -> None:
    async with opened() as webhook:
        with pytest.raises(WebhookError, match="its key url is no address of a server: write http"):
            await webhook.post(url, BODY)


@pytest.mark.parametrize("loopback", [False, True])
@pytest.mark.parametrize(
    "host",
    ["169.254.169.254", "[fe80::1]", "[::ffff:169.254.169.254]", "[fd00:ec2::254]", "[fd00:ec2::23]", "0xa9fea9fe"],
)
async def test_where_machines_keep_their_credentials_nothing_is_sent(host: str, loopback: bool) -> None:
    async with opened(loopback=loopback) as webhook:
        with pytest.raises(WebhookError, match=r"its host is a link-local address.*: name another host"):
            await webhook.post(f"http://{host}/latest/meta-data", BODY)


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "0x7f000001", "localhost", "0.0.0.0", "[::1]", "[::]", "[::ffff:127.0.0.1]"]
)
async def test_nothing_is_sent_to_the_operators_own_loopback_however_it_is_named(host: str) -> None:
    async with hooked() as hook, opened() as webhook:
        port = hook.url.split(":")[2].partition("/")[0]
        with pytest.raises(WebhookError, match=r"its host is the operator's own loopback.*set webhook_allow_loopback"):
            await webhook.post(f"http://{host}:{port}/told", BODY)
        assert hook.heard == []


@pytest.mark.parametrize(
    "address", ["64:ff9b::a9fe:a9fe", "2002:a9fe:a9fe::1", "64:ff9b::7f00:1", "fe80::1%eth0", "100.100.100.200"]
)
def test_an_older_address_within_a_newer_one_and_a_clouds_own_are_refused(address: str) -> None:
    assert refusal(address)


@pytest.mark.parametrize("address", ["10.96.0.17", "198.18.0.1", "2001:db8::1", "fd00::17", "64:ff9b::c612:1"])
def test_servers_of_the_cluster_and_elsewhere_are_called(address: str) -> None:
    assert refusal(address) == ""


async def test_what_is_no_web_server_is_said_without_its_words_or_the_path() -> None:
    async def greets(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"SSH-2.0-OpenSSH_9.2\r\n")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(greets, "127.0.0.1", 0)
    async with server, opened(loopback=True) as webhook:
        with pytest.raises(WebhookError, match="it cannot be reached") as raised:
            await webhook.post(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/services/secret", BODY)
    assert "secret" not in str(raised.value)
    assert "SSH" not in str(raised.value)


async def test_a_server_that_is_not_there_is_said_without_its_path() -> None:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        async with opened(loopback=True) as webhook:
            with pytest.raises(WebhookError, match="it cannot be reached") as raised:
                await webhook.post(f"http://127.0.0.1:{held.getsockname()[1]}/services/secret", BODY)
    assert "secret" not in str(raised.value)
