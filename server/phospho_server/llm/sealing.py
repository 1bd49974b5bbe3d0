"""API keys of an LLM as the database holds them: sealed, or by the name of a variable.

Addresses and secrets of webhooks are sealed as well.

Sealed is encrypted with Fernet (AES and HMAC, of the package `cryptography`). Its secret is
`PHOSPHO_SECRET_KEY`, or a file beside the database that only its owner may read: who gets hold of
the database, or of a backup of it, has no key.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import os
import secrets
from pathlib import Path
from typing import TYPE_CHECKING

from phospho.errors import ConfigurationError, MissingDependencyError

if TYPE_CHECKING:
    from cryptography.fernet import Fernet

SECRET_VARIABLE = "PHOSPHO_SECRET_KEY"  # noqa: S105 - the name of a variable

_SEALED, _BY_NAME = "sealed:", "env:"


class Sealer:
    """Seals and opens keys.

    Args:
        database: The file of the database; None where there is none.
    """

    def __init__(self, database: Path | None) -> None:
        self._file = None if database is None else key_file(database)

    def seal(self, typed: str) -> str:
        """Return what the database may hold of a key somebody typed; `env:NAME` stays as it is.

        Raises:
            ConfigurationError: There is no place for a secret.
            MissingDependencyError: `cryptography` is not installed.
        """
        if not typed or typed.startswith(_BY_NAME):
            return typed
        return _SEALED + self._fernet().encrypt(typed.encode()).decode()

    def open(self, held: str) -> str:
        """Return the key that the database holds a reference to.

        Raises:
            ConfigurationError: The variable is not set, or the secret is another one.
            MissingDependencyError: `cryptography` is not installed.
        """
        if held.startswith(_BY_NAME):
            name = held.removeprefix(_BY_NAME)
            key = os.environ.get(name, "").strip()
            if not key:
                raise ConfigurationError(
                    f"The LLM's API key is to come from the variable {name}, which is not set "
                    "where the server runs. Set it and start the server again, or type another "
                    "key in Settings."
                )
            return key
        if not held.startswith(_SEALED):
            return ""
        fernet = self._fernet()
        from cryptography.fernet import InvalidToken

        try:
            return fernet.decrypt(held.removeprefix(_SEALED)).decode()
        except InvalidToken:
            raise ConfigurationError(
                "The LLM's API key was sealed with another secret. Put back the file beside the "
                f"database, or {SECRET_VARIABLE}, or type the key again in Settings."
            ) from None

    @staticmethod
    def can_seal() -> bool:
        """Tell whether the package that encrypts is installed."""
        try:
            import cryptography.fernet  # noqa: F401
        except ImportError:
            return False
        return True

    def _fernet(self) -> Fernet:
        try:
            from cryptography.fernet import Fernet
        except ImportError as exc:
            raise MissingDependencyError("cryptography", extra="llm") from exc
        digest = hashlib.sha256(self._secret().encode()).digest()
        return Fernet(base64.urlsafe_b64encode(digest))

    def _secret(self) -> str:
        """Return the secret, made when it is first needed.

        Raises:
            ConfigurationError: It has no place, or its file cannot be read or written.
        """
        given = os.environ.get(SECRET_VARIABLE, "").strip()
        if given:
            return given
        if self._file is None:
            raise ConfigurationError(f"Set {SECRET_VARIABLE} to seal API keys with.")
        try:
            _make_once(self._file)
            return self._file.read_text(encoding="ascii").strip()
        except OSError as exc:
            raise ConfigurationError(
                f"The secret that seals API keys cannot be kept in {self._file}: {exc.strerror}. "
                f"Make its folder writable, or set {SECRET_VARIABLE}."
            ) from exc


def key_file(database: Path) -> Path:
    """Return the file beside a database with the secret that seals its keys."""
    return database.with_name(f"{database.name}.key")


def _make_once(file: Path) -> None:
    """Make a secret that only its owner may read; of two that do so at once, one wins."""
    if file.exists():
        return
    draft = file.with_name(f"{file.name}.{secrets.token_hex(4)}")
    number = os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    try:
        with open(number, "w") as out:  # noqa: PTH123 - it is open already
            out.write(secrets.token_urlsafe(32))
            out.flush()
            os.fsync(out.fileno())
        with contextlib.suppress(FileExistsError):
            os.link(draft, file)
    finally:
        draft.unlink()


def is_by_name(held: str) -> bool:
    """Tell whether a key is held as the name of a variable."""
    return held.startswith(_BY_NAME)
