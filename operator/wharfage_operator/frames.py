"""Values between the operator and its worker: pickles, each with its length before it.

Both ends are this code, in two processes of one pod, joined by pipes that nobody else can open: that is what pickle is
fit for. Nothing that came over a network or out of the API server is ever unpickled.
"""

import pickle
import struct
from dataclasses import dataclass
from typing import BinaryIO

HEAD = struct.Struct("!Q")
LONGEST = 1 << 28
"""Bytes of one value; three hundred deployments without anything in common take a twentieth of it."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What the worker says to one errand, or (`value` None) that it is ready for the first.

    Where it is not `answered` the value says in words why. `cpu_s` is the processor's time that it took, `rss_mib` the
    memory that the worker holds now; NaN where that cannot be known.
    """

    answered: bool
    value: object
    cpu_s: float
    rss_mib: float


def framed(value: object) -> bytes:
    """A value as it is sent; ValueError where it is too long."""
    body = pickle.dumps(value, pickle.HIGHEST_PROTOCOL)
    if len(body) > LONGEST:
        raise ValueError(f"a value of {len(body)} bytes; at most {LONGEST} are sent")
    return HEAD.pack(len(body)) + body


def length(head: bytes) -> int:
    """How many bytes follow; ValueError where no value is so long."""
    (count,) = HEAD.unpack(head)
    if count > LONGEST:
        raise ValueError(f"a value of {count} bytes; at most {LONGEST} are sent")
    return int(count)


def received(stream: BinaryIO) -> bytes | None:
    """The pickle that comes next; None where the other side has gone."""
    head = stream.read(HEAD.size)
    if len(head) < HEAD.size:
        return None
    count = length(head)
    body = stream.read(count)
    return body if len(body) == count else None
