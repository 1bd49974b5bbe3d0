"""Readers of a replica, for what may be some moments old; none while it is away.

One that has not got the newest tables yet, or is of another database, is as good as away.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from typing import Any

import psycopg
from psycopg_pool import ConnectionPool

from phospho_server.store.postgresql import schema
from phospho_server.store.postgresql.dialect import Raw, adapt

logger = logging.getLogger("phospho_server")

# Who reads does not wait longer for a replica, and one that is away is left alone for a while.
_WAIT_S = 1.0
_REST_S = 15.0


class Replica:
    """A pool of connections to a copy of the database that follows it.

    Args:
        url: As libpq takes it.
        arguments: For each connection.
        most: Connections.
    """

    def __init__(self, url: str, arguments: Mapping[str, Any], most: int) -> None:
        self._pool: ConnectionPool[Raw] = ConnectionPool(
            url,
            kwargs={**arguments},
            min_size=0,
            max_size=most,
            timeout=_WAIT_S,
            reconnect_timeout=_WAIT_S,
            configure=_make_ready,
            check=ConnectionPool.check_connection,
            name="phospho-replica",
            open=True,
        )
        self._rests_until_s = 0.0

    def take(self) -> Raw | None:
        """Return a connection, to be given back; None where there is none to be had now."""
        if time.monotonic() < self._rests_until_s:
            return None
        try:
            return self._pool.getconn()
        except psycopg.OperationalError as exc:
            self._rests_until_s = time.monotonic() + _REST_S
            logger.warning("The replica is away, and the database itself is read: %s", exc)
            return None

    def give_back(self, raw: Raw) -> None:
        """Take a connection back."""
        self._pool.putconn(raw)

    def close(self) -> None:
        """Close every connection."""
        self._pool.close()


def _make_ready(raw: Raw) -> None:
    if not schema.is_newest(raw):
        raise psycopg.OperationalError(
            "it has not the tables of this phospho. Wait until it has followed an upgrade, or name "
            "another one with --replica"
        )
    adapt(raw)
