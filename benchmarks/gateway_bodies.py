"""Answers through the gateway beside the engine's own: streams and whole ones, of three APIs, byte for byte."""

import json
from collections.abc import Mapping
from random import Random

from tests.gateway.client import Client, all_of
from tests.gateway.rig import KEYS, Rig, model

AT_ONCE = 50
PATHS = {"/v1/chat/completions": "max_tokens", "/v1/responses": "max_output_tokens", "/v1/messages": "max_tokens"}


async def differing(rig: Rig, count: int) -> Mapping[str, float]:
    """How many of so many answers differ from what the engine itself says to the same body."""
    one = await rig.engine("one", itl_s=0.0005)
    await rig.up(model(replicas=[one.replica()]), credentials=KEYS)
    random = Random(6)
    differ = failed = 0
    async with Client(rig.url, KEYS[0].key) as through, Client(one.url) as straight:
        for _ in range(0, count, AT_ONCE):
            asked = [_asked(random) for _ in range(AT_ONCE)]
            got = await all_of(through.post(body, path=path) for path, body in asked)
            meant = await all_of(straight.post(body, path=path) for path, body in asked)
            failed += sum(not answer.ok for answer in got)
            differ += sum(one.body != other.body for one, other in zip(got, meant, strict=True))
    return {"bodies_compared": -(-count // AT_ONCE) * AT_ONCE, "bodies_differ": differ, "bodies_failed": failed}


def _asked(random: Random) -> tuple[str, bytes]:
    """A path, and a body for it."""
    path = random.choice(list(PATHS))
    prompt = "öä𝄞" * random.randrange(1, 400)
    said = {"input": prompt} if path == "/v1/responses" else {"messages": [{"role": "user", "content": prompt}]}
    limit = {PATHS[path]: random.randrange(1, 120)}
    body = {"model": "chat", **said, **limit, "stream": random.random() < 0.8, "seed": random.getrandbits(60)}
    return path, json.dumps(body, ensure_ascii=random.random() < 0.5).encode()
