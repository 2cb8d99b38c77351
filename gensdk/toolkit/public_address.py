"""Which hosts and addresses may be fetched from: the open internet, and nothing behind it.

Every IPv6 form that carries an IPv4 address inside is unwrapped, because a router or the kernel
may deliver it there (GHSA-cg7w-rg45-pc59). Cloud metadata addresses are refused always, also where
private hosts are allowed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
)

from gensdk.errors import UnsafeURLError

__all__ = [
    "METADATA_ADDRESSES",
    "Address",
    "checked_host",
    "is_metadata",
    "is_private_name",
    "is_public",
]

Address = IPv4Address | IPv6Address

METADATA_ADDRESSES: frozenset[Address] = frozenset(
    ip_address(text)
    for text in (
        "169.254.169.254",  # AWS, Azure, Google, DigitalOcean, OpenStack, Oracle
        "169.254.170.2",  # AWS ECS task credentials
        "169.254.170.23",  # AWS EKS pod identity
        "169.254.169.253",  # AWS VPC resolver
        "100.100.100.200",  # Alibaba
        "168.63.129.16",  # Azure's wire server: a public address, yet only reachable inside
        "192.0.0.192",  # Oracle Cloud, classic
        "fd00:ec2::254",  # AWS
        "fd00:ec2::23",  # AWS EKS pod identity
        "fd20:ce::254",  # Google
        "fd00:c1::a9fe:a9fe",  # Oracle Cloud
    )
)

# What Python's is_global of some supported version lets through, from the IANA registries
# https://www.iana.org/assignments/iana-ipv4-special-registry
# https://www.iana.org/assignments/iana-ipv6-special-registry
_NOT_PUBLIC_4 = tuple(
    map(IPv4Network, ("192.0.0.0/24", "192.88.99.0/24", "224.0.0.0/4", "240.0.0.0/4"))
)
_NOT_PUBLIC_6 = tuple(
    map(
        IPv6Network,
        (
            "64:ff9b:1::/48",  # NAT64 inside one network (RFC 8215)
            "100::/64",  # discard
            "2001::/23",  # IETF protocol assignments
            "2001:db8::/32",  # documentation
            "3fff::/20",  # documentation (RFC 9637)
            "5f00::/16",  # segment routing (RFC 9602)
            "fc00::/7",  # unique local
            "fe80::/10",  # link local
            "fec0::/10",  # site local, deprecated
            "ff00::/8",  # multicast
        ),
    )
)
_UNICAST_6 = IPv6Network("2000::/3")
_COMPATIBLE = IPv6Network("::/96")
_NAT64 = IPv6Network("64:ff9b::/96")
_SIX_TO_FOUR = IPv6Network("2002::/16")
_ISATAP = frozenset({0x00005EFE, 0x02005EFE, 0x01005EFE, 0x03005EFE})

_LABEL = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)")
_NUMBER = re.compile(r"\d+|0x[0-9a-f]*")
_PRIVATE_NAMES = (
    "localhost",
    "local",
    "internal",
    "intranet",
    "lan",
    "home",
    "corp",
    "localdomain",
    "home.arpa",
    "onion",
)
MAX_HOST = 253


def is_metadata(address: Address) -> bool:
    """Whether this is, or wraps, an address of a cloud's metadata service."""
    return address in METADATA_ADDRESSES or any(
        inner in METADATA_ADDRESSES for inner in _inside(address)
    )


def is_public(address: Address) -> bool:
    """Whether the address, and every IPv4 address it wraps, is one of the open internet."""
    if is_metadata(address):
        return False
    if isinstance(address, IPv4Address):
        return address.is_global and not any(address in network for network in _NOT_PUBLIC_4)
    if address.scope_id is not None:
        return False
    # NAT64 is how every IPv4 host looks on a network that has IPv6 only. What is_global says of
    # both wrappings depends on the version of Python, so the address inside alone decides.
    if address in _NAT64 or address in _SIX_TO_FOUR:
        return all(is_public(inner) for inner in _inside(address))
    if not address.is_global or any(address in network for network in _NOT_PUBLIC_6):
        return False
    return address in _UNICAST_6 and all(is_public(inner) for inner in _inside(address))


def _inside(address: Address) -> Iterator[IPv4Address]:
    """IPv4 addresses that an IPv6 address may stand for."""
    if isinstance(address, IPv4Address):
        return
    if address.ipv4_mapped is not None:
        yield address.ipv4_mapped
    if address.sixtofour is not None:
        yield address.sixtofour
    if address.teredo is not None:
        yield from address.teredo
    number = int(address)
    last = IPv4Address(number & 0xFFFFFFFF)
    if address in _COMPATIBLE or address in _NAT64 or address in _NOT_PUBLIC_6[0]:
        yield last
    if (number >> 32) & 0xFFFFFFFF in _ISATAP:
        yield last


def checked_host(host: str) -> str:
    """Return a host as it may be looked up: a plain ASCII name, or an address in its one spelling.

    Spellings that resolvers read as addresses in disguise (decimal, octal, hexadecimal, short
    forms, zone ids) are refused, not normalised.

    Raises:
        UnsafeURLError: The host is none of these.
    """
    if ":" in host:
        return str(_address(IPv6Address, host))
    labels = host.lower().split(".")
    if _NUMBER.fullmatch(labels[-1]):
        return str(_address(IPv4Address, host))
    if not host.isascii() or len(host) > MAX_HOST or not all(map(_LABEL.fullmatch, labels)):
        raise UnsafeURLError(
            "The URL's host is not a plain host name (a trailing dot, an empty label, characters "
            "outside ASCII that are not in punycode, or none at all)."
        )
    return host.lower()


def is_private_name(host: str) -> bool:
    """Whether a name belongs to a private network by its ending; no look-up is made for it."""
    return "." not in host or any(
        host == name or host.endswith(f".{name}") for name in _PRIVATE_NAMES
    )


def _address(kind: type[IPv4Address] | type[IPv6Address], text: str) -> Address:
    try:
        if "%" in text:
            raise ValueError("a zone id")
        return kind(text)
    except ValueError as error:
        raise UnsafeURLError(
            "The URL's host is an address in an unusual spelling; write it in the usual one."
        ) from error
