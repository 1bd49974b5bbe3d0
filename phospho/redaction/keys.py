"""Finds secrets by their own form: keys of known services, private keys, passwords in URLs."""

from __future__ import annotations

import re
from collections.abc import Iterator

from phospho.redaction.masks import MASK, Span


def find_private_keys(text: str) -> Iterator[Span]:
    """Find private keys up to their end, or as far as they seem to go."""
    begins = list(_BEGIN.finditer(text)) if "-----BEGIN" in text else []
    limits = [begin.start() for begin in begins[1:]] + [len(text)]
    for begin, limit in zip(begins, limits, strict=False):
        ending = f"-----END {begin[1]}-----"
        end = text.find(ending, begin.end(), limit)
        if end >= 0:
            yield begin.start(), end + len(ending)
        elif body := _BODY.match(text, begin.end(), limit):
            yield begin.start(), body.end()


_BEGIN = re.compile(r"-----BEGIN ([A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?)-----")
_BODY = re.compile(r"(?:[\w+/=\s\\:,.]|-(?!-))*(?:-----END [A-Z0-9 ]{0,60}-----)?")


def find_passwords_in_urls(text: str) -> Iterator[Span]:
    """Find what stands between the name of a user and the @ in a URL."""
    if "://" in text and "@" in text:
        for found in _IN_URL.finditer(text):
            yield found.span(1)


_IN_URL = re.compile(
    rf"://[^\s/:@]{{0,256}}:(?!{MASK}@)"
    # A password may have a slash; but that of https://host:8080/@page starts its path.
    r"([^\s/]+(?=@)|(?![0-9]{1,5}/)[^\s@\"'<>]{1,256}(?=@[0-9A-Za-z\[]))"
)


def find_keys(text: str) -> Iterator[Span]:
    """Find keys of known services and JSON Web Tokens."""
    if any(char in text and any(map(text.__contains__, _MARKS[char])) for char in _MARKS):
        for found in _KEY.finditer(text):
            if not found[0].startswith("sk-") or _is_key(found[0]):
                yield found.span()


# By a character that prose seldom has: looking for one is much faster than for a word.
_MARKS = {
    "_": (
        "k_live_", "k_test_", "whsec_", "ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_",
        "hf_", "gsk_", "npm_", "ph_",
    ),
    "-": ("sk-", "glpat-", "xox", "xapp-", "pypi-", "GOCSPX-"),
    ".": ("eyJ", "ya29.", "SG.", "hooks.slack.com/"),
    "A": ("AKIA", "ASIA", "AIza"),
}  # fmt: skip
_KEY = re.compile(
    r"(?a:(?<![0-9A-Za-z])(?:"
    r"sk-[\w\-]{16,}"  # OpenAI, Anthropic and others
    r"|[srp]k_(?:live|test)_\w{10,}|whsec_[\w+/=]{16,}"  # Stripe
    r"|gh[opusr]_\w{20,}|github_pat_\w{20,}|glpat-[\w\-]{16,}"
    r"|A(?:KIA|SIA)[0-9A-Z]{16}(?![0-9A-Za-z])"  # AWS
    r"|AIza[\w\-]{35}|ya29\.[\w\-]{20,}|GOCSPX-[\w\-]{20,}"  # Google
    r"|xox[abeoprs]-[\w\-]{10,}|xapp-[\w\-]{10,}"  # Slack
    r"|hooks\.slack\.com/(?:services|workflows|triggers)/[\w/]{16,}"
    r"|hf_[0-9A-Za-z]{20,}|gsk_[0-9A-Za-z]{20,}|npm_[0-9A-Za-z]{30,}|pypi-[\w\-]{50,}"
    r"|SG\.[\w\-]{16,}\.[\w\-]{16,}"  # SendGrid
    r"|ph_[\w\-]{43}"  # phospho
    r"|(?<!-)eyJ[\w\-]{8,}\.[\w\-]{8,}(?:\.[\w\-]*){0,3}"  # JSON Web Token
    r"))"
)
_HINT_OF_RANDOM = re.compile("[0-9]|[A-Za-z]{20}")
_WORD = re.compile("[a-z]{0,19}|[A-Z][a-z]{0,18}|[0-9]{1,4}")


def _is_key(text: str) -> bool:
    # "sk-learn-is-a-package-2" consists of words.
    words = text.replace("_", "-").split("-")
    return _HINT_OF_RANDOM.search(text) is not None and not all(map(_WORD.fullmatch, words))


def find_credentials(text: str) -> Iterator[Span]:
    """Find what follows Bearer or Basic."""
    lowered = text.lower()
    if "bearer" in lowered or "basic" in lowered:
        for found in _CREDENTIALS.finditer(text):
            yield found.span(1)


_CREDENTIALS = re.compile(
    r"(?i)(?<![0-9A-Za-z])(?:bearer|basic)[ \t]{1,4}"
    r"((?=[A-Za-z._~+/\-]{0,200}[0-9=])[0-9A-Za-z._~+/\-]{12,}={0,2})"
)
