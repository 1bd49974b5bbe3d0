"""Tells what a name says of its value: that it is a secret, or a telephone number.

The same names count in dicts, in headers, in JSON and in text such as `password=hunter2`.
"""

from __future__ import annotations

import enum
import re
from functools import lru_cache

from phospho.redaction.reading import narrow


class Secrecy(enum.Enum):
    """How sure a name is to have a secret as its value."""

    WORD = "also a word of prose, as in: the secret: patience"
    NAME = "a name of a field"
    PASSWORD = "its value may be any word"  # noqa: S105 - no password


@lru_cache(maxsize=1024)
def read_secrecy(name: str) -> Secrecy | None:
    """Return how sure it is that the value of a name is a secret; None if nothing says so."""
    plain = _SUFFIX.sub("", _spell(name))
    if _PASSWORD.search(plain):
        return Secrecy.PASSWORD
    if plain in _WORDS:
        return Secrecy.WORD
    return Secrecy.NAME if _KEY.search(plain) or _TOKEN.match(plain) else None


def is_secret_name(name: str) -> bool:
    """Tell whether the value of a name in a dict is a secret."""
    return read_secrecy(name) is not None


def is_phone_name(name: str) -> bool:
    """Tell whether the value of a name in a dict is a telephone number."""
    return _PHONE.search(_spell(name)) is not None


def _spell(name: str) -> str:
    """Return a name as snake_case."""
    return _GAPS.sub("_", _HUMPS.sub("_", narrow(name))).strip("_").lower()


_HUMPS = re.compile("(?<=[a-z0-9])(?=[A-Z])")
_GAPS = re.compile(r"[\s.\-_]+")
# What is asked for twice, or stored in another form.
# Each digit by itself: of several at once there would be ever more ways to read the same.
_SUFFIX = re.compile("(?:_?(?:confirm(?:ation|ed)?|again|repeat(?:ed)?|hash|value|[0-9]))+\\Z")

_PASSWORD = re.compile(
    r"(?:passwor[dt]|passwd|passphrase|passcode|authorization|pwd|(?:_|\A)pw|(?:_|\Adb|\Auser)pass)\Z"
)
_WORDS = frozenset(
    {
        "pass", "passes", "passwords", "passphrases", "passcodes", "secret", "secrets", "token",
        "auth", "bearer", "cookie", "cookies", "credential", "credentials", "api_key", "api_keys",
    }
)  # fmt: skip
_KEY = re.compile(
    r"(?:(?:api|access|secret|private|signing|encryption)_?keys?(?:_?id)?"
    r"|(?:account|auth|master|shared|subscription|license|functions|ssh|hmac|storage|webhook"
    r"|openai|anthropic|mistral|cohere|gemini|azure|aws|stripe|deepl|groq)_?key"
    r"|secrets?|set_?cookie|(?:_|\A)(?:auth|cookies?)|credentials?|passwords"
    r"|(?:access|refresh|auth|session|bearer|api)_?tokens)\Z"
)
# Other names that end so are those of places in lists and in the language of models.
_TOKEN = re.compile(
    r"(?!(?:.*_)?(?:eos|bos|pad|unk|sep|cls|mask|stop|start|end|next|page|continuation|prev|previous"
    r"|first|last|prompt|completion|input|output|max|min|total|cached|reasoning|special|sync|new"
    r"|current|image|audio|text|sub|word|per|each)_?token\Z)"
    r"(?:.*_token|(?:.*_)?(?:access|refresh|auth|session|bearer|id|api|csrf|xsrf|bot|secret"
    r"|personal)token)\Z"
)
_PHONE = re.compile(
    r"(?:phone|(?:_|\A)(?:mobile|mob|cell|whatsapp|tel|fax|handy|telefono?|celular|msisdn))s?"
    r"(?:_?(?:numbers?|no|nr|nummer))?(?:_?[0-9])?\Z"
)
