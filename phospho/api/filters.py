"""Filters as Python has them, and as the API's addresses say them.

An empty text would ask for nothing, and so list everything: it is refused.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime

from phospho.api.answers import write_time
from phospho.errors import InvalidRequestError

Value = str | int | bool | date | Sequence[str] | Mapping[str, str | int | bool] | None


def to_query(**asked: Value) -> list[tuple[str, str]]:
    """Return filters as pairs of an address.

    Args:
        **asked: By the name of the parameter; None and False ask for nothing. A time without a
            zone is local, as in `phospho.log`.

    Raises:
        InvalidRequestError: A filter has no value, or one that no address can say.
    """
    return [(name, text) for name, value in asked.items() for text in _texts(name, value)]


def _texts(name: str, value: Value) -> Iterator[str]:
    if value is None or value is False:
        return
    if value is True:
        yield "yes"
    elif isinstance(value, Mapping):
        yield from (_pair(key, of_key) for key, of_key in value.items())
    elif isinstance(value, datetime):
        yield write_time(value)
    elif isinstance(value, date):
        yield value.isoformat()
    elif isinstance(value, (str, int)):
        yield _clean(name, str(value))
    else:
        if not value:
            raise InvalidRequestError(f"{name} is an empty list. Fill it, or leave it out.")
        yield from (_clean(name, each) for each in value)


def _pair(key: str, value: str | int | bool) -> str:
    if not key or "=" in key:
        raise InvalidRequestError(
            f"{key!r} is no key of metadata that can be asked for. Change it."
        )
    if not isinstance(value, (str, int)):
        raise InvalidRequestError(f"{key!r} of metadata is {value!r}. Ask for a text or a number.")
    text = str(value).lower() if isinstance(value, bool) else str(value)
    return f"{key}={_clean(key, text)}"


def _clean(name: str, text: str) -> str:
    if not isinstance(text, str):
        raise InvalidRequestError(f"{name} is {text!r}. Write it as a text.")
    if not text.strip():
        raise InvalidRequestError(f"{name} is empty. Say what to look for, or leave it out.")
    if text != text.strip():
        raise InvalidRequestError(
            f"{name} begins or ends with space, which a filter cannot ask for: {text[:40]!r}. "
            "Change it, or filter what is read."
        )
    return text
