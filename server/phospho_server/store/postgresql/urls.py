"""URLs of PostgreSQL databases: which can be read, and what of one may be shown."""

from __future__ import annotations

import re

import psycopg
from psycopg.conninfo import conninfo_to_dict

from phospho.errors import ConfigurationError


def refuse_malformed(url: str, option: str) -> None:
    """Refuse a URL that cannot be read, without a word of it: it may be the password.

    Args:
        url: As libpq takes it.
        option: Where it was given.

    Raises:
        ConfigurationError: It cannot be read, or was read in another way than it was meant.
    """
    if not _is_well_formed(url):
        # Not as the cause, either: what psycopg says quotes what it stumbled over.
        raise ConfigurationError(
            f"The URL in {option} cannot be read as postgresql://user:password@host:port/database. "
            "Write signs in the user and password as % and two digits: @ is %40, : is %3A, / is "
            "%2F, ? is %3F, # is %23, % is %25, and a space is %20."
        )


def _is_well_formed(url: str) -> bool:
    try:
        parts = conninfo_to_dict(url)
    except psycopg.Error:
        return False
    # A / or @ in a password ends it too early; several hosts and ports have commas between them.
    host, port, name = (str(parts.get(each) or "") for each in ("host", "port", "dbname"))
    return "@" not in host + name and re.fullmatch("[0-9,]*", port) is not None


def shown(url: str) -> str:
    """Return a URL that can be read without its password."""
    parts = conninfo_to_dict(url)
    where = ":".join(str(parts[key]) for key in ("host", "port") if key in parts)
    return f"postgresql://{where or 'localhost'}/{parts.get('dbname', '')}"
