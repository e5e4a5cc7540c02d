"""Ports for servers of tests that must be told theirs before they start."""

import random
import socket

_BELOW_THE_KERNEL_S = range(20_000, 30_000)
"""It takes none of these for connections and for port 0, so that none is taken by chance before the server has it."""


def free_port() -> int:
    """A loopback port on which nobody listens."""
    for port in random.SystemRandom().sample(_BELOW_THE_KERNEL_S, 100):
        try:
            socket.create_server(("127.0.0.1", port)).close()
        except OSError:
            continue
        return port
    raise AssertionError("a hundred loopback ports from 20000 to 30000 are all taken: something holds far too many")
