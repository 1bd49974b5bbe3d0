"""Whether a request comes from the machine of the process that answers it."""

from __future__ import annotations

import ipaddress
from collections.abc import Collection
from urllib.parse import urlsplit

# What a proxy in front adds, most of them unasked.
_OF_PROXIES = ("Forwarded", "Via", "X-Forwarded-For", "X-Forwarded-Host", "X-Real-Ip")


def is_same_machine(address: str, host: str, headers: Collection[str]) -> bool:
    """Tell whether a request comes from this machine, and by no proxy.

    Args:
        address: Where it comes from.
        host: What it names as the host. A page elsewhere may let its own name point here.
        headers: The names of its headers, each word of them with a capital.
    """
    if any(name in headers for name in _OF_PROXIES):
        return False
    try:
        name = urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return False
    return _is_loopback(address) and (name == "localhost" or _is_loopback(name))


def _is_loopback(text: str) -> bool:
    try:
        return ipaddress.ip_address(text).is_loopback
    except ValueError:
        return False
