"""Where the operator sends nothing, whoever asks for it: to its own machine, and where machines keep credentials."""

import ipaddress
from collections.abc import Iterator

_Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_HERE = tuple(map(ipaddress.ip_network, ("0.0.0.0/8", "127.0.0.0/8", "::/128", "::1/128")))
"""An address of zeroes leads to the loopback as well."""
_CREDENTIALS = tuple(
    map(
        ipaddress.ip_network,
        (
            "169.254.0.0/16",
            "fe80::/10",
            "fd00:ec2::/32",  # AWS: metadata at ::254, EKS Pod Identity at ::23
            "fd20:ce::254/128",  # Google Cloud
            "100.100.100.200/32",  # Alibaba Cloud
            "168.63.129.16/32",  # Azure
            "192.0.0.192/32",  # Oracle Cloud
        ),
    )
)
_TRANSLATED = ipaddress.IPv6Network("64:ff9b::/96")


def refusal(text: str, *, loopback: bool = False) -> str:
    """Why nothing is sent to an address that a name has led to, and what to do; empty where it may be.

    `loopback` allows the operator's own.
    """
    for address in _meant(ipaddress.ip_address(text.partition("%")[0])):
        if any(address in network for network in _CREDENTIALS):
            return "its host is a link-local address, where machines keep their credentials: name another host"
        if not loopback and any(address in network for network in _HERE):
            return (
                "its host is the operator's own loopback, which others must not reach through it: name another host, "
                "or set webhook_allow_loopback if a proxy beside the operator listens there"
            )
    return ""


def _meant(address: _Address) -> Iterator[_Address]:
    """The address, and the older one that a network may unpack from it."""
    yield address
    if isinstance(address, ipaddress.IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour
        if inner is not None:
            yield inner
        if address in _TRANSLATED:
            yield ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF)
