"""The languages we tell apart: their ISO 639-1 codes and what people call them in English.

No library is needed for some seventy names; what a language is called changes more slowly than one.
"""

from __future__ import annotations

import re

# The first name is the one that pages show. Languages that are mostly spoken beside a larger one
# they resemble (Galician, Luxembourgish) are not among them: short messages of the larger one
# would be taken for theirs.
_NAMES: dict[str, tuple[str, ...]] = {
    "am": ("Amharic",),
    "ar": ("Arabic",),
    "az": ("Azerbaijani",),
    "be": ("Belarusian",),
    "bg": ("Bulgarian",),
    "bn": ("Bengali", "Bangla"),
    "ca": ("Catalan",),
    "cs": ("Czech",),
    "cy": ("Welsh",),
    "da": ("Danish",),
    "de": ("German",),
    "el": ("Greek",),
    "en": ("English",),
    "es": ("Spanish", "Castilian"),
    "et": ("Estonian",),
    "eu": ("Basque",),
    "fa": ("Persian", "Farsi"),
    "fi": ("Finnish",),
    "fr": ("French",),
    "gu": ("Gujarati",),
    "he": ("Hebrew",),
    "hi": ("Hindi",),
    "hr": ("Croatian",),
    "hu": ("Hungarian",),
    "hy": ("Armenian",),
    "id": ("Indonesian",),
    "is": ("Icelandic",),
    "it": ("Italian",),
    "ja": ("Japanese",),
    "ka": ("Georgian",),
    "kk": ("Kazakh",),
    "km": ("Khmer",),
    "kn": ("Kannada",),
    "ko": ("Korean",),
    "lo": ("Lao",),
    "lt": ("Lithuanian",),
    "lv": ("Latvian",),
    "mk": ("Macedonian",),
    "ml": ("Malayalam",),
    "mr": ("Marathi",),
    "ms": ("Malay",),
    "my": ("Burmese",),
    "ne": ("Nepali",),
    "nl": ("Dutch", "Flemish"),
    "no": ("Norwegian",),
    "pa": ("Punjabi",),
    "pl": ("Polish",),
    "pt": ("Portuguese", "Brazilian Portuguese"),
    "ro": ("Romanian",),
    "ru": ("Russian",),
    "si": ("Sinhala", "Sinhalese"),
    "sk": ("Slovak",),
    "sl": ("Slovenian", "Slovene"),
    "sq": ("Albanian",),
    "sr": ("Serbian",),
    "sv": ("Swedish",),
    "sw": ("Swahili",),
    "ta": ("Tamil",),
    "te": ("Telugu",),
    "th": ("Thai",),
    "tl": ("Tagalog", "Filipino"),
    "tr": ("Turkish",),
    "uk": ("Ukrainian",),
    "ur": ("Urdu",),
    "uz": ("Uzbek",),
    "vi": ("Vietnamese",),
    "zh": ("Chinese", "Mandarin", "Mandarin Chinese", "Cantonese", "Simplified Chinese",
           "Traditional Chinese"),
}  # fmt: skip

CODES = tuple(_NAMES)

_CODES_BY_NAME = {name.lower(): code for code, names in _NAMES.items() for name in names}

# The names as alternatives of a regular expression, the longest first.
NAMES_PATTERN = "|".join(re.escape(n) for n in sorted(_CODES_BY_NAME, key=len, reverse=True))


def language_name(code: str) -> str:
    """Return the English name of a language; an unknown code is its own name."""
    return _NAMES[code][0] if code in _NAMES else code


def language_code(name: str) -> str | None:
    """Return the ISO 639-1 code of an English name, written in any case, or None."""
    return _CODES_BY_NAME.get(" ".join(name.lower().split()))
