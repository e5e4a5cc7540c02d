"""Ports for servers of tests that must be told theirs before they start."""

import random
import socket

_PORTS = range(12_000, 20_000)
"""Neither the kernel, for connections and for port 0, nor a devcluster takes one before the server has it."""


def free_port() -> int:
    """A loopback port on which nobody listens."""
    for port in random.SystemRandom().sample(_PORTS, 100):
        try:
            socket.create_server(("127.0.0.1", port)).close()
        except OSError:
            continue
        return port
    raise AssertionError("a hundred loopback ports from 12000 to 20000 are all taken: something holds far too many")
