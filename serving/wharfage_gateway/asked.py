"""One request as the brain sees it: the headers that Envoy's ext_authz sends, and the first bytes of the body.

Envoy has parsed the body and checked the key by then. What it could not read is missing here, never zero.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import blake2b

from wharfage_gateway import headers
from wharfage_gateway.dialect import CHAT, Dialect
from wharfage_gateway.filters import TOLD

BYTES_PER_TOKEN = 4
"""A gateway has no tokenizer: English text and JSON come to about four bytes per token."""

PREFIX_BYTES = 1024
"""Prompts that share less, about 256 tokens, are not worth a detour to the replica that has it in its cache."""

_WANTED = frozenset(name.encode() for name in headers.ASKED)
_MODEL, _CLIENT, _CLASS = headers.MODEL.encode(), headers.CLIENT.encode(), headers.CLASS.encode()
_BACKGROUND = headers.BACKGROUND.encode()
_BYTES, _ID = headers.BODY_BYTES.encode(), headers.REQUEST_ID.encode()
_BEGINNINGS = (b'"messages"', b'"prompt"', b'"input"')
_NAME_CHARACTERS = 253


@dataclass(frozen=True, slots=True)
class Asked:
    """One request. `tenant` is "" where the gateway asks for no keys; `key_class` is that of the key, "" for none.

    `wanted_class` is what the client asks for. `background` asks for an answer that is fetched later. `prefix` tells
    prompts with the same beginning, in any gateway, `body` bodies that are the same, in this process; None: not known.
    """

    model: str = ""
    tenant: str = ""
    key_class: str = ""
    wanted_class: str = ""
    most_output_tokens: int | None = None
    background: bool = False
    prompt_bytes: int | None = None
    request_id: str = ""
    prefix: int | None = None
    body: int | None = None
    dialect: Dialect = CHAT

    @property
    def prompt_tokens(self) -> int:
        """An estimate from above, since all of the body counts; 0 where Envoy did not say how long it is."""
        return -(-(self.prompt_bytes or 0) // BYTES_PER_TOKEN)


def asked(sent: Iterable[tuple[bytes, bytes]], body: bytes = b"", dialect: Dialect = CHAT) -> Asked:
    """The request that these headers describe; of a header that comes twice the last counts."""
    found = {name: value.decode("latin-1").strip() for name, value in sent if name in _WANTED}
    tenant, key_class = headers.tenant_and_class(found.get(_CLIENT, ""))
    named = (_count(found.get(TOLD[field].encode(), "")) for field in dialect.limits)
    most = [limit for limit in named if limit is not None]
    model, length = found.get(_MODEL, ""), found.get(_BYTES, "")
    return Asked(
        model="" if model == "-" else model[:_NAME_CHARACTERS],  # a dash is how Envoy writes what is not there
        tenant=tenant,
        key_class=key_class,
        wanted_class=found.get(_CLASS, "")[:_NAME_CHARACTERS],
        most_output_tokens=most[0] if most else None,
        background=bool(_count(found.get(_BACKGROUND, ""))),
        prompt_bytes=_count(length),
        request_id=found.get(_ID, ""),
        prefix=prefix(body) if body else None,
        body=hash(body + length.encode()) if body else None,  # all that is seen of it, and how long it is
        dialect=dialect,
    )


def prefix(body: bytes) -> int | None:
    """64 bits that are the same for prompts with the same beginning; None where the body has no prompt.

    Counted are at most `PREFIX_BYTES` from where the prompt starts, so other fields may come before it, and only to
    the end of the first message of the user: a conversation keeps its value as it grows.
    """
    start = min((at for word in _BEGINNINGS if (at := body.find(word)) >= 0), default=-1)
    if start < 0:
        return None
    end = start + PREFIX_BYTES
    user = body.find(b'"user"', start, end)
    if user >= 0:
        closed = body.find(b"}", user, end)
        end = closed if closed >= 0 else end
    return _hash(body[start:end])


def _hash(text: bytes) -> int:
    return int.from_bytes(blake2b(text, digest_size=8).digest(), "big")


def _count(text: str) -> int | None:
    """A number of bytes or tokens as JSON or HTTP write it; None for anything else."""
    try:
        value = float(text)
    except ValueError:
        return None
    return int(value) if 0 <= value < 2**53 else None
