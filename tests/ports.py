"""Ports for servers of tests that must be told theirs before they start."""

import random
import socket

_PORTS = range(12_000, 20_000)
"""Neither the kernel, for connections and for port 0, nor a devcluster takes one before the server has it."""


def free_port() -> int:
    """A loopback port on which nobody listens."""
    for port in random.SystemRandom().sample(_PORTS, 100):
        if can_listen(port):
            return port
    raise AssertionError("a hundred loopback ports from 12000 to 20000 are all taken: something holds far too many")


def can_listen(port: int) -> bool:
    """Whether nobody listens there on the loopback address."""
    with socket.socket() as candidate:
        candidate.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            candidate.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def reserved() -> socket.socket:
    """A loopback port that stays taken, though nobody answers at it, until whoever is told of it listens there.

    So of many that are needed at once none is chosen twice. The caller closes it; the listener has to reuse addresses.
    """
    found = socket.socket()
    found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    found.bind(("127.0.0.1", 0))
    return found


def port_of(held: socket.socket) -> int:
    """The number of a reserved one."""
    return int(held.getsockname()[1])
