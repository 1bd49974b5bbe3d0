"""Who may see the pages: one-time links, and the sign-ins they lead to."""

from __future__ import annotations

import secrets

from phospho_server.clock import DAY_MS, HOUR_MS, now_ms
from phospho_server.store import Connection
from phospho_server.store.projects import hash_secret

LINK_LIFE_MS = 24 * HOUR_MS
SIGN_IN_LIFE_MS = 30 * DAY_MS


def create_link(db: Connection) -> str:
    """Make a one-time sign-in link and return its token."""
    token = secrets.token_urlsafe(32)
    db.execute(
        "insert into sign_in_links (token_hash, expires_at_ms) values (:hash, :expires)",
        {"hash": hash_secret(token), "expires": now_ms() + LINK_LIFE_MS},
    )
    return token


def use_link(db: Connection, token: str) -> str | None:
    """Use up a link and return the token of a new sign-in, or None if the link is not valid."""
    used = db.execute(
        "update sign_in_links set used_at_ms = :now "
        "where token_hash = :hash and used_at_ms is null and expires_at_ms > :now",
        {"hash": hash_secret(token), "now": now_ms()},
    )
    if not used:
        return None
    sign_in = secrets.token_urlsafe(32)
    db.execute(
        "insert into sign_ins values (:hash, :now, :expires)",
        {"hash": hash_secret(sign_in), "now": now_ms(), "expires": now_ms() + SIGN_IN_LIFE_MS},
    )
    return sign_in


def is_signed_in(db: Connection, token: str) -> bool:
    """Tell whether a sign-in's token is valid."""
    found = db.row(
        "select 1 from sign_ins where token_hash = :hash and expires_at_ms > :now",
        {"hash": hash_secret(token), "now": now_ms()},
    )
    return found is not None


def sign_out(db: Connection, token: str) -> None:
    """End a sign-in, and forget those that have expired."""
    db.execute(
        "delete from sign_ins where token_hash = :hash or expires_at_ms <= :now",
        {"hash": hash_secret(token), "now": now_ms()},
    )


def get_secret(db: Connection, name: str) -> str:
    """Return a secret of this database, made when first asked for."""
    db.execute(
        "insert into secrets values (:name, :value) on conflict do nothing",
        {"name": name, "value": secrets.token_urlsafe(32)},
    )
    row = db.row("select value from secrets where name = :name", {"name": name})
    assert row is not None  # noqa: S101 - inserted above, in the same transaction
    return str(row["value"])
