"""Masks e-mail and IP addresses."""

from __future__ import annotations

import ipaddress
import re

from phospho.redaction.masks import Mask, count_digits


def mask_emails(text: str, mask: Mask) -> str:
    """Mask e-mail addresses, also those escaped for a URL."""
    if "@" not in text and "%40" not in text:
        return text
    return _EMAIL.sub(lambda found: mask(found[0]), text)


# Letters of scripts that put spaces between words; in others an address would swallow its sentence.
_WORD = r"\wÀ-ɏͰ-ӿ"
# Starts only where a run of such characters starts, so that each run is read once.
_EMAIL = re.compile(
    rf"(?a:(?<![{_WORD}.%+\-!#$&*^~])[{_WORD}.%+\-!#$&*^~]+(?:'[{_WORD}.%+\-!#$&*^~]+){{0,3}}"
    rf"(?:@|%40)(?:[{_WORD}\-]+\.)+(?:xn--[\w\-]+|(?:(?![0-9_])[{_WORD}]){{2,}}))"
)


def mask_ip_addresses(text: str, mask: Mask) -> str:
    """Mask IPv4 and IPv6 addresses; four numbers with dots between them are an address."""
    if _HINT_OF_IPV4.search(text):
        text = _IPV4.sub(lambda found: mask(found[0]) if _is_ipv4(found[0]) else found[0], text)
    if _HINT_OF_IPV6.search(text):
        text = _IPV6_RUN.sub(lambda found: _mask_ipv6(found[0], mask), text)
    return text


_IPV4 = re.compile(
    r"[0-9](?<![0-9A-Za-z.][0-9])[0-9]{0,2}(?:\.[0-9]{1,3}){3}(?![0-9A-Za-z]|\.[0-9])"
)
_HINT_OF_IPV4 = re.compile(r"\.[0-9]{1,3}\.")
_HINT_OF_IPV6 = re.compile(":[0-9A-Fa-f]{0,4}:")
_IPV6_RUN = re.compile(r"(?<![0-9A-Za-z])[0-9A-Fa-f:]*:[0-9A-Fa-f]*:[0-9A-Fa-f:]*(?![0-9A-Za-z])")
_MAX_IPV6_CHARS = 39
_LONG_PART = re.compile("[0-9A-Fa-f]{3}")


def _is_ipv4(text: str) -> bool:
    return all(int(part) < 256 for part in text.split("."))  # noqa: PLR2004 - a byte


def _mask_ipv6(run: str, mask: Mask) -> str:
    # "fe80::" ends with its colons, "2001:db8::1:" with that of a sentence.
    address = run[:-1] if run.endswith(":") and not run.endswith("::") else run
    # Without a digit and a longer part it may be code: `dead::add`, `a[1::2]`.
    if len(address) > _MAX_IPV6_CHARS or not (_LONG_PART.search(address) and count_digits(address)):
        return run
    try:
        ipaddress.IPv6Address(address)
    except ValueError:
        return run
    return mask(address) + run[len(address) :]
