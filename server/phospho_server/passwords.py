"""Passwords: what makes one acceptable, and their Argon2id hashes."""

from __future__ import annotations

import threading
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING

from phospho_server.errors import BusyError, InvalidError

if TYPE_CHECKING:
    from argon2 import PasswordHasher

MIN_CHARS = 10

# Longer ones make nothing safer, and each costs memory before it is hashed.
MAX_CHARS = 200

# OWASP's least costs of Argon2id (Password Storage Cheat Sheet): 19 MiB, two passes, one lane.
_PASSES, _KIB, _LANES = 2, 19_456, 1

# So that many who sign in at once take neither all memory nor every core; and so that most of the
# server's threads are left to others, beyond some who wait.
_at_once = threading.BoundedSemaphore(2)
_in_all = threading.BoundedSemaphore(6)

# What the password of an account that does not exist is compared with, so that it takes as long:
# a salt and a hash of zeros, which nobody knows a password of.
_NOBODYS = f"$argon2id$v=19$m={_KIB},t={_PASSES},p={_LANES}${'A' * 22}${'A' * 43}"


def check_password(password: str, email: str) -> None:
    """Refuse a password that is too easy to guess.

    Raises:
        InvalidError: It is too short, too long, or the e-mail.
    """
    if len(password) < MIN_CHARS:
        raise InvalidError(f"The password is too short. Use at least {MIN_CHARS} characters.")
    if len(password) > MAX_CHARS:
        raise InvalidError(f"The password is too long. Use at most {MAX_CHARS} characters.")
    if password.strip().lower() == email:
        raise InvalidError("The password is your e-mail. Choose one that others cannot guess.")


def hash_password(password: str) -> str:
    """Return what is stored instead of a password. It takes some hundredths of a second."""
    with _turn():
        return _hasher().hash(_to_bytes(password))


def is_password(stored: str | None, password: str) -> bool:
    """Tell whether a password is the one that was hashed.

    The work is the same where there is nothing to compare with: how long it takes does not tell
    whether there is such an account.
    """
    from argon2.exceptions import InvalidHashError, VerificationError

    is_possible = stored is not None and len(password) <= MAX_CHARS
    try:
        with _turn():
            _hasher().verify(
                stored if stored is not None and is_possible else _NOBODYS,
                _to_bytes(password[:MAX_CHARS]),
            )
    except (VerificationError, InvalidHashError):
        return False
    return is_possible


def needs_new_hash(stored: str) -> bool:
    """Tell whether a hash was made with other costs than are usual now."""
    return _hasher().check_needs_rehash(stored)


@cache
def _hasher() -> PasswordHasher:
    """Return what hashes: loaded for the first who signs in with a password."""
    from argon2 import PasswordHasher

    return PasswordHasher(time_cost=_PASSES, memory_cost=_KIB, parallelism=_LANES)


@contextmanager
def _turn() -> Iterator[None]:
    """Wait for others who are at it.

    Raises:
        BusyError: There are too many of them.
    """
    if not _in_all.acquire(blocking=False):
        raise BusyError("Many people sign in at this moment. Try again in a few seconds.")
    try:
        with _at_once:
            yield
    finally:
        _in_all.release()


def _to_bytes(password: str) -> bytes:
    """Return a password in the same bytes however a keyboard composes its characters."""
    return unicodedata.normalize("NFKC", password).encode("utf-8", "surrogatepass")
