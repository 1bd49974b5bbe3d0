"""Which addresses the server reaches for others: those of the internet, unless more is allowed.

It is decided where the connection is made: a name is resolved once, each of its addresses is
checked, and one of those is connected to. So a name that points elsewhere a moment later, or to
several addresses of which one is private, leads nowhere.
"""

from __future__ import annotations

import contextlib
import functools
import ipaddress
import queue
import socket
import ssl
import threading
import time
from collections.abc import Iterable
from typing import Any

import httpcore
import httpx

from phospho.detectors.llm.settings import holds_secrets

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


class PrivateAddressError(Exception):
    """An address leads into a network that is not the internet."""


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
        httpcore.ConnectError: It has none.
        httpcore.ConnectTimeout: Nobody has answered in time.
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
        raise httpcore.ConnectTimeout("the name was not resolved in time") from None
    if isinstance(answer, OSError):
        raise httpcore.ConnectError(f"the name cannot be resolved: {answer}")
    return answer


class CheckedBackend(httpcore.NetworkBackend):
    """Connects to addresses that were checked, until a deadline, at which it breaks off.

    Args:
        until_s: The deadline, by `time.monotonic`.
        allow_private: Connect to any address, but where clouds keep secrets of their machines.
    """

    def __init__(self, until_s: float, *, allow_private: bool) -> None:
        self.until_s = until_s
        self.allow_private = allow_private
        self.is_cut = False
        self._connected: socket.socket | None = None

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ARG002 - the deadline is nearer
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        """Connect to a name.

        Raises:
            PrivateAddressError: It has an address that is not to be reached.
        """
        addresses = resolve(host, port, timeout_s=self._left_s())
        if not all(map(self._may_reach, addresses)):
            raise PrivateAddressError(host)
        problem: Exception = httpcore.ConnectError("the name has no address")
        for address in addresses:
            try:
                stream = httpcore.SyncBackend().connect_tcp(
                    address, port, self._left_s(), local_address, socket_options
                )
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as exc:
                problem = exc
                continue
            # A copy that stays valid when the original becomes one with TLS.
            self._connected = stream.get_extra_info("socket").dup()
            return stream
        raise problem

    def cut(self) -> None:
        """Break the connection off, from another thread."""
        self.is_cut = True
        if self._connected is not None:
            with contextlib.suppress(OSError):
                self._connected.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Give back what `cut` needs."""
        if self._connected is not None:
            self._connected.close()
            self._connected = None

    def _may_reach(self, address: str) -> bool:
        return not holds_secrets(address) if self.allow_private else is_public(address)

    def _left_s(self) -> float:
        """Return the time left.

        Raises:
            httpcore.ConnectTimeout: There is none.
        """
        left_s = self.until_s - time.monotonic()
        if left_s <= 0:
            raise httpcore.ConnectTimeout("no time is left")
        return left_s


def leads_inside(host: str) -> bool:
    """Tell whether a name has an address that is none of the internet; no if it has none now."""
    try:
        return not all(map(is_public, resolve(host, 0, timeout_s=_LOOK_UP_S)))
    except (httpcore.ConnectError, httpcore.ConnectTimeout):
        return False


@functools.cache
def trusted_certificates() -> ssl.SSLContext:
    """Return the certificates that are trusted: reading them takes long."""
    return httpx.create_ssl_context()
