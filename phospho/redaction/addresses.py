"""Finds e-mail and IP addresses."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator

from phospho.redaction.masks import Span, count_digits


def find_emails(text: str) -> Iterator[Span]:
    """Find e-mail addresses, also those escaped for a URL."""
    if "@" in text or "%40" in text:
        for found in _EMAIL.finditer(text):
            yield found.span()


# Letters of scripts that put spaces between words; in others an address would swallow its sentence.
_WORD = r"\wÀ-ɏͰ-ӿ"
# Starts only where a run of such characters starts, so that each run is read once.
_EMAIL = re.compile(
    rf"(?a:(?<![{_WORD}.%+\-!#$&*^~])[{_WORD}.%+\-!#$&*^~]+(?:'[{_WORD}.%+\-!#$&*^~]+){{0,3}}"
    rf"(?:@|%40)(?:[{_WORD}\-]+\.)+(?:xn--[\w\-]+|(?:(?![0-9_])[{_WORD}]){{2,}}))"
)


def find_ipv4(text: str) -> Iterator[Span]:
    """Find IPv4 addresses; four numbers with dots between them are one."""
    if _HINT_OF_IPV4.search(text):
        for found in _IPV4.finditer(text):
            if _is_ipv4(found[0]) and not _is_version(text, found):
                yield found.span()


def find_ipv6(text: str) -> Iterator[Span]:
    """Find IPv6 addresses."""
    if _HINT_OF_IPV6.search(text):
        for found in _IPV6_RUN.finditer(text):
            run = found[0]
            # "fe80::" ends with its colons, "2001:db8::1:" with that of a sentence.
            address = run[:-1] if run.endswith(":") and not run.endswith("::") else run
            if _is_ipv6(address) and not (_SLICE.fullmatch(run) and _is_index(text, found)):
                yield found.start(), found.start() + len(address)


_IPV4 = re.compile(
    r"[0-9](?<![0-9A-Za-z.][0-9])[0-9]{0,2}(?:\.[0-9]{1,3}){3}(?![0-9A-Za-z]|\.[0-9])"
)
_HINT_OF_IPV4 = re.compile(r"\.[0-9]{1,3}\.")
_HINT_OF_IPV6 = re.compile(":[0-9A-Fa-f]{0,4}:")
_IPV6_RUN = re.compile(r"(?<![0-9A-Za-z])[0-9A-Fa-f:]*:[0-9A-Fa-f]*:[0-9A-Fa-f:]*(?![0-9A-Za-z])")
_MAX_IPV6_CHARS = 39
_LONG_PART = re.compile("[0-9A-Fa-f]{3}")
_SLICE = re.compile("[0-9]*:[0-9]*:[0-9]*")


def _is_ipv4(text: str) -> bool:
    return all(int(part) < 256 for part in text.split("."))  # noqa: PLR2004 - a byte


def _is_version(text: str, found: re.Match[str]) -> bool:
    # As browsers tell theirs, "Chrome/120.0.0.0"; Java writes "localhost/127.0.0.1".
    before = text[max(0, found.start() - 2) : found.start()]
    return before[:1].isalpha() and before[1:] == "/" and found[0].endswith(".0.0")


def _is_ipv6(address: str) -> bool:
    # Without a digit and a longer part it may be code: `dead::add`, `a[1::2]`.
    if (
        len(address) > _MAX_IPV6_CHARS
        or not _LONG_PART.search(address)
        or not count_digits(address)
    ):
        return False
    try:
        ipaddress.IPv6Address(address)
    except ValueError:
        return False
    return True


def _is_index(text: str, found: re.Match[str]) -> bool:
    """Tell whether it is the index of a list: `x[100::200]`."""
    before = text[max(0, found.start() - 2) : found.start()]
    return before[1:] == "[" and (before[0].isalnum() or before[0] in "_)]")
