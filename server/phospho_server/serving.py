"""Run the server: the application under waitress, and detection, in one process."""

from __future__ import annotations

import gc
import ipaddress
import os
import socket
import sys
from collections.abc import Collection
from typing import Any

from phospho.detectors.registry import load_detectors
from phospho.errors import ConfigurationError
from phospho.plugins import Plugins
from phospho_server import create_app
from phospho_server.connections import HttpServer
from phospho_server.lanes import Lanes
from phospho_server.limits import MAX_BODY_BYTES
from phospho_server.llm.setup import setups_of
from phospho_server.loading import loading_soon
from phospho_server.running import Running
from phospho_server.stopping import stopped_by_signals
from phospho_server.store import Store
from phospho_server.store.accounts import has_owner
from phospho_server.store.sign_ins import create_link
from phospho_server.workers import Workers

# waitress stops at 100 connections by default, which 100 half-open ones would use up.
_SETTINGS: dict[str, Any] = {
    "connection_limit": 1000,
    "channel_timeout": 30,
    # What the application refuses has to reach it: waitress closes the connection unread.
    "max_request_body_size": 2 * MAX_BODY_BYTES,
    "recv_bytes": 64 * 1024,
    # Who hangs up is no error of ours.
    "log_socket_errors": False,
    "ident": None,
    "asyncore_use_poll": True,
}

# Connections, and files of the database and of bodies beside them.
_FILES = 4096

# How long answers may take that are under way when the server is told to stop.
_DRAIN_S = 3.0

# A server that listens everywhere is asked here, by this machine.
_ANY = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - what is looked for, not listened on


class Server:
    """A server that listens; `run` answers until it is told to stop.

    Args:
        store: Where everything is kept; stays open when the server ends.
        host: Where it listens. Beyond this machine only once there is an account.
        port: 0 takes any that is free.
        proxy: The address of a proxy in front, which says where requests come from and whether
            they came by https; `*` believes any. None where there is no proxy.
        feedback_from: Origins of web pages that may send feedback without a key; `*` is any.
        with_workers: Whether this process also looks for events, and does what else waits.
        has_replica: Whether pages may read the store's replica.

    Raises:
        ConfigurationError: The address is open to others and nobody owns the server, or it is in
            use.
    """

    def __init__(
        self,
        store: Store,
        *,
        host: str,
        port: int,
        proxy: str | None = None,
        feedback_from: Collection[str] = (),
        with_workers: bool = True,
        has_replica: bool = False,
    ) -> None:
        self.is_open = _is_open(host)
        if self.is_open:
            _refuse_without_owner(store, host)
        plugins = Plugins()
        detectors = load_detectors(plugins)
        setups = setups_of(store, os.environ)
        self.store = store
        self.workers = Workers(store, detectors=detectors, plugins=plugins, setups=setups)
        self._runs_workers = with_workers
        lanes = Lanes()
        app = create_app(
            store,
            detectors=detectors,
            setups=setups,
            running=Running(store, self.workers.all if with_workers else (), lanes),
            is_behind_proxy=proxy is not None,
            feedback_from=feedback_from,
            has_replica=has_replica,
            on_new_work=self.workers.wake,
        )
        try:
            self._http = HttpServer(
                app, lanes, host=host, port=port, **_SETTINGS, **_trusting(proxy)
            )
        except OSError as exc:
            raise ConfigurationError(
                f"Port {port} of {host} cannot be used: {exc.strerror}. Stop the program that "
                "uses it, or choose another with --port."
            ) from exc
        self.url = f"http://{_in_url(_ANY.get(host, host))}:{self._http.effective_port}"

    def sign_in_url(self) -> str:
        """Make a link that signs in once."""
        return f"{self.url}/login?token={self.store.write(create_link)}"

    def run(self) -> None:
        """Answer requests and look for events until SIGTERM, SIGINT or `stop`.

        Then nothing new is taken, and what is under way is finished, where that takes no longer
        than some seconds; the rest waits in the database for the next start.
        """
        _allow_files(_FILES)
        if self._runs_workers:
            self.workers.start()
        # What is there now stays: it is not looked through for garbage again.
        gc.freeze()
        with stopped_by_signals(self.stop), loading_soon(self.store):
            self._http.run(drain_s=_DRAIN_S)
        if self._runs_workers:
            self.workers.stop()
        self._http.close()

    def stop(self) -> None:
        """Have `run` end; may be called from any thread."""
        self.workers.begin_stop()
        self._http.stop()


def _is_open(host: str) -> bool:
    """Tell whether an address can be reached from other machines."""
    try:
        addresses = {info[4][0] for info in socket.getaddrinfo(host, None)}
    except OSError as exc:
        raise ConfigurationError(
            f"The host {host!r} cannot be resolved: {exc}. Leave --host out, or correct it."
        ) from exc
    return not all(ipaddress.ip_address(address).is_loopback for address in addresses)


def _refuse_without_owner(store: Store, host: str) -> None:
    with store.read() as db:
        if has_owner(db):
            return
    raise ConfigurationError(
        f"{host!r} is open to other machines, and no account owns this server yet. Make one: "
        "phospho accounts create EMAIL --password-stdin. Or leave --host out, to listen on this "
        "machine only."
    )


def _trusting(proxy: str | None) -> dict[str, Any]:
    """Return the settings of waitress that let it believe one proxy, or nobody.

    Raises:
        ConfigurationError: The proxy is named by something else than its address.
    """
    if proxy is None:
        # Kept for `is_at_the_machine`, which must see that a proxy is in front; nothing else looks.
        return {"clear_untrusted_proxy_headers": False}
    if proxy != "*":
        try:
            ipaddress.ip_address(proxy)
        except ValueError as exc:
            raise ConfigurationError(
                f"The proxy {proxy!r} is no address. Write one like 10.0.0.2, or * for any proxy."
            ) from exc
    return {
        "trusted_proxy": proxy,
        "trusted_proxy_count": 1,
        "trusted_proxy_headers": {"x-forwarded-for", "x-forwarded-proto"},
        "clear_untrusted_proxy_headers": True,
    }


def _in_url(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _allow_files(most: int) -> None:
    """Let this process open as many files as it may need, where its owner allows it."""
    if sys.platform == "win32":
        return
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = most if hard == resource.RLIM_INFINITY else min(most, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
