"""Accounts: the people who sign in to the pages."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

from phospho_server.clock import new_id, now_ms
from phospho_server.errors import ConflictError, InvalidError, NotFoundError
from phospho_server.store import Connection

# RFC 5321, section 4.5.3.1.3.
MAX_EMAIL = 254

# What is no address at all; whether it is anybody's, only a message could tell.
_EMAIL = re.compile(r"[^@\s,;:<>()\[\]\\\"]+@[^@\s,;:<>()\[\]\\\"]+")

_COLUMNS = "id, email, is_owner, created_at_ms"


@dataclass(frozen=True)
class Account:
    """A person who signs in.

    Args:
        is_owner: Of the server, and so of every project in it.
    """

    id: str
    email: str
    is_owner: bool
    created_at_ms: int


def fold_email(email: str) -> str:
    """Return an e-mail as it is compared: however it was typed, it is the same account.

    What is too long for one is cut, as tries are counted under whatever strangers type.
    """
    folded = unicodedata.normalize("NFKC", email[: 4 * MAX_EMAIL]).strip().lower()
    return folded[: MAX_EMAIL + 1]


def clean_email(email: str) -> str:
    """Return an e-mail as it is stored, in lower case.

    Raises:
        InvalidError: It is none.
    """
    cleaned = fold_email(email)
    if len(cleaned) > MAX_EMAIL:
        raise InvalidError(f"The e-mail has more than {MAX_EMAIL} characters. Use a shorter one.")
    if not cleaned.isprintable() or _EMAIL.fullmatch(cleaned) is None:
        raise InvalidError("This is no e-mail. Write one like name@example.com.")
    return cleaned


def create_account(
    db: Connection, email: str, password_hash: str, *, is_owner: bool | None = None
) -> Account:
    """Make an account.

    Args:
        db: The database.
        email: In whatever case.
        password_hash: Of `passwords.hash_password`.
        is_owner: Whether it owns the server; by default where no account does yet.

    Raises:
        InvalidError: The e-mail is none.
        ConflictError: Somebody has it already.
    """
    cleaned = clean_email(email)
    if find_account(db, cleaned) is not None:
        raise ConflictError(
            "There is an account with this e-mail already. Sign in with it instead."
        )
    owns_server = not has_owner(db) if is_owner is None else is_owner
    account = Account(new_id("acc_"), cleaned, owns_server, created_at_ms=now_ms())
    db.execute(
        f"insert into accounts ({_COLUMNS}, password_hash) "
        "values (:id, :email, :is_owner, :created_at_ms, :password_hash)",
        {**vars(account), "is_owner": int(account.is_owner), "password_hash": password_hash},
    )
    return account


def has_owner(db: Connection) -> bool:
    """Tell whether any account owns the server yet."""
    return db.row("select 1 from accounts where is_owner = 1 limit 1") is not None


def list_accounts(db: Connection) -> Sequence[Account]:
    """Return every account, oldest first."""
    rows = db.rows(f"select {_COLUMNS} from accounts order by created_at_ms, id")
    return [_account(dict(row)) for row in rows]


def find_account(db: Connection, email: str) -> Account | None:
    """Return the account with this e-mail, which is in lower case, or None."""
    row = db.row(f"select {_COLUMNS} from accounts where email = :email", {"email": email})
    return None if row is None else _account(dict(row))


def get_account(db: Connection, email: str) -> Account:
    """Return the account with this e-mail, in whatever case.

    Raises:
        NotFoundError: There is none.
    """
    account = find_account(db, fold_email(email))
    if account is None:
        raise NotFoundError(
            "There is no account with this e-mail. `phospho accounts list` shows them all."
        )
    return account


def find_password_hash(db: Connection, email: str) -> str | None:
    """Return what an account's password is compared with, or None where there is none."""
    row = db.row("select password_hash from accounts where email = :email", {"email": email})
    return None if row is None else str(row["password_hash"])


def set_password_hash(db: Connection, account_id: str, password_hash: str) -> None:
    """Give an account another password."""
    db.execute(
        "update accounts set password_hash = :password_hash where id = :id",
        {"id": account_id, "password_hash": password_hash},
    )


def delete_account(db: Connection, account: Account) -> None:
    """Delete an account with its sign-ins and memberships, and the invitations it made.

    Raises:
        ConflictError: It is the last one that owns the server.
    """
    owners = [each for each in list_accounts(db) if each.is_owner]
    if owners == [account]:
        raise ConflictError(
            "This is the last account that owns the server. Make another owner first: "
            "phospho accounts create EMAIL --owner --password-stdin"
        )
    db.execute(
        "delete from invitations where invited_by = :email and used_at_ms is null",
        {"email": account.email},
    )
    db.execute("delete from accounts where id = :id", {"id": account.id})


def _account(columns: dict[str, object]) -> Account:
    return Account(**{**columns, "is_owner": bool(columns["is_owner"])})  # type: ignore[arg-type]
