"""Finds what a text assigns to a secret name: `password=hunter2`, `"api_key": "abc"`, headers.

First comes a label, the name with what assigns to it; then its value, in one of the forms in which
people and programs write them. What is read as a value is never looked into for another label, so
that a text is read once.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from phospho.redaction.masks import OWN_MASK, Span
from phospho.redaction.names import Secrecy, read_secrecy
from phospho.redaction.reading import ESCAPED_NEWLINE

# Each secret name has one of them.
_STEMS = ("pass", "pw", "secret", "token", "key", "auth", "cookie", "credential", "bearer")


def find_assigned(text: str) -> Iterator[Span]:
    """Find what is assigned to a secret name."""
    lowered = text.lower()
    if not any(stem in lowered for stem in _STEMS):
        return
    done = 0
    for found in _LABEL.finditer(text):
        label = _read_label(found) if found.start() >= done else None
        span = _find_value(text, label) if label else None
        if span:
            yield span
            done = span[1]


class _Label(NamedTuple):
    """A secret name in a text.

    Args:
        start: Where the name starts.
        end: Where its value may start.
        name: The name in lower case.
        secrecy: How sure it is that the value is a secret.
        is_quoted: Whether the name stands in quotes, as in JSON.
        operator: What assigns to it, without spaces; none after the name of an option.
    """

    start: int
    end: int
    name: str
    secrecy: Secrecy
    is_quoted: bool
    operator: str

    @property
    def is_sure(self) -> bool:
        """Tell whether the value need not look like a secret: in prose it must."""
        is_assigned = not self.operator or "=" in self.operator
        return self.secrecy is not Secrecy.WORD or self.is_quoted or is_assigned


_LABEL = re.compile(
    r"(?i)(?:pass|pw|secret|token|key|auth|cookie|credential|bearer)"
    r"[\w.\-]{0,24}"
    r"(?:([\"'`*\\\]) \t]{0,6}(?:[?+!]?[:=]|->)[:=>~ \t]{0,8}(?:\*{1,3}[ \t]{1,4})?)"
    r"|([ \t]{1,4})(?=[^\s\-])|(>))"
)
_NAME_CHARS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-")
_MAX_NAME_CHARS = 64
_WORD_BEFORE_KEY = re.compile(
    r"(?i)(?:api|access|private|secret|account|auth|encryption|signing)[ \t]\Z"
)


def _read_label(found: re.Match[str]) -> _Label | None:
    text, start = found.string, found.start()
    first = max(0, start - _MAX_NAME_CHARS)
    while start > first and text[start - 1] in _NAME_CHARS:
        start -= 1
    group = found.lastindex or 1
    raw = text[start : found.start(group)]
    name, before = raw.lstrip("-"), text[start - 1 : start]
    # `--password hunter2` and `<password>hunter2` need no other sign.
    if (group == _FLAG and not raw.startswith("--")) or (group == _TAG and before != "<"):
        return None
    # The name in our own mask is none.
    if before == "[" and _OWN.match(text, start - 1):
        return None
    secrecy = read_secrecy(name)
    if secrecy is None and name.lower() in {"key", "keys"}:
        secrecy = Secrecy.WORD if _WORD_BEFORE_KEY.search(text, start - 12, start) else None
    if secrecy is None:
        return None
    operator = found[group]
    is_quoted = operator.lstrip("\\")[:1] in {'"', "'"}
    return _Label(start, found.end(), name.lower(), secrecy, is_quoted, operator.strip())


_FLAG, _TAG = 2, 3


def _find_value(text: str, label: _Label) -> Span | None:
    if label.operator == ">":
        return _find_in_tag(text, label.end)
    place = _skip(_TYPE, text, label.end)
    if label.name.endswith("authorization") or label.name in {"cookie", "set-cookie"}:
        return _find_header(text, label, place)
    if below := _NEXT_LINE.match(text, place):
        return _find_bare(text, below.end(), label)
    return None if _LOOKED_UP.match(text, place) else _find_field(text, place, label)


def _find_field(text: str, place: int, label: _Label) -> Span | None:
    place = _skip(_SCHEME, text, _skip(_WRAPPER, text, place))
    if opening := _OPENING.match(text, place):
        return _find_quoted(text, opening, label)
    if listed := _LISTED.match(text, place):
        return None if _OWN.search(listed[0]) else listed.span()
    return _find_bare(text, place, label)


# In a text of one line, `password: str = "x"` and `password?: string = "x"`.
_TYPE = re.compile(
    r"(?:Optional\[)?(?:str|string|String|bytes|SecretStr|Any|any)\]?"
    r"(?:[ \t]?\|[ \t]?(?:None|null|undefined))?[ \t]{0,4}=[ \t]{0,4}"
)
_NEXT_LINE = re.compile(
    rf"[ \t]*\r?[\n{ESCAPED_NEWLINE}]{{1,2}}[ \t]*(?=[^\s:=]+[ \t]*(?:[\r\n{ESCAPED_NEWLINE}]|\Z))"
)
# The value is the text in it, as of SecretStr("x") in Python.
_WRAPPER = re.compile(r"(?:[bBuUrRfF]{1,2}|[A-Za-z_][A-Za-z_.]{0,40}[(\[])(?=\\*[\"'])")
# Here it is the name of what is looked up, as in os.environ["X"].
_LOOKED_UP = re.compile(r"(?i)(?:[a-z_]{1,40}\.){0,4}(?:environ|getenv|env|get|input|getpass)[(\[]")
_SCHEME = re.compile(r"(?i)(?:basic|bearer|token|digest)[ \t]{1,4}(?=[^ \t])")
_OPENING = re.compile(r"(\\*)(\"\"\"|'''|[\"'`])")
_LISTED = re.compile(
    r"(?:\[[ \t\n]{0,80}\\*[\"'][^\]]{1,400}\]|\([ \t\n]{0,80}\\*[\"'][^)]{1,400}\)"
    r"|\{[ \t\n]{0,80}\\*[\"'][^}]{1,400}\})"
)
_IN_TAG = re.compile(rf"(?!{OWN_MASK}<)[^<\n]{{1,256}}(?=</)")
_OWN = re.compile(OWN_MASK)


def _skip(pattern: re.Pattern[str], text: str, place: int, limit: int | None = None) -> int:
    found = pattern.match(text, place, len(text) if limit is None else limit)
    return found.end() if found else place


def _find_in_tag(text: str, place: int) -> Span | None:
    found = _IN_TAG.match(text, place)
    return found.span() if found else None


# --- in quotes

_CLOSING = {
    quote: re.compile(rf"(?:[^{quote}\\\n]|\\.|{quote}(?=\w))*({quote})(?!\w)") for quote in "\"'`"
}
_LINE = re.compile(rf"[^\r\n{ESCAPED_NEWLINE}]*")
_NO_SPACES = re.compile(r"\S*")
_MAX_QUOTED_CHARS = 16_384
# One that never ends may be an apostrophe.
_MAX_UNCLOSED_CHARS = 1_024
# What a value is known by: a longer look at each would take too long.
_MAX_LOOK_CHARS = 64


def _find_quoted(text: str, opening: re.Match[str], label: _Label) -> Span | None:
    start = opening.end()
    if not _may_be_quoted(text, opening, label):
        return None
    end = _find_closing(text, opening[0], start, start + _MAX_QUOTED_CHARS)
    if end is None:
        end = _skip(_NO_SPACES, text, _skip(_LINE, text, start, start + _MAX_UNCLOSED_CHARS))
    start = min(_skip(_SCHEME, text, start), end)
    return None if start == end or _OWN.fullmatch(text, start, end) else (start, end)


def _may_be_quoted(text: str, opening: re.Match[str], label: _Label) -> bool:
    """Tell from the start of a text in quotes whether it may be the secret."""
    start = opening.end()
    limit = start + _MAX_LOOK_CHARS
    # Each token of an answer is called so, beside its log probability.
    if label.name == "token" and "logprob" in text[max(0, start - _MAX_LOOK_CHARS) : limit]:
        return False
    if label.is_sure:
        return True
    end = _find_closing(text, opening[0], start, limit)
    return _looks_random(text[start : _skip(_LINE, text, start, limit) if end is None else end])


def _find_closing(text: str, quote: str, start: int, limit: int) -> int | None:
    """Return where a quote ends: not before a letter, as in 'it's hunter2'."""
    if len(quote) == 1:
        found = _CLOSING[quote].match(text, start, limit)
        return found.start(1) if found else None
    place = text.find(quote, start, limit)
    # With more backslashes before it, it is one in the value.
    while place > start and text[place - 1] == "\\":
        place = text.find(quote, place + 1, limit)
    return place if place >= 0 else None


# --- without quotes

_BARE = re.compile(
    r"(?:(?!&[\w\-]+=)(?:[^\s\"'`<>\\]|[\"'`<>\\](?=\w)))*"
    # Not the end of a sentence, or of what it stands in
    r"(?:(?!&[\w\-]+=)[^\s\"'`<>\\.,;:!?)\]}])"
)
# A mask of others may stand before the value.
_BRACKETED = re.compile(
    rf"(?!{OWN_MASK})\[[A-Z_ ]{{1,40}}\](?:[ \t]{{1,4}}(?=\w))?|\[[^\]\s]{{1,256}}\](?!\w)"
)
_STARS = re.compile(r"\*{1,3}(?=[^\s*])")
_LONG_WORD = re.compile("[A-Za-z]{20}")
_SIGN_IN_WORD = re.compile("[A-Za-z][@$%^#!*][0-9A-Za-z]")
_MIN_RANDOM_CHARS, _MIN_NUMBER_CHARS, _MIN_CHARS = 6, 8, 3
_CODE = re.compile(r"[A-Za-z_]+(?:\.[A-Za-z_]+)*[(\[]|[A-Za-z_]+(?:\.[A-Za-z_]+)+\Z")
_NO_VALUES = frozenset(
    {
        "none", "null", "nil", "true", "false", "undefined", "required", "optional", "missing",
        "invalid", "incorrect", "wrong", "expired", "empty", "str", "string", "bytes",
    }
)  # fmt: skip
_NO_SECRETS = frozenset({"a", "an", "the", "is", "are", "not", "no", "see", "your", "my", "any"})


def _find_bare(text: str, place: int, label: _Label) -> Span | None:
    if label.secrecy is not Secrecy.PASSWORD:
        seen = _read_bare(text, place, place + _MAX_LOOK_CHARS)
        if not _is_bare_secret(text[slice(*seen)], label):
            return None
    start, end = _read_bare(text, place, len(text))
    if start == end or _OWN.fullmatch(text, start, end) or text[start:end].lower() in _NO_VALUES:
        return None
    return start, end


def _read_bare(text: str, start: int, limit: int) -> Span:
    # As in "password: **hunter2**"; but a row of stars is all there is.
    start = _skip(_STARS, text, start)
    end = _skip(_BARE, text, _skip(_BRACKETED, text, start, limit), limit)
    if text[end : end + 1] == "]" and text.rfind("[", start, end) > text.rfind("]", start, end):
        end += 1
    without_stars = len(text[start:end].rstrip("*"))
    return start, start + without_stars if without_stars else end


def _is_bare_secret(value: str, label: _Label) -> bool:
    word = value.lower()
    if word in _NO_VALUES or word == label.name or word in _NO_SECRETS or _CODE.match(value):
        return False
    return len(value) >= _MIN_CHARS if label.is_sure else _looks_random(value)


def _looks_random(value: str) -> bool:
    """Tell whether it is no word of prose."""
    has_digit = any(char.isdigit() for char in value)
    has_letter = any(char.isalpha() for char in value)
    if has_digit and len(value) >= (_MIN_RANDOM_CHARS if has_letter else _MIN_NUMBER_CHARS):
        return True
    return _LONG_WORD.search(value) is not None or _SIGN_IN_WORD.search(value) is not None


# --- headers, up to the end of their line

_KNOWN_SCHEME = re.compile(
    r"(?i)(?:basic|bearer|token|digest|negotiate|ntlm|oauth|bot|ssws|key|apikey|api-key"
    r"|deepl-auth-key|aws4-hmac-sha256|hmac|signature)[ \t]+(?=[^ \t])"
)
# One word follows these.
_ONE_TOKEN_SCHEME = re.compile(r"(?i)basic|bearer|token")
# As in: "Authorization: you need to ask for it."
_PROSE = re.compile(r"(?:[A-Za-z,.']+[ \t]){3}[A-Za-z][^0-9=\n]{0,80}(?![^\n])")


def _find_header(text: str, label: _Label, place: int) -> Span | None:
    opening = _OPENING.match(text, place)
    is_cookie = "cookie" in label.name
    if opening and (label.is_quoted or not is_cookie):
        return _find_quoted(text, opening, label)
    scheme = None if is_cookie else _KNOWN_SCHEME.match(text, place)
    start = scheme.end() if scheme else place
    if scheme and _ONE_TOKEN_SCHEME.match(scheme[0]):
        return _find_bare(text, start, label)
    if is_cookie and not _PAIR.match(text, start):
        return _find_bare(text, place, label)
    end = _find_end_of_header(text, label, start)
    if start == end or _OWN.fullmatch(text, start, end) or _PROSE.match(text, start):
        return None
    return start, end


_PAIR = re.compile(r"[\w.\-]{1,80}=")


def _find_end_of_header(text: str, label: _Label, start: int) -> int:
    end = _skip(_LINE, text, start)
    if (quote := text[max(0, label.start - 1) : label.start]) in _CLOSING:
        is_escaped = text[max(0, label.start - 2) : label.start - 1] == "\\"
        closing = _find_closing(text, "\\" + quote if is_escaped else quote, start, end)
        end = end if closing is None else closing
    while end > start and text[end - 1] in " \t,;":
        end -= 1
    # Of what the header stands in
    is_odd = text[end - 1] in _CLOSING and text.count(text[end - 1], start, end) % 2
    return end - 1 if is_odd else end
