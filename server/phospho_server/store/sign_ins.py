"""Who is signed in: sign-ins with an account or by a one-time link, until they end."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from phospho_server.clock import DAY_MS, HOUR_MS, now_ms
from phospho_server.store import Connection
from phospho_server.store.accounts import Account
from phospho_server.store.projects import hash_secret

LINK_LIFE_MS = 24 * HOUR_MS

# However much it is used, a sign-in ends; and it ends sooner when it is not used.
SIGN_IN_LIFE_MS = 30 * DAY_MS
IDLE_LIFE_MS = 7 * DAY_MS

# `last_seen_at_ms` is written at most this often: looking at a page must not cost a write.
_SEEN_STEP_MS = 60_000

# Enough to tell browsers and systems apart.
_MAX_AGENT = 200

_VALID = "expires_at_ms > :now and last_seen_at_ms > :now - :idle"

_COLUMNS = (
    "s.token_hash, s.created_at_ms, s.last_seen_at_ms, s.agent, s.address, a.id as account_id, "
    "a.email, a.is_owner, a.created_at_ms as joined_at_ms"
)


@dataclass(frozen=True)
class SignIn:
    """A browser that is signed in.

    Args:
        key: The hash of its token; names it, but lets nobody in.
        account: Whose it is; None for a one-time link, which makes its holder the server's owner.
        agent: What the browser says of itself.
        address: Where it signed in from.
    """

    key: str
    account: Account | None
    created_at_ms: int
    last_seen_at_ms: int
    agent: str
    address: str

    @property
    def owns_server(self) -> bool:
        """Whether it may do everything."""
        return self.account is None or self.account.is_owner


@dataclass(frozen=True)
class Browser:
    """What somebody signs in with.

    Args:
        agent: What it says of itself.
        address: Where it is.
        signed_in: As what it has been signed in so far; the next sign-in takes its place.
    """

    agent: str = ""
    address: str = ""
    signed_in: SignIn | None = None


_UNKNOWN = Browser()


def create_link(db: Connection) -> str:
    """Make a one-time sign-in link and return its token."""
    token = secrets.token_urlsafe(32)
    db.execute(
        "insert into sign_in_links (token_hash, expires_at_ms) values (:hash, :expires)",
        {"hash": hash_secret(token), "expires": now_ms() + LINK_LIFE_MS},
    )
    return token


def use_link(db: Connection, token: str, browser: Browser = _UNKNOWN) -> str | None:
    """Use up a link and return the token of a new sign-in, or None if the link is not valid."""
    used = db.execute(
        "update sign_in_links set used_at_ms = :now "
        "where token_hash = :hash and used_at_ms is null and expires_at_ms > :now",
        {"hash": hash_secret(token), "now": now_ms()},
    )
    return create_sign_in(db, None, browser) if used else None


def create_sign_in(db: Connection, account: Account | None, browser: Browser = _UNKNOWN) -> str:
    """Sign a browser in and return its token, which is kept nowhere. Forget what has ended."""
    now = now_ms()
    if browser.signed_in is not None:
        end_sign_in(db, browser.signed_in)
    db.execute(f"delete from sign_ins where not ({_VALID})", _at(now))
    token = secrets.token_urlsafe(32)
    db.execute(
        "insert into sign_ins (token_hash, created_at_ms, expires_at_ms, account_id, "
        "last_seen_at_ms, agent, address) "
        "values (:hash, :now, :expires, :account_id, :now, :agent, :address)",
        {
            "hash": hash_secret(token),
            "now": now,
            "expires": now + SIGN_IN_LIFE_MS,
            "account_id": account.id if account else None,
            "agent": browser.agent[:_MAX_AGENT],
            "address": browser.address,
        },
    )
    return token


def find_sign_in(db: Connection, token: str) -> SignIn | None:
    """Return the sign-in that has this token, unless it has ended."""
    row = db.row(
        f"select {_COLUMNS} from sign_ins s left join accounts a on a.id = s.account_id "
        f"where s.token_hash = :hash and {_VALID}",
        {"hash": hash_secret(token), **_at(now_ms())},
    )
    return None if row is None else _sign_in(dict(row))


def list_sign_ins(db: Connection, account: Account | None) -> Sequence[SignIn]:
    """Return the sign-ins of an account, or those by links; the one seen last first."""
    rows = db.rows(
        f"select {_COLUMNS} from sign_ins s left join accounts a on a.id = s.account_id "
        f"where coalesce(s.account_id, '') = :account_id and {_VALID} "
        "order by s.last_seen_at_ms desc, s.created_at_ms desc",
        {"account_id": account.id if account else "", **_at(now_ms())},
    )
    return [_sign_in(dict(row)) for row in rows]


def is_seen_long_ago(sign_in: SignIn) -> bool:
    """Tell whether it is time to note that a sign-in is in use."""
    return now_ms() - sign_in.last_seen_at_ms > _SEEN_STEP_MS


def touch_sign_in(db: Connection, sign_in: SignIn) -> None:
    """Note that a sign-in is in use."""
    db.execute(
        "update sign_ins set last_seen_at_ms = :now where token_hash = :key",
        {"key": sign_in.key, "now": now_ms()},
    )


def end_sign_in(db: Connection, sign_in: SignIn) -> None:
    """End a sign-in."""
    db.execute("delete from sign_ins where token_hash = :key", {"key": sign_in.key})


def end_sign_ins(db: Connection, account: Account | None, *, but: SignIn | None = None) -> int:
    """End the sign-ins of an account, or those by links, and return how many there were.

    Args:
        db: The database.
        account: Whose; None for those by links.
        but: One that goes on.
    """
    return db.execute(
        "delete from sign_ins where coalesce(account_id, '') = :account_id and token_hash <> :kept",
        {"account_id": account.id if account else "", "kept": but.key if but else ""},
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


def _at(now: int) -> dict[str, int]:
    return {"now": now, "idle": IDLE_LIFE_MS}


def _sign_in(row: dict[str, Any]) -> SignIn:
    account = None
    if row["account_id"] is not None:
        account = Account(
            row["account_id"], row["email"], bool(row["is_owner"]), row["joined_at_ms"]
        )
    return SignIn(
        row["token_hash"],
        account,
        row["created_at_ms"],
        row["last_seen_at_ms"],
        row["agent"],
        row["address"],
    )
