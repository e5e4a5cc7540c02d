"""What the brain answers to a request: go there, wait, or not now and why; and how Envoy is told.

Refusals look like those of the API that was asked, so that clients' libraries understand them. A status of 503 is said
by a route of Envoy, since ext_authz takes a 5xx for a broken brain.
"""

import json
import math
from dataclasses import dataclass

from wharfage_gateway import headers
from wharfage_gateway.dialect import CHAT, Dialect

Header = tuple[bytes, bytes]
UNAVAILABLE = 503


@dataclass(frozen=True, slots=True)
class Admit:
    """Go to this replica. `pool` is Envoy's cluster; `key` and `replica` name who carries it.

    `cut` is the most output tokens where the client's limit is to be lowered. `stand_in` is set where another
    deployment answers: its served name.
    """

    key: str
    pool: str
    replica: str
    endpoint: str
    variant: str = ""
    cut: int | None = None
    stand_in: str = ""


@dataclass(frozen=True, slots=True)
class Wait:
    """Nothing is free that may answer it: it waits."""


@dataclass(frozen=True, slots=True)
class Refuse:
    """Not now, or not at all. `reason` is OpenAI's `code`; `retry_after_s` is missing where trying again is no use."""

    status: int
    reason: str
    message: str
    retry_after_s: float | None = None
    param: str | None = None


Answer = Admit | Wait | Refuse


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer in HTTP."""

    status: int
    headers: list[Header]
    body: bytes = b""


def reply(answer: Admit | Refuse, slot: str, waited_s: float = 0.0, *, dialect: Dialect = CHAT) -> Reply:
    """What ext_authz gets for it; the slot is what the access log will give back.

    A client that had to wait is told for how long, beside its answer.
    """
    if isinstance(answer, Refuse):
        return _refusal(answer, dialect)
    said = {headers.POOL: answer.pool, headers.ENDPOINT: answer.endpoint, headers.SLOT: slot}
    if answer.cut is not None:
        said[headers.CUT] = str(answer.cut)
    if answer.stand_in:
        said[headers.STAND_IN] = answer.stand_in
    if waited_s:
        said[headers.WAITED] = f"{waited_s:.3f}"
    return Reply(200, [(name.encode(), value.encode()) for name, value in said.items()])


def _refusal(answer: Refuse, dialect: Dialect) -> Reply:
    after = "" if answer.retry_after_s is None else str(max(1, math.ceil(answer.retry_after_s)))
    if answer.status == UNAVAILABLE:
        said = {
            headers.REFUSE: answer.reason,
            headers.REFUSE_MESSAGE: answer.message,
            headers.REFUSE_AFTER: after or "1",
        }
        return Reply(200, [(name.encode(), value.encode("latin-1", "replace")) for name, value in said.items()])
    found: list[Header] = [(b"content-type", b"application/json")]
    if after:
        found.append((b"retry-after", after.encode()))
    error = dialect.error(answer.status, answer.reason, answer.message, answer.param)
    return Reply(answer.status, found, json.dumps(error).encode())
