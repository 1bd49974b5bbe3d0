"""Which addresses are of the internet, and which addresses a name has."""

from __future__ import annotations

import ipaddress
import queue
import socket
import threading

# IANA's registries of special-purpose addresses (IPv4, of 2024), as far as they are no part of the
# internet. Written out, as `ipaddress` knows other ones in each version of Python.
_NOT_PUBLIC = tuple(
    map(
        ipaddress.ip_network,
        (
            *("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16"),
            *("172.16.0.0/12", "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24"),
            *("192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24"),
            *("224.0.0.0/4", "240.0.0.0/4"),
            # Public by its number alone: it answers machines of Azure.
            "168.63.129.16/32",
            # Protocols, Teredo, documentation, and 6to4, which leads to any IPv4 address.
            *("2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20"),
        ),
    )
)

# All of IPv6 that was given out for the internet.
_PUBLIC_IPV6 = ipaddress.ip_network("2000::/3")

# Somebody waits for a page meanwhile.
_LOOK_UP_S = 3.0


def is_public(address: str) -> bool:
    """Tell whether an IP address is one of the internet."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address):
        if ip.ipv4_mapped is not None:
            ip = ip.ipv4_mapped
        elif ip not in _PUBLIC_IPV6:
            return False
    return not any(ip in network for network in _NOT_PUBLIC)


def resolve(host: str, port: int, *, timeout_s: float) -> list[str]:
    """Return the addresses of a name.

    Raises:
        TimeoutError: Nobody has answered in time.
        OSError: It has none.
    """
    found: queue.SimpleQueue[list[str] | OSError] = queue.SimpleQueue()

    def look_up() -> None:
        try:
            infos = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            found.put(list(dict.fromkeys(str(info[4][0]) for info in infos)))
        except (OSError, UnicodeError) as exc:
            found.put(OSError(str(exc)))

    # The system's resolver has no limit of its own.
    threading.Thread(target=look_up, name="phospho-resolve", daemon=True).start()
    try:
        answer = found.get(timeout=max(timeout_s, 0.001))
    except queue.Empty:
        raise TimeoutError("the name was not resolved in time") from None
    if isinstance(answer, OSError):
        raise OSError(f"the name cannot be resolved: {answer}")
    return answer


def leads_inside(host: str) -> bool:
    """Tell whether a name has an address that is none of the internet; no if it has none now."""
    try:
        return not all(map(is_public, resolve(host, 0, timeout_s=_LOOK_UP_S)))
    except OSError:
        return False
