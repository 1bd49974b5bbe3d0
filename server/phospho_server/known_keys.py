"""API keys that this process has looked up a moment ago.

A program that logs shows the same key with each request, and to look it up takes a tenth of what a
request with one interaction costs. Another process may have revoked it meanwhile: whoever takes a
key from here has to look at it again in the change that it makes (`require_keys`), which costs next
to nothing where many changes share a transaction.
"""

from __future__ import annotations

from phospho_server.store.projects import hash_secret, is_used_lately
from phospho_server.store.rows import ApiKey

# Of so many programs at once.
_MOST = 1_000


class KnownKeys:
    """Keys by the hashes of their secrets, each for as long as its use need not be noted again."""

    def __init__(self) -> None:
        self._keys: dict[str, ApiKey] = {}

    def find(self, secret: str) -> ApiKey | None:
        """Return the key that had this secret a moment ago, or None."""
        key = self._keys.get(hash_secret(secret))
        return key if key is not None and is_used_lately(key) else None

    def keep(self, secret: str, key: ApiKey) -> None:
        """Keep a key that was just looked up."""
        if len(self._keys) >= _MOST:
            self._keys.clear()
        self._keys[hash_secret(secret)] = key

    def forget(self, secret: str) -> None:
        """Have a key looked up again that was not good any more."""
        self._keys.pop(hash_secret(secret), None)
