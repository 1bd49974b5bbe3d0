"""Connects to others' addresses: those of the internet, unless more is allowed.

It is decided where the connection is made: a name is resolved once, each of its addresses is
checked, and one of those is connected to. So a name that points elsewhere a moment later, or to
several addresses of which one is private, leads nowhere.
"""

from __future__ import annotations

import contextlib
import functools
import socket
import ssl
import time
from collections.abc import Iterable
from typing import Any

import httpcore
import httpx

from phospho.detectors.llm.settings import holds_secrets
from phospho_server.networks import is_public, resolve


class PrivateAddressError(Exception):
    """An address leads into a network that is not the internet."""


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
        addresses = self._resolve(host, port)
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

    def _resolve(self, host: str, port: int) -> list[str]:
        try:
            return resolve(host, port, timeout_s=self._left_s())
        except TimeoutError as exc:
            raise httpcore.ConnectTimeout(str(exc)) from None
        except OSError as exc:
            raise httpcore.ConnectError(str(exc)) from None

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


@functools.cache
def trusted_certificates() -> ssl.SSLContext:
    """Return the certificates that are trusted: reading them takes long."""
    return httpx.create_ssl_context()
