"""Where a pod listens: on both families of addresses, on one where its host has only that."""

import socket

IPV4, IPV6 = "0.0.0.0", "::"  # noqa: S104 - clients come from other pods


def anywhere() -> str:
    """`::`, which takes IPv4 too, or `0.0.0.0` where IPv6 is switched off."""
    if not socket.has_dualstack_ipv6():
        return IPV4
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_STREAM) as probe:
            probe.bind((IPV6, 0))
    except OSError:
        return IPV4
    return IPV6


def listening(address: str, port: int, *, backlog: int) -> socket.socket:
    """A socket that listens there; on `::` for both families. OSError."""
    if ":" not in address:
        return socket.create_server((address, port), backlog=backlog)
    both = address == IPV6 and socket.has_dualstack_ipv6()
    return socket.create_server((address, port), family=socket.AF_INET6, backlog=backlog, dualstack_ipv6=both)
