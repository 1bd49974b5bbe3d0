"""Masks secrets: keys of known services, private keys, and what is assigned to a secret name."""

from __future__ import annotations

import re

from phospho.redaction.masks import MASK, Mask


def mask_secrets(text: str, mask: Mask) -> str:
    """Mask keys of known services, tokens, private keys, and what is assigned to a secret name."""
    if "-----BEGIN" in text:
        text = _PRIVATE_KEY.sub(lambda found: mask(found[0]), text)
    if "://" in text and "@" in text:
        text = _IN_URL.sub(lambda found: found[1] + mask(found[2]), text)
    lowered = text.lower()
    if (":" in text or "=" in text) and (
        any(word in lowered for word in _SECRET_WORDS) or _KEY_NAME.search(lowered)
    ):
        text = _ASSIGNED.sub(lambda found: _mask_assigned(found, mask), text)
    if any(char in text and any(map(text.__contains__, _MARKS[char])) for char in _MARKS):
        text = _KEY.sub(lambda found: mask(found[0]), text)
    if "bearer" in lowered or "basic" in lowered:
        text = _CREDENTIALS.sub(lambda found: found[1] + mask(found[2]), text)
    return text


def is_secret_name(name: str) -> bool:
    """Tell whether a key of a dict says that its value is a secret."""
    return _SECRET_NAME.search(name.translate(_NO_GAPS).lower()) is not None


_NO_GAPS = {ord(char): None for char in "-_. "}
_SECRET_NAME = re.compile(
    r"(?:passwor[dt]|passwd|passphrase|passcode|secret|secrets|apikeys?|accesskey(?:id)?|secretkey|privatekey"
    r"|signingkey|encryptionkey|authorization|cookie|credentials?"
    r"|(?:access|refresh|auth|session|bearer|id|api|csrf|xsrf|bot|secret|personal)token)[0-9]?\Z"
    r"|\A(?:pwd|token|cookies)\Z"
)

_PRIVATE_KEY = re.compile(
    r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----(?:[\w+/=\s\\:,.]|-(?!-))*"
    r"(?:-----END [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----)?"
)
_IN_URL = re.compile(rf"(://[^\s/:@]{{0,256}}:)(?!{MASK}@)([^\s/]+)(?=@)")

_SECRET_WORDS = (
    "passw", "passphrase", "passcode", "_pass", "pwd", "authorization", "secret", "token",
)  # fmt: skip
# "monkey" is the more usual word.
_KEY_NAME = re.compile(
    "key(?:(?<=apikey)|(?<=api[ _-]key)|(?<=accesskey)|(?<=access[ _-]key)|(?<=privatekey)"
    "|(?<=private[ _-]key)|(?<=accountkey)|(?<=account[ _-]key)|(?<=authkey)|(?<=auth[ _-]key))"
)
_SCHEMES = r"(?:basic|bearer|token|digest)[ \t]"
_ASSIGNED = re.compile(
    # A name, with a group of its own where any word after it is the secret
    r"(?i)((?:(pass(?:wor[dt]|wd|phrase|code)|_pass|pwd|authorization)|secret|token"
    r"|(?:api|access|private|secret|account|auth)[ _\-]?key)"
    rf"[\"'`*\\ \t]{{0,4}}(?:[:=]|=>)[ \t*\\]{{0,4}}(?:\\?[\"'`])?(?:{_SCHEMES}[ \t]*)?)"
    rf"(?!(?-i:{MASK})|{_SCHEMES})"
    # its value: in quotes, or up to the next white space or argument of a URL
    r"((?:(?<=[^\\]\")(?:\\.|[^\"\\\n]){1,256}(?=\"))|(?:(?<=[^\\]')(?:\\.|[^'\\\n]){1,256}(?='))"
    r"|(?:(?!&[\w\-]+=)[^\s\"'`<>\\])*(?:(?!&[\w\-]+=)[^\s\"'`<>\\.,;:!?)\]}]))"
)
_RANDOM = re.compile(r"(?=\D*[0-9])\S{8}")

# By a character that prose seldom has: looking for one is much faster than for a word.
_MARKS = {
    "_": (
        "k_live_", "k_test_", "whsec_", "ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_",
        "hf_", "gsk_", "npm_", "ph_",
    ),
    "-": ("sk-", "glpat-", "xox", "xapp-", "pypi-"),
    ".": ("eyJ", "ya29.", "SG."),
    "A": ("AKIA", "ASIA", "AIza"),
}  # fmt: skip
_KEY = re.compile(
    r"(?a:(?<![0-9A-Za-z])(?:"
    r"sk-(?=[A-Za-z_\-]{0,100}[0-9])[\w\-]{16,}"  # OpenAI, Anthropic and others
    r"|[srp]k_(?:live|test)_\w{10,}|whsec_[\w+/=]{16,}"  # Stripe
    r"|gh[opusr]_\w{20,}|github_pat_\w{20,}|glpat-[\w\-]{16,}"
    r"|A(?:KIA|SIA)[0-9A-Z]{16}(?![0-9A-Za-z])"  # AWS
    r"|AIza[\w\-]{35}|ya29\.[\w\-]{20,}"  # Google
    r"|xox[abeoprs]-[\w\-]{10,}|xapp-[\w\-]{10,}"  # Slack
    r"|hf_[0-9A-Za-z]{20,}|gsk_[0-9A-Za-z]{20,}|npm_[0-9A-Za-z]{30,}|pypi-[\w\-]{50,}"
    r"|SG\.[\w\-]{16,}\.[\w\-]{16,}"  # SendGrid
    r"|ph_[\w\-]{43}"  # phospho
    r"|(?<!-)eyJ[\w\-]{8,}\.[\w\-]{8,}(?:\.[\w\-]*){0,3}"  # JSON Web Token
    r"))"
)
_CREDENTIALS = re.compile(
    r"(?i)((?<![0-9A-Za-z])(?:bearer|basic)[ \t]{1,4})"
    r"((?=[A-Za-z._~+/\-]{0,200}[0-9=])[0-9A-Za-z._~+/\-]{12,}={0,2})"
)


def _mask_assigned(found: re.Match[str], mask: Mask) -> str:
    # "password: please" may well be one; "token: please" is none.
    if found[2] is None and not _RANDOM.match(found[3]):
        return found[0]
    return found[1] + mask(found[3])
