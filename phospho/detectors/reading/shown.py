"""Finds what stands for itself in a description without quotes: 退款, 👍, #fail, /start, !!!."""

# Foreign characters are what is looked for.
# ruff: noqa: RUF001

from __future__ import annotations

import re

from phospho.detectors.shapes import EMOJI

# Letters of other scripts than that of English, with the marks they carry.
_LETTER = r"[^\W\d_\u0000-\u024f\u1e00-\u1eff]"
_MORE = r"[^\s\u0000-\u024f\u2000-\u206f\u3000-\u3004\u3008-\u3020\uff00-\uff0f،؟]"
_ENGLISH = re.compile(r"[a-z]", re.IGNORECASE)
_SHOWN = re.compile(
    "|".join((
        rf"{_LETTER}(?:{_MORE}|[ '’-](?={_LETTER}))*",
        rf"(?:{EMOJI})+",
        r"https?://[^\s<>\"'”’»)]*[^\s<>\"'”’»).,;:!?]",
        r"[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,8}",
        # "An @mention" and "a #hashtag" name what a message has.
        r"(?<!\S)(?:#(?!hashtag)|@(?!mention|handle))\w+",
        r"(?<!\S)/[a-z]\w*",
        r"[^\W_]+(?:_[^\W_]+)+",
        r"\{\{?[\w .-]{1,40}\}?\}|</?[a-z]\w{0,20} ?/?>",
        r"(?<!\S)([!?#*$~.])\1+(?!\S)",
    )),
    re.IGNORECASE,
)  # fmt: skip


class Shown:
    """Finds such things in one description; one without a word of English shows nothing."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._is_english = _ENGLISH.search(text) is not None

    def end_of(self, at: int) -> int | None:
        """Return where the thing ends that begins at a place, or None."""
        found = _SHOWN.match(self._text, at) if self._is_english else None
        return found.end() if found else None
