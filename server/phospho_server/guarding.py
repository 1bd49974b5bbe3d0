"""Passwords on the pages: tried at most ten times a minute, of each account and each address."""

from __future__ import annotations

from phospho_server import signing_in
from phospho_server.errors import BusyError, ForbiddenError, TooManyTriesError
from phospho_server.passwords import hash_password, is_password, needs_new_hash
from phospho_server.services import services
from phospho_server.store import Connection, audit_log
from phospho_server.store.accounts import (
    find_account,
    find_password_hash,
    fold_email,
    set_password_hash,
)
from phospho_server.store.sign_ins import create_sign_in
from phospho_server.trying import network_of


def sign_in_with_password(email: str, password: str) -> str:
    """Return the token of a new sign-in.

    Raises:
        TooManyTriesError: The account, or the address, was tried too often.
        ForbiddenError: There is no such account, or the password is another one.
    """
    folded = fold_email(email)
    stored = verify(folded, password)
    is_old = needs_new_hash(stored)
    password_hash = hash_password(password) if is_old else stored
    browser = signing_in.this_browser()
    failed = services().tries.pop_failed(folded)

    def enter(db: Connection) -> str:
        account = find_account(db, folded)
        if account is None or find_password_hash(db, folded) != stored:
            raise _refusal()
        if is_old:
            set_password_hash(db, account.id, password_hash)
        after = f"after {failed} failed {'try' if failed == 1 else 'tries'}" if failed else ""
        audit_log.record(db, None, who=folded, action="signed in", what=after)
        return create_sign_in(db, account, browser)

    return services().store.write(enter)


def verify(email: str, password: str) -> str:
    """Check the password of an account and return its hash; counts as a try where it is wrong.

    Args:
        email: In the form in which e-mails are compared.
        password: As it was typed.

    Raises:
        TooManyTriesError: The account, or the address, was tried too often.
        ForbiddenError: There is no such account, or the password is another one.
        BusyError: Too many people sign in at this moment.
    """
    keys = begin_try(email)
    with services().store.read() as db:
        stored = find_password_hash(db, email)
    try:
        is_right = is_password(stored, password)
    except BusyError:
        services().tries.take_back(*keys)
        raise
    if stored is None or not is_right:
        services().tries.fail(email)
        raise _refusal()
    services().tries.take_back(*keys)
    return stored


def begin_try(email: str = "") -> tuple[str, ...]:
    """Count a try of this address, and of an account; return what it counts for.

    Raises:
        TooManyTriesError: There were too many within a minute.
    """
    keys = (f"at {network_of(signing_in.address())}", *([_account_key(email)] if email else []))
    refusal = services().tries.begin(*keys)
    if refusal is not None:
        _note_refusal(refusal.key, email)
        raise TooManyTriesError(refusal.wait_s)
    return keys


def _note_refusal(key: str, email: str) -> None:
    """Note once a minute that somebody is kept from trying.

    What is no account's e-mail is not noted: some people type their password there.
    """
    by = f"somebody at {signing_in.address()}"
    if not services().tries.tell_once(key):
        return

    def note(db: Connection) -> None:
        is_known = key == _account_key(email) and find_account(db, email) is not None
        what = email if is_known else ""
        audit_log.record(db, None, who=by, action="sign-in refused after 10 tries", what=what)

    services().store.write(note)


def _account_key(email: str) -> str:
    return f"of {email}"


def _refusal() -> ForbiddenError:
    return ForbiddenError("E-mail or password is not right. Try again.")
